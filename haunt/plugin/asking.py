"""What a source asks for over REST beside its stream, which goes on when there is no answer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TYPE_CHECKING, TypeAlias

from haunt.errors import SourceLost
from haunt.market.events import Event
from haunt.plugin.relay import NONSENSE, REPEAT_AFTER

if TYPE_CHECKING:
    from haunt.plugin.stream_source import StreamSource

Ask: TypeAlias = Callable[[str], Awaitable[Iterable[Event]]]

logger = logging.getLogger(__name__)

SNAPSHOTS_AT_ONCE = 4
# A REST answer is older than the stream: 1.6 s seen at Bitstamp.
OLDEST_ANSWER = 5.0


class Asking:
    """Asks one venue, and publishes what it answers."""

    def __init__(self, source: StreamSource) -> None:
        self._source = source
        self._at_once = asyncio.Semaphore(SNAPSHOTS_AT_ONCE)
        self._after = self._quiet_until = 0.0

    async def book(self, venue_symbol: str) -> None:
        """Publish the snapshot behind the market's `snapshot_url`."""
        async with self._at_once:
            await self._publish("order book", self._snapshot, venue_symbol)

    async def figures(self, venue_symbols: Sequence[str]) -> None:
        """Publish the figures of these markets again and again, one after the other, until cancelled."""
        source, time = self._source, asyncio.get_running_loop().time
        while source.figures_interval > 0:
            due = time() + source.figures_interval
            for venue_symbol in venue_symbols:
                await self._publish("figures", source.figures, venue_symbol)
            await asyncio.sleep(max(0.0, due - time()))

    async def reviews(self, venue_symbols: Sequence[str]) -> None:
        """Compare the books of these markets with fetched ones, again and again, until cancelled."""
        source = self._source
        while source.review_interval > 0:
            await asyncio.sleep(source.review_interval)
            for venue_symbol in venue_symbols:
                feed = source.relay.feeds[venue_symbol]
                if feed.book_state == "synced":
                    feed.proven.review()
                    await asyncio.sleep(OLDEST_ANSWER)
                    await self.book(venue_symbol)

    async def _snapshot(self, venue_symbol: str) -> Iterable[Event]:
        url = self._source.snapshot_url(venue_symbol) or ""
        return self._source.parse_response(url, await self._source.fetch(url))

    async def _publish(self, what: str, ask: Ask, venue_symbol: str) -> None:
        relay, time = self._source.relay, asyncio.get_running_loop().time
        await asyncio.sleep(max(0.0, self._after - time()))
        try:
            for event in await ask(venue_symbol):
                relay.publish(event)
        except SourceLost as error:
            now = time()
            self._after = max(self._after, now + error.retry_after)
            if now >= self._quiet_until:
                self._quiet_until = now + REPEAT_AFTER
                said = (relay.source, what, venue_symbol, str(error))
                logger.warning("Source %s: no %s of %s: %s; asking again", *said)
        except NONSENSE as error:
            relay.reject_frame(f"{what} of {venue_symbol}", error)
