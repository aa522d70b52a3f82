"""What a source says, on its way to the market."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from haunt.clock import Clock
from haunt.market.events import (
    BookDelta,
    BookSnapshot,
    Event,
    FrameNumber,
    Quote,
    Refused,
    Subscribed,
    Ticker,
    Trade,
)
from haunt.market.feed import Feed, Stream
from haunt.market.gaps import Gaps
from haunt.market.proven_book import Checksum, Integrity
from haunt.market.symbols import Symbol
from haunt.plugin.budget import Budgets

logger = logging.getLogger(__name__)

Deliver = Callable[[Feed, Event], None]
Read: TypeAlias = Callable[[str | bytes], Iterable[Event]]
"""From a venue's frame to its events."""
# What such a function raises for a frame that makes no sense; anything else is a bug in it.
NONSENSE = (ValueError, KeyError, TypeError, IndexError, OverflowError)
DEFAULT_QUOTES = ("USD", "USDT", "USDC")
LONGEST_REASON = 200  # characters of a venue's own words
REPEAT_AFTER = 60.0  # seconds before the same complaint is logged again
APPLY: Mapping[type, Callable[..., bool]] = {
    BookDelta: Feed.apply_delta,
    BookSnapshot: Feed.apply_snapshot,
    Quote: Feed.apply_quote,
    Ticker: Feed.apply_ticker,
    Trade: Feed.apply_trade,
}


class Instrument(NamedTuple):
    """A market a venue offers: `Instrument("BTC-USD", "BTC", "USD")`.

    `venue` is set by a source that speaks for several venues; None = the venue of the source.
    """

    venue_symbol: str
    base: str
    quote: str
    venue: str | None = None


@dataclass(slots=True)
class Numbering:
    """The frame numbers of one connection. `venue_symbols` are the markets it carries, None = all."""

    venue_symbols: Collection[str] | None = None
    last: int | None = None


class Relay:
    """A source's only way to the market: `open` once per connection, then `publish` what the venue says.

    Reads back: `lost`, the venue symbols whose book must be rebuilt (the source takes them out), and
    `integrity`, the counts of the venue's sequence numbers and checksums.
    """

    def __init__(
        self,
        source: str,
        *,
        wanted: Sequence[Symbol],
        deliver: Deliver,
        quotes: Sequence[str] = DEFAULT_QUOTES,
        checksum: Checksum | None = None,
        weight: float = 1.0,
        stale_after: float = 30.0,
        venue: str | None = None,
        clock: Clock | None = None,
        budgets: Budgets | None = None,
        gaps: Gaps | None = None,
    ) -> None:
        self.source = source
        self.budgets = budgets or Budgets()
        self.feeds: dict[str, Feed] = {}
        self.integrity = Integrity()
        self.lost: set[str] = set()
        self.connected = False
        self.connections = 0
        self.events = 0
        self.rejected = 0
        self.last_rejection = ""
        self.refused: dict[str, str] = {}
        self.confirmed: dict[str, set[str]] = {}
        self._wanted = wanted
        self._deliver = deliver
        self._quotes = [quote.upper() for quote in quotes]
        self._checksum = checksum
        self._weight = weight
        self._stale_after = stale_after
        self._venue = venue or source
        self._now = (clock or Clock()).monotonic
        self._gaps = gaps or Gaps(clock)
        self._numbering = Numbering()
        self._said: dict[str, float] = {}

    @property
    def wanted(self) -> Sequence[Symbol]:
        """The symbols the operator wants from this source."""
        return self._wanted

    # -- the connection

    def choose(self, instruments: Iterable[Instrument]) -> list[str]:
        """The venue symbols to subscribe to: for each wanted symbol and venue the market in the first of
        `quotes` that the venue offers, under the first of its names. Symbols the venue does not offer are
        named in the log."""
        offered: dict[tuple[str, str], list[Instrument]] = {}
        venues: set[str] = set()
        for instrument in instruments:
            venue = instrument.venue or self._venue
            venues.add(venue)
            offered.setdefault((venue, instrument.base.upper()), []).append(instrument)
        chosen: list[str] = []
        for symbol in self._wanted:
            found = False
            for venue in sorted(venues):
                candidates = [
                    instrument
                    for name in (symbol.name, *symbol.aliases)
                    for instrument in offered.get((venue, name.upper()), ())
                    if instrument.quote.upper() in self._quotes
                ]
                if candidates:
                    best = min(candidates, key=lambda one: self._quotes.index(one.quote.upper()))
                    self.add(best, symbol.name)
                    chosen.append(best.venue_symbol)
                    found = True
            if not found:
                self._complain(
                    f"{symbol.name} is not offered in {', '.join(self._quotes)}; other symbols are not affected"
                )
        self._gaps.forget(self.source, but=self.feeds)
        return chosen

    def add(self, instrument: Instrument, symbol: str) -> Feed:
        """Expect events of this instrument and count them as `symbol`."""
        feed = self.feeds.get(instrument.venue_symbol)
        if feed is None:
            feed = self.feeds[instrument.venue_symbol] = Feed(
                source=self.source,
                venue=instrument.venue or self._venue,
                venue_symbol=instrument.venue_symbol,
                symbol=symbol,
                quote=instrument.quote.upper(),
                integrity=self.integrity,
                gaps=self._gaps,
                checksum=self._checksum,
                weight=self._weight,
                stale_after=self._stale_after,
            )
        return feed

    def open(self, venue_symbols: Collection[str] | None = None) -> Numbering:
        """A new connection stands: what the last one said no longer counts.

        Where a source has several, each is opened with the markets it carries, and what is returned is given to
        `publish` with its events: a gap in its frames then loses only its own books.
        """
        self.connected = True
        self.connections += 1
        if venue_symbols is None:
            self.lost.clear()
            self.refused.clear()
            self.confirmed.clear()
        for venue_symbol in venue_symbols or ():
            self.lost.discard(venue_symbol)
            self.refused.pop(venue_symbol, None)
            self.confirmed.pop(venue_symbol, None)
        self._numbering = Numbering(venue_symbols)
        return self._numbering

    def close(self, reason: str, venue_symbols: Collection[str] | None = None) -> None:
        """The connection is gone: every feed leaves the market at once; of one among several, those it carried."""
        if venue_symbols is None:
            self.connected = False
        for feed in self._carried(venue_symbols):
            self.lost.discard(feed.venue_symbol)
            spoke = feed.received is not None or feed.book_state != "empty"
            feed.lose(reason)
            if spoke:
                self._deliver(feed, Refused(feed.venue_symbol, "", reason))

    def lose_books(self, reason: str, venue_symbols: Collection[str] | None = None) -> None:
        """The books of these markets, or all, can no longer be trusted: they leave the market at once."""
        for feed in self._carried(venue_symbols):
            if feed.book_state == "synced":
                feed.proven.lose(reason)
                self.lost.add(feed.venue_symbol)
                self._deliver(feed, Refused(feed.venue_symbol, "", reason))

    # -- its streams

    def expect(self, streams: Collection[Stream], venue_symbols: Collection[str], *, within: float) -> None:
        """These markets are subscribed: those the venue did not refuse must say something within so many seconds, on
        each of these streams and on those of an earlier connection."""
        now = self._now()
        for feed in self._carried(venue_symbols):
            if feed.venue_symbol not in self.refused:
                feed.expect(streams, now, within=within)

    def look(self, venue_symbols: Collection[str] | None = None) -> dict[str, list[Stream]]:
        """About once a second: learn how often each market speaks. A book that stands still while its market goes on
        is lost. Returns what must be subscribed again: the streams, by market, that should have spoken by now."""
        now, overdue = self._now(), {}
        for feed in self._carried(venue_symbols):
            if feed.look(now):
                if feed.book_state == "lost":
                    self.lost.add(feed.venue_symbol)
                self._deliver(feed, Refused(feed.venue_symbol, "", feed.proven.lost_because))
            streams = feed.overdue(now)
            if streams:
                overdue[feed.venue_symbol] = streams
                if feed.received is None:
                    self._gaps.begin(feed, "data", feed.proven.lost_because)
        return overdue

    # -- the events

    def receive(self, frame: str | bytes, read: Read, numbering: Numbering | None = None) -> None:
        """Publish the events of one frame; a frame that makes no sense is dropped and counted."""
        try:
            for event in read(frame):
                self.publish(event, numbering)
        except NONSENSE as error:
            self.reject_frame(frame, error)

    def publish(self, event: Event, numbering: Numbering | None = None) -> None:
        """Hand one event to the market. Rubbish (NaN, negative, unknown symbol) is dropped, counted and
        logged at most once a minute; it never raises."""
        self.events += 1
        kind = type(event)
        feed = None
        changed = False
        try:
            if kind is FrameNumber:
                self._count_frame(event.number, numbering or self._numbering)  # type: ignore[union-attr]
                return
            feed = self.feeds.get(event.venue_symbol)  # type: ignore[union-attr]
            if feed is None:
                self._publish_without_feed(event)
                return
            apply = APPLY.get(kind)
            changed = apply(feed, event, self._now()) if apply is not None else self._acknowledge(feed, event)
        except (ArithmeticError, AttributeError, TypeError, ValueError) as error:
            if feed is None:
                self._reject(f"{event!r:.80}: {error}")
                return
            self._reject(f"{feed.venue_symbol}: {error}")
            # What cannot be is not for the market, but that it cost the book is.
            changed = kind is BookDelta or kind is BookSnapshot
        if feed.book_state == "lost" and feed.venue_symbol not in self.lost:
            self.lost.add(feed.venue_symbol)
        if changed:
            self._deliver(feed, event)

    def reject_frame(self, frame: str | bytes, error: Exception) -> None:
        """Count and log a frame that makes no sense."""
        self._reject(f"frame {frame[:120]!r}: {type(error).__name__}: {error}")

    def _count_frame(self, number: int, numbering: Numbering) -> None:
        last, numbering.last = numbering.last, number
        if last is None:
            return
        if number == last + 1:
            self.integrity.links += 1
            return
        self.integrity.gaps += 1
        self.lose_books(f"gap: frame {number} follows {last}", numbering.venue_symbols)

    def _carried(self, venue_symbols: Collection[str] | None) -> list[Feed]:
        if venue_symbols is None:
            return list(self.feeds.values())
        return [self.feeds[venue_symbol] for venue_symbol in venue_symbols if venue_symbol in self.feeds]

    def _acknowledge(self, feed: Feed, event: Event) -> bool:
        if isinstance(event, Subscribed):
            if event.depth is not None:
                feed.book.depth = event.depth
            self.refused.pop(feed.venue_symbol, None)
            self.confirmed.setdefault(feed.venue_symbol, set()).add(event.channel)
        elif isinstance(event, Refused):
            reason = event.reason[:LONGEST_REASON]
            self.refused[feed.venue_symbol] = reason
            for rhythm in feed.streams.values():
                rhythm.excuse()
            if feed.received is None:
                self._gaps.begin(feed, "data", f"the venue refused {event.channel}: {reason}")
            self._complain(f"the venue refused {event.channel} of {feed.venue_symbol}: {reason}; the rest goes on")
        return False

    def _publish_without_feed(self, event: Event) -> None:
        if isinstance(event, Refused):
            reason = event.reason[:LONGEST_REASON]
            self.refused[event.venue_symbol or event.channel] = reason
            self._complain(f"the venue refused {event.channel} {event.venue_symbol}: {reason}; the rest goes on")
        elif not isinstance(event, Subscribed):
            self._reject(f"{event.venue_symbol!r:.40} was not asked for")  # type: ignore[union-attr]

    def _reject(self, reason: str) -> None:
        self.rejected += 1
        self.last_rejection = reason
        self._complain(f"dropped what cannot be: {reason} ({self.rejected} so far)", key="rejected")

    def _complain(self, message: str, *, key: str | None = None) -> None:
        now = self._now()
        key = key or message
        if now - self._said.get(key, -REPEAT_AFTER) < REPEAT_AFTER:
            return
        if len(self._said) > 1_000:
            self._said.clear()
        self._said[key] = now
        logger.warning("Source %s: %s", self.source, message)
