"""A source that is one WebSocket to one venue: connect, subscribe, read, keep alive, rebuild lost books."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Iterable, Sequence

from pydantic import Field
from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest
from tornado.websocket import WebSocketClientConnection, WebSocketError, websocket_connect

from haunt.errors import SourceLost
from haunt.market.events import Event
from haunt.plugin.relay import Instrument
from haunt.plugin.source import Source, SourceOptions

logger = logging.getLogger(__name__)

# Coinbase sends a book of 5 MB in one frame.
LARGEST_FRAME = 64 * 1024 * 1024
RESYNC_PAUSES = (0.0, 1.0, 2.0, 5.0, 10.0)


class StreamOptions(SourceOptions):
    """Options of every source that is a WebSocket."""

    url: str = Field(description="The venue's WebSocket; a test net, a mirror or a fake works too.")
    connect_timeout: float = Field(10.0, gt=0, description="Seconds to wait for the connection.")
    silence_timeout: float = Field(
        30.0, gt=0, description="Seconds without any frame after which the connection is given up."
    )


class StreamSource(Source):
    """One WebSocket to one venue. A subclass says what to send and what the answers mean:

    `instruments` the markets the venue offers, `subscribe_messages` what to send first, `parse` the pure
    function from a frame to events; where needed `snapshot_url` and `parse_response` for books whose
    snapshot is fetched over REST, `resubscribe_messages` to get one book anew, and `ping_message`.
    """

    options: StreamOptions
    ping_message: str | None = None
    ping_interval: float = 20.0
    message_interval: float = 0.0
    """Seconds between two messages to the venue, for venues that count them."""

    _connection: WebSocketClientConnection | None = None

    # -- what a venue's plugin provides

    async def instruments(self) -> Iterable[Instrument]:
        """The markets the venue offers, usually from its REST list. Called before each connection."""
        raise NotImplementedError

    def subscribe_messages(self, venue_symbols: Sequence[str]) -> Iterable[str]:
        """The text frames that subscribe to everything Haunt wants of these venue symbols."""
        raise NotImplementedError

    def parse(self, frame: str | bytes) -> Iterable[Event]:
        """The events of one frame. Pure: no state, no I/O. Raises ValueError, KeyError or TypeError for a
        frame that makes no sense: it is dropped and counted."""
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

    # -- what every venue needs

    async def run(self) -> None:
        venue_symbols = self.relay.choose(await self.instruments())
        if not venue_symbols:
            raise SourceLost(f"{self.options.url} offers none of the symbols it is asked for", retry_after=60)
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._resyncs: dict[str, asyncio.Task[None]] = {}
        self._frames = 0
        try:
            self._connection = await self._connect()
            self.relay.open()
            helpers = [
                asyncio.create_task(self._send_all(self.subscribe_messages(venue_symbols))),
                asyncio.create_task(self._watch()),
            ]
            try:
                await self._ended
            finally:
                for task in (*helpers, *self._resyncs.values()):
                    task.cancel()
        finally:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    async def fetch(self, url: str) -> str:
        """The body of a GET. Raises SourceLost with the venue's own Retry-After when it refuses."""
        client = AsyncHTTPClient()
        request = HTTPRequest(
            url, connect_timeout=self.options.connect_timeout, request_timeout=30.0, user_agent="haunt"
        )
        try:
            response = await client.fetch(request)
        except HTTPClientError as error:
            wait = error.response.headers.get("Retry-After", "") if error.response is not None else ""
            retry_after = float(wait) if wait.isdigit() else 1800.0 if error.code in (403, 451) else 0.0
            raise SourceLost(f"{url} answered {error.code} {error.message}", retry_after=retry_after) from None
        except OSError as error:
            raise SourceLost(f"{url} cannot be reached: {error}") from None
        return response.body.decode()

    def receive(self, frame: str | bytes) -> None:
        """Publish the events of one frame; a frame that makes no sense is dropped and counted."""
        relay = self.relay
        try:
            for event in self.parse(frame):
                relay.publish(event)
        except (ValueError, KeyError, TypeError, IndexError) as error:
            relay.reject_frame(frame, error)

    async def _connect(self) -> WebSocketClientConnection:
        url = self.options.url
        request = HTTPRequest(url, connect_timeout=self.options.connect_timeout, user_agent="haunt")
        try:
            return await websocket_connect(
                request,
                on_message_callback=self._on_frame,
                ping_interval=self.ping_interval,
                max_message_size=LARGEST_FRAME,
            )
        except HTTPClientError as error:
            raise SourceLost(f"{url} answered {error.code} {error.message}") from None
        except (OSError, WebSocketError, TimeoutError) as error:
            raise SourceLost(f"{url} cannot be reached: {error}") from None

    def _on_frame(self, frame: str | bytes | None) -> None:
        if self._ended.done():
            return
        if frame is None:
            connection = self._connection
            code = connection.close_code if connection is not None else None
            self._end(SourceLost(f"{self.options.url} closed the connection" + (f" ({code})" if code else "")))
            return
        self._frames += 1
        try:
            self.receive(frame)
            if self.relay.lost:
                self._start_resyncs()
        except Exception as error:  # a bug in the plugin: it ends this run, and the supervisor logs it
            self._end(error)

    def _end(self, error: BaseException) -> None:
        if not self._ended.done():
            self._ended.set_exception(error)

    async def _send_all(self, messages: Iterable[str]) -> None:
        try:
            for message in messages:
                if self._connection is None:
                    return
                await self._connection.write_message(message)
                if self.message_interval:
                    await asyncio.sleep(self.message_interval)
        except Exception as error:
            self._end(error)

    async def _watch(self) -> None:
        """Give the connection up when it is silent; send the venue's own ping."""
        loop = asyncio.get_running_loop()
        frames, since, pinged = self._frames, loop.time(), loop.time()
        while True:
            await asyncio.sleep(min(1.0, self.options.silence_timeout / 4))
            now = loop.time()
            if self._frames != frames:
                frames, since = self._frames, now
            elif now - since >= self.options.silence_timeout:
                self._end(SourceLost(f"{self.options.url} has been silent for {now - since:.0f} s"))
                return
            if self.ping_message is not None and now - pinged >= self.ping_interval:
                pinged = now
                await self._send_all([self.ping_message])

    # -- lost books

    def _start_resyncs(self) -> None:
        for venue_symbol in list(self.relay.lost):
            self.relay.lost.discard(venue_symbol)
            task = self._resyncs.get(venue_symbol)
            if task is None or task.done():
                self._resyncs[venue_symbol] = asyncio.create_task(self._resync(venue_symbol))

    async def _resync(self, venue_symbol: str) -> None:
        """Rebuild one book: one attempt at a time, with growing pauses, until it is synced."""
        feed = self.relay.feeds[venue_symbol]
        try:
            for attempt in range(1_000):
                if feed.book_state == "synced":
                    return
                pause = RESYNC_PAUSES[min(attempt, len(RESYNC_PAUSES) - 1)]
                if attempt == 0:
                    logger.info(
                        "Source %s: rebuilding the book of %s (%s)",
                        self.relay.source, venue_symbol, feed.lost_because,
                    )  # fmt: skip
                await asyncio.sleep(pause * (0.5 + random.random()))
                await self._ask_for_book(venue_symbol)
                await asyncio.sleep(0.5)
        except SourceLost as error:
            self._end(error)
        except Exception as error:
            self._end(error)

    async def _ask_for_book(self, venue_symbol: str) -> None:
        url = self.snapshot_url(venue_symbol)
        if url is not None:
            body = await self.fetch(url)
            for event in self.parse_response(url, body):
                self.relay.publish(event)
            self.relay.lost.discard(venue_symbol)
            return
        messages = list(self.resubscribe_messages(venue_symbol))
        if not messages:
            feed = self.relay.feeds[venue_symbol]
            raise SourceLost(f"the book of {venue_symbol} is lost: {feed.lost_because}")
        await self._send_all(messages)
