"""One client's socket: written directly, buffered only while the client is behind.

The only module that touches what Tornado keeps private (`take_socket`); where a release of Tornado changed
that, and for TLS, `StreamTransport` does the same over Tornado's public stream.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
from array import array
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from tornado.iostream import IOStream, SSLIOStream, StreamClosedError

CHUNK = 65_536
# tcpi_bytes_acked of struct tcp_info, which only grows at its end.
BYTES_ACKED, BYTES_ACKED_AT = struct.Struct("=Q"), 120
RESET = struct.pack("ii", 1, 0)  # linger on, zero seconds: close() resets the line


class Receiver(Protocol):
    """Who hears of a transport: bytes, that something has to wait, that nothing waits any more, the end."""

    def on_data(self, data: bytes) -> None: ...
    def on_blocked(self) -> None: ...
    def on_drained(self) -> None: ...
    def on_lost(self) -> None: ...


class Transport(Protocol):
    """Bytes to one client.

    `blocked` while bytes wait for it, `waiting` how many, `progress` counts those it took while it was sent to by
    `send`, `confirmed` all that it has confirmed, where the system tells. `send_now` is for
    whoever sends the same to many: only while not blocked; returns how many bytes were taken, raises OSError,
    and leaves the rest to `keep`. Or they send to the socket that the one number in `descriptor` names: it is -1 where
    they may not, and from the moment the socket is closed. After `finish` nothing may be sent: the client sees the
    end where the kind of transport can show it, and may finish speaking.
    """

    send_now: Callable[[bytes], int]
    descriptor: array[int]

    @property
    def blocked(self) -> bool: ...
    @property
    def waiting(self) -> int: ...
    @property
    def progress(self) -> int: ...
    @property
    def confirmed(self) -> int | None: ...
    def start(self, receiver: Receiver) -> None: ...
    def send(self, data: bytes) -> None: ...
    def keep(self, data: bytes, taken: int) -> None: ...
    def finish(self) -> None: ...
    def lose(self) -> None: ...
    def close(self) -> None: ...


def take_over(stream: IOStream, *, send_buffer: int) -> Transport:
    """The transport for a connection whose handshake is done; the stream must not be used afterwards."""
    # Kernel buffers grow to megabytes for a client that never reads, and hide that it does not.
    stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
    stream.set_nodelay(True)
    if not isinstance(stream, SSLIOStream):
        taken = take_socket(stream)
        if taken is not None:
            return SocketTransport(*taken)
    return StreamTransport(stream)


def take_socket(stream: IOStream) -> tuple[socket.socket, bytes] | None:
    """Take the socket out of an idle stream, with the bytes that came early; None where that is not possible."""
    if stream.writing() or not hasattr(stream, "_read_buffer") or not hasattr(stream, "_closed"):
        return None
    early = bytes(stream._read_buffer)
    taken = stream.socket
    stream.io_loop.remove_handler(taken)
    stream._closed = True
    stream.socket = None  # type: ignore[assignment]
    stream.set_close_callback(None)
    return taken, early


def confirmed_bytes(taken: socket.socket) -> int | None:
    """How much the other side has confirmed since the line stands; None where the system does not tell."""
    if sys.platform != "linux":
        return None
    try:
        info = taken.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, BYTES_ACKED.size + BYTES_ACKED_AT)
        return int(BYTES_ACKED.unpack_from(info, BYTES_ACKED_AT)[0])
    except (OSError, struct.error):
        return None


class SocketTransport:
    """A plain TCP socket on the event loop."""

    __slots__ = ("_buffer", "_early", "_loop", "_receiver", "_socket", "descriptor", "progress", "send_now")

    def __init__(self, taken: socket.socket, early: bytes) -> None:
        self._socket = taken
        # Bound to the socket, not to its descriptor: a closed descriptor's number may belong to another client.
        self.send_now: Callable[[bytes], int] = taken.send
        self.descriptor = array("i", [taken.fileno()])
        self._early = early
        self._loop = asyncio.get_running_loop()
        self._buffer: bytearray | None = None
        self._receiver: Receiver | None = None
        self.progress = 0

    @property
    def blocked(self) -> bool:
        return self._buffer is not None

    @property
    def waiting(self) -> int:
        return len(self._buffer) if self._buffer is not None else 0

    @property
    def confirmed(self) -> int | None:
        return confirmed_bytes(self._socket)

    def start(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._loop.add_reader(self._socket, self._on_readable)
        if self._early:
            early, self._early = self._early, b""
            receiver.on_data(early)

    def send(self, data: bytes) -> None:
        if self._buffer is not None:
            self._buffer += data
            return
        try:
            taken = self.send_now(data)
        except BlockingIOError:
            taken = 0
        except OSError:
            self.lose()
            return
        if taken == len(data):
            self.progress += taken
        else:
            self.keep(data, taken)

    def keep(self, data: bytes, taken: int) -> None:
        self.progress += taken
        self._buffer = bytearray(data[taken:])
        self._loop.add_writer(self._socket, self._on_writable)
        if self._receiver is not None:
            self._receiver.on_blocked()

    def finish(self) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def lose(self) -> None:
        """Tell of the loss, later: whoever is sending to many must not see them change under its hands."""
        self._loop.call_soon(self._lose)

    def close(self) -> None:
        if self._socket.fileno() < 0:
            return
        self._loop.remove_reader(self._socket)
        self._loop.remove_writer(self._socket)
        if self._buffer is not None:
            # Else the kernel would keep what a client that never reads was sent, for minutes after it is gone.
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self._buffer = None
        self._receiver = None
        self.descriptor[0] = -1
        self._socket.close()

    def _on_readable(self) -> None:
        try:
            data = self._socket.recv(CHUNK)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if not data:
            self._lose()
        elif self._receiver is not None:
            self._receiver.on_data(data)

    def _on_writable(self) -> None:
        assert self._buffer is not None
        try:
            sent = self._socket.send(self._buffer)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self._lose()
            return
        self.progress += sent
        del self._buffer[:sent]
        if not self._buffer:
            self._buffer = None
            self._loop.remove_writer(self._socket)
            if self._receiver is not None:
                self._receiver.on_drained()

    def _lose(self) -> None:
        receiver = self._receiver
        self.close()
        if receiver is not None:
            receiver.on_lost()


class StreamTransport:
    """The same over Tornado's stream: for TLS, and as the fallback that needs nothing private."""

    __slots__ = (
        "_loop",
        "_reading",
        "_receiver",
        "_stream",
        "_written",
        "descriptor",
        "progress",
        "send_now",
        "waiting",
    )

    def __init__(self, stream: IOStream) -> None:
        self._stream = stream
        self._loop = asyncio.get_running_loop()
        self._receiver: Receiver | None = None
        self._reading: asyncio.Task[None] | None = None
        self._written: asyncio.Future[None] | None = None
        self.send_now: Callable[[bytes], int] = self._send_now
        self.descriptor = array("i", [-1])
        self.waiting = 0
        self.progress = 0

    @property
    def blocked(self) -> bool:
        return self.waiting > 0

    @property
    def confirmed(self) -> int | None:
        return confirmed_bytes(self._stream.socket) if not self._stream.closed() else None

    def start(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._reading = self._loop.create_task(self._read())

    def send(self, data: bytes) -> None:
        try:
            taken = self._send_now(data)
        except OSError:
            self.lose()
            return
        if taken == len(data):
            self.progress += taken
        else:
            self.keep(data, taken)

    def keep(self, data: bytes, taken: int) -> None:
        """The stream holds all of it already: wait for it to be written."""
        assert self._written is not None
        length = len(data)
        self.waiting += length
        self._written.add_done_callback(lambda written: self._on_written(written, length))
        if self._receiver is not None:
            self._receiver.on_blocked()

    def finish(self) -> None:
        """TLS has no half-closed line."""

    def lose(self) -> None:
        self._loop.call_soon(self._lose)

    def close(self) -> None:
        self._receiver = None
        self._stream.close()

    def _send_now(self, data: bytes) -> int:
        self._written = self._stream.write(data)
        return len(data) if self._written.done() and not self._stream.writing() else 0

    def _on_written(self, written: asyncio.Future[None], length: int) -> None:
        if written.cancelled() or written.exception() is not None:
            self._lose()
            return
        self.progress += length
        self.waiting -= length
        if not self.waiting and self._receiver is not None:
            self._receiver.on_drained()

    async def _read(self) -> None:
        try:
            while True:
                data = await self._stream.read_bytes(CHUNK, partial=True)
                if self._receiver is None:
                    return
                self._receiver.on_data(data)
        except (StreamClosedError, OSError):
            self._lose()

    def _lose(self) -> None:
        receiver = self._receiver
        self.close()
        if receiver is not None:
            receiver.on_lost()
