"""Bitfinex's dialect, frame by frame, and a recording of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
from haunt_sources.bitfinex import Bitfinex, BitfinexOptions
from haunt_sources.bitfinex.parser import MOST_EARLY, Reader, checksum, parse_candles, parse_instruments
from pydantic import ValidationError
from recorded import Recording, expected, received

from haunt import (
    Book,
    BookDelta,
    BookSnapshot,
    Candle,
    Event,
    FrameNumber,
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

MS = 1_700_000_000_123
SYMBOL = "tBTCUSD"
NUMBERS = {"ticker": 11, "trades": 12, "book": 13}
MARKETS = [["BTCUSD", "BTCUST"], []]


def subscribed(channel: str, number: int | None = None) -> dict[str, Any]:
    return {"event": "subscribed", "channel": channel, "chanId": number or NUMBERS[channel], "symbol": SYMBOL,
            "pair": "BTCUSD"}  # fmt: skip


def reader(*channels: str) -> Reader:
    read = Reader({})
    for channel in channels or NUMBERS:
        list(read(json.dumps(subscribed(channel))))
    return read


def events(frame: str) -> list[Event]:
    """What a connection with all three channels hears; given as bytes it is the same."""
    heard = list(reader()(frame))
    assert list(reader()(frame.encode())) == heard
    return heard


def changed(*frames: str) -> list[Event]:
    """What a connection hears of these changes of a book that began empty."""
    read = reader()
    list(read("[13,[],1]"))
    return [event for frame in frames for event in read(frame)]


def test_book_begins_with_all_its_levels_in_the_digits_they_were_sent_in() -> None:
    frame = f"[13,[[100.10,2,0.50],[99,1,1e-7],[101,3,-2.0]],7,{MS}]"
    assert events(frame) == [
        FrameNumber(7),
        BookSnapshot(SYMBOL, [("100.10", "0.50"), ("99", "1e-7")], [("101", "2.0")], None, None, MS),
    ]


def test_levels_that_change_together_are_one_delta() -> None:
    assert changed(f"[13,[[100.10,0,1],[101.0,0,-1],[99.5,2,0.50],[102,1,-3.25]],8,{MS}]") == [
        FrameNumber(8),
        BookDelta(SYMBOL, [("100.10", "0"), ("99.5", "0.50")], [("101.0", "0"), ("102", "3.25")], None, None, None, MS),
    ]


def test_level_that_changes_alone_is_a_delta() -> None:
    assert changed("[13,[100.10,2,0.50],8]", "[13,[101.0,0,-1],9]") == [
        FrameNumber(8),
        BookDelta(SYMBOL, [("100.10", "0.50")], [], None, None, None, None),
        FrameNumber(9),
        BookDelta(SYMBOL, [], [("101.0", "0")], None, None, None, None),
    ]


def test_book_of_another_number_begins_with_all_its_levels() -> None:
    read = reader()
    list(read("[13,[[100,1,2]],7]"))
    list(read('{"event":"unsubscribed","status":"OK","chanId":13}'))
    list(read(json.dumps(subscribed("book", 14))))
    assert list(read("[14,[[100,1,3]],8]")) == [
        FrameNumber(8),
        BookSnapshot(SYMBOL, [("100", "3")], [], None, None, None),
    ]


def test_empty_book_is_a_snapshot() -> None:
    assert events(f"[13,[],7,{MS}]") == [FrameNumber(7), BookSnapshot(SYMBOL, [], [], None, None, MS)]


def test_checksum_is_a_delta_without_levels() -> None:
    assert events(f'[13,"cs",-1234567,9,{MS}]') == [
        FrameNumber(9),
        BookDelta(SYMBOL, (), (), None, None, -1234567, MS),
    ]


def test_trades_come_as_they_happened_with_the_takers_side() -> None:
    frame = f"[12,[[72,1700000000500,-0.25,100.5],[71,1700000000400,1,100.25]],7,{MS}]"
    assert events(frame) == [
        FrameNumber(7),
        Trade(SYMBOL, "71", 100.25, 1.0, "buy", 1700000000400),
        Trade(SYMBOL, "72", 100.5, 0.25, "sell", 1700000000500),
    ]


def test_trade_that_is_told_twice_counts_once() -> None:
    trade = "[73,1700000000600,0.5,100.75]"
    assert events(f'[12,"te",{trade},8,{MS}]') == [
        FrameNumber(8),
        Trade(SYMBOL, "73", 100.75, 0.5, "buy", 1700000000600),
    ]
    assert events(f'[12,"tu",{trade},9,{MS}]') == [FrameNumber(9)]


def test_ticker_gives_the_price_of_a_day_ago() -> None:
    assert events(f"[11,[99,5,101,6,-4,-0.0385,100,1200.5,110,90],7,{MS}]") == [
        FrameNumber(7),
        Ticker(SYMBOL, 100.0, 104.0, 1200.5, None, MS),
    ]


def test_heartbeat_has_nothing_but_its_number() -> None:
    assert events(f'[13,"hb",7,{MS}]') == events(f'[99,"hb",7,{MS}]') == [FrameNumber(7)]


def test_frame_may_have_no_number() -> None:
    assert changed("[13,[100,1,2]]") == [BookDelta(SYMBOL, [("100", "2")], [], None, None, None, None)]


def test_data_that_comes_before_its_channel_is_named_waits_for_it() -> None:
    read = reader("trades", "ticker")
    assert list(read("[13,[[100,1,2],[101,1,-2]],7]")) == [FrameNumber(7)]
    assert list(read("[14,[[5,1,2]],8]")) == [FrameNumber(8)]
    assert list(read("[13,[100,1,3],9]")) == [FrameNumber(9)]
    assert list(read(json.dumps(subscribed("book")))) == [
        Subscribed(SYMBOL, "book"),
        BookSnapshot(SYMBOL, [("100", "2")], [("101", "2")], None, None, None),
        BookDelta(SYMBOL, [("100", "3")], [], None, None, None, None),
    ]
    assert list(read("[13,[100,1,4],10]")) == [
        FrameNumber(10),
        BookDelta(SYMBOL, [("100", "4")], [], None, None, None, None),
    ]


def test_channel_that_is_never_named_loses_the_source() -> None:
    read = reader()
    for number in range(MOST_EARLY):
        list(read(f"[14,[1,1,1],{number}]"))
    with pytest.raises(SourceLost, match="channel 14"):
        list(read("[14,[1,1,1],0]"))


def test_error_refuses_the_subscription_by_its_name() -> None:
    error = {"event": "error", "msg": "symbol: invalid", "code": 10300, "channel": "book", "symbol": "tNOUSD"}
    assert events(json.dumps(error)) == [Refused("tNOUSD", "book", "symbol: invalid (code 10300)")]
    assert events('{"event":"error","msg":"no","code":10000}') == [Refused("", "subscribe", "no (code 10000)")]
    assert events('{"event":"conf","status":"FAILED"}') == [
        Refused("", "conf", "Bitfinex will not number its frames: FAILED")
    ]


def test_subscription_that_stands_already_is_one() -> None:
    error = {"event": "error", "msg": "subscribe: dup", "code": 10301, "channel": "book", "symbol": SYMBOL}
    assert events(json.dumps(error)) == [Subscribed(SYMBOL, "book")]


@pytest.mark.parametrize(
    "frame",
    ['{"event":"info","version":2,"serverId":"x","platform":{"status":1}}', '{"event":"info","code":20000}',
     '{"event":"conf","status":"OK","flags":537100288}', '{"event":"pong","ts":1}',
     '{"event":"unsubscribed","status":"OK","chanId":99}'],
)  # fmt: skip
def test_greetings_and_answers_of_no_interest_say_nothing(frame: str) -> None:
    assert events(frame) == []


@pytest.mark.parametrize(
    ("info", "reason", "retry_after"),
    [
        ({"code": 20051}, "new connection", 0.0),
        ({"code": 20060}, "under maintenance", 120.0),
        ({"code": 20061}, "ended its maintenance", 0.0),
        ({"version": 2, "platform": {"status": 0}}, "under maintenance", 120.0),
    ],
)
def test_what_ends_a_connection_loses_the_source(info: dict[str, Any], reason: str, retry_after: float) -> None:
    with pytest.raises(SourceLost, match=reason) as caught:
        list(reader()(json.dumps({"event": "info"} | info)))
    assert caught.value.retry_after == retry_after


@pytest.mark.parametrize(
    "frame",
    ["", "hello", "[]", "5", "null", '"13"', "[13]", "{}", "[" * 100_000, '[13,"cs"]', '[13,"cs","x",1]',
     "[13,[NaN,1,1],1]", "[13,{},1]", "[13,null,1]", "[13,[100],1]", "[13,[100,1,2],1]", "[13,[[100,1]],1]",
     '[13,"te",[100,1,1],1]', "[13,[[100,1,2]],1.5]", '{"event":"subscribed","channel":"book"}', '{"event":"error"}'],
)  # fmt: skip
def test_frame_that_makes_no_sense_is_refused_without_its_number(frame: str) -> None:
    heard: list[Event] = []
    with pytest.raises((ValueError, KeyError, TypeError, IndexError)):
        heard.extend(reader()(frame))
    assert heard == []


def test_ticker_that_makes_no_sense_costs_no_book() -> None:
    read = reader()(f"[11,[],7,{MS}]")
    assert next(read) == FrameNumber(7)
    with pytest.raises(ValueError, match="unpack"):
        next(read)


def test_checksum_is_made_from_25_levels_of_each_side_in_turn() -> None:
    bids = [(f"{price}.0", "0.50") for price in range(130, 100, -1)]
    asks = [(f"{price}", "1e-7") for price in range(131, 161)]
    text = ":".join(f"{130 - n}.0:0.50:{131 + n}:-1e-7" for n in range(25))
    book = Book()
    book.replace(bids, asks)
    assert checksum(book) % 2**32 == crc32(text.encode())
    assert -(2**31) <= checksum(book) < 2**31


def test_checksum_of_a_book_with_one_side_is_made_from_what_there_is() -> None:
    book = Book()
    book.replace([], [("1.5", "2.0"), ("1.6", "1")])
    assert checksum(book) % 2**32 == crc32(b"1.5:-2.0:1.6:-1")


def test_markets_are_offered_by_the_names_others_use() -> None:
    pairs = ["BTCUSD", "BTCUST", "AVAX:USD", "UDCUSD", "ALGUSD", "TESTBTC:TESTUSD", "AAABBB"]
    names = [["UST", "USDt"], ["ALG", "ALGO"], ["AAA", "TESTAAA"]]
    assert parse_instruments(json.dumps([pairs, names])) == [
        Instrument("tBTCUSD", "BTC", "USD"),
        Instrument("tBTCUST", "BTC", "USDT"),
        Instrument("tAVAX:USD", "AVAX", "USD"),
        Instrument("tUDCUSD", "USDC", "USD"),
        Instrument("tALGUSD", "ALGO", "USD"),
    ]
    assert parse_instruments('[["BTCUST"]]') == [Instrument("tBTCUST", "BTC", "USDT")]


def test_options_are_what_bitfinex_knows() -> None:
    with pytest.raises(ValidationError, match="25, 100 or 250"):
        BitfinexOptions(depth=50)  # type: ignore[arg-type]
    relay = Relay("bitfinex", wanted=(), deliver=lambda feed, event: None)
    assert Bitfinex(BitfinexOptions(), relay).symbols_per_connection == 8
    assert Bitfinex(BitfinexOptions(channels_per_connection=30), relay).symbols_per_connection == 10


@pytest.mark.gen_test
async def test_book_whose_checksum_fails_is_subscribed_to_anew_and_no_other() -> None:
    book = 12
    async with FakeVenue() as venue:

        def answer(message: dict[str, Any]) -> Sequence[Any]:
            nonlocal book
            if message["event"] != "subscribe":
                return []
            if message["channel"] != "book":
                return [subscribed(message["channel"])]
            book += 1
            return [[book, [[100, 1, 2], [101, 1, -2]], book], subscribed("book", book)]

        venue.on_message = answer
        venue.responses["/v2/conf/pub:list:pair:exchange,pub:map:currency:sym"] = MARKETS
        relay = Relay("bitfinex", wanted=[Symbol("btc")], deliver=lambda feed, event: None, checksum=checksum)
        options = BitfinexOptions(url=venue.url, rest_url=venue.rest_url)
        run = asyncio.create_task(Bitfinex(options, relay).run())
        await eventually(lambda: relay.feeds and relay.feeds[SYMBOL].book_state == "synced")
        assert venue.received == [
            {"event": "conf", "flags": 32768 + 65536 + 131072 + 536870912},
            {"event": "subscribe", "channel": "book", "symbol": SYMBOL, "prec": "P0", "freq": "F0", "len": "100"},
            {"event": "subscribe", "channel": "ticker", "symbol": SYMBOL},
            {"event": "subscribe", "channel": "trades", "symbol": SYMBOL},
        ]
        right = crc32(b"100:2:101:-2")
        await venue.send([13, "cs", right - 2**32 if right >= 2**31 else right, 14])
        await eventually(lambda: relay.integrity.checksums_ok == 1)
        await venue.send([13, "cs", 1, 15])
        await eventually(lambda: len(venue.received) == 6)
        assert venue.received[4:] == [{"event": "unsubscribe", "chanId": 13}, venue.received[1]]
        await eventually(lambda: relay.feeds[SYMBOL].book_state == "synced")
        assert (relay.integrity.checksums_bad, relay.rejected, venue.connections) == (1, 0, 1)
        run.cancel()
        await asyncio.wait([run])


@pytest.mark.gen_test
async def test_candles_are_asked_for_oldest_first() -> None:
    async with FakeVenue() as venue:
        url = "/v2/candles/trade:1m:tBTCUSD/hist?start=1700000040000&end=1700000099999&limit=10000&sort=1"
        venue.responses[url] = [[1700000040000, 1, 2, 4, 0.5, 7.5]]
        relay = Relay("bitfinex", wanted=(), deliver=lambda feed, event: None)
        source = Bitfinex(BitfinexOptions(rest_url=venue.rest_url), relay)
        found = await source.candles(SYMBOL, 1_700_000_040_000, 1_700_000_100_000)
    assert found == [Candle(1_700_000_040_000, 1.0, 4.0, 0.5, 2.0, 7.5)]
    assert parse_candles("[]") == []


def test_recording_gives_the_same_books_trades_and_tickers(shared: Path) -> None:
    results, recording, read = expected(shared, "bitfinex_2021-04-17"), Recording(), Reader({})
    for line in received(shared, "bitfinex_2021-04-17"):
        if line.kind == "ws":
            recording.publish(read(line.text))
    relay = recording.relay
    assert (relay.rejected, recording.ever_crossed) == (0, False)
    assert (relay.integrity.links, relay.integrity.gaps) == (results["seq_links"], results["seq_gaps"])
    assert recording.trades == {name.removesuffix("/snapshot"): n for name, n in results["trades"].items()}
    # The other program wrote its numbers anew: 0.00002505 as 2.505e-05.
    assert numbers(recording.books()) == numbers(results["final_books"])
    for symbol, ticker in results["last_ticker"].items():
        feed = relay.feeds[symbol]
        assert (feed.volume_24h, feed.open_24h) == (ticker[7], ticker[6] - ticker[4])


def numbers(books: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    sides = ("bids", "asks")
    return {
        symbol: book | {side: [[float(number) for number in level] for level in book[side]] for side in sides}
        for symbol, book in books.items()
    }


def test_recorded_list_of_markets_has_no_markets_for_tests(shared: Path) -> None:
    (body,) = [line.text for line in received(shared, "bitfinex_2021-04-17") if "list:pair:exchange" in line.url]
    markets = parse_instruments(body)
    assert {Instrument("tBTCUST", "BTC", "USDT"), Instrument("tAVAX:USD", "AVAX", "USD")} < set(markets)
    assert not [market for market in markets if "TEST" in market.venue_symbol]
