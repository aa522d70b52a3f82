"""One WebSocket after its handshake: messages in, control frames answered, the closing handshake."""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Callable
from typing import Protocol

from haunt.clock import Clock
from haunt.stream.frames import FrameReader, Message, Opcode, Violation, close_code, close_frame, control_frame
from haunt.stream.limits import TokenBucket
from haunt.stream.transport import Transport

CLOSE_GRACE = 5.0  # seconds for the client to answer our close frame
# Seconds in which what comes after a violation is read and thrown away: to hang up on bytes that are still
# coming would reset the line, and the client would not see the close frame.
LINGER = 1.0
ABUSE = 1008


class Listener(Protocol):
    """Who hears of a connection: `on_closing` once, when nothing may be sent any more; `on_close` once, last."""

    def on_message(self, message: str | bytes) -> object: ...
    def on_blocked(self) -> None: ...
    def on_drained(self) -> None: ...
    def on_closing(self) -> None: ...
    def on_close(self) -> None: ...


class Connection:
    """Reads and writes one client's frames.

    `last_frame` is the monotonic time of its last frame of any kind; `close_code` and `close_reason` say how it
    ended: the client's words where it closed first, else ours; `shown_out` when it was we who closed.
    """

    __slots__ = (
        "_clock",
        "_closed",
        "_closing",
        "_control",
        "_deaf",
        "_grace",
        "_listener",
        "_pong",
        "_reader",
        "close_code",
        "close_reason",
        "last_frame",
        "shown_out",
        "transport",
        "unfinished_since",
    )

    def __init__(
        self,
        transport: Transport,
        listener: Listener,
        *,
        largest: int,
        control_frames_per_second: float,
        deflate: bool = False,
        clock: Clock,
    ) -> None:
        self.transport = transport
        self._listener = listener
        self._reader = FrameReader(largest, deflate=deflate)
        self._control = TokenBucket(control_frames_per_second, clock)
        self._clock = clock
        self._pong: bytes | None = None
        self._closing = False
        self._closed = False
        self._deaf = False
        self._grace: asyncio.TimerHandle | None = None
        self.last_frame = clock.monotonic()
        self.unfinished_since: float | None = None
        self.close_code: int | None = None
        self.close_reason = ""
        self.shown_out = False

    @property
    def open(self) -> bool:
        return not (self._closing or self._closed)

    @property
    def blocked(self) -> bool:
        return self.transport.blocked

    @property
    def send_now(self) -> Callable[[bytes], int]:
        return self.transport.send_now

    @property
    def descriptor(self) -> array[int]:
        return self.transport.descriptor

    def keep(self, data: bytes, taken: int) -> None:
        self.transport.keep(data, taken)

    def lose(self) -> None:
        self.transport.lose()

    def start(self) -> None:
        self.transport.start(self)

    def send(self, data: bytes) -> None:
        """Send whole frames; nothing goes out after a close frame."""
        if self.open:
            self.transport.send(data)

    def ping(self) -> None:
        self.send(control_frame(Opcode.PING))

    def close(self, code: int | None = None, reason: str = "", *, grace: float = CLOSE_GRACE) -> None:
        """Say goodbye and wait `grace` seconds for the client's answer before hanging up."""
        if self.open:
            self.shown_out = True
            self._say_goodbye(code, reason, grace)

    def _say_goodbye(self, code: int | None, reason: str, grace: float) -> None:
        self.transport.send(close_frame(code, reason))
        self._closing = True
        self.close_code, self.close_reason = code, reason
        self._grace = asyncio.get_running_loop().call_later(grace, self.on_lost)
        self._listener.on_closing()
        if code == ABUSE:
            self._turn_deaf()

    # -- from the transport

    def on_data(self, data: bytes) -> None:
        if self._deaf:
            return
        self.last_frame = self._clock.monotonic()
        try:
            for message in self._reader.feed(data):
                self._receive(message)
                if self._closed or self._deaf:
                    return
        except Violation as violation:
            self.close(violation.code, violation.reason, grace=LINGER)
            self._turn_deaf()
            return
        if not self._reader.unfinished:
            self.unfinished_since = None
        elif self.unfinished_since is None:
            self.unfinished_since = self.last_frame

    def on_blocked(self) -> None:
        self._listener.on_blocked()

    def on_drained(self) -> None:
        if self._pong is not None:
            pong, self._pong = self._pong, None
            self.send(pong)
        if self._deaf:
            self.transport.finish()
        elif not self._closing:
            self._listener.on_drained()

    def on_lost(self) -> None:
        if self._closed:
            return
        self._closed = True
        if self._grace is not None:
            self._grace.cancel()
        if self.close_code is None:
            self.close_code = 1006
        self.transport.close()
        if not self._closing:
            self._listener.on_closing()
        self._listener.on_close()

    # -- frames

    def _receive(self, message: Message) -> None:
        if not self._reader.fragmented:
            self.unfinished_since = None
        if message.opcode in (Opcode.TEXT, Opcode.BINARY):
            if self.open:
                self._listener.on_message(message.payload)
            return
        payload = message.payload
        assert isinstance(payload, bytes)
        if message.opcode is Opcode.CLOSE:
            self._on_close_frame(payload)
            return
        if not self._control.take():
            self.close(ABUSE, "too many control frames")
            return
        if message.opcode is Opcode.PING:
            pong = control_frame(Opcode.PONG, payload)
            if self.blocked:
                # RFC 6455 section 5.5.3: it is enough to answer the latest ping.
                self._pong = pong
            else:
                self.send(pong)

    def _on_close_frame(self, payload: bytes) -> None:
        code = close_code(payload)
        if not self._closing:
            self._say_goodbye(code, "", CLOSE_GRACE)
            self.close_code = 1005 if code is None else code
            self.close_reason = payload[2:].decode()
        self._hang_up()

    def _turn_deaf(self) -> None:
        """Read no more of a client that does not keep to the rules; what it still sends costs next to nothing."""
        self._deaf = True
        if not self.blocked:
            self.transport.finish()

    def _hang_up(self) -> None:
        """Both sides have said goodbye: close as soon as ours is on its way."""
        self._deaf = True
        if not self.blocked:
            self.on_lost()
