"""One client's frames: control frames answered, goodbyes said, nothing sent after them."""

from __future__ import annotations

import asyncio
import struct
import tracemalloc

import pytest

from haunt.stream.connection import CLOSE_GRACE, LINGER, Connection
from haunt.testing import FakeClock

from .wire import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Frame, close_frame, frame, server_frames


class FakeTransport:
    """Takes everything, or keeps it while `blocked`."""

    def __init__(self):
        self.blocked = False
        self.sent = b""
        self.kept = b""
        self.finished = False
        self.closed = False
        self.progress = 0

    @property
    def waiting(self):
        return len(self.kept)

    def start(self, receiver):
        self.receiver = receiver

    def send_now(self, data):
        self.sent += data
        return len(data)

    def send(self, data):
        assert not self.finished
        if self.blocked:
            self.kept += data
        else:
            self.sent += data

    def keep(self, data, taken):
        self.kept += data[taken:]

    def finish(self):
        self.finished = True

    def lose(self):
        raise AssertionError("nothing breaks here")

    def close(self):
        self.closed = True

    def drain(self):
        self.blocked = False
        self.sent, self.kept = self.sent + self.kept, b""
        self.receiver.on_drained()

    def frames(self):
        frames, self.sent = server_frames(self.sent)
        return frames


class Listener:
    def __init__(self):
        self.messages = []
        self.events = []

    def on_message(self, message):
        self.messages.append(message)

    def on_blocked(self):
        self.events.append("blocked")

    def on_drained(self):
        self.events.append("drained")

    def on_closing(self):
        self.events.append("closing")

    def on_close(self):
        self.events.append("close")


class Line:
    """A connection, what it stands on, who listens to it, and its clock."""

    def __init__(self):
        self.clock = FakeClock()
        self.transport = FakeTransport()
        self.listener = Listener()
        self.connection = Connection(
            self.transport, self.listener, largest=1_000, control_frames_per_second=5, clock=self.clock
        )
        self.connection.start()

    def hear(self, data):
        self.connection.on_data(data)


def goodbye(code, reason=""):
    return Frame(CLOSE, struct.pack("!H", code) + reason.encode())


@pytest.fixture
def line(io_loop):
    return Line()


@pytest.mark.gen_test
async def test_texts_are_str_and_binaries_bytes(line):
    line.hear(frame(TEXT, "text") + frame(BINARY, b"binary"))
    assert line.listener.messages == ["text", b"binary"]


@pytest.mark.gen_test
async def test_a_ping_is_answered_with_its_payload_and_a_pong_with_nothing(line):
    line.hear(frame(PING, b"why") + frame(PONG, b"so"))
    assert line.transport.frames() == [Frame(PONG, b"why")]


@pytest.mark.gen_test
async def test_while_blocked_only_the_latest_ping_is_answered(line):
    line.transport.blocked = True
    line.hear(frame(PING, b"1") + frame(PING, b"2") + frame(PING, b"3"))
    assert line.transport.waiting == 0
    line.transport.drain()
    assert line.transport.frames() == [Frame(PONG, b"3")]
    assert line.listener.events == ["drained"]


@pytest.mark.gen_test
async def test_every_byte_counts_as_life(line):
    line.clock.advance(100)
    line.hear(frame(PONG)[:1])
    assert line.connection.last_frame == line.clock.monotonic()


# -- who closes


@pytest.mark.gen_test
async def test_a_close_is_answered_and_the_line_hung_up(line):
    line.hear(close_frame(1000, b"bye") + frame(TEXT, "not heard"))
    assert line.transport.frames() == [goodbye(1000)]
    assert (line.transport.closed, line.listener.events) == (True, ["closing", "close"])
    assert (line.connection.close_code, line.connection.close_reason) == (1000, "bye")
    assert line.listener.messages == []


@pytest.mark.gen_test
async def test_a_close_without_code_is_answered_without_code(line):
    line.hear(frame(CLOSE))
    assert line.transport.frames() == [Frame(CLOSE, b"")]
    assert line.connection.close_code == 1005


@pytest.mark.gen_test
async def test_our_close_waits_for_theirs(line):
    line.connection.close(4000, "idle timeout")
    assert line.transport.frames() == [goodbye(4000, "idle timeout")]
    assert (line.connection.open, line.transport.closed, line.listener.events) == (False, False, ["closing"])
    line.hear(close_frame(4000))
    assert (line.transport.closed, line.listener.events) == (True, ["closing", "close"])
    assert line.connection.close_code == 4000


@pytest.mark.gen_test
async def test_our_close_does_not_wait_for_ever(line):
    assert CLOSE_GRACE == 5
    line.connection.close(1013, "slow consumer", grace=0.02)
    await asyncio.sleep(0.05)
    assert (line.transport.closed, line.listener.events) == (True, ["closing", "close"])


@pytest.mark.gen_test
async def test_a_second_close_says_nothing(line):
    line.connection.close(1013)
    line.connection.close(1001)
    assert line.transport.frames() == [goodbye(1013)]


@pytest.mark.gen_test
async def test_nothing_is_sent_after_a_close_frame(line):
    line.connection.close(1001)
    line.connection.send(b"data")
    line.connection.ping()
    line.hear(frame(PING, b"?") + frame(TEXT, "message"))
    assert line.transport.frames() == [goodbye(1001)]
    assert line.listener.messages == []


@pytest.mark.gen_test
async def test_a_line_that_is_cut_ends_with_1006(line):
    line.connection.on_lost()
    line.connection.on_lost()
    assert line.listener.events == ["closing", "close"]
    assert line.connection.close_code == 1006


@pytest.mark.gen_test
async def test_a_goodbye_that_had_to_wait_is_followed_by_the_end(line):
    line.transport.blocked = True
    line.hear(close_frame(1000))
    assert not line.transport.closed
    line.transport.drain()
    assert line.transport.frames() == [goodbye(1000)]
    assert line.transport.finished
    assert "drained" not in line.listener.events


# -- violations


@pytest.mark.gen_test
async def test_a_violation_is_told_and_the_line_half_closed(line):
    line.hear(frame(TEXT, "heard") + frame(3))
    assert line.listener.messages == ["heard"]
    assert [found.code for found in line.transport.frames()] == [1002]
    assert (line.transport.finished, line.transport.closed) == (True, False)
    line.hear(frame(TEXT, "no longer heard"))
    assert line.listener.messages == ["heard"]
    line.connection.on_lost()
    assert line.listener.events == ["closing", "close"]


@pytest.mark.gen_test
async def test_after_a_violation_the_line_ends_soon(line, monkeypatch):
    assert LINGER <= 2
    monkeypatch.setattr("haunt.stream.connection.LINGER", 0.02)
    line.hear(frame(3))
    await asyncio.sleep(0.05)
    assert line.transport.closed


@pytest.mark.gen_test
async def test_what_comes_after_a_violation_is_not_kept(line):
    line.transport.blocked = True
    line.hear(frame(3))
    tracemalloc.start()
    for _ in range(100):
        line.hear(bytes(65_536))
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 100_000
    line.transport.drain()
    assert [found.code for found in line.transport.frames()] == [1002]
    assert line.transport.finished


@pytest.mark.gen_test
async def test_too_many_control_frames_close_with_1008(line):
    line.hear(frame(PING) * 5)
    assert len(line.transport.frames()) == 5
    line.clock.advance(0.2)
    line.hear(frame(PONG))
    assert line.connection.open
    line.hear(frame(PONG) + frame(TEXT, "not heard") + frame(3))
    assert line.transport.frames() == [goodbye(1008, "too many control frames")]
    assert (line.transport.finished, line.listener.messages) == (True, [])


@pytest.mark.gen_test
async def test_a_close_frame_is_no_control_frame_too_many(line):
    line.hear(frame(PONG) * 5 + close_frame(1000))
    assert line.connection.close_code == 1000


# -- unfinished messages


@pytest.mark.gen_test
async def test_the_beginning_of_an_unfinished_message_is_noted(line):
    line.hear(frame(TEXT, "part", fin=False))
    begun = line.clock.monotonic()
    line.clock.advance(3)
    line.hear(frame(PING))
    line.hear(frame(CONTINUATION, "part", fin=False))
    assert line.connection.unfinished_since == begun
    line.hear(frame(CONTINUATION, "end"))
    assert line.connection.unfinished_since is None


@pytest.mark.gen_test
@pytest.mark.parametrize("opcode", [TEXT, PONG])
async def test_messages_that_come_cut_but_in_time_are_never_unfinished_for_long(line, opcode):
    data = frame(opcode, "message")
    line.hear(data[:4])
    for _ in range(20):
        line.clock.advance(1)
        line.hear(data[4:] + data[:4])
        assert line.clock.monotonic() - line.connection.unfinished_since < 1
