"""WebSocket framing (RFC 6455), without I/O: bytes in, messages out."""

from __future__ import annotations

import base64
import hashlib
import struct
import zlib
from collections.abc import Iterator
from enum import IntEnum
from typing import NamedTuple


class Opcode(IntEnum):
    CONTINUATION = 0x0
    TEXT = 0x1
    BINARY = 0x2
    CLOSE = 0x8
    PING = 0x9
    PONG = 0xA


class Message(NamedTuple):
    """A whole message or a control frame. The payload of TEXT is str, of every other opcode bytes."""

    opcode: Opcode
    payload: str | bytes


class Violation(Exception):
    """The peer broke the protocol; `code` is the close code that says how."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


FIN, RSV1, RSV, MASKED = 0x80, 0x40, 0x70, 0x80
WHOLE_TEXT = FIN | Opcode.TEXT  # once: the operator of an enum costs as much as a function
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 section 1.3
OPCODES = frozenset(Opcode)
END_OF_BLOCK = b"\x00\x00\xff\xff"
# Each frame costs microseconds, and empty ones would never make a message too large.
MOST_FRAGMENTS, SMALL_FRAGMENT = 1_000, 64


def accept_value(key: str) -> str:
    """The answer to a client's Sec-WebSocket-Key (RFC 6455 section 4.2.2)."""
    return base64.b64encode(hashlib.sha1(key.encode() + GUID).digest()).decode()


def text_frame(payload: bytes) -> bytes:
    """One unmasked text frame, as a server sends it."""
    return _header(WHOLE_TEXT, len(payload)) + payload


def deflated_text_frame(payload: bytes) -> bytes:
    """The same, compressed on its own (permessage-deflate without context takeover), so that every client
    can be sent the same bytes."""
    # Memory level 5 of 9: a quarter of the memory for a few per cent more bytes.
    compressor = zlib.compressobj(zlib.Z_DEFAULT_COMPRESSION, zlib.DEFLATED, -zlib.MAX_WBITS, 5)
    data = compressor.compress(payload) + compressor.flush(zlib.Z_SYNC_FLUSH)
    data = data.removesuffix(END_OF_BLOCK)
    return _header(WHOLE_TEXT | RSV1, len(data)) + data


def control_frame(opcode: Opcode, payload: bytes = b"") -> bytes:
    """A ping, pong or close frame; the payload is at most 125 bytes."""
    return _header(FIN | opcode, len(payload)) + payload


def masked_frame(opcode: Opcode, payload: bytes, mask: bytes) -> bytes:
    """One whole frame, as a client sends it; `mask` is four bytes nobody can foresee."""
    header = bytearray(_header(FIN | opcode, len(payload)))
    header[1] |= MASKED
    return bytes(header) + mask + _unmask(mask, payload)


def close_frame(code: int | None = None, reason: str = "") -> bytes:
    if code is None:
        return control_frame(Opcode.CLOSE)
    # A control frame holds 125 bytes; a character cut in half would not be UTF-8.
    words = reason.encode()[:123].decode(errors="ignore")
    return control_frame(Opcode.CLOSE, struct.pack("!H", code) + words.encode())


def close_code(payload: bytes) -> int | None:
    """The code a peer gave; None when it gave none. Raises Violation where RFC 6455 section 7.4 forbids it."""
    if not payload:
        return None
    if len(payload) == 1:
        raise Violation(1002, "a close frame of one byte")
    code: int = struct.unpack("!H", payload[:2])[0]
    if not (3000 <= code <= 4999 or code in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014)):
        raise Violation(1002, f"close code {code} must not be sent")
    try:
        payload[2:].decode()
    except UnicodeDecodeError:
        raise Violation(1007, "the close reason is not UTF-8") from None
    return code


def _header(first: int, length: int) -> bytes:
    if length < 126:
        return bytes((first, length))
    if length < 65_536:
        return struct.pack("!BBH", first, 126, length)
    return struct.pack("!BBQ", first, 127, length)


class FrameReader:
    """Turns what a peer sends into messages.

    `largest` bounds a message over all its fragments, also after it is inflated; `deflate` says that
    permessage-deflate without context takeover was agreed; `masked` that the peer is a client, which must mask
    its frames, not a server, which must not.
    """

    __slots__ = ("_buffer", "_compressed", "_count", "_deflate", "_fragments", "_largest", "_mask", "_opcode")

    def __init__(self, largest: int, *, deflate: bool = False, masked: bool = True) -> None:
        self._largest = largest
        self._deflate = deflate
        self._mask = MASKED if masked else 0
        self._buffer = bytearray()
        self._fragments: bytearray | None = None
        self._opcode = Opcode.TEXT
        self._compressed = False
        self._count = 0

    @property
    def fragmented(self) -> bool:
        """Whether fragments of a message have come and the last one has not."""
        return self._fragments is not None

    @property
    def unfinished(self) -> bool:
        """Whether part of a message has come and the rest has not."""
        return bool(self._buffer) or self._fragments is not None

    def feed(self, data: bytes) -> Iterator[Message]:
        """The messages that these bytes complete. Raises Violation; nothing may be fed after that, nor after
        the messages of one call were not all taken."""
        buffer: bytes | bytearray = data
        if self._buffer:
            self._buffer += data
            buffer = self._buffer
        offset, end = 0, len(buffer)
        while offset + 2 <= end:
            first, second = buffer[offset], buffer[offset + 1]
            if first != WHOLE_TEXT or second & MASKED != self._mask:
                self._check_header(first, second)
            start, length = offset + 2, second & 0x7F
            if length > 125:
                width = 2 if length == 126 else 8
                if start + width > end:
                    break
                length, start = int.from_bytes(buffer[start : start + width], "big"), start + width
                if length < (126 if width == 2 else 65_536):
                    raise Violation(1002, "a length must be written as short as possible")
            self._check_length(first, length)
            if self._mask:
                start += 4
            if start + length > end:
                break
            offset = start + length
            payload = bytes(buffer[start:offset])
            if self._mask:
                payload = _unmask(bytes(buffer[start - 4 : start]), payload)
            message = self._message(first, payload)
            if message is not None:
                yield message
        if buffer is data:
            self._buffer += data[offset:]
        else:
            del self._buffer[:offset]

    def _check_header(self, first: int, second: int) -> None:
        opcode = first & 0x0F
        if opcode not in OPCODES:
            raise Violation(1002, f"unknown opcode {opcode}")
        compressed = self._deflate and opcode in (Opcode.TEXT, Opcode.BINARY)
        if first & (RSV & ~RSV1 if compressed else RSV):
            raise Violation(1002, "reserved bits must be zero")
        if second & MASKED != self._mask:
            raise Violation(1002, "a client must mask its frames, a server must not")
        if opcode & 0x08 and (second & 0x7F > 125 or not first & FIN):
            raise Violation(1002, "a control frame must be short and whole")

    def _check_length(self, first: int, length: int) -> None:
        if self._fragments is not None and not first & 0x08:
            length += len(self._fragments)
        if length > self._largest and not first & 0x08:
            raise Violation(1009, f"a message may have {self._largest} bytes at most")

    def _message(self, first: int, payload: bytes) -> Message | None:
        if first == WHOLE_TEXT and self._fragments is None:
            self._opcode, self._compressed = Opcode.TEXT, False
            return self._finished(payload)
        opcode = Opcode(first & 0x0F)
        if opcode >= Opcode.CLOSE:
            return Message(opcode, payload)
        if opcode is Opcode.CONTINUATION:
            if self._fragments is None:
                raise Violation(1002, "nothing to continue")
            self._fragments += payload
            self._count += 1
            if self._count > MOST_FRAGMENTS and len(self._fragments) < self._count * SMALL_FRAGMENT:
                raise Violation(1008, "too many small fragments")
        else:
            if self._fragments is not None:
                raise Violation(1002, "the message before is not finished")
            self._opcode, self._compressed, self._count = opcode, bool(first & RSV1), 1
            if not first & FIN:
                self._fragments = bytearray(payload)
        if not first & FIN:
            return None
        if self._fragments is not None:
            payload, self._fragments = bytes(self._fragments), None
        return self._finished(payload)

    def _finished(self, payload: bytes) -> Message:
        if self._compressed:
            payload = self._inflated(payload)
        if self._opcode is Opcode.BINARY:
            return Message(Opcode.BINARY, payload)
        try:
            return Message(Opcode.TEXT, payload.decode())
        except UnicodeDecodeError:
            raise Violation(1007, "a text message must be UTF-8") from None

    def _inflated(self, payload: bytes) -> bytes:
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            inflated = inflater.decompress(payload + END_OF_BLOCK, self._largest + 1)
        except zlib.error:
            raise Violation(1007, "a compressed message cannot be inflated") from None
        if len(inflated) > self._largest or inflater.unconsumed_tail:
            raise Violation(1009, f"a message may have {self._largest} bytes at most")
        return inflated


def _unmask(mask: bytes, payload: bytes) -> bytes:
    length = len(payload)
    if not length:
        return b""
    whole = (mask * (length // 4 + 1))[:length]
    return (int.from_bytes(whole, "big") ^ int.from_bytes(payload, "big")).to_bytes(length, "big")
