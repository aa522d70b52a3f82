"""Recordings: their lines and their mistakes."""

from __future__ import annotations

import base64
import gzip
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice

import pytest
from recordings import line, recording

from haunt import Line, Recording, RecordingError


def until_error(lines: Recording) -> Iterator[Line]:
    with suppress(RecordingError):
        yield from lines


# -- lines


def test_a_line_says_who_said_what_when_and_where(tmp_path):
    lines = recording(
        tmp_path,
        line(ts=1.25, conn="toy.1", raw='{"a":"é"}'),
        line(ts=None, kind="rest", url_or_channel="https://toy.example/markets", raw="[]"),
        line(ts=2, dir="send", raw="subscribe"),
        line(dir="connect", raw=""),
    )
    assert list(lines) == [
        Line(1.25, "ws", "wss://toy.example", "toy.1", "receive", '{"a":"é"}'),
        Line(None, "rest", "https://toy.example/markets", None, "receive", "[]"),
        Line(2.0, "ws", "wss://toy.example", None, "send", "subscribe"),
        Line(1.5, "ws", "wss://toy.example", None, "connect", ""),
    ]


def test_binary_frames_are_bytes_as_they_came(tmp_path):
    packed = gzip.compress(b"frame")
    lines = recording(
        tmp_path,
        line(raw=None, raw_b64=base64.b64encode(packed).decode(), enc="gzip"),
        line(raw="text", frame="binary"),
    )
    assert [one.frame for one in lines] == [packed, b"text"]


def test_gzip_is_told_by_its_content_not_its_name(tmp_path):
    packed = recording(tmp_path, gzip.compress(line() + line(raw="2")), name="packed.jsonl")
    plain = recording(tmp_path, line(), line(raw="2"), name="plain.jsonl.gz")
    assert list(packed) == list(plain)
    assert len(list(plain)) == 2


def test_empty_lines_are_skipped_and_the_last_needs_no_end(tmp_path):
    assert len(list(recording(tmp_path, line(), b"\n", line().rstrip()))) == 2


def test_reading_is_streaming_and_tells_how_far_it_is(tmp_path):
    lines = recording(tmp_path, *[line(raw="7" * 1_000)] * 1_000, b"broken\n")
    reader = iter(lines)
    next(reader)
    assert 0 < lines.position < lines.size / 10
    assert len(list(islice(reader, 999))) == 999
    assert lines.position == lines.size - len(b"broken\n")


def test_it_can_be_read_again(tmp_path):
    lines = recording(tmp_path, line(), line())
    assert list(lines) == list(lines) != []


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (b"{\n", "Expecting property name"),
        (b"\xff\xfe\n", "utf-8"),
        (b"[1]\n", "must be a JSON object"),
        (b"[" * 100_000 + b"\n", "recursion"),
        (line(kind="udp"), "'kind' must be ws or rest, not 'udp'"),
        (line(url_or_channel=7), "'url_or_channel' must be a text, not 7"),
        (line(ts="now"), "'ts' must be seconds since 1970 or null, not 'now'"),
        (line(ts=float("nan")), "'ts' must be seconds since 1970 or null, not nan"),
        (line(dir="receive-ish"), "'dir' must be send or connect"),
        (line(raw=None), "'raw' must be the frame's text"),
        (line(raw=None, raw_b64="?"), "base64"),
    ],
)
def test_a_broken_line_is_named_with_file_and_number(tmp_path, broken, said):
    lines = recording(tmp_path, line(), line(), broken, line())
    with pytest.raises(RecordingError) as raised:
        list(lines)
    assert str(raised.value).startswith(f"{lines.path}, line 3: not a line of a recording: ")
    assert said in str(raised.value)


def test_a_gzip_file_cut_off_gives_its_lines_then_says_so(tmp_path):
    packed = gzip.compress(b"".join(line(raw=f"{number} {number * 7919 % 1000}") for number in range(2_000)))
    lines = recording(tmp_path, packed[: len(packed) // 2])
    read = sum(1 for _ in until_error(lines))
    assert 500 < read < 1_500
    with pytest.raises(RecordingError, match=rf"toy\.jsonl, after line {read}: the file is cut off"):
        list(lines)


def test_a_damaged_gzip_file_is_said_to_be_damaged(tmp_path):
    packed = bytearray(gzip.compress(b"".join(line(raw=str(number**5)) for number in range(2_000))))
    packed[-8:] = b"checksum"
    with pytest.raises(RecordingError, match="the file is damaged"):
        list(recording(tmp_path, bytes(packed)))


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(RecordingError, match=r"nowhere\.jsonl cannot be read: No such file"):
        Recording(tmp_path / "nowhere.jsonl")


def test_a_folder_is_no_recording(tmp_path):
    with pytest.raises(RecordingError, match="cannot be read: Is a directory"):
        list(Recording(tmp_path))
