"""Binance's dialect, frame by frame."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from haunt_sources.binance import Binance, BinanceOptions
from haunt_sources.binance.parser import parse, parse_instruments, parse_response

from haunt import BookDelta, BookSnapshot, Candle, Instrument, Quote, Refused, Relay, SourceLost, Ticker, Trade
from haunt.market.symbols import Symbol
from haunt.testing import FakeVenue, eventually

NOON = 1_700_000_040_000
TRADE = {"e": "trade", "E": 1700000000123, "s": "BTCUSDT", "t": 77, "p": "30000.10", "q": "0.50", "T": 1700000000120,
         "m": True, "M": True}  # fmt: skip
QUOTE = {"u": 900, "s": "BTCUSDT", "b": "30000.00", "B": "1.0", "a": "30000.10", "A": "2.0"}
DELTA = {"e": "depthUpdate", "E": 1700000000200, "s": "BTCUSDT", "U": 11, "u": 13,
         "b": [["30000.00", "1.50"]], "a": [["30000.20", "0.00"]]}  # fmt: skip
TICKER = {"e": "24hrTicker", "E": 1700000000300, "s": "BTCUSDT", "p": "-10.0", "P": "-0.033", "c": "30000.10",
          "o": "30010.10", "v": "12.5", "q": "375000.0"}  # fmt: skip
MARKET = {"symbol": "BTCUSDT", "status": "TRADING", "baseAsset": "BTC", "quoteAsset": "USDT",
          "isSpotTradingAllowed": True}  # fmt: skip
SNAPSHOT = {"lastUpdateId": 12, "bids": [["30000.00", "1.00"]], "asks": [["30000.20", "3.00"]]}


def combined(data: dict[str, Any]) -> str:
    return json.dumps({"stream": "btcusdt@whatever", "data": data})


def make_source(relay: Relay | None = None, **options: Any) -> Binance:
    return Binance(BinanceOptions(**options), relay or Relay("binance", wanted=(), deliver=lambda feed, event: None))


@pytest.mark.parametrize(
    ("data", "event"),
    [
        (TRADE, Trade("BTCUSDT", "77", 30000.1, 0.5, "sell", 1700000000120)),
        (TRADE | {"m": False}, Trade("BTCUSDT", "77", 30000.1, 0.5, "buy", 1700000000120)),
        (
            TRADE | {"e": "aggTrade", "a": 55, "f": 70, "l": 77},
            Trade("BTCUSDT", "55", 30000.1, 0.5, "sell", 1700000000120),
        ),
        (QUOTE, Quote("BTCUSDT", 30000.0, 30000.1, 900, None)),
        (DELTA, BookDelta("BTCUSDT", [["30000.00", "1.50"]], [["30000.20", "0.00"]], 10, 13, None, 1700000000200)),
        (TICKER, Ticker("BTCUSDT", 30000.1, 30010.1, 12.5, 375000.0, 1700000000300)),
    ],
    ids=["trade", "trade of a buyer", "aggregate trade", "quote", "delta", "ticker"],
)
def test_frame_is_one_event(data: dict[str, Any], event: object) -> None:
    assert list(parse(combined(data))) == [event]
    assert list(parse(json.dumps(data))) == [event], "of a raw stream"
    assert list(parse(combined(data).encode())) == [event], "as bytes"


@pytest.mark.parametrize(
    "frame",
    [
        '{"result":null,"id":1}',
        '{"result":["btcusdt@trade"],"id":3}',
        combined({"e": "kline", "E": 1, "s": "BTCUSDT", "k": {"o": "1"}}),
        combined({"e": "somethingNew", "s": "BTCUSDT"}),
    ],
)
def test_acknowledgements_and_streams_of_no_interest_say_nothing(frame: str) -> None:
    assert list(parse(frame)) == []


@pytest.mark.parametrize(
    "frame",
    [
        '{"error":{"code":2,"msg":"Invalid request: no such stream"},"id":1}',
        '{"code":2,"msg":"Invalid request: no such stream","id":1}',
    ],
)
def test_error_refuses_the_subscription_with_its_reason(frame: str) -> None:
    assert list(parse(frame)) == [Refused("", "SUBSCRIBE", "Invalid request: no such stream (code 2)")]


@pytest.mark.parametrize("data", [combined({"e": "serverShutdown", "E": 1}), '{"e":"serverShutdown","E":1}'])
def test_announced_shutdown_loses_the_source(data: str) -> None:
    with pytest.raises(SourceLost, match="about to close"):
        parse(data)


@pytest.mark.parametrize(
    "frame",
    ["", "hello", "[]", "7", "null", '"data"', '{"data":[]}', '{"data":null}', '{"error":null}',
     combined(TRADE | {"p": "much"}), combined(TRADE | {"p": None}), combined({"e": "trade", "s": "BTCUSDT"}),
     combined(DELTA | {"U": "x"}), combined(QUOTE | {"b": {}})],
)  # fmt: skip
def test_frame_that_makes_no_sense_is_refused(frame: str) -> None:
    with pytest.raises((ValueError, KeyError, TypeError, IndexError)):
        list(parse(frame))


def test_snapshot_is_fetched_apart_and_its_symbol_is_known_from_the_url() -> None:
    url = make_source(rest_url="https://mirror.example", depth=500).snapshot_url("BTCUSDT")
    assert url == "https://mirror.example/api/v3/depth?symbol=BTCUSDT&limit=500"
    assert list(parse_response(url, json.dumps(SNAPSHOT))) == [
        BookSnapshot("BTCUSDT", [["30000.00", "1.00"]], [["30000.20", "3.00"]], 12, None, None, apart=True)
    ]


@pytest.mark.parametrize(("url", "body"), [("https://x/depth", "{}"), ("https://x/depth?symbol=A", '{"bids":[]}')])
def test_response_that_is_no_book_is_refused(url: str, body: str) -> None:
    with pytest.raises(KeyError):
        parse_response(url, body)


def test_only_spot_markets_open_for_trading_are_offered() -> None:
    markets = [
        MARKET,
        MARKET | {"symbol": "OLDUSDT", "baseAsset": "OLD", "status": "BREAK"},
        MARKET | {"symbol": "BTCUPUSDT", "baseAsset": "BTCUP", "isSpotTradingAllowed": False},
    ]
    assert parse_instruments(json.dumps({"symbols": markets})) == [Instrument("BTCUSDT", "BTC", "USDT")]


def test_subscriptions_come_in_messages_of_a_hundred_streams() -> None:
    messages = [json.loads(message) for message in make_source().subscribe_messages([f"S{n}USDT" for n in range(60)])]
    assert [(message["method"], message["id"], len(message["params"])) for message in messages] == [
        ("SUBSCRIBE", 1, 100),
        ("SUBSCRIBE", 2, 100),
        ("SUBSCRIBE", 3, 40),
    ]
    assert messages[0]["params"][:5] == [
        "s0usdt@trade", "s0usdt@ticker", "s0usdt@bookTicker", "s0usdt@depth@100ms", "s1usdt@trade"
    ]  # fmt: skip


def test_a_connection_carries_1024_streams() -> None:
    source = make_source()
    messages = source.subscribe_messages([f"S{n}USDT" for n in range(source.symbols_per_connection)])
    assert sum(len(json.loads(message)["params"]) for message in messages) == 1024


@pytest.mark.gen_test
async def test_closed_candles_are_fetched() -> None:
    row = [NOON, "2.0", "4.0", "1.0", "3.0", "12.5", NOON + 59_999, "30.0", 7, "1", "2", "0"]
    async with FakeVenue() as venue:
        venue.responses["/api/v3/klines"] = [row]
        candles = await make_source(rest_url=venue.rest_url).candles("BTCUSDT", NOON, NOON + 120_000)
        assert candles == [Candle(NOON, 2.0, 4.0, 1.0, 3.0, 12.5)]
        query = f"symbol=BTCUSDT&interval=1m&startTime={NOON}&endTime={NOON + 119_999}&limit=1000"
        assert venue.requests == [f"/api/v3/klines?{query}"]


@pytest.mark.gen_test
async def test_book_is_built_from_the_stream_and_a_fetched_snapshot() -> None:
    async with FakeVenue() as venue:
        venue.responses["/api/v3/exchangeInfo"] = {"symbols": [MARKET]}
        venue.responses["/api/v3/depth?symbol=BTCUSDT&limit=1000"] = SNAPSHOT
        venue.on_message = lambda message: [{"result": None, "id": message["id"]}, combined(DELTA), combined(TRADE)]
        relay = Relay("binance", wanted=[Symbol("btc")], deliver=lambda feed, event: None)
        run = asyncio.create_task(make_source(relay, url=venue.url, rest_url=venue.rest_url).run())
        await eventually(lambda: relay.feeds and relay.feeds["BTCUSDT"].book_state == "synced")
        run.cancel()
    feed = relay.feeds["BTCUSDT"]
    assert (feed.proven.sequence, feed.bid, feed.ask, feed.last) == (13, 30000.0, None, 30000.1)
    assert relay.rejected == 0
