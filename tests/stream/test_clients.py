"""Everyone who is connected: when they are pinged, and why they must go."""

from __future__ import annotations

import asyncio

import pytest

from haunt.stream.clients import SLICE, SLOW_GRACE, UNFINISHED_TIMEOUT, Clients, Timing
from haunt.stream.connection import CLOSE_GRACE
from haunt.stream.session import Session
from haunt.testing import FakeClock

from .wire import FakeWire

TIMING = Timing(idle_timeout=300, ping_interval=30, slow_timeout=10, pending_bytes=1_000)


class FakeConnection:
    """What a sweep looks at."""

    def __init__(self, clock):
        self.open = True
        self.last_frame = clock.monotonic()
        self.unfinished_since = None
        self.pings = 0
        self.closed = None
        self.shown_out = False
        self.close_code, self.close_reason = None, ""
        self.blocked = False
        self.transport = self
        self.progress = 0
        self.waiting = 0
        self.answers = True

    def ping(self):
        self.pings += 1

    def close(self, code, reason, *, grace=CLOSE_GRACE):
        self.open = False
        self.shown_out = True
        self.close_code, self.close_reason = code, reason
        self.closed = (code, reason, grace)
        self.clients.closing(self)
        if self.answers:
            self.on_lost()

    def on_lost(self):
        self.clients.leave(self)


class Room:
    def __init__(self):
        self.clock = FakeClock()
        self.clients = Clients(TIMING, self.clock)

    def join(self, peer="192.0.2.1"):
        connection = FakeConnection(self.clock)
        connection.clients = self.clients
        connection.wire = FakeWire()
        self.clients.join(connection, Session(connection.wire, clock=self.clock), peer)
        return connection

    def wait(self, seconds, each=lambda: None):
        """So many seconds with a sweep in each quarter."""
        for _ in range(round(seconds * 4)):
            self.clock.advance(0.25)
            each()
            self.clients.sweep()


@pytest.fixture
def room():
    return Room()


def test_clients_are_counted_in_total_and_by_address(room):
    first, second, other = room.join(), room.join(), room.join("192.0.2.2")
    assert (len(room.clients), room.clients.of_peer("192.0.2.1"), room.clients.of_peer("192.0.2.2")) == (3, 2, 1)
    for connection in (first, first, second, other):
        room.clients.leave(connection)
    assert (len(room.clients), room.clients.of_peer("192.0.2.1")) == (0, 0)


def test_a_client_is_pinged_every_so_often(room):
    connection = room.join()
    room.wait(29.5)
    assert connection.pings == 0
    room.wait(90.5, each=lambda: setattr(connection, "last_frame", room.clock.monotonic()))
    assert connection.pings == 4


def test_no_pings_where_none_are_wanted():
    room = Room()
    room.clients = Clients(TIMING._replace(ping_interval=0), room.clock)
    connection = room.join()
    room.wait(200)
    assert connection.pings == 0


def test_a_client_without_a_frame_goes_on_time(room):
    connection = room.join()
    room.wait(299.75)
    assert connection.closed is None
    room.wait(0.25)
    assert connection.closed[:2] == (4000, "idle timeout")
    assert room.clients.closed == {"idle": 1}


def test_any_frame_starts_the_wait_anew(room):
    connection = room.join()
    room.wait(299)
    connection.last_frame = room.clock.monotonic()
    room.wait(299)
    assert connection.closed is None


def test_a_message_that_is_never_finished_closes(room):
    assert UNFINISHED_TIMEOUT == 10
    connection = room.join()
    connection.unfinished_since = room.clock.monotonic()
    room.wait(9.75)
    assert connection.closed is None
    room.wait(0.25)
    assert connection.closed[:2] == (1008, "unfinished message")
    assert room.clients.closed == {"unfinished message": 1}


def test_a_client_that_takes_no_byte_goes(room):
    connection = room.join()
    connection.blocked, connection.waiting = True, 100
    room.wait(9.75)
    assert connection.closed is None
    room.wait(0.5)
    assert connection.closed == (1013, "slow consumer", SLOW_GRACE)
    assert room.clients.closed == {"slow": 1}


def test_a_client_that_takes_some_stays(room):
    connection = room.join()
    connection.blocked, connection.waiting = True, 100
    room.wait(60, each=lambda: setattr(connection, "progress", connection.progress + 1))
    assert connection.closed is None
    assert connection.pings == 0, "a ping would only wait with the rest"


def test_a_client_that_was_slow_and_caught_up_has_all_the_time_again(room):
    connection = room.join()
    for _ in range(5):
        connection.blocked = True
        room.wait(9)
        connection.blocked = False
        room.wait(1)
    assert connection.closed is None


def test_pongs_do_not_save_who_reads_nothing(room):
    connection = room.join()
    connection.blocked = True
    room.wait(10.25, each=lambda: setattr(connection, "last_frame", room.clock.monotonic()))
    assert connection.closed[0] == 1013


def test_more_than_so_many_bytes_never_wait(room):
    connection = room.join()
    connection.blocked, connection.waiting = True, 1_000
    room.clients.sweep()
    assert connection.closed is None
    connection.waiting = 1_001
    room.clients.sweep()
    assert connection.closed[0] == 1013


@pytest.mark.parametrize(("code", "reason", "word"), [
    (1002, "unknown opcode 3", "violation"), (1007, "a text message must be UTF-8", "violation"),
    (1009, "a message may have 65536 bytes at most", "too large"), (1008, "too many messages", "too many messages"),
])  # fmt: skip
def test_whoever_is_closed_is_counted_under_a_word_no_client_chooses(room, caplog, code, reason, word):
    caplog.set_level("INFO")
    room.join().close(code, reason)
    assert room.clients.closed == {word: 1}
    assert f"{reason} ({code})" in caplog.text


def test_who_leaves_by_itself_is_not_counted(room):
    connection = room.join()
    connection.close_code = 1000
    room.clients.closing(connection)
    assert room.clients.closed == {}


def test_who_is_going_already_is_left_alone(room):
    connection = room.join()
    connection.open = False
    room.wait(400)
    assert (connection.pings, connection.closed) == (0, None)


@pytest.mark.gen_test
async def test_everyone_is_told_and_others_have_their_turn_meanwhile(room):
    wires = [room.join().wire for _ in range(2 * SLICE + 1)]
    telling = asyncio.create_task(room.clients.tell_all(b"{}"))
    told = []
    while not telling.done():
        await asyncio.sleep(0)
        told.append(sum(bool(wire.times) for wire in wires))
    assert [found.payload for wire in wires for found in wire.frames()] == [b"{}"] * len(wires)
    assert told[:3] == [SLICE, 2 * SLICE, 2 * SLICE + 1]


# -- farewell


@pytest.mark.gen_test
async def test_a_farewell_says_1001_to_all_and_is_over_when_they_are_gone(room):
    connections = [room.join() for _ in range(5)]
    await asyncio.wait_for(room.clients.farewell(5), 0.5)
    assert {connection.closed[:2] for connection in connections} == {(1001, "server restarting")}
    assert room.clients.leaving
    assert len(room.clients) == 0


@pytest.mark.gen_test
async def test_a_farewell_waits_no_longer_than_it_may(room):
    connection = room.join()
    connection.answers = False
    begun = asyncio.get_running_loop().time()
    await room.clients.farewell(0.1)
    assert 0.09 < asyncio.get_running_loop().time() - begun < 0.4
    assert len(room.clients) == 0


@pytest.mark.gen_test
async def test_many_are_told_one_after_another(room):
    connections = [room.join() for _ in range(1_200)]
    farewell = asyncio.ensure_future(room.clients.farewell(0.4))
    await asyncio.sleep(0)
    told = sum(connection.closed is not None for connection in connections)
    assert 0 < told < 1_200
    await farewell
    assert all(connection.closed is not None for connection in connections)


@pytest.mark.gen_test
async def test_nobody_there_is_no_reason_to_wait(room):
    await asyncio.wait_for(room.clients.farewell(5), 0.2)
