"""What a source asks for again: order books that were lost, markets that fell silent."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from haunt.errors import SourceLost
from haunt.plugin.asking import Asking

if TYPE_CHECKING:
    from haunt.plugin.stream_source import StreamSource

logger = logging.getLogger(__name__)

DOUBLINGS = 4  # of the pause between attempts
# A venue that ignores a resubscription sends its books to a new connection.
RECONNECT_EVERY = 5
# The same for markets that are silent; attempts begin later and are further apart.
RENEWALS = 2


@dataclass(slots=True)
class Attempts:
    """Attempts at one thing, each followed by a pause twice as long; after a calm time the first pause again."""

    first_pause: float
    count: int = 0
    pause: float = 0.0
    until: float = 0.0

    def add(self, now: float) -> None:
        calm = now > self.until + self.pause
        self.count = 1 if calm else self.count + 1
        self.pause = self.first_pause * 2 ** min(self.count - 1, DOUBLINGS)
        self.until = now + self.pause

    def wait(self, now: float) -> float:
        """Seconds until the next attempt may be made."""
        return max(0.0, self.until - now)


class Recovery:
    """Rebuilds the books of one source, and renews its subscriptions. What it knows of earlier attempts outlives a
    connection.

    `silent`: the markets that are known to say nothing.
    """

    def __init__(self, source: StreamSource, asking: Asking) -> None:
        self.silent: set[str] = set()
        self._source = source
        self._asking = asking
        self._attempts: dict[str, Attempts] = {}
        self._renewals: dict[str, Attempts] = {}

    async def rebuild(self, venue_symbol: str, send: Callable[[str], None]) -> None:
        """Ask for one book, give the venue time to answer, ask again at longer and longer intervals.

        Raises SourceLost where only a new connection can bring it.
        """
        source, loop = self._source, asyncio.get_running_loop()
        feed = source.relay.feeds[venue_symbol]
        attempts = self._attempts.setdefault(venue_symbol, Attempts(source.options.resync_interval))
        logger.info(
            "Source %s: rebuilding the book of %s: %s", source.relay.source, venue_symbol, feed.proven.lost_because
        )
        while True:
            await asyncio.sleep(attempts.wait(loop.time()))
            if feed.book_state == "synced":
                return
            attempts.add(loop.time())
            if source.snapshot_url(venue_symbol) is not None:
                await self._asking.book(venue_symbol)
                continue
            messages = list(source.resubscribe_messages(venue_symbol))
            if not messages or attempts.count % RECONNECT_EVERY == 0:
                raise SourceLost(f"the book of {venue_symbol} needs a new connection ({feed.proven.lost_because})")
            for message in messages:
                send(message)

    def renew(self, venue_symbol: str, missing: Sequence[str], send: Callable[[str], None], *, last: bool) -> None:
        """Subscribe again to one market of which something is missing, at longer and longer intervals.

        Raises SourceLost when that did not help and a new connection may, which is the `last` resort.
        """
        source, now = self._source, asyncio.get_running_loop().time()
        attempts = self._renewals.setdefault(venue_symbol, Attempts(source.options.first_data_timeout))
        if attempts.wait(now) > 0:
            return
        attempts.add(now)
        what = f"{', '.join(missing)} of {venue_symbol}"
        if last and attempts.count > RENEWALS:
            # If a new connection does not help either, another would only harm the other markets.
            attempts.count = 0
            for rhythm in source.relay.feeds[venue_symbol].streams.values():
                rhythm.known = False
            raise SourceLost(f"no {what}, though it was subscribed again")
        logger.info("Source %s: no %s; subscribing again", source.relay.source, what)
        for message in source.subscribe_messages([venue_symbol]):
            send(message)
        if source.snapshot_url(venue_symbol) is not None and source.relay.feeds[venue_symbol].book_state == "empty":
            # A quiet market has no change for its book to begin with.
            source.relay.lost.add(venue_symbol)
