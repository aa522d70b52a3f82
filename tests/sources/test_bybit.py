"""Bybit's dialect, frame by frame."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from haunt_sources.bybit import Bybit, BybitOptions
from haunt_sources.bybit.parser import parse, parse_instruments
from pydantic import ValidationError
from recorded import Recording, expected, received

from haunt import BookDelta, BookSnapshot, Candle, Instrument, Refused, Relay, SourceLost, Subscribed, Ticker, Trade
from haunt.market.symbols import Symbol
from haunt.testing import FakeVenue, eventually

MS = 1767323045678
BOOK = {"s": "BTCUSDT", "b": [["101.00", "0.50"]], "a": [["101.10", "2.0"]], "u": 15, "seq": 900}
TRADE = {"T": MS, "s": "BTCUSDT", "S": "Sell", "v": "0.25", "p": "101.05", "i": "2290000001189048101", "BT": False,
         "seq": 901}  # fmt: skip
TICKER = {"symbol": "BTCUSDT", "lastPrice": "101.05", "prevPrice24h": "99.5", "price24hPcnt": "0.0156",
          "volume24h": "12.5", "turnover24h": "1250.0", "usdIndexPrice": "101.0"}  # fmt: skip
MARKET = {"symbol": "BTCUSDT", "baseCoin": "BTC", "quoteCoin": "USDT", "status": "Trading", "symbolType": ""}
ACK = {"success": True, "ret_msg": "subscribe", "conn_id": "c", "req_id": "BTCUSDT", "op": "subscribe"}


def push(topic: str, data: object, kind: str = "snapshot") -> str:
    return json.dumps({"topic": topic, "ts": MS, "type": kind, "data": data, "cts": MS - 9})


@pytest.mark.parametrize(
    ("frame", "event"),
    [
        (
            push("orderbook.200.BTCUSDT", BOOK),
            BookSnapshot("BTCUSDT", [["101.00", "0.50"]], [["101.10", "2.0"]], 15, None, MS),
        ),
        (
            push("orderbook.200.BTCUSDT", BOOK, "delta"),
            BookDelta("BTCUSDT", [["101.00", "0.50"]], [["101.10", "2.0"]], 14, 15, None, MS),
        ),
        (
            push("orderbook.200.BTCUSDT", BOOK | {"u": 1}, "delta"),
            BookSnapshot("BTCUSDT", [["101.00", "0.50"]], [["101.10", "2.0"]], 1, None, MS),
        ),
        (push("publicTrade.BTCUSDT", [TRADE]), Trade("BTCUSDT", "2290000001189048101", 101.05, 0.25, "sell", MS)),
        (
            push("publicTrade.BTCUSDT", [TRADE | {"BT": True, "i": "1"}, TRADE | {"S": "Buy"}]),
            Trade("BTCUSDT", "2290000001189048101", 101.05, 0.25, "buy", MS),
        ),
        (push("tickers.BTCUSDT", TICKER), Ticker("BTCUSDT", 101.05, 99.5, 12.5, 1250.0, MS)),
        (json.dumps(ACK), Subscribed("BTCUSDT", "subscribe")),
        (
            json.dumps(ACK | {"success": False, "ret_msg": "error:handler not found,topic:tickers.NO"}),
            Refused("BTCUSDT", "subscribe", "error:handler not found,topic:tickers.NO"),
        ),
        (
            '{"success":false,"ret_msg":"args size >10","conn_id":"c","op":"subscribe"}',
            Refused("", "subscribe", "args size >10"),
        ),
    ],
    ids=["snapshot", "delta", "restart", "trade", "buy beside a block trade", "ticker", "acknowledgement", "refusal",
         "refusal of nobody knows what"],
)  # fmt: skip
def test_frame_is_one_event(frame: str, event: object) -> None:
    assert list(parse(frame)) == [event]
    assert list(parse(frame.encode())) == [event], "as bytes"


@pytest.mark.parametrize(
    "frame",
    [
        '{"success":true,"ret_msg":"pong","conn_id":"c","req_id":"","op":"ping"}',
        json.dumps(ACK | {"op": "unsubscribe"}),
        push("kline.1.BTCUSDT", [{"open": "1"}]),
        '{"topic":7}',
    ],
)
def test_frames_of_no_interest_say_nothing(frame: str) -> None:
    assert list(parse(frame)) == []


@pytest.mark.parametrize(
    "frame",
    ["", "pong", "[]", "7", "null", "{}", '{"op":"subscribe"}', '{"topic":"tickers.A"}',
     push("orderbook.200.A", {}), push("orderbook.200.A", []), push("orderbook.200.A", BOOK | {"u": "x"}, "delta"),
     push("publicTrade.A", [{}]), push("publicTrade.A", "ab"), push("publicTrade.A", [TRADE | {"p": None}]),
     push("tickers.A", TICKER | {"lastPrice": ""})],
)  # fmt: skip
def test_frame_that_makes_no_sense_is_refused(frame: str) -> None:
    with pytest.raises((ValueError, KeyError, TypeError, IndexError)):
        list(parse(frame))


def test_only_markets_open_for_trading_are_offered_and_no_stocks() -> None:
    markets = [
        MARKET,
        MARKET | {"symbol": "OLDUSDT", "baseCoin": "OLD", "status": "PreLaunch"},
        MARKET | {"symbol": "AAPLXUSDT", "baseCoin": "AAPLX", "symbolType": "xstocks"},
    ]
    body = json.dumps({"retCode": 0, "retMsg": "OK", "result": {"category": "spot", "list": markets}})
    assert parse_instruments(body) == [Instrument("BTCUSDT", "BTC", "USDT")]


def test_response_that_is_a_refusal_loses_the_source_with_the_reason() -> None:
    with pytest.raises(SourceLost, match=r"Too many visits \(code 10006\)"):
        parse_instruments('{"retCode":10006,"retMsg":"Too many visits","result":{}}')


@pytest.mark.gen_test
async def test_closed_candles_are_fetched_and_come_oldest_first() -> None:
    rows = [[str(MS + minutes * 60_000), "2", "4", "1", "3", "12.5", "30"] for minutes in (2, 1, 0)]
    async with FakeVenue() as venue:
        venue.responses["/v5/market/kline"] = {"retCode": 0, "result": {"list": rows}, "time": MS + 179_999}
        options = BybitOptions(url=venue.url, rest_url=venue.rest_url)
        source = Bybit(options, Relay("bybit", wanted=(), deliver=lambda feed, event: None))
        candles = await source.candles("BTCUSDT", MS, MS + 86_400_000)
    assert candles == [Candle(MS + minutes * 60_000, 2.0, 4.0, 1.0, 3.0, 12.5) for minutes in (0, 1)]
    assert venue.requests == [
        f"/v5/market/kline?category=spot&symbol=BTCUSDT&interval=1&start={MS}&end={MS + 60_000_000 - 1}&limit=1000"
    ]


def test_depth_is_one_that_bybit_streams_as_changes() -> None:
    with pytest.raises(ValidationError, match="50, 200 or 1000"):
        BybitOptions(depth=1)  # type: ignore[arg-type]


@pytest.mark.gen_test
async def test_each_symbol_is_asked_for_by_itself_and_a_book_with_a_gap_anew() -> None:
    async with FakeVenue() as venue:
        venue.responses["/v5/market/instruments-info"] = {
            "retCode": 0, "result": {"list": [MARKET, MARKET | {"symbol": "ETHUSDT", "baseCoin": "ETH"}]}
        }  # fmt: skip
        venue.on_message = lambda message: [
            ACK | {"req_id": message["req_id"], "success": message["req_id"] == "BTCUSDT", "op": message["op"]}
        ]
        symbols = [Symbol("btc"), Symbol("eth")]
        relay = Relay("bybit", wanted=symbols, deliver=lambda feed, event: None)
        options = BybitOptions(url=venue.url, rest_url=venue.rest_url, depth=50, resync_interval=0.01)
        run = asyncio.create_task(Bybit(options, relay).run())
        await eventually(lambda: len(venue.received) == 2 and relay.refused)
        assert venue.received[0] == {
            "op": "subscribe", "req_id": "BTCUSDT",
            "args": ["tickers.BTCUSDT", "publicTrade.BTCUSDT", "orderbook.50.BTCUSDT"],
        }  # fmt: skip
        assert {*relay.refused} == {"ETHUSDT"}
        feed = relay.feeds["BTCUSDT"]
        await venue.send(push("orderbook.50.BTCUSDT", BOOK))
        await eventually(lambda: feed.book_state == "synced")
        await venue.send(push("orderbook.50.BTCUSDT", BOOK | {"u": 17}, "delta"))
        await eventually(lambda: len(venue.received) >= 4)
        assert [(message["op"], message["args"]) for message in venue.received[2:4]] == [
            ("unsubscribe", ["orderbook.50.BTCUSDT"]), ("subscribe", ["orderbook.50.BTCUSDT"])
        ]  # fmt: skip
        await venue.send(push("orderbook.50.BTCUSDT", BOOK | {"u": 1}))
        await eventually(lambda: feed.book_state == "synced")
        assert (feed.proven.sequence, relay.integrity.gaps, relay.rejected) == (1, 1, 0)
        run.cancel()


def test_of_a_recording_only_the_spot_market_is_read() -> None:
    source = Bybit(BybitOptions(), Relay("bybit", wanted=(), deliver=lambda feed, event: None))
    assert source.serves("wss://stream.bybit.com/v5/public/spot")
    assert source.serves("https://api.bybit.com/v5/market/instruments-info?category=spot")
    assert not source.serves("wss://stream.bybit.com/v5/public/linear")
    assert not source.serves("https://api.bybit.com/v5/market/instruments-info?category=linear&limit=9")


@pytest.mark.parametrize("market", ["spot", "linear"])
def test_recording_gives_the_same_books_and_trades(shared: Path, market: str) -> None:
    results, recording = expected(shared, "bybit_v5_2026-08-09"), Recording()
    connection = {"spot": "BYBIT.ws.3", "linear": "BYBIT.ws.2"}[market]
    for line in received(shared, "bybit_v5_2026-08-09"):
        # Only the tickers of the spot market are whole every time.
        if (
            line.kind == "ws"
            and line.url.endswith(market)
            and (market == "spot" or '"topic":"tickers' not in line.text)
        ):
            recording.publish(parse(line.text))
    relay = recording.relay
    assert (relay.rejected, recording.ever_crossed, relay.integrity.gaps) == (0, False, 0)
    assert relay.integrity.links == {"spot": 299, "linear": results["u_links"] - 299}[market]
    assert recording.books() == of(connection, "orderbook.200", results["final_books"])
    assert recording.trades == of(connection, "publicTrade", results["trades"])
    for symbol, ticker in of(connection, "tickers", results["last_ticker"]).items():
        if market == "spot":
            feed = relay.feeds[symbol]
            assert (feed.open_24h, feed.volume_24h, feed.quote_volume_24h) == tuple(
                float(ticker[name]) for name in ("prevPrice24h", "volume24h", "turnover24h")
            )


def of(connection: str, topic: str, results: dict[str, Any]) -> dict[str, Any]:
    """What was seen of this topic on this connection, by symbol."""
    start = f"{connection}|{topic}."
    return {name.removeprefix(start): seen for name, seen in results.items() if name.startswith(start)}


def test_list_of_markets_holds_every_coin_once_in_each_currency(shared: Path) -> None:
    lines = received(shared, "bybit_v5_2026-08-09")
    body = next(line.text for line in lines if line.kind == "rest" and "category=spot" in line.url)
    markets = parse_instruments(body)
    assert Instrument("BTCUSDT", "BTC", "USDT") in markets
    assert len(markets) == len({(market.base, market.quote) for market in markets}) == 557 - 11
