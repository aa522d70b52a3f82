"""The messages themselves: what is understood, and the exact fields of what is said."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haunt.errors import RequestError
from haunt.market.published import CompositePrice, Doubt, MergedBook, Signal
from haunt.stream.protocol import (
    Ping,
    Subscribe,
    Unsubscribe,
    acknowledgement,
    decode,
    encode,
    error,
    orderbook_update,
    parse,
    pong,
    price_update,
    request_id,
    server_status,
    shortened,
    signal_update,
)

PRICE = CompositePrice("btc", 67_234.56, 2.34, 28_500_000_000.0, 1_700_000_000_000, 7, ["alpha", "bravo"], False)
BOOK = MergedBook("btc", [(67_230.0, 1.5)], [(67_235.0, 0.8)], 1_700_000_000_000, 8, ["alpha"])
SIGNAL = Signal("btc", "rsi", "1m", "buy", 28.5, 0.85, 1_700_000_000_000, {"rsi": 28.5})


def refusal(call, *args):
    with pytest.raises(RequestError) as refused:
        call(*args)
    assert refused.value.code == "invalid_message"
    return refused.value.message


# -- understood


def test_the_requests_of_the_specification():
    assert parse({"type": "subscribe", "symbols": ["btc", "eth"]}, None) == Subscribe(
        symbols=("btc", "eth"), channels=("price", "signal"), throttle_ms=None, depth=None, snapshot=False, id=None
    )
    assert parse({"type": "unsubscribe", "symbols": ["sol"]}, None) == Unsubscribe(("sol",), None, None)
    assert parse({"type": "ping"}, 3) == Ping(3)


def test_every_wish_of_a_subscription():
    message = {"type": "subscribe", "symbols": [], "channels": ["orderbook", "price", "price"], "channel": "signal",
               "throttle_ms": 3_600_000, "depth": 100, "snapshot": True}  # fmt: skip
    assert parse(message, "x") == Subscribe((), ("price", "signal", "orderbook"), 3_600_000, 100, True, "x")


def test_a_wish_of_another_type_is_refused():
    message = {"type": "subscribe", "symbols": ["btc"]}
    assert refusal(parse, message | {"snapshot": "yes"}, None) == "'snapshot' must be true or false"
    assert "must be a string" in refusal(parse, message | {"channel": ["price"]}, None)


def test_a_message_may_name_a_thousand_symbols():
    symbols = [f"s{number}" for number in range(1_001)]
    assert "at most 1000" in refusal(parse, {"type": "subscribe", "symbols": symbols}, None)
    assert len(parse({"type": "subscribe", "symbols": symbols[1:]}, None).symbols) == 1_000


def test_a_wish_that_is_null_is_none():
    message = {
        "type": "subscribe",
        "symbols": [],
        "channels": None,
        "channel": None,
        "throttle_ms": None,
        "depth": None,
    }
    assert parse(message, None) == Subscribe((), ("price", "signal"), None, None, False, None)


def test_no_channel_at_all_is_none_at_all():
    assert parse({"type": "subscribe", "symbols": [], "channels": []}, None).channels == ()
    assert parse({"type": "unsubscribe", "symbols": [], "channels": []}, None).channels == ()


@pytest.mark.parametrize(("field", "value", "least", "most"), [
    ("throttle_ms", -1, "0", "3600000"), ("throttle_ms", 3_600_001, "0", "3600000"),
    ("depth", 0, "1", "100"), ("depth", 101, "1", "100"),
])  # fmt: skip
def test_a_number_out_of_bounds_is_told_the_bounds(field, value, least, most):
    message = refusal(parse, {"type": "subscribe", "symbols": [], field: value}, None)
    assert {field, least, most} <= set(message.replace("'", "").split())


def test_a_mistake_names_the_cure():
    assert "price, signal, orderbook" in refusal(parse, {"type": "subscribe", "symbols": [], "channel": "trades"}, None)
    assert "'symbols'" in refusal(parse, {"type": "subscribe"}, None)
    assert "'type'" in refusal(parse, {}, None)
    assert "text frames" in refusal(decode, b"{}")
    assert "one JSON object" in refusal(decode, "[]")
    assert "64" in refusal(request_id, {"id": "x" * 65})


def test_what_is_no_json_is_told_where():
    assert "line 1 column 10" in refusal(decode, '{"type": ping}')


@given(st.dictionaries(st.text(), st.integers() | st.text() | st.none(), max_size=5))
def test_every_json_object_is_decoded(data):
    assert decode(json.dumps(data)) == data


def test_what_is_said_back_is_short():
    assert shortened("x" * 32) == "x" * 32
    assert shortened("x" * 33) == "x" * 32 + "…"


# -- said


def test_a_price_update_is_that_of_the_specification():
    assert price_update(PRICE) == (
        b'{"type":"price_update","symbol":"btc","price":67234.56,"change_24h":2.34,"volume_24h":28500000000,'
        b'"timestamp":1700000000000}'
    )


def test_an_orderbook_update_is_that_of_the_specification():
    assert orderbook_update(BOOK) == (
        b'{"type":"orderbook_update","symbol":"btc","bids":[{"price":67230.0,"quantity":1.5}],'
        b'"asks":[{"price":67235.0,"quantity":0.8}],"timestamp":1700000000000}'
    )


def test_a_signal_update_is_that_of_the_specification():
    assert signal_update(SIGNAL) == (
        b'{"type":"signal_update","symbol":"btc","indicator":"rsi","signal":"buy","value":28.5,"confidence":0.85,'
        b'"timestamp":1700000000000}'
    )


def test_a_server_status_is_that_of_the_specification():
    assert server_status(connected_peers=5, active_sources=12, symbols_tracked=150, uptime_seconds=86_400) == (
        b'{"type":"server_status","connected_peers":5,"active_sources":12,"symbols_tracked":150,"uptime_seconds":86400}'
    )


def test_a_pong_and_an_error_are_those_of_the_specification():
    assert pong(1_700_000_000_000, None) == b'{"type":"pong","timestamp":1700000000000}'
    assert error("invalid_symbol", "Symbol 'xyz' not found", symbol="xyz") == (
        b'{"type":"error","code":"invalid_symbol","message":"Symbol \'xyz\' not found"}'
    )


def test_who_asked_for_more_is_told_more():
    assert json.loads(price_update(PRICE, sent=9, doubt=Doubt(0.123456789, "low", ["disputed"]))) == (
        json.loads(price_update(PRICE)) | {
            "seq": 7, "sent": 9, "sources": ["alpha", "bravo"], "stale": False, "dispersion": 0.123457,
            "confidence": "low", "flags": ["disputed"],
        }
    )  # fmt: skip
    attributed = BOOK._replace(bid_venues=[{"alpha": 1.5}], ask_venues=[{"alpha": 0.8}])
    assert json.loads(orderbook_update(attributed, sent=9)) == json.loads(orderbook_update(BOOK)) | {
        "bids": [{"price": 67_230.0, "quantity": 1.5, "venues": {"alpha": 1.5}}],
        "asks": [{"price": 67_235.0, "quantity": 0.8, "venues": {"alpha": 0.8}}],
        "seq": 8, "sent": 9, "sources": ["alpha"],
    }  # fmt: skip
    assert json.loads(signal_update(SIGNAL, sent=9)) == json.loads(signal_update(SIGNAL)) | {
        "timeframe": "1m", "bar_closed": True, "sent": 9, "values": {"rsi": 28.5},
    }  # fmt: skip


def test_an_acknowledgement_says_what_was_taken_and_what_was_not():
    assert json.loads(acknowledgement("subscribed", ["btc"], ("price",), ["x" * 99], 1)) == {
        "type": "subscribed", "id": 1, "symbols": ["btc"], "channels": ["price"], "rejected": ["x" * 32 + "…"],
    }  # fmt: skip


def test_slashes_are_not_escaped():
    assert encode({"a": "b/c"}) == b'{"a":"b/c"}'


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("field", ["price", "change_24h", "volume_24h"])
def test_what_is_no_number_in_json_is_never_said(number, field):
    with pytest.raises((OverflowError, ValueError)):
        price_update(PRICE._replace(**{field: number}))


@given(st.floats(1e-12, 1e15))
def test_a_price_survives_the_journey(number):
    assert json.loads(price_update(PRICE._replace(price=number)))["price"] == number


@given(st.floats(0, 1e20))
def test_a_volume_is_an_integer_from_a_thousand_up(volume):
    said = json.loads(price_update(PRICE._replace(volume_24h=volume)))["volume_24h"]
    assert said < 1_000 or type(said) is int
    assert said == pytest.approx(volume, abs=0.5)


def test_a_tiny_price_may_be_written_with_an_exponent():
    assert b'"price":1.5e-9' in price_update(PRICE._replace(price=1.5e-9))
