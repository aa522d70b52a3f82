"""Gate's dialect, frame by frame, and a recording of it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from haunt_sources.gate import Gate, GateOptions
from haunt_sources.gate.parser import parse, parse_candles, parse_instruments, parse_response
from recorded import Recording, expected, received

from haunt import BookDelta, BookSnapshot, Candle, Event, Instrument, Refused, Relay, Subscribed, Ticker, Trade
from haunt.market.symbols import Symbol
from haunt.testing import FakeVenue, eventually

MS = 1700000000123
FULL = {"t": MS, "full": True, "s": "ob.BTC_USDT.400", "u": 12, "b": [["30000.1", "1.50"]], "a": [["30000.3", "2"]]}
CHANGE = {"t": MS, "s": "ob.BTC_USDT.400", "U": 13, "u": 15, "b": [["30000.1", "0"], ["30000", "3"]], "a": []}
TRADE = {"id": 77, "create_time": 1700000000, "create_time_ms": "1700000000123.4560", "side": "sell",
         "currency_pair": "BTC_USDT", "amount": "0.5", "price": "30000.1"}  # fmt: skip
TICKER = {"currency_pair": "BTC_USDT", "last": "95", "lowest_ask": "96", "highest_bid": "94",
          "change_percentage": "-5", "base_volume": "12.5", "quote_volume": "1200.5"}  # fmt: skip
PAIR = {"id": "BTC_USDT", "base": "BTC", "quote": "USDT", "trade_status": "tradable", "type": "normal"}
BOOK_URL = "https://api.gateio.ws/api/v4/spot/order_book?currency_pair=BTC_USDT&limit=100&with_id=true"


def update(channel: str, result: Any) -> dict[str, Any]:
    return {"time": 1700000000, "time_ms": MS, "channel": channel, "event": "update", "result": result}


def answer(**fields: Any) -> dict[str, Any]:
    return {"time": 1700000000, "channel": "spot.obu", "event": "subscribe", "payload": ["ob.BTC_USDT.400"]} | fields


@pytest.mark.parametrize(
    ("frame", "event"),
    [
        (update("spot.obu", FULL), BookSnapshot("BTC_USDT", FULL["b"], FULL["a"], 12, None, MS)),
        (update("spot.obu", CHANGE), BookDelta("BTC_USDT", CHANGE["b"], [], 12, 15, None, MS)),
        (update("spot.obu", CHANGE | {"b": None}), BookDelta("BTC_USDT", [], [], 12, 15, None, MS)),
        (
            update("spot.order_book_update", CHANGE | {"s": "BTC_USDT", "e": "depthUpdate"}),
            BookDelta("BTC_USDT", CHANGE["b"], [], 12, 15, None, MS),
        ),
        (
            update("spot.order_book_update", FULL | {"s": "BTC_USDT"}),
            BookSnapshot("BTC_USDT", FULL["b"], FULL["a"], 12, None, MS),
        ),
        (update("spot.trades", TRADE), Trade("BTC_USDT", "77", 30000.1, 0.5, "sell", MS)),
        (update("spot.trades", TRADE | {"side": "buy"}), Trade("BTC_USDT", "77", 30000.1, 0.5, "buy", MS)),
        (update("spot.tickers", TICKER), Ticker("BTC_USDT", 95.0, 100.0, 12.5, 1200.5, MS)),
        (
            {"time": 1700000000, "channel": "spot.tickers", "event": "update", "result": TICKER},
            Ticker("BTC_USDT", 95.0, 100.0, 12.5, 1200.5, 1700000000000),
        ),
        (
            update("spot.tickers", TICKER | {"change_percentage": "-100"}),
            Ticker("BTC_USDT", 95.0, None, 12.5, 1200.5, MS),
        ),
    ],
    ids=["book", "change", "change of one side", "older change", "older book", "trade", "trade of a buyer", "ticker",
         "ticker to the second", "ticker of a market that fell from nothing"],
)  # fmt: skip
def test_frame_is_one_event(frame: dict[str, Any], event: Event) -> None:
    assert list(parse(json.dumps(frame))) == [event]


@pytest.mark.parametrize(
    ("frame", "event"),
    [
        (answer(result={"status": "success"}), Subscribed("BTC_USDT", "spot.obu", 400)),
        (answer(channel="spot.trades", payload=["BTC_USDT"]), Subscribed("BTC_USDT", "spot.trades")),
        (
            answer(error={"code": 2, "message": "unknown currency pair: NO_USDT"}, payload=["ob.NO_USDT.400"]),
            Refused("NO_USDT", "spot.obu", "unknown currency pair: NO_USDT (code 2)"),
        ),
        (
            answer(error={"code": 1, "message": "invalid request body"}, payload=None),
            Refused("", "spot.obu", "invalid request body (code 1)"),
        ),
    ],
)
def test_answer_names_the_market_it_is_about(frame: dict[str, Any], event: Event) -> None:
    assert list(parse(json.dumps(frame))) == [event]


@pytest.mark.parametrize(
    "frame",
    [
        {"time": 1700000000, "channel": "spot.pong", "event": "", "result": None},
        answer(event="unsubscribe", result={"status": "success"}),
        answer(payload=None, result={"status": "success"}),
        update("spot.candlesticks", {"t": "1700000000", "n": "1m_BTC_USDT"}),
    ],
    ids=["pong", "unsubscribed", "an answer to nobody", "candles"],
)
def test_frames_of_no_interest_say_nothing(frame: dict[str, Any]) -> None:
    assert list(parse(json.dumps(frame))) == []


@pytest.mark.parametrize(
    "frame",
    ["", "hello", "[]", "7", "null",
     *map(json.dumps, [
         update("spot.obu", CHANGE | {"U": "thirteen"}), update("spot.obu", {}), update("spot.obu", FULL | {"s": 7}),
         update("spot.obu", FULL | {"s": "ob.BTC_USDT"}), update("spot.trades", TRADE | {"price": None}),
         update("spot.trades", []), update("spot.tickers", TICKER | {"change_percentage": ""}), answer(error="no"),
         answer(payload=7)])],
)  # fmt: skip
def test_frame_that_makes_no_sense_is_refused(frame: str) -> None:
    with pytest.raises((ValueError, KeyError, TypeError, IndexError)):
        list(parse(frame))


def test_fetched_book_keeps_as_many_levels_as_were_asked_for() -> None:
    body = {"id": 12, "current": MS, "update": MS, "bids": [["30000.1", "1"]], "asks": [["30000.3", "2"]]}
    assert list(parse_response(BOOK_URL, json.dumps(body))) == [
        Subscribed("BTC_USDT", "spot.order_book_update", 100),
        BookSnapshot("BTC_USDT", [["30000.1", "1"]], [["30000.3", "2"]], 12, None, MS, apart=True),
    ]


@pytest.mark.parametrize(("url", "body"), [("https://x/spot/order_book", "{}"), (BOOK_URL, '{"bids":[]}')])
def test_response_that_is_no_book_is_refused(url: str, body: str) -> None:
    with pytest.raises(KeyError):
        parse_response(url, body)


def test_only_markets_open_for_both_sides_are_offered() -> None:
    pairs = [
        PAIR,
        PAIR | {"id": "OLD_USDT", "base": "OLD", "trade_status": "sellable"},
        PAIR | {"id": "SOON_USDT", "base": "SOON", "type": "premarket"},
    ]
    assert parse_instruments(json.dumps(pairs)) == [Instrument("BTC_USDT", "BTC", "USDT")]


def candle(start: int, closed: str = "true") -> list[str]:
    return [str(start), "20.5", "2", "3", "1", "1.5", "10.25", closed]


def test_closed_candles_have_base_volume() -> None:
    assert parse_candles(json.dumps([candle(60), candle(120, "false")])) == [Candle(60_000, 1.5, 3.0, 1.0, 2.0, 10.25)]


@pytest.mark.gen_test
async def test_candles_are_those_that_begin_within_the_span() -> None:
    async with FakeVenue() as venue:
        venue.responses["/api/v4/spot/candlesticks"] = [candle(60 * minute) for minute in range(1, 9)]
        source = Gate(GateOptions(rest_url=venue.rest_url), Relay("gate", wanted=(), deliver=lambda feed, event: None))
        found = await source.candles("BTC_USDT", 180_000, 300_000)
        assert [candle.start for candle in found] == [180_000, 240_000]
        await source.candles("BTC_USDT", 180_000, 10**9)
        assert venue.requests == [
            f"/api/v4/spot/candlesticks?currency_pair=BTC_USDT&interval=1m&from=180&to={last}" for last in (299, 60_179)
        ]


@pytest.mark.gen_test
async def test_markets_are_subscribed_one_by_one_kept_alive_and_a_lost_book_is_asked_for_anew() -> None:
    async with FakeVenue() as venue:
        venue.responses["/api/v4/spot/currency_pairs"] = [PAIR]
        relay = Relay("gate", wanted=[Symbol("btc")], deliver=lambda feed, event: None)
        source = Gate(GateOptions(url=venue.url, rest_url=venue.rest_url, depth=50), relay)
        source.ping_interval = 0.05
        run = asyncio.create_task(source.run())
        await eventually(lambda: any(message["channel"] == "spot.ping" for message in venue.received))
        assert [(message["event"], message["channel"], message["payload"]) for message in venue.received[:3]] == [
            ("subscribe", "spot.obu", ["ob.BTC_USDT.50"]),
            ("subscribe", "spot.trades", ["BTC_USDT"]),
            ("subscribe", "spot.tickers", ["BTC_USDT"]),
        ]
        assert all(message["time"] > 1_700_000_000 for message in venue.received)
        feed = relay.feeds["BTC_USDT"]
        await venue.send(answer(payload=["ob.BTC_USDT.50"], result={"status": "success"}))
        await venue.send(update("spot.obu", FULL))
        await venue.send(update("spot.obu", CHANGE))
        await eventually(lambda: feed.proven.sequence == 15)
        assert (feed.bid, feed.ask, feed.book.depth, relay.integrity.links) == (30000.0, 30000.3, 50, 1)
        await venue.send(update("spot.obu", CHANGE | {"U": 17, "u": 17}))
        asked = ["subscribe", "unsubscribe", "subscribe"]
        await eventually(
            lambda: [one["event"] for one in venue.received if one.get("payload") == ["ob.BTC_USDT.50"]] == asked
        )
        assert (feed.book_state, relay.integrity.gaps) == ("lost", 1)
        await venue.send(update("spot.obu", FULL | {"u": 20}))
        await eventually(lambda: feed.book_state == "synced")
        run.cancel()


def test_recording_gives_the_same_books_trades_and_tickers(shared: Path) -> None:
    results, recording = expected(shared, "gate_2021-04-22"), Recording()
    for line in received(shared, "gate_2021-04-22"):
        if line.kind == "ws":
            recording.publish(parse(line.text))
        elif "/order_book?" in line.url:
            recording.publish(parse_response(line.url, line.text))
    relay = recording.relay
    assert (relay.rejected, recording.ever_crossed) == (0, False)
    assert (relay.integrity.links, relay.integrity.gaps) == (results["Uu_links"], results["Uu_gaps"])
    assert recording.books() == results["final_books"]
    assert recording.trades == results["trades"]
    for symbol, ticker in results["last_ticker"].items():
        feed = relay.feeds[symbol]
        assert (feed.volume_24h, feed.quote_volume_24h) == (float(ticker["base_volume"]), float(ticker["quote_volume"]))
        assert feed.open_24h is not None
        change = (float(ticker["last"]) / feed.open_24h - 1) * 100
        assert change == pytest.approx(float(ticker["change_percentage"]), abs=1e-9)


def test_list_of_pairs_holds_tradable_markets_only(shared: Path) -> None:
    body = next(line.text for line in received(shared, "gate_2021-04-22") if "currency_pairs" in line.url)
    markets = parse_instruments(body)
    assert Instrument("OMG_USDT", "OMG", "USDT") in markets
    # Of 1,458 pairs 44 are closed and 6 may only be sold.
    assert len(markets) == 1408
    assert {market.base for market in markets if market.venue_symbol == "QTUM3S_USDT"} == {"QTUM3S"}
