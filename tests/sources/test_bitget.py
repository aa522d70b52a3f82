"""Bitget's dialect, frame by frame."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
from haunt_sources.bitget import Bitget, BitgetOptions
from haunt_sources.bitget.parser import checksum, parse, parse_candles, parse_instruments
from recorded import Recording, expected, received

from haunt import BookDelta, BookSnapshot, Candle, Instrument, Refused, Relay, SourceLost, Subscribed, Ticker, Trade
from haunt.market.book import Book
from haunt.market.symbols import Symbol
from haunt.testing import FakeVenue, eventually

TICKER = {"instId": "BTCUSDT", "lastPr": "64000.5", "open24h": "63000", "change24h": "-0.004", "baseVolume": "12.5",
          "quoteVolume": "800000", "ts": "1700000000001"}  # fmt: skip
TRADE = {"ts": "1700000000000", "price": "64000.5", "size": "0.25", "side": "sell", "tradeId": "1235671058980749319"}
BIDS, ASKS = [["64000.0", "1.50"], ["63999.9", "2"]], [["64000.5", "0.70"]]
BOOK = {"bids": BIDS, "asks": ASKS, "checksum": 0, "ts": "1700000000002"}
MARKET = {"symbol": "BTCUSDT", "baseCoin": "BTC", "quoteCoin": "USDT", "status": "online"}


def frame(channel: str, data: Any, action: str = "snapshot", **arg: str) -> dict[str, Any]:
    arg = {"instType": "SPOT", "channel": channel, "instId": "BTCUSDT"} | arg
    return {"action": action, "arg": arg, "data": [data], "ts": 1700000000003}


def frame_3(topic: str, data: Any, action: str = "snapshot") -> dict[str, Any]:
    arg = {"instType": "spot", "topic": topic, "symbol": "BTCUSDT"}
    return {"action": action, "arg": arg, "data": [data], "ts": 1700000000003}


def make_source(relay: Relay | None = None, **options: Any) -> Bitget:
    return Bitget(BitgetOptions(**options), relay or Relay("bitget", wanted=(), deliver=lambda feed, event: None))


@pytest.mark.parametrize(
    ("message", "event"),
    [
        (frame("ticker", TICKER), Ticker("BTCUSDT", 64000.5, 63000.0, 12.5, 800000.0, 1700000000001)),
        (
            frame("trade", TRADE, "update"),
            Trade("BTCUSDT", "1235671058980749319", 64000.5, 0.25, "sell", 1700000000000),
        ),
        (frame("books", BOOK), BookSnapshot("BTCUSDT", BIDS, ASKS, None, None, 1700000000002)),
        (
            frame("books", BOOK | {"checksum": -7, "bids": []}, "update"),
            BookDelta("BTCUSDT", [], ASKS, None, None, -7, 1700000000002),
        ),
        (
            frame("books", BOOK | {"seq": 12, "pseq": 11}, "update"),
            BookDelta("BTCUSDT", BIDS, ASKS, 11, 12, None, 1700000000002),
        ),
    ],
    ids=["ticker", "trade", "snapshot", "delta with a checksum", "delta with a number"],
)
def test_a_frame_of_version_2_is_an_event(message: dict[str, Any], event: object) -> None:
    assert list(parse(json.dumps(message))) == [event]


@pytest.mark.parametrize(
    ("message", "event"),
    [
        (
            frame_3("ticker", {"lastPrice": "9", "openPrice24h": "8", "volume24h": "2", "turnover24h": "17"}),
            Ticker("BTCUSDT", 9.0, 8.0, 2.0, 17.0, 1700000000003),
        ),
        (
            frame_3("publicTrade", {"i": "71", "p": "9", "v": "0.5", "S": "buy", "T": "1700000000000", "L": "72"}),
            Trade("BTCUSDT", "71", 9.0, 0.5, "buy", 1700000000000),
        ),
        (
            frame_3("books", {"a": ASKS, "b": BIDS, "pseq": 0, "seq": 11, "ts": "1700000000002"}),
            BookSnapshot("BTCUSDT", BIDS, ASKS, 11, None, 1700000000002),
        ),
        (
            frame_3("books", {"a": ASKS, "b": [], "pseq": 11, "seq": 12, "ts": "1700000000002"}, "update"),
            BookDelta("BTCUSDT", [], ASKS, 11, 12, None, 1700000000002),
        ),
    ],
    ids=["ticker", "trade", "snapshot", "delta"],
)
def test_a_frame_of_version_3_is_an_event(message: dict[str, Any], event: object) -> None:
    assert list(parse(json.dumps(message))) == [event]


def test_a_snapshot_is_not_verified_by_its_checksum() -> None:
    (snapshot,) = parse(json.dumps(frame("books", BOOK | {"checksum": 485516490})))
    assert isinstance(snapshot, BookSnapshot)
    assert snapshot.checksum is None


def test_trades_come_oldest_first() -> None:
    newest, oldest = TRADE | {"tradeId": "2"}, TRADE | {"tradeId": "1"}
    message = frame("trade", newest)
    message["data"].append(oldest)
    assert [event.id for event in parse(json.dumps(message)) if isinstance(event, Trade)] == ["1", "2"]


def test_futures_of_the_same_name_are_another_market() -> None:
    assert list(parse(json.dumps(frame("books", BOOK, instType="USDT-FUTURES")))) == []


@pytest.mark.parametrize(
    "message", ["pong", json.dumps(frame("candle1m", [])), '{"event":"unsubscribe","arg":{"channel":"a","instId":"B"}}']
)
def test_pongs_and_channels_of_no_interest_say_nothing(message: str) -> None:
    assert list(parse(message)) == []


def test_answers_confirm_or_refuse_one_channel_of_one_symbol() -> None:
    arg = {"instType": "SPOT", "channel": "books", "instId": "NOUSDT"}
    refusal = {"event": "error", "arg": arg, "code": 30001, "msg": "NOUSDT doesn't exist", "op": "subscribe"}
    assert list(parse(json.dumps({"event": "subscribe", "arg": arg}))) == [Subscribed("NOUSDT", "books")]
    assert list(parse(json.dumps(refusal))) == [Refused("NOUSDT", "books", "NOUSDT doesn't exist (code 30001)")]
    del refusal["arg"]
    assert list(parse(json.dumps(refusal))) == [Refused("", "subscribe", "NOUSDT doesn't exist (code 30001)")]


@pytest.mark.parametrize(
    "message",
    ["", "ping", "[]", "7", "null", "{}", '{"arg":[]}', '{"event":"error"}', json.dumps(frame("ticker", {})),
     json.dumps(frame("ticker", TICKER | {"lastPr": "much"})), json.dumps(frame("trade", TRADE | {"ts": None})),
     json.dumps(frame("trade", ["1", "2"])), json.dumps(frame("books", {"bids": []}))],
)  # fmt: skip
def test_a_frame_that_makes_no_sense_is_refused(message: str) -> None:
    with pytest.raises((ValueError, KeyError, TypeError, IndexError)):
        list(parse(message))


def test_the_checksum_takes_a_bid_and_an_ask_in_turn_as_they_were_written() -> None:
    book = Book()
    book.replace(BIDS, ASKS)
    assert checksum(book) == crc32(b"64000.0:1.50:64000.5:0.70:63999.9:2") - 2**32


def test_only_markets_open_to_everyone_are_offered() -> None:
    markets = [MARKET, MARKET | {"symbol": "ABUSDT", "status": "gray"}, MARKET | {"symbol": "CUSDT", "status": "halt"}]
    assert parse_instruments(json.dumps({"code": "00000", "data": markets})) == [Instrument("BTCUSDT", "BTC", "USDT")]


def test_only_closed_candles_are_taken_oldest_first() -> None:
    rows = [
        ["1700000040000", "3", "4", "2", "3.5", "10", "35", "35"],
        ["1699999980000", "2", "3", "1", "3", "9", "27", "27"],
    ]
    body = {"code": "00000", "requestTime": 1700000100000 - 1, "data": rows}
    assert parse_candles(json.dumps(body)) == [Candle(1699999980000, 2.0, 3.0, 1.0, 3.0, 9.0)]
    body["requestTime"] = 1700000100000
    assert [candle.start for candle in parse_candles(json.dumps(body))] == [1699999980000, 1700000040000]


@pytest.mark.gen_test
async def test_candles_are_those_that_begin_in_the_asked_time() -> None:
    rows = [[str(60_000 * minute), "1", "1", "1", "1", "1", "1", "1"] for minute in range(1, 6)]
    async with FakeVenue() as venue:
        venue.responses["/api/v2/spot/market/candles"] = {"code": "00000", "requestTime": 10**12, "data": rows}
        candles = await make_source(rest_url=venue.rest_url).candles("BTCUSDT", 120_000, 240_000)
    assert [candle.start for candle in candles] == [120_000, 180_000]
    assert "symbol=BTCUSDT&granularity=1min&startTime=120000&endTime=240000" in venue.requests[0]


def test_a_list_of_markets_that_is_refused_says_why() -> None:
    with pytest.raises(SourceLost, match="Too Many Requests"):
        parse_instruments('{"code":"429","msg":"Too Many Requests","data":null}')


def test_subscriptions_come_in_messages_of_twenty_channels() -> None:
    source = make_source()
    assert source.symbols_per_connection == 16, "fewer than fifty channels"
    messages = [json.loads(text) for text in source.subscribe_messages([f"S{n}USDT" for n in range(16)])]
    assert [(message["op"], len(message["args"])) for message in messages] == [
        ("subscribe", 20), ("subscribe", 20), ("subscribe", 8),
    ]  # fmt: skip
    assert messages[0]["args"][:3] == [
        {"instType": "SPOT", "channel": channel, "instId": "S0USDT"} for channel in ("ticker", "trade", "books")
    ]


def test_the_url_decides_which_version_is_spoken() -> None:
    (message,) = make_source(url="wss://mirror.example/v3/ws/public").subscribe_messages(["BTCUSDT"])
    assert json.loads(message)["args"] == [
        {"instType": "spot", "topic": topic, "symbol": "BTCUSDT"} for topic in ("ticker", "publicTrade", "books")
    ]


def test_a_lost_book_is_subscribed_anew() -> None:
    messages = [json.loads(text) for text in make_source().resubscribe_messages("BTCUSDT")]
    assert [message["op"] for message in messages] == ["unsubscribe", "subscribe"]
    assert all(message["args"] == [frame("books", [])["arg"]] for message in messages)


@pytest.mark.gen_test
async def test_a_wrong_checksum_has_the_book_sent_anew() -> None:
    def answer(message: Any) -> Iterator[Any]:
        if message != "ping" and message["op"] == "subscribe":
            yield from ({"event": "subscribe", "arg": arg} for arg in message["args"])
            yield frame("books", BOOK)

    async with FakeVenue() as venue:
        venue.responses["/api/v2/spot/public/symbols"] = {"code": "00000", "data": [MARKET]}
        venue.on_message = answer
        relay = Relay("bitget", wanted=[Symbol("btc")], deliver=lambda feed, event: None, checksum=checksum)
        source = make_source(relay, url=venue.url, rest_url=venue.rest_url)
        run = asyncio.create_task(source.run())
        await eventually(lambda: relay.feeds and relay.feeds["BTCUSDT"].book_state == "synced")
        await venue.send(frame("books", BOOK | {"checksum": 12345}, "update"))
        await eventually(lambda: len(venue.received) == 3 and relay.feeds["BTCUSDT"].book_state == "synced")
        run.cancel()
    assert [message["op"] for message in venue.received] == ["subscribe", "unsubscribe", "subscribe"]
    assert (relay.integrity.checksums_bad, relay.rejected) == (1, 0)


def test_the_recording_gives_the_same_books_trades_and_tickers(shared: Path) -> None:
    name = "bitget_v1_2022-04-07"
    results, recording = expected(shared, name), Recording(checksum=checksum)
    for line in received(shared, name):
        if line.kind == "ws":
            recording.publish(parse(line.text))
    relay, books = recording.relay, results["final_books"]
    assert (relay.rejected, recording.ever_crossed) == (0, False)
    # All but that of each book's snapshot.
    assert relay.integrity.checksums_ok == results["checksums_ok"] - len(books)
    assert (relay.integrity.checksums_bad, relay.integrity.gaps) == (0, 0)
    assert recording.books() == books
    assert recording.trades == results["trades"]
    for symbol, ticker in results["last_ticker"].items():
        feed = relay.feeds[symbol]
        assert feed.open_24h == float(ticker["open24h"])
        assert (feed.volume_24h, feed.quote_volume_24h) == (float(ticker["baseVolume"]), float(ticker["quoteVolume"]))
