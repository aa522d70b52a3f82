"""Crypto.com's dialect, frame by frame."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from haunt_sources.cryptocom import Cryptocom, CryptocomOptions
from haunt_sources.cryptocom.parser import heartbeat_answer, parse, parse_candles, parse_instruments

from haunt import BookDelta, BookSnapshot, Candle, Instrument, Refused, Relay, SourceLost, Subscribed, Ticker, Trade
from haunt.market.symbols import Symbol
from haunt.testing import FakeVenue, eventually

NOON = 1_700_000_000_000
TICKER = {"h": "64431.41", "l": "63243.41", "a": "50400.00", "c": "0.0080", "b": "50399.99", "k": "50400.01",
          "i": "BTC_USD", "v": "12.5", "vv": "625000.5", "oi": "0", "t": NOON}  # fmt: skip
TRADE = {"d": "1786562974384864909", "t": NOON, "p": "50400.00", "q": "0.25", "s": "SELL", "i": "BTC_USD", "m": "46"}
BOOK = {"asks": [["50400.01", "0.7", "2"]], "bids": [["50399.99", "1.50", "1"]], "t": NOON, "tt": NOON - 5, "u": 700,
        "cs": -1}  # fmt: skip
CHANGE = {"update": {"asks": [["50400.01", "0", "0"]], "bids": []}, "t": NOON, "tt": NOON - 5, "u": 900, "pu": 700,
          "cs": 1}  # fmt: skip
MARKET = {"symbol": "BTC_USD", "inst_type": "CCY_PAIR", "base_ccy": "BTC", "quote_ccy": "USD", "tradable": True}
HEARTBEAT = {"id": 1790114291578, "method": "public/heartbeat", "code": 0}


def frame(channel: str, *data: Any, number: int = -1, symbol: str = "BTC_USD") -> dict[str, Any]:
    kind = channel.partition(".")[0]
    result = {"instrument_name": symbol, "subscription": f"{kind}.{symbol}", "channel": channel, "data": data}
    return {"id": number, "method": "subscribe", "code": 0, "result": result}


def events(message: object) -> list[object]:
    return list(parse(json.dumps(message)))


def make_source(relay: Relay | None = None, **options: Any) -> Cryptocom:
    relay = relay or Relay("cryptocom", wanted=(), deliver=lambda feed, event: None)
    return Cryptocom(CryptocomOptions(**options), relay)


@pytest.mark.parametrize(
    ("message", "event"),
    [
        (frame("ticker", TICKER), Ticker("BTC_USD", 50400.0, 50000.0, 12.5, 625000.5, NOON)),
        (frame("trade", TRADE), Trade("BTC_USD", "1786562974384864909", 50400.0, 0.25, "sell", NOON)),
        (frame("trade", TRADE | {"s": "BUY"}), Trade("BTC_USD", TRADE["d"], 50400.0, 0.25, "buy", NOON)),
        (
            frame("book", BOOK),
            BookSnapshot("BTC_USD", [("50399.99", "1.50")], [("50400.01", "0.7")], 700, None, NOON),
        ),
        (frame("book.update", CHANGE), BookDelta("BTC_USD", [], [("50400.01", "0")], 700, 900, None, NOON)),
    ],
    ids=["ticker", "trade", "trade of a buyer", "snapshot", "delta"],
)
def test_a_frame_is_an_event(message: dict[str, Any], event: object) -> None:
    assert events(message) == [event]


def test_the_change_of_a_day_is_a_ratio_unless_all_numbers_are_bare() -> None:
    (today,) = events(frame("ticker", TICKER | {"c": "-0.1", "a": "45"}))
    (then,) = events(frame("ticker", TICKER | {"c": -5, "a": 45.0}))
    assert isinstance(today, Ticker)
    assert isinstance(then, Ticker)
    assert today.open_24h == then.open_24h == 50.0


def test_what_nobody_traded_is_not_known() -> None:
    assert events(frame("ticker", TICKER | {"a": None})) == []
    (quiet,) = events(frame("ticker", TICKER | {"c": None}))
    assert isinstance(quiet, Ticker)
    assert quiet.open_24h is None


def test_the_volume_in_dollars_is_the_quote_volume_of_dollar_markets_alone() -> None:
    (ticker,) = events(frame("ticker", TICKER, symbol="BTC_USDT"))
    assert isinstance(ticker, Ticker)
    assert (ticker.volume_24h, ticker.quote_volume_24h) == (12.5, None)


def test_a_book_of_bare_numbers_is_a_snapshot_each_time() -> None:
    book = {"bids": [[97.44, 7.5202, 1]], "asks": [[97.685, 9.8577, 1]], "t": NOON, "s": 702658069}
    assert events(frame("book", book)) == [
        BookSnapshot("BTC_USD", [("97.44", "7.5202")], [("97.685", "9.8577")], None, None, NOON)
    ]


def test_trades_come_oldest_first() -> None:
    trades = events(frame("trade", TRADE | {"d": "2"}, TRADE | {"d": "1"}))
    assert [trade.id for trade in trades if isinstance(trade, Trade)] == ["1", "2"]


@pytest.mark.parametrize(
    "message", [HEARTBEAT, frame("candlestick", {}), {"id": 22, "method": "unsubscribe", "code": 0}]
)
def test_heartbeats_and_channels_of_no_interest_say_nothing(message: dict[str, Any]) -> None:
    assert events(message) == []


def test_a_book_is_confirmed_by_an_answer_and_other_channels_by_their_first_frame() -> None:
    book = {"id": 1, "method": "subscribe", "code": 0, "channel": "book.BTC_USD.50"}
    assert events(book) == [Subscribed("BTC_USD", "book")]
    assert events(frame("trade", TRADE, number=1))[1:] == [Subscribed("BTC_USD", "trade")]


def test_a_refusal_names_the_channel_where_it_does() -> None:
    refusal = {"id": 11, "method": "subscribe", "code": 40003, "channel": "book.NO_USD.50", "message": "Unknown symbol"}
    assert events(refusal) == [Refused("NO_USD", "book", "Unknown symbol (code 40003)")]
    del refusal["channel"]
    assert events(refusal) == [Refused("", "subscribe", "Unknown symbol (code 40003)")]


@pytest.mark.parametrize(
    "message",
    ["", "hello", "[]", "7", "null", "{}", '{"result":[]}', '{"result":{"channel":"book"}}',
     json.dumps(frame("ticker", TICKER | {"a": "much"})), json.dumps(frame("ticker", {})),
     json.dumps(frame("trade", {"d": "1"})), json.dumps(frame("book", BOOK | {"bids": [["1"]]})),
     json.dumps(frame("book.update", CHANGE | {"update": None}))],
)  # fmt: skip
def test_a_frame_that_makes_no_sense_is_refused(message: str) -> None:
    with pytest.raises((ValueError, KeyError, TypeError, IndexError)):
        list(parse(message))


def test_a_heartbeat_is_answered_with_its_own_number() -> None:
    assert heartbeat_answer(json.dumps(HEARTBEAT)) == '{"id":1790114291578,"method":"public/respond-heartbeat"}'
    assert heartbeat_answer(json.dumps(frame("ticker", TICKER))) is None


def test_only_spot_markets_open_for_trading_are_offered() -> None:
    markets = [
        MARKET,
        MARKET | {"symbol": "ETH_USD", "base_ccy": "ETH", "tradable": False},
        MARKET | {"symbol": "BTCUSD-PERP", "inst_type": "PERPETUAL_SWAP"},
    ]
    body = {"id": 1, "method": "public/get-instruments", "code": "0", "result": {"data": markets}}
    assert parse_instruments(json.dumps(body)) == [Instrument("BTC_USD", "BTC", "USD")]


def test_a_list_of_markets_that_is_refused_says_why() -> None:
    with pytest.raises(SourceLost, match="Too many requests"):
        parse_instruments('{"id":1,"method":"public/get-instruments","code":42901,"message":"Too many requests"}')


@pytest.mark.gen_test
async def test_candles_are_closed_ones_that_begin_in_the_asked_time_oldest_first() -> None:
    rows = [
        {"o": "1", "h": "4", "l": "0.5", "c": "2", "v": "10", "t": 60_000 * minute} for minute in (5, 4, 3, 2, 1)
    ]  # fmt: skip
    body = {"id": -1, "method": "public/get-candlestick", "code": 0, "result": {"interval": "1m", "data": rows}}
    async with FakeVenue() as venue:
        venue.responses["/exchange/v1/public/get-candlestick"] = body
        candles = await make_source(rest_url=venue.rest_url).candles("BTC_USD", 120_000, 240_000)
    assert candles == [Candle(start, 1.0, 4.0, 0.5, 2.0, 10.0) for start in (120_000, 180_000)]
    assert venue.requests == [
        "/exchange/v1/public/get-candlestick?instrument_name=BTC_USD&timeframe=1m&start_ts=120000&end_ts=240000&count=300"
    ]


def test_a_candle_that_still_grows_is_left_out() -> None:
    body = {"code": 0, "result": {"data": [{"o": "1", "h": "4", "l": "0.5", "c": "2", "v": "10", "t": 60_000}]}}
    assert parse_candles(json.dumps(body), now=119_999) == []
    assert len(parse_candles(json.dumps(body), now=120_000)) == 1


def test_subscriptions_come_in_messages_of_ninety_nine_channels() -> None:
    source = make_source(depth=10, book_interval=100)
    assert source.symbols_per_connection == 133, "four hundred channels"
    messages = [json.loads(text) for text in source.subscribe_messages([f"S{n}_USD" for n in range(34)])]
    assert [len(message["params"]["channels"]) for message in messages] == [99, 3]
    assert messages[1] == {
        "id": 1,
        "method": "subscribe",
        "params": {
            "channels": ["ticker.S33_USD", "trade.S33_USD", "book.S33_USD.10"],
            "book_subscription_type": "SNAPSHOT_AND_UPDATE",
            "book_update_frequency": 100,
        },
    }


@pytest.mark.gen_test
async def test_a_gap_has_the_book_sent_anew_and_heartbeats_are_answered() -> None:
    class Hurried(Cryptocom):
        subscribe_delay = 0.0

    def answer(message: Any) -> Iterator[Any]:
        if message["method"] == "subscribe":
            yield {"id": 1, "method": "subscribe", "code": 0, "channel": "book.BTC_USD.50"}
            yield frame("book", BOOK)

    async with FakeVenue() as venue:
        venue.responses["/exchange/v1/public/get-instruments"] = {"code": 0, "result": {"data": [MARKET]}}
        venue.on_message = answer
        relay = Relay("cryptocom", wanted=[Symbol("btc")], deliver=lambda feed, event: None)
        run = asyncio.create_task(Hurried(CryptocomOptions(url=venue.url, rest_url=venue.rest_url), relay).run())
        await eventually(lambda: relay.feeds and relay.feeds["BTC_USD"].book_state == "synced")
        await venue.send(frame("book.update", CHANGE | {"pu": 800}))
        await eventually(lambda: len(venue.received) == 3 and relay.feeds["BTC_USD"].book_state == "synced")
        await venue.send(HEARTBEAT)
        await eventually(lambda: len(venue.received) == 4)
        run.cancel()
    assert [message["method"] for message in venue.received] == [
        "subscribe", "unsubscribe", "subscribe", "public/respond-heartbeat",
    ]  # fmt: skip
    assert venue.received[1]["params"]["channels"] == ["book.BTC_USD.50"]
    assert (relay.integrity.gaps, relay.rejected) == (1, 0)
