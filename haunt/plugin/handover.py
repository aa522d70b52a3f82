"""How one connection takes over from another without a gap in a book."""

from __future__ import annotations

from collections.abc import Iterator

from haunt.market.events import BookDelta, BookSnapshot, Event, FrameNumber, Refused, Subscribed
from haunt.plugin.relay import Read, Relay


class Handover:
    """Two connections carry the same markets for a moment, and each book is fed by one of them.

    A book moves to the new one with the snapshot sent there. Where the snapshot is not in the stream and deltas are
    numbered, it moves when the old connection has brought it to where the new one began; until then the deltas of
    the new one are held. All else may be said twice: a trade is known by its id.

    `left`: the markets whose books the old connection feeds.
    """

    def __init__(self, relay: Relay, left: set[str]) -> None:
        self.left = left
        self._relay = relay
        self._all = frozenset(left)
        self._silent = set(left)
        self._held: dict[str, list[BookDelta]] = {}

    @property
    def begun(self) -> bool:
        """Whether a book has moved: the old connection cannot go on with it."""
        return self.left != self._all

    def end(self) -> None:
        """The old connection is gone. A book that did not move is lost, unless its numbers will prove it."""
        feeds = self._relay.feeds
        unproven = [venue_symbol for venue_symbol in self.left if feeds[venue_symbol].proven.sequence is None]
        self._relay.lose_books("the connection that fed it is gone", unproven)
        for venue_symbol in self._held.keys() & self.left:
            for delta in self._held[venue_symbol]:
                if not feeds[venue_symbol].proven.has_taken(delta):
                    self._relay.publish(delta)

    def done(self) -> bool:
        """Whether the new connection says what the old one did."""
        feeds, refused = self._relay.feeds, self._relay.refused
        return all(venue_symbol in refused for venue_symbol in self._silent) and all(
            feeds[venue_symbol].book_state != "synced" for venue_symbol in self.left
        )

    def old(self, read: Read) -> Read:
        """What the old connection says from now on."""

        def remaining(frame: str | bytes) -> Iterator[Event]:
            for event in read(frame):
                if not isinstance(event, BookDelta | BookSnapshot) or event.venue_symbol in self.left:
                    yield event

        return remaining

    def new(self, read: Read) -> Read:
        """What the new connection says until the old one is gone."""

        def admitted(frame: str | bytes) -> Iterator[Event]:
            for event in read(frame):
                if isinstance(event, BookDelta):
                    yield from self._admit(event)
                else:
                    if isinstance(event, BookSnapshot):
                        self.left.discard(event.venue_symbol)
                    yield event
                if not isinstance(event, FrameNumber | Subscribed | Refused):
                    self._silent.discard(event.venue_symbol)

        return admitted

    def _admit(self, delta: BookDelta) -> Iterator[BookDelta]:
        feed = self._relay.feeds.get(delta.venue_symbol)
        if feed is None:
            return
        if delta.venue_symbol not in self.left:
            if not feed.proven.has_taken(delta):
                yield delta
            return
        if delta.sequence is None:
            return
        held = self._held.setdefault(delta.venue_symbol, [])
        held.append(delta)
        began = held[0].sequence if held[0].previous is None else held[0].previous
        if feed.book_state != "synced" or (began or 0) <= (feed.proven.sequence or 0):
            self.left.discard(delta.venue_symbol)
            yield from [one for one in held if not feed.proven.has_taken(one)]
