"""The edge: a WebSocket handshake, then frames to the router and back."""

from __future__ import annotations

import asyncio
import base64
import binascii
import logging
from collections.abc import Collection
from types import TracebackType
from typing import Any, NamedTuple

import ujson
from tornado.web import HTTPError
from tornado.websocket import WebSocketHandler

from haunt.clock import Clock
from haunt.stream.admission import Admission, Refusal
from haunt.stream.clients import Clients
from haunt.stream.connection import Connection
from haunt.stream.fanout import Fanout
from haunt.stream.frames import accept_value
from haunt.stream.proxies import Network, client_address
from haunt.stream.router import Router
from haunt.stream.session import Session
from haunt.stream.subscriptions import Form
from haunt.stream.transport import take_over

logger = logging.getLogger(__name__)

LONGEST_AGENT = 100  # characters of what a program calls itself
DEFLATE_PARAMETERS = {"server_no_context_takeover", "client_no_context_takeover", "client_max_window_bits"}


class Stream(NamedTuple):
    """Everything a handler needs, the same for all of them."""

    router: Router
    fanout: Fanout
    clients: Clients
    admission: Admission
    clock: Clock
    trusted_proxies: Collection[Network] = ()
    message_size: int = 65_536
    messages_per_second: float = 10
    abuse: int = 100
    control_frames_per_second: float = 50
    send_buffer: int = 131_072
    compression: bool = False


class StreamHandler(WebSocketHandler):
    """One client. Tornado parses the HTTP request; from the handshake on the connection is ours."""

    stream: Stream
    session: Session
    connection: Connection | None = None

    def initialize(self, stream: Stream) -> None:
        self.stream = stream
        self.request.remote_ip = client_address(
            self.request.remote_ip or "?", self.request.headers.get("X-Forwarded-For", ""), stream.trusted_proxies
        )

    async def get(self, *args: Any, **kwargs: Any) -> None:
        headers = self.request.headers
        refusal = self._refusal()
        if refusal is not None:
            self._refuse(refusal)
            return
        if headers.get("Upgrade", "").lower() != "websocket":
            self.set_header("Upgrade", "websocket")
            self._refuse(Refusal(426, "upgrade_required", "This is a WebSocket; connect with ws://"))
            return
        if headers.get("Sec-WebSocket-Version") != "13":
            self.set_header("Sec-WebSocket-Version", "13")
            self._refuse(Refusal(426, "upgrade_required", "Only version 13 of the WebSocket protocol is spoken here"))
            return
        key = headers.get("Sec-WebSocket-Key", "")
        if "upgrade" not in headers.get("Connection", "").lower() or not _is_key(key):
            self._refuse(Refusal(400, "bad_handshake", "Connection and Sec-WebSocket-Key make no handshake"))
            return
        self._accept(key)

    def on_message(self, message: str | bytes) -> None:
        self.stream.router.receive(self.session, message)

    def on_blocked(self) -> None:
        self.session.take_place()

    def on_drained(self) -> None:
        self.stream.fanout.drained(self.session)

    def on_closing(self) -> None:
        assert self.connection is not None
        self.stream.router.leave(self.session)
        self.stream.clients.closing(self.connection)

    def on_close(self) -> None:
        assert self.connection is not None
        self.stream.clients.leave(self.connection)
        logger.debug("%s left (%s)", self.session.name, self.connection.close_code)

    def log_exception(self, typ: Any, value: BaseException | None, tb: TracebackType | None) -> None:
        """Tornado would log the whole address, and the token in it."""
        if isinstance(value, HTTPError):
            logger.warning("Refused a connection from %s: %s", self.request.remote_ip, value)
        else:
            logger.error(
                "The handshake of %s failed; it was answered with an error", self.request.remote_ip, exc_info=value
            )

    def _accept(self, key: str) -> None:
        request, stream = self.request, self.stream
        deflate = stream.compression and offers_deflate(request.headers.get("Sec-WebSocket-Extensions", ""))
        agent = request.headers.get("User-Agent", "")[:LONGEST_AGENT]
        extended = self.get_query_argument("ext", "") == "1"
        peer = request.remote_ip or "?"
        response = (
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept_value(key).encode() + b"\r\n"
        )
        if deflate:
            # Without context takeover each message stands alone, so all clients can be sent the same bytes.
            response += (
                b"Sec-WebSocket-Extensions: permessage-deflate; "
                b"server_no_context_takeover; client_no_context_takeover\r\n"
            )
        tornado_stream = self.detach()
        tornado_stream.write(response + b"\r\n")
        if tornado_stream.closed():
            return
        self.connection = Connection(
            take_over(tornado_stream, send_buffer=stream.send_buffer),
            self,
            largest=stream.message_size,
            control_frames_per_second=stream.control_frames_per_second,
            deflate=deflate,
            clock=stream.clock,
        )
        self.session = Session(
            self.connection,
            name=stream.clients.name(peer),
            messages_per_second=stream.messages_per_second,
            abuse=stream.abuse,
            form=Form(extended, deflate),
            clock=stream.clock,
        )
        stream.clients.join(self.connection, self.session, peer, agent)
        self.connection.start()
        asyncio.get_running_loop().call_soon(self._forget_request)

    def _forget_request(self) -> None:
        """Headers, request and Tornado's stream would cost 7 KB for as long as the client stays."""
        self.__dict__ = {name: self.__dict__[name] for name in ("stream", "session", "connection")}

    def _refusal(self) -> Refusal | None:
        stream, request = self.stream, self.request
        if stream.clients.leaving:
            return Refusal(503, "restarting", "The server is restarting; try again in a moment")
        return stream.admission.refusal(
            request.headers,
            token=self.get_query_argument("token", None),
            total=len(stream.clients),
            of_peer=stream.clients.of_peer(request.remote_ip or "?"),
        )

    def _refuse(self, refusal: Refusal) -> None:
        self.stream.clients.refused[refusal.code] += 1
        if refusal.status in (401, 403):
            logger.warning("Refused a connection from %s: %s", self.request.remote_ip, refusal.message)
        self.set_status(refusal.status)
        self.set_header("Content-Type", "application/json")
        self.finish(ujson.dumps({"error": refusal.code, "message": refusal.message}, escape_forward_slashes=False))


def offers_deflate(extensions: str) -> bool:
    """Whether a client offers permessage-deflate on terms that let all clients share one compressed frame."""
    for offer in extensions.split(","):
        name, *parameters = (part.strip() for part in offer.split(";"))
        if name == "permessage-deflate" and all(p.partition("=")[0].strip() in DEFLATE_PARAMETERS for p in parameters):
            return True
    return False


def _is_key(key: str) -> bool:
    try:
        return len(base64.b64decode(key, validate=True)) == 16
    except (binascii.Error, ValueError):
        return False
