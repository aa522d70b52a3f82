"""A venue on 127.0.0.1, scripted by a test."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeAlias

from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPServerRequest
from tornado.netutil import bind_sockets
from tornado.web import Application
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from haunt.testing.clock import eventually

Frame: TypeAlias = Any
"""Text or bytes as they are, anything else as JSON."""

Response: TypeAlias = Frame | tuple[int, Frame, Mapping[str, str]] | None
"""A body, or (status, body, headers); None = 404."""


class FakeVenue:
    """A venue on 127.0.0.1 that a test scripts: a WebSocket and REST answers, in no venue's dialect.

        async with FakeVenue() as venue:
            venue.responses["/markets"] = '["BTC-USD"]'
            venue.on_message = lambda frame: [{"subscribed": frame["subscribe"]}]
            source = Mine(MineOptions(url=venue.url), relay)
            ...
            await venue.send({"price": "67234.56"})

    Frames and bodies are text, bytes, or anything JSON can say.
    """

    def __init__(self) -> None:
        self.on_message: Callable[[Frame], Iterable[Frame]] = lambda frame: ()
        """Called with each frame a client sends, decoded; what it returns is sent back to that client."""
        self.welcome: Sequence[Frame] = ()
        """What every client is sent as it connects."""
        self.responses: dict[str, Response] = {}
        """Path, with or without its query → a body, or (status, body, headers). Any other path answers 404."""
        self.received: list[Frame] = []
        """The frames clients sent, decoded from JSON where they are JSON."""
        self.requests: list[str] = []
        """The paths asked over REST, with their queries."""
        self.handshakes = 0
        """How many WebSockets clients ever asked for."""
        self.connections = 0
        """How many were opened."""
        self._clients: list[Client] = []
        self._refusal: tuple[int, Mapping[str, str]] | None = None
        self._talking = asyncio.Event()
        self._talking.set()
        self._server: HTTPServer | None = None
        self._port = 0

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self._port}/"

    @property
    def rest_url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def clients(self) -> int:
        """How many WebSockets are open now."""
        return len(self._clients)

    def start(self) -> None:
        """Listen, on the port of the time before if there was one."""
        application = Application([(".*", Client, {"venue": self})], log_function=lambda handler: None)
        sockets = bind_sockets(self._port, "127.0.0.1")
        self._port = sockets[0].getsockname()[1]
        self._server = HTTPServer(application)
        self._server.add_sockets(sockets)

    async def stop(self) -> None:
        """Cut every line and refuse new ones. Nothing it started is left."""
        if self._server is None:
            return
        self._server.stop()
        await self.disconnect(None)
        await self._server.close_all_connections()
        self._server = None
        self.speak()
        await asyncio.sleep(0)

    async def __aenter__(self) -> FakeVenue:
        self.start()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.stop()

    async def send(self, frame: Frame) -> None:
        """Send one frame to every client."""
        for client in list(self._clients):
            await client.say(frame)

    async def disconnect(self, code: int | None = 1000, reason: str | None = None) -> None:
        """Close every WebSocket with this code; None cuts the line without a word."""
        for client in list(self._clients):
            client.leave(code, reason)
        await eventually(lambda: not self._clients)

    def refuse(self, status: int, headers: Mapping[str, str] | None = None) -> None:
        """Answer WebSocket handshakes with this HTTP status until `accept`."""
        self._refusal = (status, headers or {})

    def accept(self) -> None:
        """Welcome WebSockets again."""
        self._refusal = None

    def silent(self) -> None:
        """Until `speak`, take everything and answer nothing: handshakes, REST and messages alike. What the test
        itself sends still goes out."""
        self._talking.clear()

    def speak(self) -> None:
        """Answer again, first what was asked meanwhile."""
        self._talking.set()

    # -- what a kind of venue may decide otherwise

    def _respond(self, request: HTTPServerRequest) -> Response:
        return self.responses.get(request.uri or "", self.responses.get(request.path))

    def _why_refused(self, request: HTTPServerRequest) -> tuple[int, Mapping[str, str]] | None:
        """The status and headers with which a handshake is refused."""
        return self._refusal

    def _opened(self, client: Client) -> Iterable[Frame]:
        return self.welcome

    def _heard(self, client: Client, message: str | bytes) -> Iterable[Frame]:
        try:
            frame = json.loads(message)
        except ValueError:
            frame = message
        self.received.append(frame)
        return self.on_message(frame) if self._talking.is_set() else ()

    def _pinged(self) -> None: ...

    def _closed(self, client: Client) -> None: ...


class Client(WebSocketHandler):
    """One client of a FakeVenue: a WebSocket on any path, or a REST request."""

    def initialize(self, venue: FakeVenue) -> None:
        self._venue = venue
        self._gone = False

    async def get(self, *args: Any, **kwargs: Any) -> None:
        venue = self._venue
        if "Upgrade" not in self.request.headers:
            await self.post()
            return
        venue.handshakes += 1
        await venue._talking.wait()
        refusal = venue._why_refused(self.request)
        if self._gone:
            return
        if refusal is not None:
            self._answer((refusal[0], "", refusal[1]))
        else:
            await super().get(*args, **kwargs)

    async def post(self) -> None:
        self._venue.requests.append(self.request.uri or "")
        await self._venue._talking.wait()
        if not self._gone:
            self._answer(self._venue._respond(self.request))

    def _answer(self, response: Response) -> None:
        status, body, headers = response if isinstance(response, tuple) else (200, response, {})
        self.set_status(404 if response is None else status)
        for name, value in headers.items():
            self.set_header(name, value)
        self.finish(b"" if response is None else _encode(body))

    def check_origin(self, origin: str) -> bool:
        return True

    async def open(self, *args: str, **kwargs: str) -> None:
        self._venue.connections += 1
        self._venue._clients.append(self)
        for frame in self._venue._opened(self):
            await self.say(frame)

    async def on_message(self, message: str | bytes) -> None:
        for frame in self._venue._heard(self, message):
            await self.say(frame)

    def on_ping(self, data: bytes) -> None:
        self._venue._pinged()

    def on_close(self) -> None:
        self._gone = True
        if self in self._venue._clients:
            self._venue._clients.remove(self)
            self._venue._closed(self)

    async def say(self, frame: Frame) -> None:
        with suppress(WebSocketClosedError):
            await self.write_message(_encode(frame), binary=isinstance(frame, bytes))

    def hurl(self, frame: str | bytes) -> None:
        """Send without waiting for room in the socket."""
        with suppress(WebSocketClosedError):
            self.write_message(frame, binary=isinstance(frame, bytes)).add_done_callback(_forget)

    def leave(self, code: int | None, reason: str | None) -> None:
        connection = self.ws_connection
        if code is not None:
            self.close(code, reason)
        elif connection is not None and connection.stream is not None:
            connection.stream.close()


def _encode(frame: Frame) -> str | bytes:
    return frame if isinstance(frame, str | bytes) else json.dumps(frame)


def _forget(sent: asyncio.Future[None]) -> None:
    """That a frame did not reach a client that left interests nobody."""
    if not sent.cancelled():
        sent.exception()
