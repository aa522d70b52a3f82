"""Both ends of a client's line: a WebSocket client that sends and sees every byte, and a wire without a socket."""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import socket
import struct
import time
from array import array
from collections.abc import Callable, Mapping
from errno import EAGAIN, EBADF, ECONNRESET
from typing import Any, NamedTuple, TypeAlias

from haunt.stream.session import Session

Json: TypeAlias = dict[str, Any]

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
HANDSHAKE = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": KEY}
PATIENCE = 3.0  # seconds before a test gives up on a frame


class Frame(NamedTuple):
    """One frame a server sent."""

    opcode: int
    payload: bytes
    fin: bool = True
    rsv: int = 0

    @property
    def code(self) -> int | None:
        """The close code of a close frame."""
        return int(struct.unpack("!H", self.payload[:2])[0]) if len(self.payload) >= 2 else None

    def json(self) -> Json:
        data = json.loads(self.payload)
        assert isinstance(data, dict)
        return data


def frame(
    opcode: int,
    payload: bytes | str = b"",
    *,
    fin: bool = True,
    rsv: int = 0,
    mask: bytes | None = b"\x1a\x2b\x3c\x4d",
    length_bytes: int | None = None,
    length: int | None = None,
) -> bytes:
    """A client's frame; the keywords make it a wrong one. `length_bytes` (1, 2 or 8) says how its length is
    written, `length` claims another one."""
    if isinstance(payload, str):
        payload = payload.encode()
    length = len(payload) if length is None else length
    if length_bytes is None:
        length_bytes = 1 if length < 126 else 2 if length < 65_536 else 8
    marker = {1: length, 2: 126, 8: 127}[length_bytes]
    head = bytes(((0x80 if fin else 0) | rsv << 4 | opcode, (0 if mask is None else 0x80) | marker))
    if length_bytes > 1:
        head += length.to_bytes(length_bytes, "big")
    if mask is None:
        return head + payload
    return head + mask + bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))


def close_frame(code: int, reason: bytes = b"") -> bytes:
    return frame(CLOSE, struct.pack("!H", code) + reason)


def server_frames(data: bytes) -> tuple[list[Frame], bytes]:
    """The whole frames in what a server sent, and the rest."""
    frames: list[Frame] = []
    while len(data) >= 2:
        length, start = data[1], 2
        assert length < 128, "a server must not mask"
        if length >= 126:
            start += 2 if length == 126 else 8
            if len(data) < start:
                break
            length = int.from_bytes(data[2:start], "big")
        if len(data) < start + length:
            break
        first = data[0]
        frames.append(Frame(first & 0x0F, bytes(data[start : start + length]), bool(first & 0x80), first >> 4 & 7))
        data = data[start + length :]
    return frames, data


class RawClient:
    """A WebSocket client of bare bytes. `status` and `headers` are the server's answer to the handshake, `body`
    what came with a refusal. It answers pings while it reads, unless `answers` is False."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = b""
        self.heard: list[Json] = []
        self.answers = True
        self.reader = reader
        self.writer = writer
        self._frames: list[Frame] = []
        self._rest = b""

    @classmethod
    async def connect(
        cls,
        port: int,
        path: str = "/ws",
        headers: Mapping[str, str | None] | None = None,
        *,
        address: str = "127.0.0.1",
        receive_buffer: int | None = None,
    ) -> RawClient:
        """Shake hands. `headers` are added to the usual ones; None leaves one out."""
        client = await cls.dial(port, address=address, receive_buffer=receive_buffer)
        host = f"[{address}]" if ":" in address else address
        await client.shake_hands(path, {"Host": f"{host}:{port}"} | HANDSHAKE | dict(headers or {}))
        return client

    @classmethod
    async def dial(cls, port: int, *, address: str = "127.0.0.1", receive_buffer: int | None = None) -> RawClient:
        """A TCP connection and nothing more."""
        plain = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        if receive_buffer is not None:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        plain.setblocking(False)
        await asyncio.get_running_loop().sock_connect(plain, (address, port))
        return cls(*await asyncio.open_connection(sock=plain, limit=2**16 if receive_buffer is None else 1024))

    async def shake_hands(self, path: str, headers: Mapping[str, str | None], method: str = "GET") -> None:
        lines = [
            f"{method} {path} HTTP/1.1",
            *(f"{name}: {value}" for name, value in headers.items() if value is not None),
        ]
        self.raw("\r\n".join([*lines, "", ""]).encode("latin-1"))
        await self.read_answer()

    async def read_answer(self) -> None:
        head = (await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), PATIENCE)).decode("latin-1")
        status, *lines = head.split("\r\n")[:-2]
        self.status = int(status.split()[1])
        self.headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        if self.status != 101:
            self.body = await self.reader.readexactly(int(self.headers.get("content-length", 0)))

    # -- what it sends

    def raw(self, data: bytes) -> None:
        self.writer.write(data)

    def say(self, message: Json | str) -> None:
        """Send one text message."""
        self.raw(frame(TEXT, message if isinstance(message, str) else json.dumps(message), mask=os.urandom(4)))

    def hang_up(self) -> None:
        self.writer.close()

    # -- what it hears

    async def frame(self, within: float = PATIENCE) -> Frame:
        """The next frame. Raises EOFError at the end of the line, TimeoutError when none comes."""
        async with asyncio.timeout(within):
            while not self._frames:
                try:
                    data = await self.reader.read(65_536)
                except ConnectionError:
                    data = b""
                if not data:
                    raise EOFError
                self._frames, self._rest = server_frames(self._rest + data)
        found = self._frames.pop(0)
        if found.opcode == PING and self.answers:
            self.raw(frame(PONG, found.payload))
        return found

    async def message(self, kind: str | None = None, within: float = PATIENCE) -> Json:
        """The next message, or the next of this type; every one of them is noted in `heard`."""
        async with asyncio.timeout(within):
            while True:
                found = await self.frame(within)
                assert found.opcode != CLOSE, f"closed with {found.code}"
                if found.opcode == TEXT:
                    message = found.json()
                    self.heard.append(message)
                    if kind is None or message["type"] == kind:
                        return message

    async def until_pong(self) -> list[Json]:
        """What the server says before it answers a protocol ping sent now."""
        heard: list[Json] = []
        mark = os.urandom(8)
        self.raw(frame(PING, mark))
        while True:
            found = await self.frame()
            assert found.opcode != CLOSE, f"closed with {found.code}"
            if found == Frame(PONG, mark):
                self.heard += heard
                return heard
            if found.opcode == TEXT:
                heard.append(found.json())

    async def end(self, within: float = PATIENCE) -> int | None:
        """Read until the line ends; the code of the close frame, None where there was none. Answers it."""
        code: int | None = None
        async with asyncio.timeout(within):
            while True:
                try:
                    found = await self.frame(within)
                except EOFError:
                    return code
                if found.opcode == TEXT and not found.rsv:
                    self.heard.append(found.json())
                if found.opcode == CLOSE:
                    assert code is None, "a second close frame"
                    code = found.code
                    self.raw(frame(CLOSE, found.payload))


class FakeBatch:
    """Sends to fake wires by the numbers of their descriptors, as io_uring does to sockets."""

    def __init__(self) -> None:
        self._wires: list[FakeWire] = []

    def add(self, wire: FakeWire) -> None:
        wire.descriptor[0] = len(self._wires)
        self._wires.append(wire)

    def address(self, data: bytes) -> int:
        return ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p).value or 0

    def send(self, descriptors: bytes, addresses: memoryview[int], lengths: memoryview[int]) -> list[int]:
        numbers = memoryview(descriptors).cast("i")
        return [self._send(*one) for one in zip(numbers, addresses, lengths, strict=True)]

    def _send(self, number: int, address: int, length: int) -> int:
        if number < 0:
            return -EBADF
        try:
            return self._wires[number].send_now(ctypes.string_at(address, length))
        except BlockingIOError:
            return -EAGAIN
        except OSError:
            return -ECONNRESET


class FakeWire:
    """What a session writes to: takes everything until `block`, and keeps what comes then until `drain`."""

    def __init__(self) -> None:
        self.descriptor = array("i", [-1])
        self.blocked = False
        self.closed: tuple[int | None, str] | None = None
        self.lost = False
        self.broken = False
        self.room: int | None = None  # bytes that one more write takes; None: any number
        self.times: list[float] = []
        self.on_blocked: Callable[[], None] = lambda: None
        self.on_drained: Callable[[], None] = lambda: None
        self.on_closing: Callable[[], None] = lambda: None
        self._sent = b""
        self._kept = b""

    def send_now(self, data: bytes) -> int:
        assert not self.blocked, "only while not blocked"
        assert self.closed is None, "nothing is sent after the close frame"
        if self.broken:
            raise ConnectionResetError
        if self.room == 0:
            raise BlockingIOError
        taken = data if self.room is None else data[: self.room]
        self.times.append(time.monotonic())
        self._sent += taken
        return len(taken)

    def send(self, data: bytes) -> None:
        if self.closed is not None:
            return
        if self.blocked:
            self._kept += data
            return
        try:
            taken = self.send_now(data)
        except BlockingIOError:
            taken = 0
        except OSError:
            self.lose()
            return
        if taken < len(data):
            self.keep(data, taken)

    def keep(self, data: bytes, taken: int) -> None:
        self._kept = data[taken:]
        self.block()

    def lose(self) -> None:
        self.lost = True

    def close(self, code: int | None = None, reason: str = "", *, grace: float = 5.0) -> None:
        if self.closed is None:
            self.closed = (code, reason)
            self.on_closing()

    def block(self) -> None:
        """From here on the client reads nothing."""
        self.blocked = True
        self.on_blocked()

    def drain(self) -> None:
        """The client has read everything."""
        self.room = None
        self.blocked = False
        self._sent, self._kept = self._sent + self._kept, b""
        self.on_drained()

    def frames(self) -> list[Frame]:
        """The frames that arrived since the last look."""
        frames, self._sent = server_frames(self._sent)
        return frames


class Guest:
    """A client without a socket: its session, what it says and what it hears."""

    def __init__(self, wire: FakeWire, session: Session, receive: Callable[[Session, str | bytes], None]) -> None:
        self.wire = wire
        self.session = session
        self._receive = receive

    def say(self, message: Json | str | bytes) -> None:
        self._receive(self.session, json.dumps(message) if isinstance(message, dict) else message)

    def heard(self) -> list[Json]:
        """The messages that arrived since the last look, one per frame."""
        frames = self.wire.frames()
        assert all(found.opcode == TEXT and found.fin and not found.rsv for found in frames)
        return [found.json() for found in frames]

    def ask(self, message: Json | str | bytes) -> list[Json]:
        """Say something; what is heard at once."""
        self.say(message)
        return self.heard()
