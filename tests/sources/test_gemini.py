"""Gemini's dialect, frame by frame, and a recording of its older one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from haunt_sources.gemini import Gemini, GeminiOptions
from haunt_sources.gemini.parser import Reader, parse_candles, parse_figures, parse_instruments
from recorded import Recording, expected, received

from haunt import (
    BookDelta,
    BookSnapshot,
    Candle,
    Event,
    Instrument,
    Quote,
    Refused,
    Relay,
    Subscribed,
    Ticker,
    Trade,
)
from haunt.market.symbols import Symbol
from haunt.testing import FakeVenue, eventually

MS = 1_700_000_000_123
NS = MS * 1_000_000 + 456_789
BOOK = {"e": "depthUpdate", "E": NS, "s": "btcusd", "U": 90, "u": 100,
        "b": [["30000.10", "0.50"]], "a": [["30001.00", "2.00"]]}  # fmt: skip
CHANGE = BOOK | {"U": 101, "u": 103, "b": [["30000.10", "0"]], "a": []}
QUOTE = {"u": 104, "E": NS, "s": "btcusd", "b": "30000.10", "B": "0.50", "a": "30001.00", "A": "2.00", "c": "30000.5"}
TRADE = {"E": NS, "s": "btcusd", "t": 77, "p": "30000.5", "q": "0.25", "m": True}
OLD_TRADE = {"type": "trade", "symbol": "BTCUSD", "event_id": 5, "tid": 7, "price": "30000.5", "quantity": "0.25",
             "side": "buy", "timestamp": MS}  # fmt: skip
MARKET = {"symbol": "BTCUSD", "base_currency": "BTC", "quote_currency": "USD", "status": "open",
          "product_type": "spot"}  # fmt: skip
PRICES = {"symbol": "BTCUSD", "open": "29000", "high": "31000", "low": "28000", "close": "30000", "changes": []}
VOLUMES = {"last": "30001", "volume": {"BTC": "10.5", "USD": "315000", "timestamp": MS}}


def events(*frames: Any) -> list[Event]:
    """What a connection hears in these frames; given as bytes it is the same."""
    texts = [frame if isinstance(frame, str) else json.dumps(frame) for frame in frames]
    read, read_bytes = Reader(), Reader()
    heard = [event for text in texts for event in read(text)]
    assert [event for text in texts for event in read_bytes(text.encode())] == heard
    return heard


def test_first_frame_of_a_book_is_the_whole_of_it_and_the_next_are_changes() -> None:
    assert events(BOOK, CHANGE) == [
        BookSnapshot("BTCUSD", [["30000.10", "0.50"]], [["30001.00", "2.00"]], 100, None, MS),
        BookDelta("BTCUSD", [["30000.10", "0"]], [], 100, 103, None, MS),
    ]


def test_book_begins_anew_once_its_subscription_has_ended() -> None:
    *_, again = events(BOOK, {"id": "-BTCUSD", "status": 200}, BOOK)
    assert isinstance(again, BookSnapshot)
    *_, other = events(BOOK, {"id": "-ETHUSD", "status": 200}, BOOK)
    assert isinstance(other, BookDelta)


@pytest.mark.parametrize(
    ("message", "event"),
    [
        (QUOTE, Quote("BTCUSD", 30000.1, 30001.0, 104, MS)),
        (TRADE, Trade("BTCUSD", "77", 30000.5, 0.25, "sell", MS)),
        (TRADE | {"m": False}, Trade("BTCUSD", "77", 30000.5, 0.25, "buy", MS)),
        (OLD_TRADE, Trade("BTCUSD", "7", 30000.5, 0.25, "buy", MS)),
        (
            {"id": "+NOUSD", "status": 400, "error": {"code": -1002, "msg": "Invalid symbol"}},
            Refused("NOUSD", "subscription", "Invalid symbol (code -1002)"),
        ),
    ],
    ids=["quote", "trade of a seller", "trade of a buyer", "older trade", "refusal"],
)
def test_frame_is_one_event(message: dict[str, Any], event: Event) -> None:
    assert events(message) == [event]


def test_acknowledgement_names_the_symbol_and_its_channels() -> None:
    assert events({"id": "+BTCUSD", "status": 200}) == [
        Subscribed("BTCUSD", channel) for channel in ("trade", "depth@100ms", "bookTicker")
    ]


def test_older_dialect_begins_with_a_book_and_the_latest_trades() -> None:
    first = {"type": "l2_updates", "symbol": "BTCUSD", "changes": [["buy", "30000.10", "0.5"], ["sell", "30001", "2"]],
             "trades": [OLD_TRADE, OLD_TRADE | {"tid": 8, "side": "block"}], "auction_events": []}  # fmt: skip
    change = {"type": "l2_updates", "symbol": "BTCUSD", "changes": [["sell", "30001", "0"]]}
    assert events(first, change) == [
        BookSnapshot("BTCUSD", [("30000.10", "0.5")], [("30001", "2")], None, None, None),
        Trade("BTCUSD", "7", 30000.5, 0.25, "buy", MS),
        BookDelta("BTCUSD", [], [("30001", "0")], None, None, None, None),
    ]


@pytest.mark.parametrize(
    "message",
    [{"id": "", "status": 200, "result": {}}, QUOTE | {"b": ""}, QUOTE | {"a": ""},
     {"type": "heartbeat", "timestamp": 1}],
)  # fmt: skip
def test_pongs_heartbeats_and_quotes_of_one_side_say_nothing(message: dict[str, Any]) -> None:
    assert events(message) == []


@pytest.mark.parametrize(
    "frame",
    ["", "hello", "[]", "5", "null", "{}", '{"status":200}', '{"id":5,"status":200}', '{"id":"+A","status":400}',
     '{"type":"l2_updates"}', json.dumps(BOOK | {"U": None, "E": "now"}), json.dumps(BOOK | {"s": None}),
     json.dumps(TRADE | {"p": None}), json.dumps(QUOTE | {"a": "much"}), json.dumps(OLD_TRADE | {"price": None})],
)  # fmt: skip
def test_frame_that_makes_no_sense_is_refused(frame: str) -> None:
    with pytest.raises((ValueError, KeyError, TypeError, IndexError)):
        events(frame)


def test_only_spot_markets_that_are_open_are_offered() -> None:
    markets = [
        MARKET,
        MARKET | {"symbol": "OLDUSD", "base_currency": "OLD", "status": "closed"},
        MARKET | {"symbol": "BTCGUSDPERP", "quote_currency": "GUSD", "product_type": "swap"},
    ]
    assert parse_instruments(json.dumps(markets)) == [Instrument("BTCUSD", "BTC", "USD")]


def test_figures_are_joined_from_two_answers() -> None:
    assert parse_figures("BTCUSD", "USD", json.dumps(PRICES), json.dumps(VOLUMES)) == Ticker(
        "BTCUSD", 30000.0, 29000.0, 10.5, 315000.0, MS, apart=True
    )


@pytest.mark.gen_test
async def test_book_that_misses_a_change_is_subscribed_to_anew() -> None:
    def answer(message: dict[str, Any]) -> Sequence[Any]:
        acknowledgement = {"id": message["id"], "status": 200}
        return [acknowledgement, BOOK] if message["method"] == "subscribe" else [acknowledgement]

    async with FakeVenue() as venue:
        venue.on_message = answer
        venue.responses["/v1/symbols/details/all"] = [MARKET]
        venue.responses["/v2/ticker/btcusd"] = PRICES
        venue.responses["/v1/pubticker/btcusd"] = VOLUMES
        relay = Relay("gemini", wanted=[Symbol("btc")], deliver=lambda feed, event: None)
        run = asyncio.create_task(Gemini(GeminiOptions(url=venue.url, rest_url=venue.rest_url), relay).run())
        await eventually(lambda: relay.feeds and relay.feeds["BTCUSD"].book_state == "synced")
        feed = relay.feeds["BTCUSD"]
        await venue.send(CHANGE | {"U": 102})
        await eventually(lambda: feed.proven.sequence == 100 and len(venue.received) == 3)
        assert [(message["id"], message["method"], message["params"]) for message in venue.received] == [
            ("+BTCUSD", "subscribe", ["btcusd@trade", "btcusd@depth@100ms", "btcusd@bookTicker"]),
            ("-BTCUSD", "unsubscribe", ["btcusd@depth@100ms"]),
            ("+BTCUSD", "subscribe", ["btcusd@depth@100ms"]),
        ]
        await eventually(lambda: feed.open_24h == 29000.0)
        assert (relay.integrity.gaps, relay.rejected, venue.connections) == (1, 0, 1)
        run.cancel()
        await asyncio.wait([run])


@pytest.mark.gen_test
async def test_whole_books_are_asked_for_in_the_address() -> None:
    relay = Relay("gemini", wanted=(), deliver=lambda feed, event: None)
    assert await Gemini(GeminiOptions(), relay).address() == "wss://ws.gemini.com?snapshot=-1"


@pytest.mark.gen_test
async def test_candles_of_a_day_are_fetched_and_cut_to_what_is_asked_for() -> None:
    minute = 60_000
    async with FakeVenue() as venue:
        venue.responses["/v2/candles/btcusd/1m"] = [[MS - n * minute, 1, 4, 0.5, 2, 7.5] for n in range(5)]
        relay = Relay("gemini", wanted=(), deliver=lambda feed, event: None)
        source = Gemini(GeminiOptions(rest_url=venue.rest_url), relay)
        found = await source.candles("BTCUSD", MS - 3 * minute, MS - minute)
    assert found == [Candle(MS - n * minute, 1.0, 4.0, 0.5, 2.0, 7.5) for n in (3, 2)]
    assert parse_candles("[]") == []


def test_recording_gives_the_same_books_and_trades(shared: Path) -> None:
    results, recording, read = expected(shared, "gemini_2026-08-09"), Recording(), Reader()
    for line in received(shared, "gemini_2026-08-09"):
        if line.kind == "ws":
            recording.publish(read(line.text))
    assert (recording.relay.rejected, recording.ever_crossed) == (0, False)
    assert recording.books() == results["final_books"]
    trades = dict.fromkeys(results["final_books"], 0)
    for name, number in results["trades"].items():
        trades[name.removesuffix("/snapshot")] += number
    assert recording.trades == {symbol: number for symbol, number in trades.items() if number}


def test_recorded_details_of_markets_are_read(shared: Path) -> None:
    details = [line.text for line in received(shared, "gemini_2026-08-09") if "/details/" in line.url]
    markets = parse_instruments(f"[{','.join(details)}]")
    assert len(markets) == len(details) == 12
    assert Instrument("BTCUSDT", "BTC", "USDT") in markets
