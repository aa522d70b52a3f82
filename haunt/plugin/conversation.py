"""One connection to a venue: subscribe, read, keep alive, notice what is missing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from haunt.errors import Farewell, SourceLost
from haunt.plugin.budget import Budget
from haunt.plugin.connection import VenueConnection
from haunt.plugin.handover import Handover
from haunt.plugin.recovery import Recovery
from haunt.plugin.relay import NONSENSE

if TYPE_CHECKING:
    from haunt.plugin.stream_source import StreamSource

logger = logging.getLogger(__name__)

LOOK_EVERY = 1.0
# When more markets than these, and more than half, are silent at once, it is not them but the connection.
FEW = 3


class Conversation:
    """What is said on one connection, from the subscription of the markets it carries to its end.

    `carried`: the markets whose books it feeds; it may give them to another. `leaving`: its venue said that it will
    end. `settled`: it says all that was said on the connection it takes over from, or had the time for it.
    """

    def __init__(
        self,
        source: StreamSource,
        venue_symbols: Sequence[str],
        recovery: Recovery,
        handover: Handover | None = None,
    ) -> None:
        self.carried = set(venue_symbols)
        self.connected = asyncio.Event()
        self.leaving = asyncio.Event()
        self.settled = asyncio.Event()
        self._handover = handover
        self._source = source
        self._relay = source.relay
        self._venue_symbols = venue_symbols
        self._recovery = recovery
        self._welcomed = asyncio.Event()
        self._book_lost = asyncio.Event()

    async def run(self) -> None:
        """Connect, subscribe and publish until the connection ends. Nothing it started outlives it."""
        source = self._source
        url = await self._address()
        budget = source.relay.budgets.of(url)
        await budget.take("connections", source.connection_limit)
        try:
            connection = await VenueConnection.open(url, within=source.options.connect_timeout)
        except SourceLost as error:
            budget.note(error)
            raise
        self._connection = connection
        self.send = connection.send
        try:
            self._reader = self._read = source.reader(connection.send)
            if self._handover is not None:
                self._read = self._handover.new(self._reader)
            self._numbering = self._relay.open(self.carried)
            self.connected.set()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(connection.read(self._on_welcome if source.waits_for_welcome else self._on_frame))
                tasks.create_task(self._write(budget))
                tasks.create_task(self._subscribe())
                tasks.create_task(self._keep_alive())
                tasks.create_task(self._notice_silence())
                tasks.create_task(self._notice_missing())
                tasks.create_task(self._rebuild_books(tasks))
        except ExceptionGroup as group:
            raise group.exceptions[0] from None
        finally:
            await connection.close()

    async def _address(self) -> str:
        try:
            return await self._source.address()
        except NONSENSE as error:
            raise SourceLost(f"what should tell its address makes no sense: {type(error).__name__}: {error}") from error

    def give_way(self, handover: Handover) -> None:
        """Another connection begins to take over from this one."""
        self._read = handover.old(self._reader)

    def take_over(self) -> None:
        """The other connection is gone."""
        if self._handover is not None:
            self._handover.end()
        self._read, self._handover = self._reader, None

    async def _write(self, budget: Budget) -> None:
        source = self._source

        async def turn() -> None:
            await budget.take("messages", source.message_limit)

        await self._connection.write(interval=source.message_interval, turn=turn)

    def _on_welcome(self, frame: str | bytes) -> None:
        self._welcomed.set()
        self._on_frame(frame)

    def _on_frame(self, frame: str | bytes) -> None:
        try:
            self._relay.receive(frame, self._read, self._numbering)
        except Farewell as farewell:
            self.leaving.set()
            logger.info("Source %s: %s", self._relay.source, farewell)
        if self._relay.lost:
            self._book_lost.set()
        if self._handover is not None and self._handover.done():
            self.settled.set()

    async def _subscribe(self) -> None:
        source, relay = self._source, self._relay
        if source.waits_for_welcome:
            await self._welcomed.wait()
        await asyncio.sleep(source.subscribe_delay)
        for message in source.subscribe_messages(self._venue_symbols):
            self.send(message)
        await self._connection.sent()
        timeout = source.options.first_data_timeout
        relay.expect(source.streams, self._venue_symbols, within=timeout)
        await asyncio.sleep(timeout)
        self.settled.set()
        self._name_silent()
        self._compare()

    def _name_silent(self) -> None:
        relay, known = self._relay, self._recovery.silent
        feeds = {venue_symbol: relay.feeds[venue_symbol] for venue_symbol in self._venue_symbols}
        silent = {name for name, feed in feeds.items() if feed.received is None} - relay.refused.keys()
        if silent - known:
            logger.warning(
                "Source %s: no data of %s within %g s of subscribing; asking again, other symbols are not affected",
                relay.source, ", ".join(sorted(silent - known)), self._source.options.first_data_timeout,
            )  # fmt: skip
        known -= feeds.keys() - silent
        known |= silent

    def _compare(self) -> None:
        """Expect of each market what others of this venue have; but nobody need trade."""
        relay = self._relay
        spoken = {name for feed in relay.feeds.values() for name, rhythm in feed.streams.items() if rhythm.known}
        relay.expect(spoken - {"trade"}, self._venue_symbols, within=0.0)
        channels = set[str]().union(*relay.confirmed.values())
        for venue_symbol in self._venue_symbols:
            missing = channels - relay.confirmed.get(venue_symbol, set())
            quiet = any(rhythm.heard is None for rhythm in relay.feeds[venue_symbol].streams.values())
            if missing and quiet and venue_symbol not in relay.refused:
                names = [f"confirmation of {channel}" for channel in sorted(missing)]
                self._recovery.renew(venue_symbol, names, self.send, last=False)

    async def _keep_alive(self) -> None:
        source = self._source
        while source.ping_interval > 0:
            await asyncio.sleep(source.ping_interval)
            message = source.ping_message
            if message is None:
                self._connection.ping()
            else:
                self.send(message)

    async def _notice_silence(self) -> None:
        # Pongs do not count: many a venue's front answers them while the feed behind it is dead.
        loop, timeout = asyncio.get_running_loop(), self._source.options.silence_timeout
        while True:
            wait = self._connection.heard + timeout - loop.time()
            if wait <= 0:
                raise SourceLost(f"{self._connection.name} has been silent for {timeout:g} s")
            await asyncio.sleep(wait)

    async def _notice_missing(self) -> None:
        relay, loop = self._relay, asyncio.get_running_loop()
        feeds = {venue_symbol: relay.feeds[venue_symbol] for venue_symbol in self._venue_symbols}
        looked = loop.time()
        while True:
            await asyncio.sleep(LOOK_EVERY)
            before, looked = looked, loop.time()
            if looked - before > 2 * LOOK_EVERY:
                continue  # it was Haunt that slept
            overdue = relay.look(feeds)
            silent = [name for name, streams in overdue.items() if feeds[name].streams[streams[0]].known]
            if len(silent) > FEW and 2 * len(silent) > len(feeds):
                raise SourceLost(f"{len(silent)} of {len(feeds)} markets are silent, such as {silent[0]}")
            mute = all(feed.received is None for feed in feeds.values())
            for venue_symbol, streams in overdue.items():
                self._recovery.renew(venue_symbol, streams, self.send, last=mute or venue_symbol in silent)
            if relay.lost:
                self._book_lost.set()

    async def _rebuild_books(self, tasks: asyncio.TaskGroup) -> None:
        rebuilding: dict[str, asyncio.Task[None]] = {}
        lost = self._relay.lost
        while True:
            await self._book_lost.wait()
            self._book_lost.clear()
            for venue_symbol in sorted(lost.intersection(self._venue_symbols)):
                lost.discard(venue_symbol)
                task = rebuilding.get(venue_symbol)
                if task is None or task.done():
                    rebuilding[venue_symbol] = tasks.create_task(self._recovery.rebuild(venue_symbol, self.send))
