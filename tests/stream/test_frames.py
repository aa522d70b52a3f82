"""RFC 6455 to the letter: what each sequence of bytes means, however it is cut."""

from __future__ import annotations

import struct
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haunt.stream.frames import (
    FrameReader,
    Message,
    Opcode,
    Violation,
    close_code,
    close_frame,
    control_frame,
    deflated_text_frame,
    text_frame,
)

from .wire import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Frame, frame, server_frames

LARGEST = 65_536
SIGNS = "κόσμε €𝄞"


def read(data: bytes, *, deflate: bool = False, chunk: int | None = None) -> list[Message]:
    """The messages in `data`, fed in pieces of `chunk` bytes."""
    reader = FrameReader(LARGEST, deflate=deflate)
    size = chunk or len(data) or 1
    return [message for start in range(0, len(data), size) for message in reader.feed(data[start : start + size])]


def text(payload: str) -> Message:
    return Message(Opcode.TEXT, payload)


# The numbers in brackets are those of the Autobahn test suite where it has the same case.
ACCEPTED = {
    "an empty text (1.1.1)": (frame(TEXT), [text("")]),
    "125 bytes (1.1.2)": (frame(TEXT, "*" * 125), [text("*" * 125)]),
    "126 bytes (1.1.3)": (frame(TEXT, "*" * 126), [text("*" * 126)]),
    "127 bytes (1.1.4)": (frame(TEXT, "*" * 127), [text("*" * 127)]),
    "65535 bytes (1.1.6)": (frame(TEXT, "*" * 65_535), [text("*" * 65_535)]),
    "the largest message (1.1.7)": (frame(TEXT, "*" * LARGEST), [text("*" * LARGEST)]),
    "an empty binary message (1.2.1)": (frame(BINARY), [Message(Opcode.BINARY, b"")]),
    "a binary message (1.2.2)": (frame(BINARY, b"\x00\xff"), [Message(Opcode.BINARY, b"\x00\xff")]),
    "a ping without payload (2.1)": (frame(PING), [Message(Opcode.PING, b"")]),
    "a ping with payload (2.2)": (frame(PING, b"\x00\xff\xfe"), [Message(Opcode.PING, b"\x00\xff\xfe")]),
    "a ping of 125 bytes (2.4)": (frame(PING, b"x" * 125), [Message(Opcode.PING, b"x" * 125)]),
    "a pong nobody asked for (2.7)": (frame(PONG, b"hi"), [Message(Opcode.PONG, b"hi")]),
    "ten pings at once (2.10)": (frame(PING, b"1") * 10, [Message(Opcode.PING, b"1")] * 10),
    "two fragments (5.3)": (
        frame(TEXT, "frag", fin=False) + frame(CONTINUATION, "ment"),
        [text("fragment")],
    ),
    "a ping between fragments (5.6)": (
        frame(TEXT, "frag", fin=False) + frame(PING, b"now") + frame(CONTINUATION, "ment"),
        [Message(Opcode.PING, b"now"), text("fragment")],
    ),
    "a close between fragments": (
        frame(TEXT, "frag", fin=False) + frame(CLOSE, b"\x03\xe8"),
        [Message(Opcode.CLOSE, b"\x03\xe8")],
    ),
    "three fragments, the middle one empty (6.1.3)": (
        frame(TEXT, fin=False) + frame(CONTINUATION, fin=False) + frame(CONTINUATION, "end"),
        [text("end")],
    ),
    "three empty fragments (6.1.2)": (
        frame(TEXT, fin=False) + frame(CONTINUATION, fin=False) + frame(CONTINUATION),
        [text("")],
    ),
    "a binary message in fragments": (
        frame(BINARY, b"\xce", fin=False) + frame(CONTINUATION, b"\xba"),
        [Message(Opcode.BINARY, b"\xce\xba")],
    ),
    "UTF-8 of all lengths (6.2.1)": (frame(TEXT, SIGNS), [text(SIGNS)]),
    "a character split over fragments (6.2.3)": (
        b"".join(frame(TEXT if not at else CONTINUATION, SIGNS.encode()[at : at + 1], fin=False) for at in range(19))
        + frame(CONTINUATION, SIGNS.encode()[19:]),
        [text(SIGNS)],
    ),
    "the last code point (6.7)": (frame(TEXT, b"\xf4\x8f\xbf\xbf"), [text("\U0010ffff")]),
    "a NUL": (frame(TEXT, b"\x00"), [text("\x00")]),
    "a thousand fragments": (
        frame(TEXT, "x", fin=False) + frame(CONTINUATION, "x", fin=False) * 998 + frame(CONTINUATION, "x"),
        [text("x" * 1_000)],
    ),
    "another message after one in fragments": (
        frame(TEXT, "a", fin=False) + frame(CONTINUATION, "b") + frame(TEXT, "c"),
        [text("ab"), text("c")],
    ),
    "a mask of zeros": (frame(TEXT, "same", mask=bytes(4)), [text("same")]),
    "a frame that is not whole": (frame(TEXT, "hello")[:-1], []),
    "half a header": (frame(TEXT, "x" * 300)[:3], []),
    "nothing": (b"", []),
}  # fmt: skip

REFUSED = {
    "a ping of 126 bytes (2.5)": (frame(PING, b"x" * 126), 1002),
    "reserved bit 1 (3.3)": (frame(TEXT, "x", rsv=4), 1002),
    "reserved bit 2 (3.2)": (frame(TEXT, "x", rsv=2), 1002),
    "reserved bit 3 (3.1)": (frame(TEXT, "x", rsv=1), 1002),
    "all reserved bits in a ping (3.6)": (frame(PING, "x", rsv=7), 1002),
    "reserved bits in a close (3.7)": (frame(CLOSE, rsv=7), 1002),
    "opcode 3 (4.1.1)": (frame(3), 1002),
    "opcode 7 (4.1.5)": (frame(7, "x"), 1002),
    "opcode 11 (4.2.1)": (frame(11), 1002),
    "opcode 15 (4.2.5)": (frame(15, "x"), 1002),
    "a ping in fragments (5.1)": (frame(PING, b"x", fin=False), 1002),
    "a pong in fragments (5.2)": (frame(PONG, b"x", fin=False), 1002),
    "a close in fragments": (frame(CLOSE, b"\x03\xe8", fin=False), 1002),
    "a continuation of nothing (5.9)": (frame(CONTINUATION, "x"), 1002),
    "an unfinished continuation of nothing (5.10)": (frame(CONTINUATION, "x", fin=False), 1002),
    "a continuation after the end (5.15)": (
        frame(TEXT, "a", fin=False) + frame(CONTINUATION, "b") + frame(CONTINUATION, "c"),
        1002,
    ),
    "a text within a text (5.18)": (frame(TEXT, "a", fin=False) + frame(TEXT, "b"), 1002),
    "a binary within a text": (frame(TEXT, "a", fin=False) + frame(BINARY, "b"), 1002),
    "no mask": (frame(TEXT, "x", mask=None), 1002),
    "no mask in a ping": (frame(PING, mask=None), 1002),
    "a length of two bytes for 125": (frame(TEXT, "x" * 125, length_bytes=2), 1002),
    "a length of eight bytes for 65535": (frame(TEXT, "x" * 65_535, length_bytes=8), 1002),
    "a length of two bytes in a ping": (frame(PING, "x", length_bytes=2), 1002),
    "a length beyond 63 bits": (frame(TEXT, length=2**64 - 1, length_bytes=8), 1009),
    "one byte too many": (frame(TEXT, "x" * (LARGEST + 1)), 1009),
    "one byte too many in fragments": (
        frame(TEXT, "x" * LARGEST, fin=False) + frame(CONTINUATION, "x"),
        1009,
    ),
    "a thousand empty fragments": (frame(TEXT, fin=False) + frame(CONTINUATION, fin=False) * 1_000, 1008),
    "a thousand and one of few bytes": (frame(TEXT, fin=False) + frame(CONTINUATION, "xyz", fin=False) * 1_000, 1008),
    "invalid UTF-8 (6.3.1)": (frame(TEXT, b"\xce\xba\xed\xa0\x80"), 1007),
    "a lone continuation byte (6.14.1)": (frame(TEXT, b"\x80"), 1007),
    "an overlong slash (6.12.3)": (frame(TEXT, b"\xc0\xaf"), 1007),
    "a surrogate (6.22)": (frame(TEXT, b"\xed\xa0\x80"), 1007),
    "beyond the last code point (6.8)": (frame(TEXT, b"\xf4\x90\x80\x80"), 1007),
    "half a character (6.6.1)": (frame(TEXT, b"\xce"), 1007),
    "half a character in the last fragment (6.3.2)": (
        frame(TEXT, b"\xce", fin=False) + frame(CONTINUATION, b"x"),
        1007,
    ),
}  # fmt: skip


@pytest.mark.parametrize("chunk", [None, 1, 7])
@pytest.mark.parametrize("case", ACCEPTED)
def test_what_the_protocol_allows_is_understood(case, chunk):
    data, messages = ACCEPTED[case]
    if chunk and len(data) > 1_000:
        data = data if chunk > 1 else data[:1_000]
        messages = messages if chunk > 1 else []
    assert read(data, chunk=chunk) == messages


@pytest.mark.parametrize("chunk", [None, 7])
@pytest.mark.parametrize("case", REFUSED)
def test_what_the_protocol_forbids_is_refused_with_its_close_code(case, chunk):
    data, code = REFUSED[case]
    with pytest.raises(Violation) as violation:
        read(data, chunk=chunk)
    assert violation.value.code == code


def test_messages_before_a_violation_are_heard():
    messages = FrameReader(LARGEST).feed(frame(TEXT, "one") + frame(3))
    assert next(messages) == text("one")
    with pytest.raises(Violation):
        next(messages)


def test_a_message_too_large_is_refused_before_it_has_come():
    with pytest.raises(Violation) as violation:
        read(frame(TEXT, length=LARGEST + 1, length_bytes=8)[:14])
    assert violation.value.code == 1009


def test_a_reader_knows_whether_something_is_unfinished():
    reader = FrameReader(LARGEST)
    assert not reader.unfinished
    list(reader.feed(frame(TEXT, "frag", fin=False)))
    assert reader.unfinished
    list(reader.feed(frame(PING)))
    assert reader.unfinished
    list(reader.feed(frame(CONTINUATION, "ment")))
    assert not reader.unfinished
    list(reader.feed(frame(TEXT, "x")[:1]))
    assert reader.unfinished


# -- any cut of anything

control = st.tuples(st.sampled_from([PING, PONG]), st.binary(max_size=125))
message = st.one_of(st.text(max_size=300), st.binary(max_size=300))


@st.composite
def conversations(draw):
    """(bytes, messages): messages in fragments of any size, control frames anywhere between them."""
    data, messages = b"", []
    for payload in draw(st.lists(message, min_size=1, max_size=5)):
        whole = payload.encode() if isinstance(payload, str) else payload
        cuts = sorted(draw(st.lists(st.integers(0, len(whole)), max_size=4)))
        parts = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
        opcode = TEXT if isinstance(payload, str) else BINARY
        for index, part in enumerate(parts):
            for kind, note in draw(st.lists(control, max_size=2)):
                data += frame(kind, note)
                messages.append(Message(Opcode(kind), note))
            last = index == len(parts) - 1
            data += frame(
                CONTINUATION if index else opcode, part, fin=last, mask=draw(st.binary(min_size=4, max_size=4))
            )
        messages.append(Message(Opcode(opcode), payload))
    return data, messages


@settings(deadline=None, max_examples=150)
@given(conversations(), st.data())
def test_any_cut_of_any_conversation_means_the_same(conversation, data):
    sent, messages = conversation
    cuts = sorted(data.draw(st.lists(st.integers(0, len(sent)), max_size=12)))
    reader = FrameReader(LARGEST)
    pieces = [sent[a:b] for a, b in zip([0, *cuts], [*cuts, len(sent)], strict=True)]
    assert [heard for piece in pieces for heard in reader.feed(piece)] == messages


VERDICTS = (None, 1002, 1007, 1009)


def verdict(read_all):
    """The close code these bytes deserve; None where they are messages."""
    try:
        assert all(heard.opcode in Opcode for heard in read_all())
    except Violation as violation:
        return violation.code
    return None


@settings(deadline=None, max_examples=300)
@given(st.lists(st.binary(max_size=80), max_size=6), st.booleans())
def test_any_bytes_at_all_are_messages_or_a_violation(pieces, deflate):
    reader = FrameReader(200, deflate=deflate)
    assert verdict(lambda: [heard for piece in pieces for heard in reader.feed(piece)]) in VERDICTS


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=60), st.integers(0, 3), st.booleans())
def test_any_compressed_payload_is_a_message_or_a_violation(payload, reserved, binary):
    data = frame(BINARY if binary else TEXT, payload, rsv=4 | reserved)
    assert verdict(lambda: read(data, deflate=True)) in VERDICTS


# -- closing


@pytest.mark.parametrize("code", [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 4999])
def test_a_close_code_that_may_be_sent_is_read(code):
    assert close_code(struct.pack("!H", code) + b"why") == code


def test_a_close_frame_need_not_say_why():
    assert close_code(b"") is None


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535])
def test_a_close_code_that_must_not_be_sent_is_a_violation(code):
    with pytest.raises(Violation) as violation:
        close_code(struct.pack("!H", code))
    assert violation.value.code == 1002


def test_a_close_frame_of_one_byte_is_a_violation():
    with pytest.raises(Violation) as violation:
        close_code(b"\x03")
    assert violation.value.code == 1002


def test_a_close_reason_must_be_text():
    with pytest.raises(Violation) as violation:
        close_code(struct.pack("!H", 1000) + b"\xed\xa0\x80")
    assert violation.value.code == 1007


# -- what a server sends


@settings(deadline=None)
@given(st.one_of(st.binary(max_size=300), st.integers(65_530, 65_540).map(lambda size: b"x" * size)))
def test_a_text_frame_holds_its_payload_unmasked(payload):
    assert server_frames(text_frame(payload)) == ([Frame(TEXT, payload)], b"")


def test_a_control_frame_holds_its_payload():
    assert server_frames(control_frame(Opcode.PONG, b"x" * 125)) == ([Frame(PONG, b"x" * 125)], b"")


def test_a_close_frame_holds_code_and_reason():
    assert server_frames(close_frame(1001, "server restarting")) == ([Frame(CLOSE, b"\x03\xe9server restarting")], b"")
    assert server_frames(close_frame()) == ([Frame(CLOSE, b"")], b"")


def test_a_close_reason_is_cut_to_what_a_control_frame_holds():
    [found], rest = server_frames(close_frame(1008, "x" * 300))
    assert (len(found.payload), rest) == (125, b"")


def test_a_close_reason_is_not_cut_within_a_character():
    [found], _ = server_frames(close_frame(1008, "x" * 122 + "€€"))
    assert found.payload[2:] == b"x" * 122


# -- compression


def deflated(payload: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-15)
    return (compressor.compress(payload) + compressor.flush(zlib.Z_SYNC_FLUSH)).removesuffix(b"\x00\x00\xff\xff")


@settings(deadline=None)
@given(st.binary(max_size=3_000))
def test_a_compressed_frame_stands_alone(payload):
    for _ in range(2):
        [found], rest = server_frames(deflated_text_frame(payload))
        assert (found.opcode, found.fin, found.rsv, rest) == (TEXT, True, 4, b"")
        assert zlib.decompressobj(-15).decompress(found.payload + b"\x00\x00\xff\xff") == payload


def test_a_compressed_message_is_inflated():
    assert read(frame(TEXT, deflated(b"hello " * 100), rsv=4), deflate=True) == [text("hello " * 100)]


def test_a_compressed_message_may_come_in_fragments():
    whole = deflated(b"hello " * 100)
    data = frame(TEXT, whole[:5], rsv=4, fin=False) + frame(PING) + frame(CONTINUATION, whole[5:])
    assert read(data, deflate=True) == [Message(Opcode.PING, b""), text("hello " * 100)]


def test_where_compression_was_agreed_plain_messages_still_pass():
    assert read(frame(TEXT, "plain") + frame(TEXT, deflated(b"not"), rsv=4), deflate=True) == [
        text("plain"),
        text("not"),
    ]


def test_a_continuation_must_not_say_it_is_compressed():
    with pytest.raises(Violation) as violation:
        read(frame(TEXT, deflated(b"x"), rsv=4, fin=False) + frame(CONTINUATION, b"", rsv=4), deflate=True)
    assert violation.value.code == 1002


def test_a_message_that_inflates_beyond_the_limit_is_refused():
    bomb = deflated(bytes(50_000_000))
    assert len(bomb) < LARGEST
    with pytest.raises(Violation) as violation:
        read(frame(TEXT, bomb, rsv=4), deflate=True)
    assert violation.value.code == 1009


def test_the_largest_message_may_be_compressed():
    assert read(frame(TEXT, deflated(b"x" * LARGEST), rsv=4), deflate=True) == [text("x" * LARGEST)]


def test_what_cannot_be_inflated_is_refused():
    with pytest.raises(Violation) as violation:
        read(frame(TEXT, b"\xff\xff\xff", rsv=4), deflate=True)
    assert violation.value.code == 1007


def test_what_inflates_to_no_text_is_refused():
    with pytest.raises(Violation) as violation:
        read(frame(TEXT, deflated(b"\xff"), rsv=4), deflate=True)
    assert violation.value.code == 1007
