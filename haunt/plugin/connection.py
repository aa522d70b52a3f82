"""The line to a venue: a WebSocket, a GET, and a sentence for the operator when either fails."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.iostream import IOStream, StreamClosedError
from tornado.netutil import DefaultLoopResolver
from tornado.simple_httpclient import SimpleAsyncHTTPClient
from tornado.tcpclient import TCPClient
from tornado.websocket import WebSocketClientConnection, WebSocketClosedError, WebSocketError

from haunt.errors import SourceLost

Result = TypeVar("Result")
Receive = Callable[[str | bytes], None]

# Coinbase sends a book of 5 MB in one frame.
LARGEST_FRAME = 64 * 1024 * 1024
# A list of all markets is megabytes long, and a slow snapshot takes almost as long (25 s seen at Gate).
FETCH_TIMEOUT = 30.0
DAY = 86_400.0
# Refusals that last: this country is not served, or this address is banned.
LASTING = {403: 1_800.0, 451: 1_800.0}
# ValueError: an address that cannot be one.
FAILURES = (OSError, HTTPClientError, WebSocketError, ValueError)


class VenueConnection:
    """One WebSocket to a venue, from the handshake to the last frame.

    `heard` is the event loop's time of the latest frame. Frames that arrive before `read` wait for it.
    """

    def __init__(self, url: str, *, within: float) -> None:
        self.url = url
        self._time = asyncio.get_running_loop().time
        self.heard = self._time()
        self._receive: Receive | None = None
        self._early: list[str | bytes] = []
        self._outbox: asyncio.Queue[str] = asyncio.Queue()
        self._error: Exception | None = None
        self._ended = asyncio.Event()
        self._closed = asyncio.Event()
        # What `websocket_connect` does, with a dialler of our own. The certificate is checked only when asked for.
        self._websocket = WebSocketClientConnection(
            _request(url, connect_timeout=within, request_timeout=within),
            on_message_callback=self._on_frame,
            max_message_size=LARGEST_FRAME,
        )
        self._dialler = self._websocket.tcp_client = _Dialler()

    @classmethod
    async def open(cls, url: str, *, within: float) -> VenueConnection:
        """Connect. Raises SourceLost when that fails or takes longer than `within` seconds."""
        connection = cls(url, within=within)
        try:
            await _finished(connection._websocket.connect_future)
        except FAILURES as error:
            raise lost(url, error) from None
        except asyncio.CancelledError:
            connection._hang_up()
            # The handshake may still succeed, on an answer that was already read.
            connection._websocket.connect_future.add_done_callback(lambda _: connection._hang_up())
            raise
        connection.heard = connection._time()
        return connection

    async def read(self, receive: Receive) -> None:
        """Hand every frame to `receive` until the connection ends: raises SourceLost, or what `receive` raised."""
        self._receive = receive
        early, self._early = self._early, []
        for frame in early:
            receive(frame)
        await self._ended.wait()
        assert self._error is not None
        raise self._error

    def send(self, message: str) -> None:
        """Have `message` sent after all those before it."""
        self._outbox.put_nowait(message)

    async def sent(self) -> None:
        """Wait until everything given to `send` has left."""
        await self._outbox.join()

    async def write(self, *, interval: float) -> None:
        """Send what `send` is given, `interval` seconds apart, for as long as the connection stands."""
        while True:
            message = await self._outbox.get()
            try:
                await self._websocket.write_message(message)
            except (WebSocketClosedError, StreamClosedError):
                return
            self._outbox.task_done()
            await asyncio.sleep(interval)

    def ping(self) -> None:
        """Send a ping of the WebSocket protocol, which keeps routers and venues from dropping an idle line."""
        with suppress(WebSocketClosedError, StreamClosedError):
            self._websocket.ping()

    async def close(self) -> None:
        """Say goodbye and close the socket, without waiting for the venue."""
        self._end(SourceLost(f"{self.url} was left"))
        self._hang_up()
        await self._closed.wait()

    def _on_frame(self, frame: str | bytes | None) -> None:
        if frame is None:
            self._end(SourceLost(f"{self.url} closed the connection{self._goodbye()}"))
            self._closed.set()
            return
        if self._ended.is_set():
            return
        self.heard = self._time()
        if self._receive is None:
            self._early.append(frame)
            return
        try:
            self._receive(frame)
        except Exception as error:  # it belongs to whoever awaits `read`; Tornado would log it as its own
            self._end(error)

    def _goodbye(self) -> str:
        websocket = self._websocket
        if websocket.close_code is None:
            return ""
        reason = f" {websocket.close_reason!r:.100}" if websocket.close_reason else ""
        return f" ({websocket.close_code}{reason})"

    def _hang_up(self) -> None:
        self._websocket.close(1000)
        # Tornado would wait five seconds for the venue to say goodbye too.
        self._dialler.take_back()

    def _end(self, error: Exception) -> None:
        if not self._ended.is_set():
            self._error = error
            self._ended.set()


async def fetch(url: str, *, connect_timeout: float) -> str:
    """The body of a GET. Raises SourceLost when there is none, with the venue's own Retry-After."""
    # A client of its own: in the shared one ten slow answers of one venue would hold up all the others.
    client = SimpleAsyncHTTPClient(force_instance=True)
    dialler = client.tcp_client = _Dialler()
    try:
        request = _request(url, connect_timeout=connect_timeout, request_timeout=FETCH_TIMEOUT)
        response = await _finished(client.fetch(request))
    except FAILURES as error:
        raise lost(url, error) from None
    finally:
        dialler.take_back()
        client.close()
    return response.body.decode()


def lost(url: str, error: Exception) -> SourceLost:
    """What to tell the operator of a request that failed."""
    if not isinstance(error, HTTPClientError) or error.code == 599:  # Tornado's own code for no answer at all
        return SourceLost(f"{url} cannot be reached: {str(error) or type(error).__name__}")
    wait = error.response.headers.get("Retry-After", "") if error.response is not None else ""
    retry_after = min(float(wait), DAY) if wait.isdecimal() else LASTING.get(error.code, 0.0)
    return SourceLost(f"{url} answered {error.code} {error.message}", retry_after=retry_after)


class _Dialler(TCPClient):
    """Opens sockets as Tornado's own client does, and can take back what it opened.

    Cancelling a request is not enough: Tornado goes on with it until its own timeout.
    """

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[object]] = set()
        self._streams: list[IOStream] = []
        super().__init__(_Resolver(tasks=self._tasks))

    async def connect(self, *args: Any, **kwargs: Any) -> IOStream:
        with _enlisted(self._tasks):
            stream = await super().connect(*args, **kwargs)
        self._streams.append(stream)
        return stream

    # Not part of Tornado's public API. Without it a socket would stay open when a cancellation meets its connection.
    def _create_stream(self, *args: Any, **kwargs: Any) -> tuple[IOStream, asyncio.Future[IOStream]]:
        stream, connected = super()._create_stream(*args, **kwargs)
        self._streams.append(stream)
        return stream, connected

    def take_back(self) -> None:
        for task in self._tasks:
            task.cancel()
        for stream in self._streams:
            if stream.socket is not None:  # it went over to the stream that does TLS
                stream.close()


class _Resolver(DefaultLoopResolver):
    """Looks addresses up in a task that can be cancelled."""

    def initialize(self, tasks: set[asyncio.Task[object]]) -> None:
        self._tasks = tasks

    async def resolve(self, *args: Any, **kwargs: Any) -> list[tuple[int, Any]]:
        with _enlisted(self._tasks):
            return await super().resolve(*args, **kwargs)


@contextmanager
def _enlisted(tasks: set[asyncio.Task[object]]) -> Iterator[None]:
    task = asyncio.current_task()
    assert task is not None
    tasks.add(task)
    try:
        yield
    finally:
        tasks.discard(task)


def _request(url: str, *, connect_timeout: float, request_timeout: float) -> HTTPRequest:
    return HTTPRequest(
        url, connect_timeout=connect_timeout, request_timeout=request_timeout, validate_cert=True, user_agent="haunt"
    )


async def _finished(future: asyncio.Future[Result]) -> Result:
    """The result. When this is cancelled, what becomes of the future interests nobody any more."""
    try:
        await asyncio.wait([future])
    except asyncio.CancelledError:
        future.add_done_callback(lambda late: late.cancelled() or late.exception())
        raise
    return future.result()
