"""Kraken's dialect, frame by frame."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from zlib import crc32

import pytest
from haunt_sources.kraken import Kraken, KrakenOptions
from haunt_sources.kraken.parser import checksum, parse, parse_instruments
from pydantic import ValidationError

from haunt import (
    Book,
    BookDelta,
    BookSnapshot,
    Candle,
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

TIME = "2026-01-02T03:04:05.678901Z"
MS = 1767323045678
PAIR = {"altname": "XBTUSD", "wsname": "XBT/USD", "aclass_base": "currency", "base": "XXBT", "quote": "ZUSD",
        "status": "online"}  # fmt: skip


def book(kind: str, bids: str, asks: str, proof: str) -> str:
    data = f'{{"symbol":"BTC/USD","bids":[{bids}],"asks":[{asks}],"checksum":{proof},"timestamp":"{TIME}"}}'
    return f'{{"channel":"book","type":"{kind}","data":[{data}]}}'


def ticker(**changes: Any) -> str:
    data = {"symbol": "BTC/USD", "last": 50.5, "volume": 10.0, "vwap": 50.0, "change": 0.5, "change_pct": 0.99,
            "timestamp": TIME} | changes  # fmt: skip
    return json.dumps({"channel": "ticker", "type": "update", "data": [data]})


TRADES = json.dumps(
    {
        "channel": "trade",
        "type": "update",
        "data": [
            {"symbol": "BTC/USD", "side": "sell", "price": 50.1, "qty": 0.25, "ord_type": "limit", "trade_id": 71,
             "timestamp": TIME},
            {"symbol": "BTC/USD", "side": "buy", "price": 50.2, "qty": 1, "ord_type": "market", "trade_id": 72,
             "timestamp": TIME},
        ],
    }
)  # fmt: skip


def test_book_keeps_every_digit_of_its_levels() -> None:
    frame = book("snapshot", '{"price":50.10,"qty":0.50000000}', '{"price":51,"qty":2.00000000}', "4000000000")
    assert list(parse(frame)) == [
        BookSnapshot("BTC/USD", [("50.10", "0.50000000")], [("51", "2.00000000")], None, 4000000000, MS)
    ]


def test_book_update_is_a_delta() -> None:
    frame = book("update", '{"price":50.10,"qty":0.00000000}', "", "17")
    assert list(parse(frame)) == [BookDelta("BTC/USD", [("50.10", "0.00000000")], [], None, None, 17, MS)]


def test_trades_come_as_they_happened_with_the_takers_side() -> None:
    assert list(parse(TRADES)) == [
        Trade("BTC/USD", "71", 50.1, 0.25, "sell", MS),
        Trade("BTC/USD", "72", 50.2, 1.0, "buy", MS),
    ]


def test_ticker_gives_the_price_of_a_day_ago_and_the_quote_volume() -> None:
    assert list(parse(ticker())) == [Ticker("BTC/USD", 50.5, 50.0, 10.0, 500.0, MS)]


@pytest.mark.parametrize(
    ("result", "depth"), [({"depth": 25, "snapshot": True}, 25), ({"event_trigger": "trades"}, None)]
)
def test_acknowledgement_names_the_depth_of_a_book(result: dict[str, Any], depth: int | None) -> None:
    answer = {
        "method": "subscribe",
        "req_id": 1,
        "success": True,
        "result": {"channel": "x", "symbol": "BTC/USD", **result},
    }
    assert list(parse(json.dumps(answer))) == [Subscribed("BTC/USD", "x", depth)]


@pytest.mark.parametrize(
    ("answer", "event"),
    [
        (
            {"method": "subscribe", "success": False, "symbol": "NO/USD", "error": "Pair not supported NO/USD"},
            Refused("NO/USD", "subscribe", "Pair not supported NO/USD"),
        ),
        ({"method": "subscribe", "success": False, "error": "Exceeded msg rate"},
         Refused("", "subscribe", "Exceeded msg rate")),
        ({"method": "error", "error": "Malformed request"}, Refused("", "error", "Malformed request")),
    ],
)  # fmt: skip
def test_error_refuses_the_subscription_with_its_reason(answer: dict[str, Any], event: Refused) -> None:
    assert list(parse(json.dumps(answer))) == [event]


@pytest.mark.parametrize(
    "frame",
    [
        '{"channel":"heartbeat"}',
        '{"channel":"status","type":"update","data":[{"system":"online","connection_id":12345678901234567890}]}',
        '{"method":"pong","req_id":1,"time_in":"2026-01-02T03:04:05Z"}',
        '{"method":"unsubscribe","success":true,"result":{"channel":"book","symbol":"BTC/USD"}}',
        '{"channel":"ohlc","type":"update","data":[{"symbol":"BTC/USD","open":1.0}]}',
    ],
)
def test_frames_of_no_interest_say_nothing(frame: str) -> None:
    assert list(parse(frame)) == []


@pytest.mark.parametrize(
    "frame",
    ["", "hello", "[]", "5", "null", '"x"', "[" * 100_000, '{"channel":[]}', '{"channel":"book"}',
     '{"channel":"book","type":"update","data":[{}]}', '{"channel":"trade","type":"update","data":7}',
     book("update", '{"price":1.0}', "", "1"), book("update", "", "", "NaN"), book("update", "", "", "null"),
     ticker(last=None), ticker(timestamp="now"), ticker(vwap=[]), '{"method":"subscribe","success":true}'],
)  # fmt: skip
def test_frame_that_makes_no_sense_is_refused(frame: str) -> None:
    with pytest.raises((ValueError, KeyError, TypeError, IndexError)):
        list(parse(frame))
    with pytest.raises((ValueError, KeyError, TypeError, IndexError)):
        list(parse(frame.encode()))


def test_checksum_is_made_from_the_ten_best_of_each_side() -> None:
    asks = [(f"{price}.0", "0.00100") for price in range(21, 33)]
    bids = [(f"0.{price}0", "1.50") for price in range(32, 20, -1)]
    best = "".join(f"{price}100" for price in range(210, 310, 10))
    best += "".join(f"{price}0150" for price in range(32, 22, -1))
    book = Book()
    book.replace(bids, asks)
    assert checksum(book) == crc32(best.encode())


def test_checksum_of_a_thin_book_is_made_from_what_there_is() -> None:
    book = Book()
    book.replace([("1.5", "2.0")], [])
    assert checksum(book) == crc32(b"1520")


def test_only_markets_that_are_online_are_offered_by_their_new_names() -> None:
    pairs = {
        "XXBTZUSD": PAIR,
        "XDGUSDT": PAIR | {"wsname": "XDG/USDT"},
        "ETHXBT": PAIR | {"wsname": "ETH/XBT"},
        "OLDUSD": PAIR | {"wsname": "OLD/USD", "status": "cancel_only"},
        "XXBTZUSD.d": {name: value for name, value in PAIR.items() if name != "wsname"},
        "AAPLxUSD": PAIR | {"wsname": "AAPLx/USD", "aclass_base": "tokenized_asset"},
    }
    assert parse_instruments(json.dumps({"error": [], "result": pairs})) == [
        Instrument("BTC/USD", "BTC", "USD"),
        Instrument("DOGE/USDT", "DOGE", "USDT"),
        Instrument("ETH/BTC", "ETH", "BTC"),
    ]


def test_list_of_markets_that_is_refused_loses_the_source_with_the_reason() -> None:
    with pytest.raises(SourceLost, match="EService:Unavailable"):
        parse_instruments('{"error":["EService:Unavailable"]}')


def test_depth_is_one_that_kraken_knows() -> None:
    with pytest.raises(ValidationError, match="10, 25, 100, 500 or 1000"):
        KrakenOptions(depth=50)  # type: ignore[arg-type]


@pytest.mark.gen_test
async def test_candles_are_fetched_by_the_old_name_and_without_those_not_asked_for() -> None:
    start = 1_700_000_040
    rows = [[start + late, "2.0", "4.0", "1.0", "3.0", "2.5", "12.5", 7] for late in (-60, 0, 60, 120)]
    async with FakeVenue() as venue:
        venue.responses["/0/public/OHLC"] = {"error": [], "result": {"XXBTZUSD": rows, "last": start + 60}}
        options = KrakenOptions(url=venue.url, rest_url=venue.rest_url)
        source = Kraken(options, Relay("kraken", wanted=(), deliver=lambda feed, event: None))
        candles = await source.candles("BTC/USD", start * 1_000, (start + 120) * 1_000)
        assert candles == [Candle((start + late) * 1_000, 2.0, 4.0, 1.0, 3.0, 12.5) for late in (0, 60)]
        assert venue.requests == [f"/0/public/OHLC?pair=XBTUSD&interval=1&since={start - 1}"]


@pytest.mark.gen_test
async def test_book_is_truncated_to_the_depth_confirmed_and_asked_for_anew_when_its_checksum_fails() -> None:
    async with FakeVenue() as venue:
        venue.responses["/0/public/AssetPairs"] = {"error": [], "result": {"XXBTZUSD": PAIR}}
        relay = Relay("kraken", wanted=[Symbol("btc")], deliver=lambda feed, event: None, checksum=Kraken.checksum)
        options = KrakenOptions(url=venue.url, rest_url=venue.rest_url, depth=10)
        run = asyncio.create_task(Kraken(options, relay).run())
        await eventually(lambda: len(venue.received) == 3)
        assert [message["params"] for message in venue.received] == [
            {"channel": "ticker", "symbol": ["BTC/USD"]},
            {"channel": "trade", "symbol": ["BTC/USD"]},
            {"channel": "book", "symbol": ["BTC/USD"], "depth": 10},
        ]
        feed = relay.feeds["BTC/USD"]
        await venue.send(
            {"method": "subscribe", "success": True, "result": {"channel": "book", "symbol": "BTC/USD", "depth": 10}}
        )
        levels = ",".join(f'{{"price":{price}.0,"qty":1.0}}' for price in range(20, 10, -1))
        await venue.send(book("snapshot", levels, "", str(crc32(b"".join(b"%d010" % p for p in range(20, 10, -1))))))
        await eventually(lambda: feed.book_state == "synced")
        await venue.send(book("update", '{"price":21.0,"qty":1.0}', "", "1"))
        await eventually(lambda: len(venue.received) == 5)
        assert [(message["method"], message["params"]["channel"]) for message in venue.received[3:]] == [
            ("unsubscribe", "book"), ("subscribe", "book")
        ]  # fmt: skip
        assert (feed.book.depth, relay.integrity.checksums_ok, relay.integrity.checksums_bad) == (10, 1, 1)
        run.cancel()
