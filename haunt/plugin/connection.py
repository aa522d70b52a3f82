"""The line to a venue: one WebSocket, from the handshake to the last frame."""

from __future__ import annotations

import asyncio
import os
from base64 import b64encode
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from tornado.httputil import HTTPHeaders, HTTPInputError, parse_response_start_line

from haunt.errors import SourceLost
from haunt.plugin.rest import refused, words
from haunt.stream.frames import FrameReader, Opcode, Violation, accept_value, close_code, masked_frame

Receive = Callable[[str | bytes], None]

# Coinbase sends a book of 5 MB in one frame.
LARGEST_FRAME = 64 * 1024 * 1024
READ_AHEAD = 256 * 1024
LONGEST_READ = 0.005  # seconds of a venue's frames before others get their turn
NORMAL_CLOSURE = (1000).to_bytes(2, "big")


class VenueConnection:
    """One WebSocket to a venue, from the handshake to the last frame.

    `heard` is the event loop's time of the latest message; pongs do not count. `name` is its url without what
    may be a token.
    """

    def __init__(self, url: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.name = _name(url)
        self._reader = reader
        self._writer = writer
        self._time = asyncio.get_running_loop().time
        self._outbox: asyncio.Queue[str] = asyncio.Queue()
        self.heard = self._time()

    @classmethod
    async def open(cls, url: str, *, within: float) -> VenueConnection:
        """Connect. Raises SourceLost when that fails or takes longer than `within` seconds."""
        address = urlsplit(url)
        secure = address.scheme == "wss"
        writer = None
        try:
            async with asyncio.timeout(within):
                reader, writer = await asyncio.open_connection(
                    address.hostname,
                    address.port or (443 if secure else 80),
                    ssl=secure or None,
                    limit=READ_AHEAD,
                )
                await _shake_hands(url, reader, writer)
        except BaseException as error:
            if writer is not None:
                writer.transport.abort()
            if isinstance(error, TimeoutError):
                raise SourceLost(f"{_name(url)} cannot be reached: no answer within {within:g} s") from None
            if isinstance(error, (OSError, ValueError, EOFError, HTTPInputError)):
                raise SourceLost(f"{_name(url)} cannot be reached: {words(error)}") from None
            raise
        return cls(url, reader, writer)

    async def read(self, receive: Receive) -> None:
        """Hand every message to `receive` until the connection ends: raises SourceLost, or what `receive` raised."""
        frames = FrameReader(LARGEST_FRAME, masked=False)
        yielded = self._time()
        try:
            while data := await self._reader.read(READ_AHEAD):
                now = self._time()
                for opcode, payload in frames.feed(data):
                    if opcode is Opcode.TEXT or opcode is Opcode.BINARY:
                        self.heard = now
                        receive(payload)
                    else:
                        self._answer(opcode, payload)
                if self._time() - yielded > LONGEST_READ:
                    await asyncio.sleep(0)
                    yielded = self._time()
        except Violation as violation:
            raise SourceLost(f"{self.name} does not speak the WebSocket protocol: {violation.reason}") from None
        except OSError as error:
            raise SourceLost(f"{self.name} broke the connection: {words(error)}") from None
        raise SourceLost(f"{self.name} closed the connection")

    def send(self, message: str) -> None:
        """Have `message` sent after all those before it."""
        self._outbox.put_nowait(message)

    async def sent(self) -> None:
        """Wait until everything given to `send` has left."""
        await self._outbox.join()

    async def write(self, *, interval: float, turn: Callable[[], Awaitable[None]]) -> None:
        """Send what `send` is given, each in its `turn` and `interval` seconds apart, for as long as the connection
        stands."""
        while True:
            message = await self._outbox.get()
            await turn()
            self._write(Opcode.TEXT, message.encode())
            try:
                await self._writer.drain()
            except OSError:
                return
            self._outbox.task_done()
            await asyncio.sleep(interval)

    def ping(self) -> None:
        """Send a ping of the WebSocket protocol, which keeps routers and venues from dropping an idle line."""
        self._write(Opcode.PING)

    async def close(self) -> None:
        """Say goodbye and close the socket, without waiting for the venue."""
        self._write(Opcode.CLOSE, NORMAL_CLOSURE)
        self._writer.close()
        await asyncio.sleep(0)
        self._writer.transport.abort()

    def _answer(self, opcode: Opcode, payload: str | bytes) -> None:
        assert isinstance(payload, bytes)
        if opcode is Opcode.PING:
            self._write(Opcode.PONG, payload)
        elif opcode is Opcode.CLOSE:
            code = close_code(payload)
            reason = payload[2:].decode()
            why = f" ({code}{f' {reason!r:.100}' if reason else ''})" if code is not None else ""
            raise SourceLost(f"{self.name} closed the connection{why}")

    def _write(self, opcode: Opcode, payload: bytes = b"") -> None:
        if not self._writer.is_closing():
            self._writer.write(masked_frame(opcode, payload, os.urandom(4)))


def _name(url: str) -> str:
    return url.partition("?")[0]


async def _shake_hands(url: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    address = urlsplit(url)
    key = b64encode(os.urandom(16)).decode()
    path = (address.path or "/") + (f"?{address.query}" if address.query else "")
    lines = (
        f"GET {path} HTTP/1.1",
        f"Host: {address.netloc.rpartition('@')[2]}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {key}",
        "Sec-WebSocket-Version: 13",
        "User-Agent: haunt",
    )
    writer.write("".join(f"{line}\r\n" for line in (*lines, "")).encode())
    head, _, fields = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").partition("\r\n")
    status = parse_response_start_line(head)
    headers = HTTPHeaders.parse(fields)
    if status.code != 101:
        raise refused(_name(url), status.code, status.reason, headers)
    if headers.get("Sec-WebSocket-Accept") != accept_value(key):
        raise ValueError("its handshake is not that of a WebSocket")
