"""Whatever a client says is answered in the protocol's words, and costs only so much."""

from __future__ import annotations

import json
import logging
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from .stage import Desk

CODES = {"invalid_message", "invalid_symbol", "rate_limited", "subscription_limit"}


def subscribe(*symbols, **fields):
    return {"type": "subscribe", "symbols": list(symbols), **fields}


HOSTILE = [
    '{"type": "subscribe", "symbols": ["btc"], "channels": {"price": 1}}',
    '{"type": "subscribe", "symbols": ["btc"], "channels": "price"}',
    '{"type": "subscribe", "symbols": ["btc"], "channels": [["price"]]}',
    '{"type": "subscribe", "symbols": ["btc"], "channels": [null]}',
    '{"type": "subscribe", "symbols": ["btc"], "channels": [{"a": []}]}',
    '{"type": "subscribe", "symbols": ["btc"], "channel": ["price"]}',
    '{"type": "subscribe", "symbols": ["btc"], "channel": 1e400}',
    '{"type": "subscribe", "symbols": ["btc"], "channels": [' + '"price",' * 5_000 + '"x"]}',
    '{"type": "subscribe", "symbols": ["btc"], "throttle_ms": -1}',
    '{"type": "subscribe", "symbols": ["btc"], "throttle_ms": 1e9}',
    '{"type": "subscribe", "symbols": ["btc"], "throttle_ms": 99999999999999999999}',
    '{"type": "subscribe", "symbols": ["btc"], "throttle_ms": "soon"}',
    '{"type": "subscribe", "symbols": ["btc"], "throttle_ms": 1.5}',
    '{"type": "subscribe", "symbols": ["btc"], "depth": 1e400}',
    '{"type": "subscribe", "symbols": ["btc"], "depth": []}',
    '{"type": "subscribe", "symbols": ["btc"], "depth": true}',
    '{"type": "subscribe", "symbols": {"0": "btc"}}',
    '{"type": "subscribe", "symbols": [[["btc"]]]}',
    '{"type": "subscribe", "symbols": [1e400]}',
    '{"type": "subscribe", "symbols": "' + "b" * 60_000 + '"}',
    '{"type": "subscribe", "symbols": ["' + "b" * 60_000 + '"]}',
    '{"type": "subscribe", "symbols": ["\\ud800"]}',
    '{"type": "subscribe", "symbols": ["\\u0000"]}',
    '{"type": "subscribe", "symbols": ["b\\u202etc"]}',
    '{"type": "subscribe", "symbols": ["btc\\r\\nSet-Cookie: a=b"]}',
    '{"type": "subscribe", "symbols": ["../../etc/passwd"]}',
    '{"type": "subscribe", "symbols": ["%s%n{0}$(id)"]}',
    '{"type": "subscribe", "symbols": ["__class__"]}',
    '{"type": "subscribe", "symbols": ["\u0130\ufb03\u1e9e"]}',
    '{"type": "subscribe", "symbols": [' + '"x",' * 10_000 + '"x"]}',
    '{"type": "subscribe", "symbols": ["btc"], "id": {"a": 1}}',
    '{"type": "subscribe", "symbols": ["btc"], "id": NaN}',
    '{"type": "subscribe", "symbols": ["btc"], "id": 1e400}',
    '{"type": "subscribe", "symbols": ["btc"], "id": ' + "9" * 400 + "}",
    '{"type": "subscribe", "symbols": ["btc"], "id": "' + "i" * 65 + '"}',
    '{"type": "unsubscribe"}',
    '{"type": "unsubscribe", "symbols": null}',
    '{"type": "unsubscribe", "symbols": ["nope", "nope"], "channels": ["price"]}',
    '{"type": "unsubscribe", "symbols": ["btc"], "channels": 7}',
    '{"type": {"type": "ping"}}',
    '{"type": "PING"}',
    '{"type": "__init__"}',
    '{"type": "\\ud800"}',
    '{"type": "' + "p" * 60_000 + '"}',
    '{"type": true}',
    '{"type": 1e400}',
    '{"TYPE": "ping"}',
    '{"": ""}',
    "\x00",
    "\ufeff{}",
    "{" * 60_000,
    "[" * 60_000,
    '{"a":' * 10_000 + "1" + "}" * 10_000,
    "[" * 30_000 + "]" * 30_000,
    '{"type": "ping", "a": ' + '{"b":' * 400 + "1" + "}" * 400 + ', "type": "ping"}',
    '"' + "\\u0041" * 10_000,
    '{"type": "ping"} {"type": "ping"}',
    "1e400",
    "-" * 60_000,
    "1" * 60_000,
    "'",
    "\\",
    "nul",
    '{"type": "ping", "a": "\t"}',
    b'{"type": "ping"}',
    b"\xff\xfe",
    b"",
]


@pytest.mark.parametrize("message", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_message_is_refused_and_harms_nobody(message, caplog):
    desk = Desk()
    guest, bystander = desk.guest(), desk.guest()
    bystander.say(subscribe("btc"))
    answers = guest.ask(message)
    assert answers
    for answer in answers:
        assert (answer["type"], answer["code"] in CODES) == ("error", True)
        assert len(answer["message"]) < 300
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
    assert guest.ask({"type": "ping"})[0]["type"] == "pong"
    assert bystander.heard() == []
    assert (guest.wire.closed, guest.session.subscriptions) == (None, {})


def test_at_least_forty_of_them():
    assert len(HOSTILE) >= 40


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_no_depth_of_nesting_is_a_failure_of_ours(desk, opening):
    closing = "]" if opening == "[" else "}"
    limit = sys.getrecursionlimit()
    for depth in [*range(1, limit, 97), *range(limit - 150, limit + 50)]:
        nested = opening * depth + "1" + closing * depth
        guest = desk.guest()
        for message in (
            nested,
            f'{{"type": "subscribe", "symbols": ["btc"], "channels": [{nested}]}}',
            f'{{"type": {nested}}}',
        ):
            [answer] = guest.ask(message)
            assert answer["code"] == "invalid_message", depth


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
requests = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["subscribe", "unsubscribe", "ping"]) | json_values,
        "symbols": st.lists(st.sampled_from(["btc", "ETH", "xbt", "*", ""]) | json_values, max_size=5) | json_values,
        "channels": st.lists(st.sampled_from(["price", "signal", "orderbook", "x"]), max_size=4) | json_values,
        "channel": st.sampled_from(["price", "x"]) | json_values,
        "depth": st.integers(-1, 101) | json_values,
        "throttle_ms": st.integers(-1, 10) | json_values,
        "snapshot": json_values,
        "id": st.integers() | st.text(max_size=70) | json_values,
    },
)
DESK = Desk()


def judge(message):
    """Whatever is said: known answers alone, and nothing of it is left when the client is gone."""
    guest = DESK.guest()
    for answer in guest.ask(message):
        assert answer["type"] in ("error", "subscribed", "unsubscribed", "pong")
        assert answer["type"] != "error" or answer["code"] in CODES
    DESK.haunt.router.leave(guest.session)
    assert DESK.haunt.subscriptions.sessions == 0


@settings(deadline=None, max_examples=200)
@given(requests)
def test_any_request_is_answered_in_the_protocols_words(request):
    judge(json.dumps(request))


@settings(deadline=None, max_examples=200)
@given(st.text(max_size=200) | st.binary(max_size=200))
def test_any_message_at_all_is_answered_in_the_protocols_words(message):
    judge(message)


# -- what an answer costs


def test_all_frames_of_an_answer_are_one_write(desk):
    for symbol in ("btc", "eth", "sol"):
        desk.price(symbol, 100.0)
    guest = desk.guest()
    guest.say(subscribe("btc", "nope", "eth", "sol", id=1))
    assert len(guest.wire.times) == 1
    assert [message["type"] for message in guest.heard()] == ["error", "subscribed"] + ["price_update"] * 3


def test_a_thousand_unknown_symbols_are_answered_and_the_client_stays(desk):
    guest = desk.guest()
    guest.say(subscribe(*["x"] * 1_000))
    assert len(guest.heard()) == 1_000
    assert guest.wire.closed is None


def test_more_than_a_thousand_symbols_are_one_error(desk):
    guest = desk.guest()
    guest.say(subscribe(*["x"] * 10_000))
    assert [message["code"] for message in guest.heard()] == ["invalid_message"]


def test_a_client_that_is_closed_by_its_own_answer_leaves_nothing_behind(desk):
    guest = desk.guest(messages_per_second=10_000)
    guest.wire.block()
    for _ in range(1_000):
        guest.say({"type": "ping"})
    guest.say(subscribe("btc", "nope", id=1))
    assert guest.wire.closed == (1013, "slow consumer")
    assert desk.haunt.subscriptions.sessions == 0


def test_a_flood_that_is_refused_is_hardly_answered_at_all(desk):
    guest = desk.guest(abuse=1_000_000)
    for _ in range(10_000):
        guest.say({"type": "ping"})
        desk.clock.advance(0.0001)
    assert len(guest.heard()) <= 10 + 10 + 2


# -- the rest


def test_a_client_that_leaves_is_forgotten(desk):
    guest = desk.guest()
    guest.say(subscribe("btc", "eth", channels=["price", "orderbook"], throttle_ms=5))
    guest.wire.block()
    guest.say({"type": "ping"})
    desk.haunt.router.leave(guest.session)
    desk.haunt.router.leave(guest.session)
    assert desk.haunt.subscriptions.sessions == 0
    assert (guest.session.waiting_bytes, guest.session.owed) == (0, {})


def test_churn_leaves_the_index_empty(desk):
    guest = desk.guest(messages_per_second=10_000)
    for number in range(500):
        guest.say(subscribe(f"coin{number % 150}", depth=1 + number % 100, throttle_ms=number % 7))
        guest.say({"type": "unsubscribe", "symbols": [f"coin{number % 150}"]})
    assert desk.haunt.subscriptions.sessions == 0
    assert not any(("price", f"coin{number}") in desk.haunt.subscriptions for number in range(150))


def test_errors_are_counted_by_their_code(desk):
    guest = desk.guest()
    guest.say(subscribe("nope", "neither"))
    guest.say("nonsense")
    for _ in range(20):
        guest.say({"type": "ping"})
    assert desk.haunt.router.errors == {"invalid_symbol": 2, "invalid_message": 1, "rate_limited": 12}


def test_a_refusal_names_the_limit_that_was_met(desk):
    guest = desk.guest(messages_per_second=3)
    for _ in range(3):
        guest.ask({"type": "ping"})
    (error,) = guest.ask({"type": "ping"})
    assert error["message"] == "Too many messages; at most a burst of 3 and 3 per second are read"


def test_an_unknown_symbol_is_said_back_shortened(desk):
    error, acknowledgement = desk.guest().ask(subscribe("x" * 500, id=1))
    assert len(error["message"]) < 80
    assert error["symbol"] == acknowledgement["rejected"][0] == "x" * 32 + "…"


def test_spaces_around_a_symbol_do_not_make_it_too_long(desk):
    assert desk.guest().ask(subscribe(" " * 50 + "btc")) == []
