"""KuCoin's dialect, frame by frame, and a recording of it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from haunt_sources.kucoin import KuCoin, KuCoinOptions
from haunt_sources.kucoin.parser import (
    Asked,
    Door,
    parse,
    parse_candles,
    parse_door,
    parse_instruments,
    parse_response,
)
from recorded import Recording, expected, received
from recordings import line, recording

from haunt import (
    BookDelta,
    BookSnapshot,
    Candle,
    Event,
    Instrument,
    Quote,
    Refused,
    Relay,
    SourceLost,
    Subscribed,
    Ticker,
    Trade,
    find_adapter,
)
from haunt.market.symbols import Symbol
from haunt.testing import FakeVenue, eventually

MS = 1700000000123
CHANGES = {"bids": [["30000.1", "1.5", "12"], ["0", "0", "13"]], "asks": [["30000.3", "0", "14"]]}
DELTA = {"sequenceStart": 12, "sequenceEnd": 14, "symbol": "BTC-USDT", "changes": CHANGES, "time": MS}
QUOTE = {"sequence": "15", "price": "30000.2", "size": "1", "bestBid": "30000.1", "bestAsk": "30000.3", "time": MS}
TRADE = {"sequence": "15", "symbol": "BTC-USDT", "side": "sell", "size": "0.5", "price": "30000.1", "tradeId": "77",
         "time": "1700000000123456789", "type": "match"}  # fmt: skip
FIGURES = {"symbol": "BTC-USDT", "lastTradedPrice": 95, "changePrice": -5, "changeRate": -0.05, "vol": 12.5,
           "volValue": 1200.5, "datetime": MS, "high": 101, "low": 94}  # fmt: skip
BOOK = {"time": MS, "sequence": "13", "bids": [["30000.1", "1"]], "asks": [["30000.3", "2"]]}
MARKET = {"symbol": "BTC-USDT", "name": "BTC-USDT", "baseCurrency": "BTC", "quoteCurrency": "USDT", "market": "USDS",
          "enableTrading": True}  # fmt: skip
BOOK_URL = "https://api.kucoin.com/api/v1/market/orderbook/level2_100?symbol=BTC-USDT"
DOOR = {"token": "a/b==", "instanceServers": [{"endpoint": "wss://there.example/", "pingInterval": 18000}]}


def push(channel: str, subject: str, data: Any, venue_symbol: str = "BTC-USDT") -> dict[str, Any]:
    return {"type": "message", "topic": f"/market/{channel}:{venue_symbol}", "subject": subject, "data": data}


def ok(data: Any) -> dict[str, Any]:
    return {"code": "200000", "data": data}


@pytest.mark.parametrize(
    ("frame", "event"),
    [
        (
            push("level2", "trade.l2update", DELTA),
            BookDelta("BTC-USDT", [["30000.1", "1.5"]], [["30000.3", "0"]], 11, 14, None, MS),
        ),
        (
            push("level2", "trade.l2update", {name: DELTA[name] for name in DELTA if name != "time"}),
            BookDelta("BTC-USDT", [["30000.1", "1.5"]], [["30000.3", "0"]], 11, 14, None, None),
        ),
        (push("ticker", "trade.ticker", QUOTE), Quote("BTC-USDT", 30000.1, 30000.3, 15, MS)),
        (push("match", "trade.l3match", TRADE), Trade("BTC-USDT", "77", 30000.1, 0.5, "sell", MS)),
        (push("match", "trade.l3match", TRADE | {"side": "buy"}), Trade("BTC-USDT", "77", 30000.1, 0.5, "buy", MS)),
        (
            push("snapshot", "trade.snapshot", {"sequence": "15", "data": FIGURES}),
            Ticker("BTC-USDT", 95.0, 100.0, 12.5, 1200.5, MS),
        ),
        (
            push("snapshot", "trade.snapshot", {"sequence": "15", "data": FIGURES | {"changePrice": None}}),
            Ticker("BTC-USDT", 95.0, None, 12.5, 1200.5, MS),
        ),
    ],
    ids=["change", "older change", "quote", "trade", "trade of a buyer", "ticker", "ticker of a new market"],
)
def test_frame_is_one_event(frame: dict[str, Any], event: Event) -> None:
    assert list(parse(json.dumps(frame))) == [event]


@pytest.mark.parametrize(
    ("frame", "events"),
    [
        ({"id": "1", "type": "ack"}, [Subscribed("BTC-USDT", "match"), Subscribed("NO-USDT", "match")]),
        (
            {"id": "1", "type": "error", "code": 404, "data": "topic is not found"},
            [Refused(name, "match", "topic is not found (code 404)") for name in ("BTC-USDT", "NO-USDT")],
        ),
        (
            {"id": "9", "type": "error", "code": 509, "data": "exceed max subscription count limitation"},
            [Refused("", "subscribe", "exceed max subscription count limitation (code 509)")],
        ),
        ({"id": "9", "type": "ack"}, []),
    ],
)
def test_answer_is_about_the_markets_its_message_asked_for(frame: dict[str, Any], events: list[Event]) -> None:
    assert list(parse(json.dumps(frame), {"1": Asked("match", ["BTC-USDT", "NO-USDT"])})) == events


@pytest.mark.parametrize(
    "frame",
    [
        {"id": "hQvf8jkno", "type": "welcome"},
        {"id": "1545910590801", "type": "pong"},
        push("candles", "trade.candles.add", {"candles": []}),
    ],
)
def test_frames_of_no_interest_say_nothing(frame: dict[str, Any]) -> None:
    assert list(parse(json.dumps(frame))) == []


@pytest.mark.parametrize(
    "frame",
    ["", "hello", "[]", "7", "null", '{"type":"message"}', '{"type":"error","id":[]}', '{"type":"error","id":"1"}',
     *map(json.dumps, [
         push("level2", "trade.l2update", DELTA | {"sequenceStart": "twelve"}), push("level2", "trade.l2update", []),
         push("level2", "trade.l2update", DELTA | {"changes": {"bids": [7], "asks": []}}),
         push("ticker", "trade.ticker", QUOTE | {"bestBid": None}),
         push("match", "trade.l3match", TRADE | {"size": ""}),
         push("match", "trade.l3match", TRADE | {"time": "now"}), push("snapshot", "trade.snapshot", {"data": []}),
         push("snapshot", "trade.snapshot", {"data": FIGURES | {"vol": {}}}),
         {"type": "message", "topic": 7, "subject": "trade.ticker", "data": QUOTE}])],
)  # fmt: skip
def test_frame_that_makes_no_sense_is_refused(frame: str) -> None:
    with pytest.raises((ValueError, KeyError, TypeError, IndexError)):
        list(parse(frame))


def test_price_of_zero_with_a_size_loses_the_book() -> None:
    relay = Relay("kucoin", wanted=(), deliver=lambda feed, event: None)
    feed = relay.add(Instrument("BTC-USDT", "BTC", "USDT"), "btc")
    source = KuCoin(KuCoinOptions(), relay)
    relay.publish(BookSnapshot("BTC-USDT", BOOK["bids"], BOOK["asks"], 13, None, MS, apart=True))
    numbers = {"sequenceStart": 14, "sequenceEnd": 14}
    source.receive(
        json.dumps(push("level2", "trade.l2update", DELTA | numbers | {"changes": {"bids": [], "asks": []}}))
    )
    assert (feed.book_state, feed.proven.sequence) == ("synced", 14)
    impossible = {"changes": {"bids": [["0", "2", "15"]], "asks": []}, "sequenceStart": 15, "sequenceEnd": 15}
    source.receive(json.dumps(push("level2", "trade.l2update", DELTA | impossible)))
    assert (feed.book_state, relay.rejected) == ("lost", 1)


def test_fetched_book_is_as_deep_as_its_url_says() -> None:
    snapshot = BookSnapshot("BTC-USDT", BOOK["bids"], BOOK["asks"], 13, None, MS, apart=True)
    assert list(parse_response(BOOK_URL, json.dumps(ok(BOOK)))) == [Subscribed("BTC-USDT", "level2", 100), snapshot]
    whole = BOOK_URL.replace("_100", "")
    assert list(parse_response(whole, json.dumps(ok(BOOK)))) == [snapshot]


def test_answer_that_is_an_error_loses_the_source_with_the_reason() -> None:
    with pytest.raises(SourceLost, match="too many requests"):
        parse_response(BOOK_URL, '{"code":"429000","msg":"too many requests"}')


@pytest.mark.parametrize(("url", "body"), [("https://x/level2_100", ok(BOOK)), (BOOK_URL, ok({"bids": []}))])
def test_response_that_is_no_book_is_refused(url: str, body: Any) -> None:
    with pytest.raises(KeyError):
        parse_response(url, json.dumps(body))


def test_only_open_markets_without_leverage_are_offered_by_the_names_of_their_assets() -> None:
    markets = [
        MARKET,
        MARKET | {"symbol": "BCHSV-USDT", "name": "BSV-USDT", "baseCurrency": "BSV"},
        MARKET | {"symbol": "OLD-USDT", "baseCurrency": "OLD", "enableTrading": False},
        MARKET | {"symbol": "BTC3L-USDT", "baseCurrency": "BTC3L", "market": "ETF"},
    ]
    assert parse_instruments(json.dumps(ok(markets))) == [
        Instrument("BTC-USDT", "BTC", "USDT"),
        Instrument("BCHSV-USDT", "BSV", "USDT"),
    ]


def test_the_first_server_is_the_door() -> None:
    assert parse_door(json.dumps(ok(DOOR))) == Door("wss://there.example/", "a/b==", 18.0)


def test_candles_come_oldest_first_with_base_volume() -> None:
    rows = [["120", "1.5", "2", "3", "1", "10.25", "20.5"], ["60", "1", "1.5", "2", "1", "0", "0"]]
    assert parse_candles(json.dumps(ok(rows))) == [
        Candle(60_000, 1.0, 2.0, 1.0, 1.5, 0.0),
        Candle(120_000, 1.5, 3.0, 1.0, 2.0, 10.25),
    ]


@pytest.mark.gen_test
async def test_candles_are_those_that_begin_within_the_span() -> None:
    async with FakeVenue() as venue:
        rows = [[str(60 * minute), "1", "1", "1", "1", "1", "1"] for minute in range(9, 0, -1)]
        venue.responses["/api/v1/market/candles"] = ok(rows)
        options = KuCoinOptions(rest_url=venue.rest_url)
        source = KuCoin(options, Relay("kucoin", wanted=(), deliver=lambda feed, event: None))
        found = await source.candles("BTC-USDT", 180_000, 300_000)
        assert [candle.start for candle in found] == [180_000, 240_000]
        assert venue.requests == ["/api/v1/market/candles?symbol=BTC-USDT&type=1min&startAt=180&endAt=300"]


@pytest.mark.gen_test
async def test_address_is_the_one_that_comes_with_a_new_token_unless_another_is_configured() -> None:
    async with FakeVenue() as venue:
        venue.responses["/api/v1/bullet-public"] = ok(DOOR)
        relay = Relay("kucoin", wanted=(), deliver=lambda feed, event: None)
        usual = KuCoin(KuCoinOptions(rest_url=venue.rest_url), relay)
        assert (await usual.address()).startswith("wss://there.example/?token=a%2Fb%3D%3D&connectId=")
        assert usual.ping_interval == 18.0
        mirror = KuCoin(KuCoinOptions(url="wss://mirror.example/", rest_url=venue.rest_url), relay)
        assert (await mirror.address()).startswith("wss://mirror.example/?token=a%2Fb%3D%3D&connectId=")


@pytest.mark.gen_test
async def test_after_the_welcome_markets_are_subscribed_and_those_of_a_refused_message_one_by_one() -> None:
    async with FakeVenue() as venue:
        venue.responses["/api/v2/symbols"] = ok([MARKET, MARKET | {"symbol": "ETH-USDT", "baseCurrency": "ETH"}])
        venue.responses["/api/v1/bullet-public"] = ok(
            DOOR | {"instanceServers": [{"endpoint": venue.url, "pingInterval": 50}]}
        )
        venue.responses["/api/v1/market/orderbook/level2_100?symbol=BTC-USDT"] = ok(BOOK)
        venue.welcome = [{"id": "x", "type": "welcome"}]

        def answer(message: dict[str, Any]) -> list[dict[str, Any]]:
            if "ETH-USDT" in message.get("topic", ""):
                return [{"id": message["id"], "type": "error", "code": 404, "data": "topic is not found"}]
            return [{"id": message["id"], "type": "pong" if message["type"] == "ping" else "ack"}]

        venue.on_message = answer
        relay = Relay("kucoin", wanted=[Symbol("btc"), Symbol("eth")], deliver=lambda feed, event: None)
        source = KuCoin(KuCoinOptions(rest_url=venue.rest_url), relay)
        source.message_interval = 0.001
        run = asyncio.create_task(source.run())
        await eventually(lambda: relay.refused)
        await eventually(lambda: any(message["type"] == "ping" for message in venue.received))
        topics = [message["topic"] for message in venue.received if message["type"] == "subscribe"]
        assert topics[:4] == [f"/market/{name}:BTC-USDT,ETH-USDT" for name in ("level2", "match", "ticker", "snapshot")]
        assert {f"/market/level2:{name}" for name in ("BTC-USDT", "ETH-USDT")} <= {*topics[4:]}
        assert relay.refused == {"ETH-USDT": "topic is not found (code 404)"}
        await venue.send(push("level2", "trade.l2update", DELTA))
        feed = relay.feeds["BTC-USDT"]
        await eventually(lambda: feed.book_state == "synced")
        assert (feed.proven.sequence, feed.bid, feed.ask, feed.book.depth) == (14, 30000.1, None, 100)
        assert relay.rejected == 0
        run.cancel()


def test_recording_gives_the_same_books_trades_and_quotes(shared: Path) -> None:
    results, recording = expected(shared, "kucoin_2021-04-25"), Recording()
    quotes: dict[str, Quote] = {}
    for kind, url, frame in received(shared, "kucoin_2021-04-25"):
        if kind == "ws":
            events = parse(frame)
            recording.publish(events)
            quotes.update((event.venue_symbol, event) for event in events if isinstance(event, Quote))
        elif "/orderbook/" in url:
            recording.publish(parse_response(url, str(frame)))
    relay = recording.relay
    assert (relay.rejected, recording.ever_crossed) == (0, False)
    assert (relay.integrity.links, relay.integrity.gaps) == (results["seq_links"], results["seq_gaps"])
    assert recording.books() == results["final_books"]
    assert recording.trades == results["trades"]
    for symbol, ticker in results["last_ticker"].items():
        bid, ask, sequence = float(ticker["bestBid"]), float(ticker["bestAsk"]), int(ticker["sequence"])
        assert quotes.pop(symbol) == Quote(symbol, bid, ask, sequence, ticker["time"])
    assert not quotes


def test_list_of_symbols_holds_open_markets_without_leverage(shared: Path) -> None:
    body = next(str(frame) for _, url, frame in received(shared, "kucoin_2021-04-25") if url.endswith("/symbols"))
    markets = parse_instruments(body)
    assert Instrument("BCHSV-USDT", "BSV", "USDT") in markets
    # Of 634 markets one is closed and four are leveraged.
    assert len(markets) == 629


def test_recording_of_an_address_of_its_day_is_known(tmp_path: Path) -> None:
    url = "wss://push-private.kucoin.com/endpoint?token=REDACTED"
    assert find_adapter(recording(tmp_path, line(url_or_channel=url))) is KuCoin
