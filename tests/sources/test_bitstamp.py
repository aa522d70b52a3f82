"""Bitstamp's dialect, frame by frame, and a recording of it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from haunt_sources.bitstamp import Bitstamp, BitstampOptions
from haunt_sources.bitstamp.parser import parse, parse_candles, parse_instruments, parse_response
from recorded import Recording, expected, received

from haunt import BookDelta, BookSnapshot, Candle, Instrument, Refused, Relay, SourceLost, Subscribed, Ticker, Trade
from haunt.market.symbols import Symbol
from haunt.testing import FakeVenue, eventually

MICROSECONDS = 1_700_000_000_123_456
MS = 1_700_000_000_123
MARKET = {"name": "BTC/USD", "market_symbol": "btcusd", "base_currency": "BTC", "counter_currency": "USD",
          "trading": "Enabled", "market_type": "SPOT"}  # fmt: skip
FIGURES = {"last": "30000", "open": "29500", "open_24": "29000", "volume": "10.5", "vwap": "29900",
           "percent_change_24": "3.45", "timestamp": "1700000000"}  # fmt: skip
BOOK = {"timestamp": "1700000000", "microtimestamp": str(MICROSECONDS),
        "bids": [["30000", "1.00000000"]], "asks": [["30010", "2.00000000"]]}  # fmt: skip
TRADE = {"id": 77, "amount": 0.5, "amount_str": "0.50000000", "price": 30000.5, "price_str": "30000.50", "type": 0,
         "timestamp": "1700000000", "microtimestamp": str(MICROSECONDS)}  # fmt: skip


def frame(event: str, channel: str, data: Any) -> str:
    return json.dumps({"event": event, "channel": channel, "data": data})


def delta(microseconds: int, bids: list[list[str]], asks: list[list[str]] | None = None) -> str:
    data = {"timestamp": "1700000000", "microtimestamp": str(microseconds), "bids": bids, "asks": asks or []}
    return frame("data", "diff_order_book_btcusd", data)


def make_source(relay: Relay | None = None, **options: Any) -> Bitstamp:
    return Bitstamp(BitstampOptions(**options), relay or Relay("bitstamp", wanted=(), deliver=lambda feed, event: None))


@pytest.mark.parametrize(
    ("text", "event"),
    [
        (
            delta(MICROSECONDS, [["30000.10", "0.50"]], [["30001.00", "0.00"]]),
            BookDelta("btcusd", [["30000.10", "0.50"]], [["30001.00", "0.00"]], None, MICROSECONDS, None, MS),
        ),
        (frame("trade", "live_trades_btcusd", TRADE), Trade("btcusd", "77", 30000.5, 0.5, "buy", MS)),
        (frame("trade", "live_trades_btcusd", TRADE | {"type": 1}), Trade("btcusd", "77", 30000.5, 0.5, "sell", MS)),
        (frame("bts:subscription_succeeded", "live_trades_btcusd", {}), Subscribed("btcusd", "live_trades")),
        (
            frame("bts:error", "", {"code": None, "message": "Bad subscription string."}),
            Refused("", "bts:subscribe", "Bad subscription string. (code None)"),
        ),
        (
            frame("bts:error", "live_trades_btcusd", {"code": 4009, "message": "Unauthorized."}),
            Refused("btcusd", "live_trades", "Unauthorized. (code 4009)"),
        ),
    ],
    ids=["delta", "trade of a buyer", "trade of a seller", "acknowledgement", "nameless error", "error"],
)
def test_frame_is_one_event(text: str, event: object) -> None:
    assert list(parse(text)) == list(parse(text.encode())) == [event]


@pytest.mark.parametrize(
    "text",
    [
        '{"event":"bts:heartbeat","channel":"","data":{"status":"success"}}',
        frame("bts:unsubscription_succeeded", "live_trades_btcusd", {}),
        frame("data", "order_book_btcusd", BOOK),
        frame("order_created", "live_orders_btcusd", {"id": 1}),
    ],
)
def test_heartbeats_and_channels_of_no_interest_say_nothing(text: str) -> None:
    assert list(parse(text)) == []


def test_request_for_a_new_connection_loses_the_source() -> None:
    with pytest.raises(SourceLost, match="new connection"):
        parse('{"event":"bts:request_reconnect","channel":"","data":""}')


@pytest.mark.parametrize(
    "text",
    ["", "hello", "[]", "7", "null", "{}", '{"event":[]}', '{"event":"data"}', frame("bts:error", "", {}),
     frame("data", "diff_order_book_btcusd", 0),
     frame("data", "diff_order_book_btcusd", {"microtimestamp": "now", "bids": [], "asks": []}),
     frame("trade", "live_trades_btcusd", TRADE | {"price_str": None})],
)  # fmt: skip
def test_frame_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises((ValueError, KeyError, TypeError, IndexError)):
        parse(text)


def test_book_and_figures_are_of_the_symbol_in_their_url() -> None:
    source = make_source(rest_url="https://mirror.example")
    url = source.snapshot_url("btcusd")
    assert url == "https://mirror.example/api/v2/order_book/btcusd/"
    assert list(source.parse_response(url, json.dumps(BOOK))) == [
        BookSnapshot("btcusd", BOOK["bids"], BOOK["asks"], MICROSECONDS, None, MS, apart=True)  # type: ignore[arg-type]
    ]
    assert list(parse_response("https://x/api/v2/ticker/btcusd/", json.dumps(FIGURES))) == [
        Ticker("btcusd", 30000.0, 29000.0, 10.5, 10.5 * 29900.0, 1_700_000_000_000, apart=True)
    ]


def test_market_younger_than_a_day_has_no_price_of_a_day_ago() -> None:
    (ticker,) = parse_response("https://x/api/v2/ticker/newusd", json.dumps(FIGURES | {"open_24": None}))
    assert isinstance(ticker, Ticker)
    assert ticker.open_24h is None


def test_only_spot_markets_that_are_open_are_offered() -> None:
    markets = [
        MARKET,
        MARKET | {"name": "OLD/USD", "market_symbol": "oldusd", "trading": "Disabled"},
        MARKET | {"name": "BTC/USD-PERP", "market_symbol": "btcusd-perp", "market_type": "PERPETUAL"},
        {"name": "XRP/USDT", "url_symbol": "xrpusdt", "trading": "Enabled"},
    ]
    assert parse_instruments(json.dumps(markets)) == [
        Instrument("btcusd", "BTC", "USD"),
        Instrument("xrpusdt", "XRP", "USDT"),
    ]


def test_each_channel_of_a_symbol_is_subscribed_by_itself() -> None:
    messages = [json.loads(message) for message in make_source().subscribe_messages(["btcusd", "ethusd"])]
    assert {message["event"] for message in messages} == {"bts:subscribe"}
    assert [message["data"]["channel"] for message in messages] == [
        "live_trades_btcusd", "diff_order_book_btcusd", "live_trades_ethusd", "diff_order_book_ethusd"
    ]  # fmt: skip


@pytest.mark.gen_test
async def test_book_is_built_from_deltas_and_a_fetched_snapshot_that_reaches_them() -> None:
    async with FakeVenue() as venue:
        venue.responses["/api/v2/markets/"] = [MARKET]
        venue.responses["/api/v2/order_book/btcusd/"] = BOOK | {"microtimestamp": str(MICROSECONDS - 2)}
        venue.responses["/api/v2/ticker/btcusd/"] = FIGURES
        relay = Relay("bitstamp", wanted=[Symbol("btc")], deliver=lambda feed, event: None)
        options = {"url": venue.url, "rest_url": venue.rest_url, "resync_interval": 0.01}
        run = asyncio.create_task(make_source(relay, **options).run())
        await eventually(lambda: len(venue.received) == 2)
        feed = relay.feeds["btcusd"]
        await venue.send(delta(MICROSECONDS - 1, [["30000", "9"]]))
        await venue.send(delta(MICROSECONDS + 1, [["30005", "3"]]))
        await eventually(lambda: venue.requests.count("/api/v2/order_book/btcusd/") > 1)
        assert feed.book_state == "lost", "the snapshot is older than the first delta"
        venue.responses["/api/v2/order_book/btcusd/"] = BOOK
        await eventually(lambda: feed.bid == 30005.0)
        assert feed.book.bids.top(2) == [["30005", "3"], ["30000", "1.00000000"]]
        await eventually(lambda: feed.open_24h == 29000.0)
        run.cancel()
        await asyncio.wait([run])
    assert relay.rejected == 0


@pytest.mark.gen_test
async def test_candles_are_fetched_up_to_the_end_that_is_asked_for() -> None:
    minute = {"open": "1", "high": "4", "low": "0.5", "close": "2", "volume": "7.5"}
    async with FakeVenue() as venue:
        url = "/api/v2/ohlc/btcusd/?step=60&limit=2&end=1700000099&exclude_current_candle=true"
        candles = [minute | {"timestamp": str(1_700_000_000 + 60 * number)} for number in range(-1, 2)]
        venue.responses[url] = {"data": {"pair": "BTC/USD", "ohlc": candles}}
        source = make_source(rest_url=venue.rest_url)
        found = await source.candles("btcusd", 1_699_999_980_000, 1_700_000_100_000)
    assert found == [Candle(start, 1.0, 4.0, 0.5, 2.0, 7.5) for start in (1_700_000_000_000, 1_700_000_060_000)]
    assert parse_candles('{"data":{"ohlc":[]}}') == []


def test_recording_gives_the_same_books_and_trades(shared: Path) -> None:
    results, recording = expected(shared, "bitstamp_2021-04-17"), Recording()
    for line in received(shared, "bitstamp_2021-04-17"):
        if line.kind == "ws":
            recording.publish(parse(line.text))
        elif "/order_book/" in line.url:
            recording.publish(parse_response(line.url, line.text))
    relay = recording.relay
    assert (relay.rejected, recording.ever_crossed, relay.integrity.gaps) == (0, False, 0)
    assert recording.books() == results["final_books"]
    assert recording.trades == {symbol: trades["n"] for symbol, trades in results["trades"].items()}
    for symbol, trades in results["trades"].items():
        assert relay.feeds[symbol].last == float(trades["last"][0])


def test_recorded_list_of_markets_is_read(shared: Path) -> None:
    (body,) = [line.text for line in received(shared, "bitstamp_2021-04-17") if "pairs-info" in line.url]
    markets = parse_instruments(body)
    assert {Instrument("btcusd", "BTC", "USD"), Instrument("usdcusd", "USDC", "USD")} < set(markets)
    assert len(markets) == len({market.venue_symbol for market in markets}) == 56
