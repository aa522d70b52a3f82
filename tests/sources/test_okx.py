"""OKX's dialect, frame by frame."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
from haunt_sources.okx import Okx, OkxOptions
from haunt_sources.okx.parser import checksum, parse, parse_candles, parse_instruments, parse_response
from recorded import Recording, expected, received

from haunt import (
    Book,
    BookDelta,
    BookSnapshot,
    Candle,
    Clock,
    Instrument,
    Refused,
    Relay,
    SourceLost,
    Subscribed,
    Ticker,
    Trade,
)
from haunt.market.symbols import Symbol
from haunt.testing import FakeVenue, eventually

MS = 1767323045678
BOOK = {"asks": [["101.10", "2.0", "0", "1"]], "bids": [["101.00", "0.50", "0", "3"]], "ts": str(MS), "checksum": 0,
        "seqId": 15, "prevSeqId": 10}  # fmt: skip
TRADE = {"instId": "BTC-USDT", "tradeId": "77", "px": "101.05", "sz": "0.25", "side": "sell", "ts": str(MS)}
TICKER = {"instType": "SPOT", "instId": "BTC-USDT", "last": "101.05", "open24h": "99.5", "vol24h": "12.5",
          "volCcy24h": "1250.0", "sodUtc0": "100.0", "ts": str(MS)}  # fmt: skip
MARKET = {"instType": "SPOT", "instId": "BTC-USDT", "baseCcy": "BTC", "quoteCcy": "USDT", "state": "live"}
ACK = {"event": "subscribe", "arg": {"channel": "books", "instId": "BTC-USDT"}, "connId": "a4d3ae55"}


def push(channel: str, data: dict[str, Any], **more: str) -> str:
    return json.dumps({"arg": {"channel": channel, "instId": "BTC-USDT"}, **more, "data": [data]})


def error(code: str, msg: str) -> str:
    return json.dumps({"event": "error", "code": code, "msg": msg, "connId": "a4d3ae55"})


def make_source(relay: Relay | None = None, **options: Any) -> Okx:
    return Okx(OkxOptions(**options), relay or Relay("okx", wanted=(), deliver=lambda feed, event: None))


@pytest.mark.parametrize(
    ("frame", "event"),
    [
        (
            push("books", BOOK | {"prevSeqId": -1}, action="snapshot"),
            BookSnapshot("BTC-USDT", BOOK["bids"], BOOK["asks"], 15, None, MS),  # type: ignore[arg-type]
        ),
        (
            push("books", BOOK, action="update"),
            BookDelta("BTC-USDT", BOOK["bids"], BOOK["asks"], 10, 15, None, MS),  # type: ignore[arg-type]
        ),
        (
            push("books", {"asks": [], "bids": [], "ts": str(MS), "checksum": -7}, action="update"),
            BookDelta("BTC-USDT", [], [], None, None, -7, MS),
        ),
        (push("trades", TRADE), Trade("BTC-USDT", "77", 101.05, 0.25, "sell", MS)),
        (push("trades", TRADE | {"side": "buy"}), Trade("BTC-USDT", "77", 101.05, 0.25, "buy", MS)),
        (push("tickers", TICKER), Ticker("BTC-USDT", 101.05, 99.5, 12.5, 1250.0, MS)),
        (json.dumps(ACK), Subscribed("BTC-USDT", "books")),
    ],
    ids=["snapshot", "update", "update of 2022", "trade", "trade of a buyer", "ticker", "acknowledgement"],
)
def test_frame_is_one_event(frame: str, event: object) -> None:
    assert list(parse(frame)) == [event]
    assert list(parse(frame.encode())) == [event], "as bytes"


def test_error_refuses_the_channel_of_the_symbol_it_names() -> None:
    missing = "Wrong URL or channel:books,instId:NO-USDT doesn't exist. Please use the correct URL."
    assert list(parse(error("60018", missing))) == [Refused("NO-USDT", "books", f"{missing} (code 60018)")]
    assert list(parse(error("60012", "Invalid request"))) == [Refused("", "subscribe", "Invalid request (code 60012)")]


@pytest.mark.parametrize(
    "frame",
    [
        "pong",
        '{"event":"unsubscribe","arg":{"channel":"books","instId":"BTC-USDT"}}',
        '{"event":"channel-conn-count","channel":"orders","connCount":"2"}',
        '{"event":"notice","code":"1","msg":"hello"}',
        push("candle1m", TICKER),
    ],
)
def test_frames_of_no_interest_say_nothing(frame: str) -> None:
    assert list(parse(frame)) == []


def test_announced_end_of_the_connection_loses_the_source() -> None:
    with pytest.raises(SourceLost, match="about to close"):
        parse('{"event":"notice","code":"64008","msg":"The connection will soon be closed for a service upgrade."}')


@pytest.mark.parametrize(
    "frame",
    ["", "ping", "[]", "7", "null", "{}", '{"arg":[]}', '{"arg":{"channel":"books"},"data":[]}', '{"event":"error"}',
     push("books", {}), push("books", BOOK | {"ts": "now"}), push("books", BOOK | {"ts": None}),
     push("trades", TRADE | {"px": ""}), push("tickers", TICKER | {"last": {}}), '{"event":"subscribe"}'],
)  # fmt: skip
def test_frame_that_makes_no_sense_is_refused(frame: str) -> None:
    with pytest.raises((ValueError, KeyError, TypeError, IndexError)):
        list(parse(frame))


def test_checksum_is_signed_and_made_from_the_25_best_of_each_side_in_turn() -> None:
    book = Book()
    book.replace(
        [(f"{price}.0", "1.50") for price in range(99, 60, -1)], [(f"{price}", "2") for price in range(101, 131)]
    )
    best = ":".join(f"{99 - n}.0:1.50:{101 + n}:2" for n in range(25))
    assert checksum(book) % 2**32 == crc32(best.encode())
    assert -(2**31) <= checksum(book) < 2**31


def test_checksum_goes_on_with_the_longer_side() -> None:
    book = Book()
    book.replace([("3.5", "1"), ("3.4", "2")], [("3.6", "7")])
    assert checksum(book) % 2**32 == crc32(b"3.5:1:3.6:7:3.4:2")
    book.replace([], [("3.6", "7"), ("3.8", "8")])
    assert checksum(book) % 2**32 == crc32(b"3.6:7:3.8:8")


def test_snapshot_is_fetched_apart_and_its_symbol_is_known_from_the_url() -> None:
    url = make_source(rest_url="https://mirror.example").snapshot_url("BTC-USDT")
    assert url == "https://mirror.example/api/v5/market/books?instId=BTC-USDT&sz=400"
    assert list(parse_response(url, json.dumps({"code": "0", "msg": "", "data": [BOOK]}))) == [
        BookSnapshot("BTC-USDT", BOOK["bids"], BOOK["asks"], 15, None, MS, apart=True)  # type: ignore[arg-type]
    ]


def test_a_fetched_snapshot_without_a_number_cannot_be_joined_to_the_stream() -> None:
    book = {name: value for name, value in BOOK.items() if name != "seqId"}
    with pytest.raises(KeyError):
        parse_response("https://x/?instId=A", json.dumps({"code": "0", "data": [book]}))


def test_only_spot_markets_open_for_trading_are_offered() -> None:
    markets = [
        MARKET,
        MARKET | {"instId": "OLD-USDT", "baseCcy": "OLD", "state": "suspend"},
        MARKET | {"instType": "SWAP", "instId": "BTC-USDT-SWAP", "baseCcy": "", "quoteCcy": ""},
    ]
    assert parse_instruments(json.dumps({"code": "0", "data": markets})) == [Instrument("BTC-USDT", "BTC", "USDT")]


def test_response_that_is_a_refusal_loses_the_source_with_the_reason() -> None:
    with pytest.raises(SourceLost, match=r"Too Many Requests \(code 50011\)"):
        parse_instruments('{"code":"50011","msg":"Too Many Requests","data":[]}')


def test_closed_candles_come_oldest_first_with_their_volume_in_base_units() -> None:
    rows = [[str(MS + 60_000), "3", "4", "2", "3.5", "10", "35", "35", "0"],
            [str(MS), "2", "4", "1", "3", "12.5", "30", "30", "1"],
            [str(MS - 60_000), "1", "2", "1", "2", "7", "14", "14", "1"]]  # fmt: skip
    assert parse_candles(json.dumps({"code": "0", "data": rows})) == [
        Candle(MS - 60_000, 1.0, 2.0, 1.0, 2.0, 7.0), Candle(MS, 2.0, 4.0, 1.0, 3.0, 12.5)
    ]  # fmt: skip


@pytest.mark.gen_test
@pytest.mark.parametrize(("days", "path"), [(0.9, "candles"), (1.1, "history-candles")])
async def test_candles_of_the_last_day_and_those_before_are_in_two_places(days: float, path: str) -> None:
    start = Clock().milliseconds() - int(days * 86_400_000)
    async with FakeVenue() as venue:
        venue.responses[f"/api/v5/market/{path}"] = {"code": "0", "data": []}
        source = make_source(url=venue.url, rest_url=venue.rest_url)
        await source.candles("BTC-USDT", start, start + 3_600_000)
        await source.candles("BTC-USDT", start, start + 36_000_000)
    ends = (start + 3_600_000, start + 6_000_000)
    query = f"instId=BTC-USDT&bar=1m&before={start - 1}"
    assert venue.requests == [f"/api/v5/market/{path}?{query}&after={end}&limit=100" for end in ends]


def test_each_symbol_is_subscribed_to_in_a_message_of_its_own() -> None:
    first, second = map(json.loads, make_source().subscribe_messages(["BTC-USDT", "ETH-USD"]))
    assert first["op"] == "subscribe"
    assert {(arg["channel"], arg["instId"]) for arg in first["args"]} == {
        ("books", "BTC-USDT"), ("trades", "BTC-USDT"), ("tickers", "BTC-USDT")
    }  # fmt: skip
    assert {arg["instId"] for arg in second["args"]} == {"ETH-USD"}


@pytest.mark.gen_test
async def test_a_book_without_a_snapshot_in_the_stream_or_with_a_gap_is_built_from_a_fetched_one() -> None:
    async with FakeVenue() as venue:
        venue.responses["/api/v5/public/instruments"] = {"code": "0", "data": [MARKET]}
        venue.responses["/api/v5/market/books"] = {"code": "0", "data": [BOOK | {"seqId": 12}]}
        venue.on_message = lambda message: [
            json.dumps(ACK),
            push("trades", TRADE),
            push("books", BOOK, action="update"),
        ]
        relay = Relay("okx", wanted=[Symbol("btc")], deliver=lambda feed, event: None, checksum=Okx.checksum)
        options = {"url": venue.url, "rest_url": venue.rest_url, "resync_interval": 0.01}
        run = asyncio.create_task(make_source(relay, **options).run())
        await eventually(lambda: relay.feeds and relay.feeds["BTC-USDT"].book_state == "synced")
        feed = relay.feeds["BTC-USDT"]
        assert (feed.proven.sequence, feed.bid, feed.ask, feed.last) == (15, 101.0, 101.1, 101.05)
        venue.responses["/api/v5/market/books"] = {"code": "0", "data": [BOOK | {"seqId": 30}]}
        await venue.send(push("books", BOOK | {"prevSeqId": 20, "seqId": 25}, action="update"))
        await eventually(lambda: feed.proven.sequence == 30)
        assert (feed.book_state, relay.integrity.gaps, relay.rejected) == ("synced", 1, 0)
        run.cancel()


def test_recording_gives_the_same_books_trades_and_tickers_and_every_checksum_holds(shared: Path) -> None:
    results, recording = expected(shared, "okx_2022-05-13"), Recording(checksum=checksum)
    markets: list[Instrument] = []
    for line in received(shared, "okx_2022-05-13"):
        if line.kind == "ws":
            recording.publish(parse(line.text))
        else:
            markets += parse_instruments(line.text)
    relay = recording.relay
    assert (relay.rejected, recording.ever_crossed, relay.integrity.gaps) == (0, False, 0)
    assert (relay.integrity.checksums_ok, relay.integrity.checksums_bad) == (results["checksums_ok"], 0)
    assert recording.books() == results["final_books"]
    assert recording.trades == results["trades"]
    for symbol, ticker in results["last_ticker"].items():
        feed = relay.feeds[symbol]
        assert (feed.last, feed.open_24h) == (float(ticker["last"]), float(ticker["open24h"]))
    feed, ticker = relay.feeds["BTC-USDT"], results["last_ticker"]["BTC-USDT"]
    assert (feed.volume_24h, feed.quote_volume_24h) == (float(ticker["vol24h"]), float(ticker["volCcy24h"]))
    assert {market.venue_symbol for market in markets} & {*results["trades"]} == {"BTC-USDT"}
