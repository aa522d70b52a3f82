"""Coinbase's dialect, frame by frame."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from haunt_sources.coinbase import Coinbase, CoinbaseOptions
from haunt_sources.coinbase.parser import parse, parse_instruments

from haunt import BookDelta, BookSnapshot, Candle, FrameNumber, Instrument, Refused, Relay, Subscribed, Ticker, Trade
from haunt.market.symbols import Symbol
from haunt.testing import FakeVenue, eventually

TIME = "2026-01-02T03:04:05.678901234Z"
MS = 1767323045678


def frame(channel: str, *events: dict[str, Any], number: int = 5) -> str:
    return json.dumps({"channel": channel, "timestamp": TIME, "sequence_num": number, "events": events})


def trade(number: int, side: str = "BUY") -> dict[str, Any]:
    return {"product_id": "BTC-USD", "trade_id": str(number), "price": "50000.5", "size": "0.25", "side": side,
            "time": "2026-01-02T03:04:05.5Z"}  # fmt: skip


def book(kind: str, *updates: tuple[str, str, str], product: str = "BTC-USD") -> dict[str, Any]:
    return {
        "type": kind,
        "product_id": product,
        "updates": [
            {"side": side, "event_time": TIME, "price_level": price, "new_quantity": quantity}
            for side, price, quantity in updates
        ],
    }


TICKER = {"type": "ticker", "product_id": "BTC-USD", "price": "50500", "volume_24_h": "12.5",
          "price_percent_chg_24_h": "1", "best_bid": "50499", "best_ask": "50501"}  # fmt: skip
PRODUCT = {"product_id": "BTC-USD", "base_currency_id": "BTC", "quote_currency_id": "USD", "product_type": "SPOT",
           "is_disabled": False, "trading_disabled": False, "alias": "", "alias_to": ["BTC-USDC"]}  # fmt: skip


def test_book_snapshot_keeps_the_digits_of_its_levels() -> None:
    snapshot = book("snapshot", ("bid", "49999.10", "0.5"), ("bid", "49999", "1"), ("offer", "50000.00", "2.50"))
    assert list(parse(frame("l2_data", snapshot))) == [
        FrameNumber(5),
        BookSnapshot("BTC-USD", [("49999.10", "0.5"), ("49999", "1")], [("50000.00", "2.50")], None, None, MS),
    ]


def test_book_update_is_a_delta_for_each_product_in_it() -> None:
    updates = [book("update", ("bid", "49999", "0")), book("update", ("offer", "3000", "1"), product="ETH-USD")]
    assert list(parse(frame("l2_data", *updates))) == [
        FrameNumber(5),
        BookDelta("BTC-USD", [("49999", "0")], [], None, None, None, MS),
        BookDelta("ETH-USD", [], [("3000", "1")], None, None, None, MS),
    ]


@pytest.mark.parametrize("kind", ["snapshot", "update"])
def test_trades_come_oldest_first_with_the_takers_side(kind: str) -> None:
    events = {"type": kind, "trades": [trade(8, side="SELL"), trade(7, side="BUY")]}
    assert list(parse(frame("market_trades", events))) == [
        FrameNumber(5),
        Trade("BTC-USD", "7", 50000.5, 0.25, "sell", 1767323045500),
        Trade("BTC-USD", "8", 50000.5, 0.25, "buy", 1767323045500),
    ]


@pytest.mark.parametrize(("percent", "open_24h"), [("1", 50000.0), ("0", 50500.0), ("-100", None), ("-150", None)])
def test_ticker_gives_the_price_of_a_day_ago(percent: str, open_24h: float | None) -> None:
    ticker = TICKER | {"price_percent_chg_24_h": percent}
    assert list(parse(frame("ticker", {"type": "update", "tickers": [ticker]}))) == [
        FrameNumber(5),
        Ticker("BTC-USD", 50500.0, open_24h, 12.5, None, MS),
    ]


def test_acknowledgement_names_every_product_and_channel() -> None:
    subscriptions = {"level2": ["BTC-USD", "ETH-USD"], "heartbeats": ["heartbeats"], "ticker": ["BTC-USD"]}
    assert list(parse(frame("subscriptions", {"subscriptions": subscriptions}))) == [
        FrameNumber(5),
        Subscribed("BTC-USD", "level2"),
        Subscribed("ETH-USD", "level2"),
        Subscribed("BTC-USD", "ticker"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        frame("heartbeats", {"current_time": "2026-01-02 03:04:05 +0000 UTC", "heartbeat_counter": 9}),
        frame("candles", {"type": "snapshot", "candles": [{"start": "1", "open": "2"}]}),
        frame("something_new", {"type": "update"}),
        frame("market_trades"),
    ],
)
def test_other_channels_say_nothing_but_their_number(text: str) -> None:
    assert list(parse(text)) == [FrameNumber(5)]


def test_error_refuses_the_subscription_with_its_reason() -> None:
    error = '{"type":"error","message":"no such product: NOPE-USD"}'
    assert list(parse(error)) == [Refused("", "subscribe", "no such product: NOPE-USD")]


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "3", "null", '"channel"', "{}", '{"type":"error"}', '{"channel":"heartbeats"}',
     frame("l2_data", {"type": "update"}), frame("l2_data", book("update", ("middle", "1", "1"))),
     frame("ticker", {"tickers": [TICKER | {"price": ""}]}), frame("ticker", {"tickers": 4}),
     frame("market_trades", {"trades": [trade(1) | {"size": "0.-10000"}]}),
     frame("market_trades", {"trades": [trade(1) | {"time": "yesterday"}]}),
     frame("subscriptions", {"subscriptions": ["level2"]})],
)  # fmt: skip
def test_frame_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises((ValueError, KeyError, TypeError, IndexError)):
        list(parse(text))


def test_a_book_frame_that_makes_no_sense_is_noticed_as_a_gap() -> None:
    relay = Relay("coinbase", wanted=(), deliver=lambda feed, event: None)
    feed = relay.add(Instrument("BTC-USD", "BTC", "USD"), "btc")
    source = Coinbase(CoinbaseOptions(), relay)
    source.receive(frame("l2_data", book("snapshot", ("bid", "1", "1"), ("offer", "2", "1")), number=1))
    source.receive(frame("market_trades", {"trades": [trade(1) | {"size": "?"}]}, number=2))
    source.receive(frame("heartbeats", number=3))
    assert (feed.book_state, relay.rejected) == ("synced", 1)
    source.receive(frame("l2_data", book("update", ("bid", "1", "1"), ("middle", "2", "1")), number=4))
    source.receive(frame("heartbeats", number=5))
    assert (feed.book_state, relay.rejected, relay.lost) == ("lost", 2, {"BTC-USD"})


@pytest.mark.parametrize(
    "changes",
    [
        {"alias": "BTC-USD", "product_id": "BTC-USDC", "quote_currency_id": "USDC"},
        {"product_type": "FUTURE"},
        {"is_disabled": True},
        {"trading_disabled": True},
        {"product_id": "TEST-USD", "base_currency_id": "TEST"},
    ],
    ids=["alias", "future", "disabled", "trading disabled", "test market"],
)
def test_only_open_spot_markets_are_offered_and_each_once(changes: dict[str, Any]) -> None:
    body = json.dumps({"products": [PRODUCT, PRODUCT | changes]})
    assert parse_instruments(body) == [Instrument("BTC-USD", "BTC", "USD")]


@pytest.mark.gen_test
async def test_candles_are_fetched_and_come_oldest_first() -> None:
    def row(start: int) -> dict[str, str]:
        return {"start": str(start), "low": "1", "high": "4", "open": "2", "close": "3", "volume": "12.5"}

    start = 1_700_000_040
    async with FakeVenue() as venue:
        path = "/api/v3/brokerage/market/products/BTC-USD/candles"
        venue.responses[path] = {"candles": [row(start + 120), row(start + 60), row(start)]}
        options = CoinbaseOptions(url=venue.url, rest_url=venue.rest_url)
        source = Coinbase(options, Relay("coinbase", wanted=(), deliver=lambda feed, event: None))
        candles = await source.candles("BTC-USD", start * 1_000, (start + 120) * 1_000)
        assert candles == [Candle((start + late) * 1_000, 2.0, 4.0, 1.0, 3.0, 12.5) for late in (0, 60)]
        assert venue.requests == [f"{path}?start={start}&end={start + 120}&granularity=ONE_MINUTE"]


@pytest.mark.gen_test
async def test_channels_are_subscribed_one_by_one_and_a_lost_book_anew() -> None:
    async with FakeVenue() as venue:
        venue.responses["/api/v3/brokerage/market/products"] = {"products": [PRODUCT]}
        relay = Relay("coinbase", wanted=[Symbol("btc")], deliver=lambda feed, event: None)
        run = asyncio.create_task(Coinbase(CoinbaseOptions(url=venue.url, rest_url=venue.rest_url), relay).run())
        await eventually(lambda: len(venue.received) == 4)
        assert [(message["type"], message["channel"]) for message in venue.received] == [
            ("subscribe", "heartbeats"), ("subscribe", "ticker"), ("subscribe", "market_trades"),
            ("subscribe", "level2"),
        ]  # fmt: skip
        assert all(message["product_ids"] == ["BTC-USD"] for message in venue.received)
        await venue.send(frame("l2_data", book("snapshot", ("bid", "1", "1"), ("offer", "2", "1")), number=1))
        await eventually(lambda: relay.feeds["BTC-USD"].book_state == "synced")
        await venue.send(frame("l2_data", book("update", ("bid", "3", "1")), number=2))
        await eventually(lambda: len(venue.received) == 6)
        assert [(message["type"], message["channel"], message["product_ids"]) for message in venue.received[4:]] == [
            ("unsubscribe", "level2", ["BTC-USD"]), ("subscribe", "level2", ["BTC-USD"])
        ]  # fmt: skip
        run.cancel()
