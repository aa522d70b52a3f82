"""HTX's dialect, frame by frame, and a recording of it."""

from __future__ import annotations

import asyncio
import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from haunt_sources.htx import Htx, HtxOptions
from haunt_sources.htx.parser import decode, parse, parse_candles, parse_instruments
from recorded import Recording, expected, received

from haunt import BookSnapshot, Candle, Event, Instrument, Quote, Refused, Relay, SourceLost, Subscribed, Ticker, Trade
from haunt.market.symbols import Symbol
from haunt.testing import FakeVenue, eventually

MS = 1700000000123
LEVELS = {"bids": [[30000.1, 1.5], [30000, 2]], "asks": [[30000.3, 0.25]]}
TEXTS = [["30000.1", "1.5"], ["30000", "2"]], [["30000.3", "0.25"]]
QUOTE = {"seqId": 78, "ask": 30000.3, "askSize": 0.25, "bid": 30000.1, "bidSize": 1.5, "quoteTime": MS - 1}
SELL = {"id": 326373293255757297982681, "ts": MS, "tradeId": 91, "amount": 0.25, "price": 30000.1, "direction": "sell"}
BUY = SELL | {"tradeId": 92, "direction": "buy"}
TICKER = {"id": 77, "low": 29000, "high": 31000, "open": 29500, "close": 30000.1, "vol": 7.5e8, "amount": 25000.5}
MARKET = {"base-currency": "btc", "quote-currency": "usdt", "symbol": "btcusdt", "state": "online"}
CANDLE = {"id": 1699999980, "open": 1.5, "close": 2, "low": 1, "high": 3, "amount": 10.5, "vol": 20, "count": 4}
BOOK = "market.btcusdt.depth.step0"


def compressed(message: Any) -> bytes:
    return gzip.compress(message.encode() if isinstance(message, str) else json.dumps(message).encode())


def push(channel: str, tick: Any) -> bytes:
    return compressed({"ch": f"market.btcusdt.{channel}", "ts": MS, "tick": tick})


@pytest.mark.parametrize(
    ("frame", "events"),
    [
        (push("depth.step0", LEVELS | {"version": 77, "ts": MS}), [BookSnapshot("btcusdt", *TEXTS, 77, None, MS)]),
        (push("mbp.refresh.20", LEVELS | {"seqNum": 77}), [BookSnapshot("btcusdt", *TEXTS, 77, None, MS)]),
        (push("bbo", QUOTE), [Quote("btcusdt", 30000.1, 30000.3, 78, MS)]),
        (
            push("trade.detail", {"id": 3, "ts": MS, "data": [BUY, SELL]}),
            [Trade("btcusdt", "91", 30000.1, 0.25, "sell", MS), Trade("btcusdt", "92", 30000.1, 0.25, "buy", MS)],
        ),
        (push("detail", TICKER), [Ticker("btcusdt", 30000.1, 29500.0, 25000.5, 7.5e8, MS)]),
    ],
    ids=["book", "book ten times a second", "quote", "trades, the newest first", "ticker"],
)
def test_frame_becomes_events(frame: bytes, events: list[Event]) -> None:
    assert list(parse(frame)) == events
    assert list(parse(gzip.decompress(frame).decode())) == events, "not compressed"


@pytest.mark.parametrize(
    ("message", "event"),
    [
        ({"id": BOOK, "status": "ok", "subbed": BOOK, "ts": MS}, Subscribed("btcusdt", "depth.step0")),
        (
            {"status": "error", "id": "market.nousdt.bbo", "err-code": "bad-request", "err-msg": "invalid symbol"},
            Refused("nousdt", "bbo", "invalid symbol (bad-request)"),
        ),
        (
            {"status": "error", "ts": MS, "err-code": "bad-request", "err-msg": "429 too many request"},
            Refused("", "", "429 too many request (bad-request)"),
        ),
    ],
)  # fmt: skip
def test_answer_names_the_market_it_is_about(message: dict[str, Any], event: Event) -> None:
    assert list(parse(compressed(message))) == [event]


@pytest.mark.parametrize(
    "message",
    [
        {"ping": MS},
        {"id": BOOK, "status": "ok", "unsubbed": BOOK, "ts": MS},
        {"ch": "market.btcusdt.kline.1min", "ts": MS, "tick": {"id": 3, "open": 1}},
    ],
    ids=["ping", "unsubscribed", "candles"],
)
def test_frames_of_no_interest_say_nothing(message: dict[str, Any]) -> None:
    assert list(parse(compressed(message))) == []


@pytest.mark.parametrize(
    "frame",
    [b"", b"\x1f\x8b", b'{"ping":1}', compressed("{}")[:-4], compressed("[" * 100_000), compressed("NaN"),
     compressed(b"\xff".decode("latin-1")), compressed("[]"), compressed("7"), compressed({"ch": True}),
     compressed({"ch": "btcusdt"}), compressed({"ch": BOOK}), push("depth.step0", LEVELS), push("depth.step0", []),
     push("bbo", QUOTE | {"bid": None}), push("trade.detail", {"data": [SELL | {"price": ""}]}),
     push("trade.detail", {"data": 7}), push("detail", TICKER | {"vol": {}}),
     compressed({"ch": BOOK, "ts": MS, "update": True, "tick": LEVELS | {"version": 77}})],
)  # fmt: skip
def test_frame_that_makes_no_sense_is_refused(frame: bytes) -> None:
    with pytest.raises((ValueError, KeyError, TypeError, IndexError)):
        list(parse(frame))


def test_frame_that_swells_beyond_measure_is_refused() -> None:
    with pytest.raises(ValueError, match="too long"):
        decode(gzip.compress(b" " * 20_000_000))


def test_only_markets_that_are_open_and_not_leveraged_are_offered() -> None:
    markets = [
        MARKET,
        MARKET | {"symbol": "oldusdt", "base-currency": "old", "state": "offline"},
        MARKET | {"symbol": "btc3lusdt", "base-currency": "btc3l", "underlying": "btcusdt"},
    ]
    body = json.dumps({"status": "ok", "data": markets})
    assert parse_instruments(body) == [Instrument("btcusdt", "BTC", "USDT")]


def test_list_of_markets_that_is_refused_loses_the_source_with_the_reason() -> None:
    with pytest.raises(SourceLost, match="system busy"):
        parse_instruments('{"status":"error","err-code":"busy","err-msg":"system busy"}')


def test_closed_candles_come_oldest_first_with_base_volume() -> None:
    running, closed = CANDLE | {"id": 1700000040}, [CANDLE, CANDLE | {"id": 1699999920, "amount": 0}]
    body = json.dumps({"status": "ok", "ts": 1700000060000, "data": [running, *closed]})
    assert parse_candles(body) == [
        Candle(1699999920000, 1.5, 3.0, 1.0, 2.0, 0.0),
        Candle(1699999980000, 1.5, 3.0, 1.0, 2.0, 10.5),
    ]


@pytest.mark.gen_test
async def test_candles_are_those_that_begin_within_the_span() -> None:
    async with FakeVenue() as venue:
        candles = [CANDLE | {"id": 60 * minute} for minute in range(9, 0, -1)]
        venue.responses["/market/history/kline"] = {"status": "ok", "ts": MS, "data": candles}
        source = Htx(HtxOptions(rest_url=venue.rest_url), Relay("htx", wanted=(), deliver=lambda feed, event: None))
        found = await source.candles("btcusdt", 180_000, 300_000)
        assert [candle.start for candle in found] == [180_000, 240_000]
        assert venue.requests == ["/market/history/kline?symbol=btcusdt&period=1min&size=2000"]


@pytest.mark.gen_test
async def test_pings_are_answered_and_the_chosen_book_is_subscribed_and_asked_for_anew() -> None:
    async with FakeVenue() as venue:
        venue.responses["/v1/common/symbols"] = {"status": "ok", "data": [MARKET]}
        relay = Relay("htx", wanted=[Symbol("btc")], deliver=lambda feed, event: None)
        options = HtxOptions(url=venue.url, rest_url=venue.rest_url, book="mbp.refresh.20")
        run = asyncio.create_task(Htx(options, relay).run())
        topics = [f"market.btcusdt.{name}" for name in ("mbp.refresh.20", "bbo", "trade.detail", "detail")]
        await eventually(lambda: venue.received == [{"sub": topic, "id": topic} for topic in topics])
        await venue.send(compressed({"ping": MS}))
        await eventually(lambda: venue.received[-1] == {"pong": MS})
        feed = relay.feeds["btcusdt"]
        await venue.send(push("mbp.refresh.20", LEVELS | {"seqNum": 77}))
        await venue.send(push("bbo", QUOTE | {"bid": 30000.2}))
        await eventually(lambda: feed.bid == 30000.2)
        await venue.send(push("bbo", QUOTE | {"seqId": 76}))
        await venue.send(push("mbp.refresh.20", LEVELS | {"seqNum": 79, "asks": [[29000, 1]]}))
        await eventually(lambda: venue.received[-2:] == [
            {"unsub": topics[0], "id": topics[0]}, {"sub": topics[0], "id": topics[0]}
        ])  # fmt: skip
        assert (feed.book_state, feed.bid, relay.rejected) == ("lost", 30000.2, 0)
        run.cancel()


def test_recording_gives_the_same_books_and_trades(shared: Path) -> None:
    results, recording = expected(shared, "htx_2021-04-17"), Recording()
    versions: dict[str, int] = {}
    pings = []
    for line in received(shared, "htx_2021-04-17"):
        if line.kind == "ws":
            events = list(parse(line.frame))
            recording.publish(events)
            pings += [int(message["ping"]) for message in [decode(line.frame)] if "ping" in message]
            for event in events:
                if isinstance(event, BookSnapshot):
                    assert versions.get(event.venue_symbol, 0) <= (event.sequence or 0)
                    versions[event.venue_symbol] = event.sequence or 0
    relay = recording.relay
    assert (relay.rejected, recording.ever_crossed) == (0, False)
    assert recording.trades == results["trades"]
    assert len(pings) == results["pings"]
    assert {symbol: book | as_floats(book) for symbol, book in recording.books().items()} == results["final_books"]


def as_floats(book: dict[str, Any]) -> dict[str, list[list[str]]]:
    """The other program's digits: HTX writes 2.742E-5, and more zeros."""
    return {side: [[str(float(number)) for number in level] for level in book[side]] for side in ("bids", "asks")}


def test_list_of_symbols_holds_open_markets_without_leverage(shared: Path) -> None:
    body = next(line.text for line in received(shared, "htx_2021-04-17") if line.kind == "rest")
    markets = parse_instruments(body)
    assert Instrument("btcusdt", "BTC", "USDT") in markets
    # Of 938 markets 55 are closed, and 26 of the others leveraged.
    assert "fil3susdt" not in {market.venue_symbol for market in markets}
    assert len(markets) == 857
