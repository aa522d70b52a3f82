"""A client's unsent answers keep their order; what it no longer wants is dropped from them."""

from __future__ import annotations

import pytest

from haunt.stream.session import MOST_WAITING, Session
from haunt.stream.subscriptions import Subscriptions, Topic, subscription
from haunt.testing import FakeClock

from .wire import FakeWire

BTC = ("price", "btc")
ETH = ("price", "eth")
PRICES = {name: subscription(frozenset({"price"}), 0.0, 20) for name in ("btc", "eth")}


@pytest.fixture
def index():
    return Subscriptions()


@pytest.fixture
def session(index):
    wire = FakeWire()
    session = Session(wire, clock=FakeClock())
    wire.on_blocked = session.take_place
    index.move(session, PRICES)
    return session


def payloads(session):
    return [found.payload for found in session.wire.frames()]


def test_what_is_said_is_one_text_frame(session):
    session.say(b'{"type":"pong"}')
    assert payloads(session) == [b'{"type":"pong"}']


def test_while_blocked_answers_wait_in_order(session):
    session.wire.block()
    session.say(b"1")
    session.say(b"2")
    assert session.waiting_bytes == 6
    session.wire.drain()
    assert b"".join(session.catch_up()) == b"\x81\x011\x81\x012"
    assert (session.waiting_bytes, list(session.catch_up())) == (0, [])


def test_what_is_owed_comes_after_the_answers_and_once(session):
    session.wire.block()
    session.owed[ETH] = None
    session.owed[BTC] = None
    session.owed[ETH] = None
    session.say(b"1")
    parts = list(session.catch_up())
    assert parts == [b"\x81\x011", Topic(*ETH, 0, False, False), Topic(*BTC, 0, False, False)]


def test_what_was_unsubscribed_in_the_meantime_is_neither_owed_nor_sent(session, index):
    session.wire.block()
    session.send(b"a signal of btc", ("price", "btc"))
    session.send(b"one of eth", ETH)
    session.owed[BTC] = None
    index.move(session, {"eth": PRICES["eth"]})
    assert list(session.catch_up()) == [b"one of eth"]


def test_one_answer_too_many_closes_and_frees_them(session):
    session.wire.block()
    for _ in range(MOST_WAITING + 1):
        session.say(b"x" * 100)
    assert session.wire.closed == (1013, "slow consumer")
    assert session.waiting_bytes < 1_000


def test_a_new_client_has_nothing(session):
    fresh = Session(FakeWire(), clock=FakeClock())
    assert (fresh.subscriptions, fresh.topics, list(fresh.catch_up())) == ({}, {}, [])
