"""A source that is one WebSocket to one venue: subscribe, read, keep alive, rebuild lost books."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pydantic import Field, field_validator

from haunt.errors import SourceLost
from haunt.market.events import Event
from haunt.plugin.connection import VenueConnection
from haunt.plugin.relay import REPEAT_AFTER, Instrument, Relay
from haunt.plugin.rest import fetch
from haunt.plugin.source import Source, SourceOptions

logger = logging.getLogger(__name__)

# What a parser raises for input that makes no sense; anything else is a bug in it.
NONSENSE = (ValueError, KeyError, TypeError, IndexError, OverflowError)
DOUBLINGS = 4  # of the pause between attempts
# A venue that ignores a resubscription sends its books to a new connection.
RECONNECT_EVERY = 5
SNAPSHOTS_AT_ONCE = 4


class StreamOptions(SourceOptions):
    """Options of every source that is a WebSocket."""

    url: str = Field(description="The venue's WebSocket; a test net, a mirror or a fake works too.")
    connect_timeout: float = Field(10.0, gt=0, description="Seconds to wait for the connection.")
    silence_timeout: float = Field(
        30.0, gt=0, description="Seconds without any frame after which the connection is given up."
    )
    first_data_timeout: float = Field(
        30.0, gt=0, description="Seconds after subscribing until a market without data is named in the log."
    )
    resync_interval: float = Field(
        5.0, gt=0, description="Least seconds between two attempts to rebuild one order book; up to 16 times that."
    )

    @field_validator("url")
    @classmethod
    def _is_websocket(cls, url: str) -> str:
        if not url.startswith(("ws://", "wss://")):
            raise ValueError("must begin with ws:// or wss://")
        return url


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


class StreamSource(Source):
    """One WebSocket to one venue. A subclass says what to send and what the answers mean:

    `instruments` the markets the venue offers, `subscribe_messages` what to send first, `parse` the pure
    function from a frame to events; where needed `snapshot_url` and `parse_response` for books whose
    snapshot is fetched over REST, `resubscribe_messages` to get one book anew, and `ping_message`.
    """

    options: StreamOptions
    ping_interval: float = 20.0
    """Seconds between two pings; zero for none."""
    message_interval: float = 0.0
    """Seconds between two messages to the venue, for venues that count them."""

    def __init__(self, options: StreamOptions, relay: Relay) -> None:
        super().__init__(options, relay)
        self._connection: VenueConnection | None = None
        self._attempts: dict[str, Attempts] = {}
        self._fetch_after = self._quiet_until = 0.0
        self._without_data: set[str] = set()

    # -- what a venue's plugin provides

    @property
    def ping_message(self) -> str | None:
        """The venue's own ping; a ping of the WebSocket protocol is sent where it has none."""
        return None

    async def instruments(self) -> Iterable[Instrument]:
        """The markets the venue offers, usually from its REST list. Called before each connection."""
        raise NotImplementedError

    def subscribe_messages(self, venue_symbols: Sequence[str]) -> Iterable[str]:
        """The text frames that subscribe to everything Haunt wants of these venue symbols."""
        raise NotImplementedError

    def parse(self, frame: str | bytes) -> Iterable[Event]:
        """The events of one frame. Pure: no state, no I/O.

        ValueError, KeyError, TypeError, IndexError or OverflowError mean that the frame makes no sense: it is
        dropped and counted. Anything else is a bug: the connection is closed, the supervisor logs it and runs again.
        """
        raise NotImplementedError

    def snapshot_url(self, venue_symbol: str) -> str | None:
        """Where this venue's book snapshot is fetched; None when it comes in the stream."""
        return None

    def parse_response(self, url: str, body: str) -> Iterable[Event]:
        """The events of a REST response. Pure, like `parse`."""
        return ()

    def resubscribe_messages(self, venue_symbol: str) -> Iterable[str]:
        """What to send to get this book's snapshot anew; nothing = only a new connection does it."""
        return ()

    # -- what it may use

    async def fetch(self, url: str) -> str:
        """The body of a GET. Raises SourceLost with the venue's own Retry-After when it refuses."""
        return await fetch(url, connect_timeout=self.options.connect_timeout)

    def send(self, message: str) -> None:
        """Send a text frame after those before it, such as the answer to a venue's own ping. Nothing happens
        while there is no connection."""
        if self._connection is not None:
            self._connection.send(message)

    def receive(self, frame: str | bytes) -> None:
        """Publish the events of one frame; a frame that makes no sense is dropped and counted."""
        relay = self.relay
        try:
            for event in self.parse(frame):
                relay.publish(event)
        except NONSENSE as error:
            relay.reject_frame(frame, error)

    # -- one connection

    async def run(self) -> None:
        """Connect, subscribe and publish until the connection ends. Nothing it started outlives it."""
        venue_symbols = self.relay.choose(await self._offered())
        if not venue_symbols:
            raise SourceLost(
                f"{self.options.url} offers none of the symbols it is asked for; change `symbols` or `quotes`",
                retry_after=60.0,
            )
        connection = await VenueConnection.open(self.options.url, within=self.options.connect_timeout)
        self._connection = connection
        self._book_lost = asyncio.Event()
        self._snapshots = asyncio.Semaphore(SNAPSHOTS_AT_ONCE)
        try:
            self.relay.open()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(connection.read(self._on_frame))
                tasks.create_task(connection.write(interval=self.message_interval))
                tasks.create_task(self._subscribe(connection, venue_symbols))
                tasks.create_task(self._keep_alive(connection))
                tasks.create_task(self._notice_silence(connection))
                tasks.create_task(self._rebuild_books(tasks))
        except ExceptionGroup as group:
            raise group.exceptions[0] from None
        finally:
            self._connection = None
            await connection.close()

    async def _offered(self) -> list[Instrument]:
        try:
            return list(await self.instruments())
        except NONSENSE as error:
            raise SourceLost(f"its list of markets makes no sense: {type(error).__name__}: {error}") from error

    def _on_frame(self, frame: str | bytes) -> None:
        self.receive(frame)
        if self.relay.lost:
            self._book_lost.set()

    async def _subscribe(self, connection: VenueConnection, venue_symbols: Sequence[str]) -> None:
        for message in self.subscribe_messages(venue_symbols):
            connection.send(message)
        await connection.sent()
        timeout = self.options.first_data_timeout
        await asyncio.sleep(timeout)
        relay = self.relay
        silent = {name for name in venue_symbols if relay.feeds[name].received is None} - relay.refused.keys()
        named, self._without_data = self._without_data, silent
        if silent - named:
            logger.warning(
                "Source %s: no data of %s within %g s of subscribing; other symbols are not affected",
                relay.source, ", ".join(sorted(silent - named)), timeout,
            )  # fmt: skip

    async def _keep_alive(self, connection: VenueConnection) -> None:
        while self.ping_interval > 0:
            await asyncio.sleep(self.ping_interval)
            message = self.ping_message
            if message is None:
                connection.ping()
            else:
                connection.send(message)

    async def _notice_silence(self, connection: VenueConnection) -> None:
        # Pongs do not count: many a venue's front answers them while the feed behind it is dead.
        loop, timeout = asyncio.get_running_loop(), self.options.silence_timeout
        while True:
            wait = connection.heard + timeout - loop.time()
            if wait <= 0:
                raise SourceLost(f"{self.options.url} has been silent for {timeout:g} s")
            await asyncio.sleep(wait)

    # -- lost books

    async def _rebuild_books(self, tasks: asyncio.TaskGroup) -> None:
        rebuilding: dict[str, asyncio.Task[None]] = {}
        while True:
            await self._book_lost.wait()
            self._book_lost.clear()
            for venue_symbol in sorted(self.relay.lost):
                task = rebuilding.get(venue_symbol)
                if task is None or task.done():
                    rebuilding[venue_symbol] = tasks.create_task(self._rebuild(venue_symbol))
            self.relay.lost.clear()

    async def _rebuild(self, venue_symbol: str) -> None:
        """Ask for one book, give the venue time to answer, ask again at longer and longer intervals."""
        loop, feed = asyncio.get_running_loop(), self.relay.feeds[venue_symbol]
        attempts = self._attempts.setdefault(venue_symbol, Attempts(self.options.resync_interval))
        logger.info("Source %s: rebuilding the book of %s: %s", self.relay.source, venue_symbol, feed.lost_because)
        while True:
            await asyncio.sleep(attempts.wait(loop.time()))
            if feed.book_state == "synced":
                return
            attempts.add(loop.time())
            url = self.snapshot_url(venue_symbol)
            if url is not None:
                await self._fetch_book(venue_symbol, url)
            else:
                self._ask_for_book(venue_symbol, attempts.count)

    def _ask_for_book(self, venue_symbol: str, attempt: int) -> None:
        messages = list(self.resubscribe_messages(venue_symbol))
        if not messages or attempt % RECONNECT_EVERY == 0:
            reason = self.relay.feeds[venue_symbol].lost_because
            raise SourceLost(f"the book of {venue_symbol} needs a new connection ({reason})")
        for message in messages:
            self.send(message)

    async def _fetch_book(self, venue_symbol: str, url: str) -> None:
        """Publish the snapshot. When REST fails the stream goes on, and the book is asked for again later."""
        loop, relay = asyncio.get_running_loop(), self.relay
        async with self._snapshots:
            await asyncio.sleep(max(0.0, self._fetch_after - loop.time()))
            try:
                for event in self.parse_response(url, await self.fetch(url)):
                    relay.publish(event)
            except SourceLost as error:
                now = loop.time()
                self._fetch_after = max(self._fetch_after, now + error.retry_after)
                if now >= self._quiet_until:
                    self._quiet_until = now + REPEAT_AFTER
                    logger.warning("Source %s: no order book of %s: %s", relay.source, venue_symbol, error)
            except NONSENSE as error:
                relay.reject_frame(url, error)
