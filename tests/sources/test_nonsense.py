"""The venues' parsers on frames no venue would send."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from contextlib import suppress
from math import inf
from typing import Any

import pytest
from haunt_sources.binance.parser import parse as parse_binance
from haunt_sources.bitfinex.parser import Reader as BitfinexReader
from haunt_sources.bitget.parser import parse as parse_bitget
from haunt_sources.bitstamp.parser import parse as parse_bitstamp
from haunt_sources.bybit.parser import parse as parse_bybit
from haunt_sources.coinbase.parser import parse as parse_coinbase
from haunt_sources.cryptocom.parser import parse as parse_cryptocom
from haunt_sources.gate.parser import parse as parse_gate
from haunt_sources.gemini.parser import Reader as GeminiReader
from haunt_sources.htx.parser import parse as parse_htx
from haunt_sources.kraken.parser import checksum
from haunt_sources.kraken.parser import parse as parse_kraken
from haunt_sources.kucoin.parser import parse as parse_kucoin
from haunt_sources.okx.parser import parse as parse_okx
from hypothesis import given, settings
from hypothesis import strategies as st

from haunt import Event, FrameNumber, Instrument, Refused, Relay, SourceLost
from haunt.plugin.stream_source import NONSENSE

TIME = "2026-01-02T03:04:05.678Z"
BINANCE: list[Any] = [
    {"stream": "ab@trade", "data": {"e": "trade", "E": 9, "s": "AB", "t": 7, "p": "3.5", "q": "1", "T": 9, "m": True}},
    {"stream": "ab@bookTicker", "data": {"u": 900, "s": "AB", "b": "3", "B": "1", "a": "4", "A": "2"}},
    {"e": "depthUpdate", "E": 9, "s": "AB", "U": 1, "u": 3, "b": [["3", "1.50"]], "a": [["4.0", "0.00"]]},
    {"data": {"e": "24hrTicker", "E": 9, "s": "AB", "c": "3.5", "o": "3", "v": "12.5", "q": "375.0"}},
    {"error": {"code": 2, "msg": "Invalid request"}, "id": 1},
]
BITFINEX: list[Any] = [
    [13, [[3, 1, 1.50], [4.0, 1, -2]], 5, 9],
    [14, [[3, 0, 1], [4.0, 2, -1]], 6, 9],
    [14, [3, 0, 1], 6, 9],
    [13, "cs", -7, 7, 9],
    [12, [[8, 9, -1, 3.5], [7, 9, 1, 3.5]], 8, 9],
    [12, "te", [9, 9, 1, 3.5], 9, 9],
    [11, [3, 1, 4, 1, 0.5, 0.1666, 3.5, 12.5, 4, 3], 10, 9],
    [11, "hb", 11, 9],
    {"event": "subscribed", "channel": "book", "chanId": 15, "symbol": "AB"},
    {"event": "error", "msg": "no", "code": 10300, "channel": "book", "symbol": "AB"},
]


def parse_bitfinex(frame: str | bytes) -> Iterable[Event]:
    """As on a connection that has just named its channels, and begun the book of one of them."""
    read = BitfinexReader({})
    for number, channel in ((11, "ticker"), (12, "trades"), (13, "book"), (14, "book")):
        list(read(json.dumps({"event": "subscribed", "channel": channel, "chanId": number, "symbol": "AB"})))
    list(read("[14,[]]"))
    return read(frame)


BITGET: list[Any] = [
    {"action": action, "arg": {"instType": "SPOT", "channel": channel, "instId": "AB"}, "data": [data], "ts": 9}
    for action, channel, data in [
        ("snapshot", "books", {"bids": [["3", "1.50"]], "asks": [["4.0", "2"]], "checksum": 0, "ts": "9"}),
        ("update", "books", {"b": [["3", "0"]], "a": [], "seq": 3, "pseq": 2, "checksum": 7, "ts": "9"}),
        ("update", "trade", {"ts": "9", "price": "3.5", "size": "1", "side": "buy", "tradeId": "7"}),
        ("snapshot", "ticker", {"lastPr": "3.5", "open24h": "3", "baseVolume": "2", "quoteVolume": "7", "ts": "9"}),
    ]
] + [
    {"event": "subscribe", "arg": {"instType": "SPOT", "channel": "books", "instId": "AB"}},
    {"event": "error", "arg": {"instType": "SPOT", "channel": "books", "instId": "AB"}, "code": 30001, "msg": "no"},
]
BITSTAMP: list[Any] = [
    {"event": event, "channel": channel, "data": data}
    for event, channel, data in [
        ("data", "diff_order_book_AB", {"microtimestamp": "9000", "bids": [["3", "1.50"]], "asks": [["4.0", "0"]]}),
        ("trade", "live_trades_AB",
         {"id": 7, "price_str": "3.5", "amount_str": "1", "type": 1, "microtimestamp": "9000"}),
        ("bts:subscription_succeeded", "live_trades_AB", {}),
        ("bts:error", "", {"code": None, "message": "no"}),
    ]
]  # fmt: skip
BYBIT: list[Any] = [
    {"topic": f"{topic}.AB", "type": kind, "ts": 9, "data": data}
    for topic, kind, data in [
        ("orderbook.200", "snapshot", {"s": "AB", "b": [["3", "1.50"]], "a": [["4.0", "2"]], "u": 2, "seq": 5}),
        ("orderbook.200", "delta", {"s": "AB", "b": [["3", "0"]], "a": [], "u": 3, "seq": 6}),
        ("publicTrade", "snapshot", [{"T": 9, "s": "AB", "S": "Buy", "v": "1", "p": "3.5", "i": "7", "BT": False}]),
        (
            "tickers",
            "snapshot",
            {"symbol": "AB", "lastPrice": "3", "prevPrice24h": "2", "volume24h": "1", "turnover24h": "3"},
        ),
    ]
] + [
    {"success": True, "ret_msg": "subscribe", "conn_id": "c", "req_id": "AB", "op": "subscribe"},
    {"success": False, "ret_msg": "no", "conn_id": "c", "req_id": "AB", "op": "subscribe"},
]
COINBASE: list[Any] = [
    {"channel": channel, "timestamp": TIME, "sequence_num": 1, "events": [event]}
    for channel, event in {
        "l2_data": {
            "type": "snapshot",
            "product_id": "AB",
            "updates": [{"side": "bid", "price_level": "3", "new_quantity": "1"}],
        },
        "market_trades": {
            "trades": [{"product_id": "AB", "trade_id": "1", "price": "3", "size": "1", "side": "BUY", "time": TIME}]
        },
        "ticker": {"tickers": [{"product_id": "AB", "price": "3", "volume_24_h": "1", "price_percent_chg_24_h": "1"}]},
        "subscriptions": {"subscriptions": {"level2": ["AB"]}},
    }.items()
] + [{"type": "error", "message": "no"}]
GATE: list[Any] = [
    {"time": 9, "time_ms": 9, "channel": f"spot.{channel}", "event": "update", "result": result}
    for channel, result in [
        ("obu", {"t": 9, "full": True, "s": "ob.AB.50", "u": 2, "b": [["3", "1.50"]], "a": [["4.0", "2"]]}),
        ("obu", {"t": 9, "s": "ob.AB.50", "U": 3, "u": 3, "b": [["3", "0"]], "a": []}),
        (
            "trades",
            {"id": 7, "create_time_ms": "9.5", "side": "sell", "currency_pair": "AB", "amount": "1", "price": "3"},
        ),
        (
            "tickers",
            {"currency_pair": "AB", "last": "3", "change_percentage": "1", "base_volume": "2", "quote_volume": "6"},
        ),
    ]
] + [
    {"time": 9, "channel": "spot.obu", "event": "subscribe", "payload": ["ob.AB.50"], "result": {"status": "success"}},
    {
        "time": 9,
        "channel": "spot.obu",
        "event": "subscribe",
        "payload": ["ob.AB.50"],
        "error": {"code": 2, "message": "no"},
    },
]
GEMINI: list[Any] = [
    {"e": "depthUpdate", "E": 9_000_000, "s": "ab", "U": 1, "u": 3, "b": [["3", "1.50"]], "a": [["4.0", "2"]]},
    {"u": 3, "E": 9_000_000, "s": "ab", "b": "3", "B": "1.50", "a": "4.0", "A": "2"},
    {"E": 9_000_000, "s": "ab", "t": 7, "p": "3.5", "q": "1", "m": True},
    {"id": "+AB", "status": 200},
    {"id": "+AB", "status": 400, "error": {"code": -1002, "msg": "no"}},
    {"type": "l2_updates", "symbol": "AB", "changes": [["buy", "3", "1"], ["sell", "4", "1"]], "auction_events": [],
     "trades": [{"symbol": "AB", "tid": 7, "price": "3.5", "quantity": "1", "side": "buy", "timestamp": 9}]},
]  # fmt: skip
HTX: list[Any] = [
    {"ch": f"market.AB.{channel}", "ts": 9, "tick": tick}
    for channel, tick in {
        "depth.step0": {"version": 77, "bids": [[3.5, 1]], "asks": [[4, 0.5]]},
        "mbp.refresh.20": {"seqNum": 78, "bids": [[3, 1]], "asks": [[4, 1]]},
        "bbo": {"seqId": 79, "ask": 4, "bid": 3},
        "trade.detail": {"data": [{"tradeId": 7, "ts": 9, "amount": 1, "price": 3.5, "direction": "sell"}]},
        "detail": {"open": 3, "close": 3.5, "amount": 2, "vol": 7},
    }.items()
] + [
    {"id": "market.AB.bbo", "status": "ok", "subbed": "market.AB.bbo", "ts": 9},
    {"id": "market.AB.bbo", "status": "error", "err-code": "bad-request", "err-msg": "invalid topic", "ts": 9},
]
CRYPTOCOM: list[Any] = [
    {"id": 1, "method": "subscribe", "code": 0, "result": {"instrument_name": "AB", "channel": channel, "data": [data]}}
    for channel, data in [
        ("book", {"bids": [["3", "1.50", "1"]], "asks": [["4.0", "2", "1"]], "t": 9, "u": 2}),
        ("book.update", {"update": {"bids": [["3", "0", "0"]], "asks": []}, "t": 9, "u": 3, "pu": 2}),
        ("trade", {"d": "7", "p": "3.5", "q": "1", "s": "BUY", "t": 9}),
        ("ticker", {"a": "3.5", "c": "0.1", "v": "2", "vv": "7", "t": 9}),
    ]
] + [
    {"id": 1, "method": "subscribe", "code": 0, "channel": "book.AB.50"},
    {"id": 1, "method": "subscribe", "code": 40003, "channel": "book.AB.50", "message": "no"},
]
KRAKEN: list[Any] = [
    {"channel": channel, "type": "snapshot", "data": [{"symbol": "AB", "timestamp": TIME} | data]}
    for channel, data in {
        "book": {"bids": [{"price": 3.0, "qty": 1.0}], "asks": [{"price": 4.0, "qty": 1.0}], "checksum": 1},
        "trade": {"side": "sell", "price": 3.5, "qty": 0.25, "trade_id": 71},
        "ticker": {"last": 3.5, "volume": 10.0, "vwap": 3.0, "change": 0.5},
    }.items()
] + [
    {"method": "subscribe", "success": True, "result": {"channel": "book", "symbol": "AB", "depth": 10}},
    {"method": "subscribe", "success": False, "symbol": "AB", "error": "no"},
]
OKX: list[Any] = [
    {"arg": {"channel": channel, "instId": "AB"}, "action": action, "data": [data | {"ts": "9"}]}
    for channel, action, data in [
        ("books", "snapshot", {"bids": [["3", "1.50"]], "asks": [["4.0", "2"]], "seqId": 2, "prevSeqId": -1}),
        ("books", "update", {"bids": [["3", "0"]], "asks": [], "checksum": 7, "seqId": 3, "prevSeqId": 2}),
        ("trades", "", {"instId": "AB", "tradeId": "7", "px": "3.5", "sz": "1", "side": "buy"}),
        ("tickers", "", {"last": "3.5", "open24h": "3", "vol24h": "2", "volCcy24h": "7"}),
    ]
] + [
    {"event": "subscribe", "arg": {"channel": "books", "instId": "AB"}, "connId": "c"},
    {"event": "error", "code": "60018", "msg": "channel:books,instId:AB doesn't exist", "connId": "c"},
]
KUCOIN: list[Any] = [
    {"type": "message", "topic": f"/market/{channel}:AB", "subject": f"trade.{subject}", "data": data}
    for channel, subject, data in [
        ("level2", "l2update", {
            "sequenceStart": 3, "sequenceEnd": 4, "changes": {"bids": [["3", "1", "3"]], "asks": [["0", "0", "4"]]},
        }),
        ("ticker", "ticker", {"sequence": "4", "bestBid": "3", "bestAsk": "4", "time": 9}),
        ("match", "l3match", {"tradeId": "7", "price": "3.5", "size": "1", "side": "buy", "time": "9000000"}),
        ("snapshot", "snapshot", {
            "data": {"lastTradedPrice": 3.5, "changePrice": 0.5, "vol": 2, "volValue": 7, "datetime": 9},
        }),
    ]
] + [{"id": "1", "type": "error", "code": 404, "data": "no"}]  # fmt: skip
VENUES = {
    "binance": (parse_binance, BINANCE),
    "bitfinex": (parse_bitfinex, BITFINEX),
    "bitget": (parse_bitget, BITGET),
    "bitstamp": (parse_bitstamp, BITSTAMP),
    "bybit": (parse_bybit, BYBIT),
    "coinbase": (parse_coinbase, COINBASE),
    "cryptocom": (parse_cryptocom, CRYPTOCOM),
    "gate": (parse_gate, GATE),
    "gemini": (lambda frame: GeminiReader()(frame), GEMINI),
    "htx": (parse_htx, HTX),
    "kraken": (parse_kraken, KRAKEN),
    "kucoin": (parse_kucoin, KUCOIN),
    "okx": (parse_okx, OKX),
}

json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**63), st.floats(), st.text(max_size=5)),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(max_size=3), values, max_size=3),
    max_leaves=5,
)


def broken(value: Any, draw: st.DrawFn) -> Any:
    """The same with one part of it replaced, left out, or made two."""
    if isinstance(value, dict | list) and value and draw(st.integers(0, 4)):
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        key, copy = draw(st.sampled_from(keys)), value.copy()
        if draw(st.integers(0, 5)):
            copy[key] = broken(value[key], draw)
        else:
            del copy[key]
        return copy
    return draw(json_values)


@st.composite
def broken_frames(draw: st.DrawFn, frames: list[Any]) -> str:
    return json.dumps(broken(draw(st.sampled_from(frames)), draw))


@pytest.mark.parametrize(("parse", "frames"), VENUES.values(), ids=VENUES)
@settings(deadline=None)
@given(data=st.data())
def test_a_broken_frame_is_refused_or_dropped_and_harms_nothing(
    parse: Callable[[str], Iterable[Event]], frames: list[Any], data: st.DataObject
) -> None:
    relay = Relay("venue", wanted=(), deliver=lambda feed, event: None, checksum=checksum)
    feed = relay.add(Instrument("AB", "A", "B"), "a")
    for frame in data.draw(st.lists(broken_frames(frames) | st.sampled_from(frames).map(json.dumps), max_size=4)):
        try:
            events = list(parse(frame))
            assert events == list(parse(frame)) or "NaN" in frame, "a parser has no memory"
        except (*NONSENSE, SourceLost):
            continue
        for event in events:
            relay.publish(event)
        assert feed.price is None or 0 < feed.price < inf
        assert not feed.book.crossed


@pytest.mark.parametrize("parse", [parse for parse, _ in VENUES.values()], ids=VENUES)
@settings(deadline=None)
@given(frame=st.one_of(st.text(), st.binary(), json_values.map(json.dumps)))
def test_any_text_is_refused_or_says_nothing_of_a_market(
    parse: Callable[[str | bytes], Iterable[Event]], frame: str | bytes
) -> None:
    with suppress(*NONSENSE):
        assert all(isinstance(event, Refused | FrameNumber) for event in parse(frame))


@pytest.mark.parametrize(("parse", "frames"), VENUES.values(), ids=VENUES)
def test_the_same_frame_gives_the_same_events(parse: Callable[[str], Iterable[Event]], frames: list[Any]) -> None:
    for frame in map(json.dumps, frames):
        events = list(parse(frame))
        assert events
        assert list(parse(frame)) == events
