"""Coinbase Advanced Trade's frames and responses as events.

https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis/websocket/websocket-channels
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import ujson

from haunt import (
    BookDelta,
    BookSnapshot,
    Candle,
    Event,
    FrameNumber,
    Instrument,
    Level,
    Refused,
    Subscribed,
    Ticker,
    Trade,
    milliseconds,
)


def parse(frame: str | bytes) -> Iterator[Event]:
    """The events of one frame, its number first.

    A book frame that makes no sense raises before its number is given: the gap loses the books it was for.
    """
    message = ujson.loads(frame)
    if type(message) is not dict:
        raise TypeError("a frame must be an object")
    if message.get("type") == "error":
        yield Refused("", "subscribe", str(message["message"]))
        return
    channel = message["channel"]
    if channel == "l2_data":
        timestamp = milliseconds(message["timestamp"])
        books = [_book(event, timestamp) for event in message["events"]]
        yield FrameNumber(message["sequence_num"])
        yield from books
        return
    yield FrameNumber(message["sequence_num"])
    if channel == "market_trades":
        for event in message["events"]:
            # The newest trade comes first.
            yield from map(_trade, reversed(event["trades"]))
    elif channel == "ticker":
        timestamp = milliseconds(message["timestamp"])
        for event in message["events"]:
            for ticker in event["tickers"]:
                yield _ticker(ticker, timestamp)
    elif channel == "subscriptions":
        for event in message["events"]:
            yield from _subscribed(event["subscriptions"])


def parse_instruments(body: str) -> list[Instrument]:
    """The spot markets of a `/market/products` response that are open.

    X-USDC is an alias of X-USD: the same market with the same trades, so counting both would count it twice.
    """
    return [
        Instrument(product["product_id"], product["base_currency_id"], product["quote_currency_id"])
        for product in ujson.loads(body)["products"]
        if product["product_type"] == "SPOT"
        and not product.get("is_disabled")
        and not product.get("trading_disabled")
        and not product.get("alias")
        and not product["base_currency_id"].startswith("TEST")
    ]


def parse_candles(body: str, start: int, end: int) -> list[Candle]:
    """The candles of a response that begin in [start, end), oldest first."""
    candles = map(_candle, reversed(ujson.loads(body)["candles"]))
    return [candle for candle in candles if start <= candle.start < end]


def _candle(candle: dict[str, str]) -> Candle:
    opened, high, low, close, volume = (float(candle[name]) for name in ("open", "high", "low", "close", "volume"))
    return Candle(int(candle["start"]) * 1_000, opened, high, low, close, volume)


def _book(event: dict[str, Any], timestamp: int) -> BookSnapshot | BookDelta:
    bids: list[Level] = []
    asks: list[Level] = []
    sides = {"bid": bids, "offer": asks}
    for update in event["updates"]:
        sides[update["side"]].append((update["price_level"], update["new_quantity"]))
    venue_symbol = event["product_id"]
    if event["type"] == "snapshot":
        return BookSnapshot(venue_symbol, bids, asks, None, None, timestamp)
    return BookDelta(venue_symbol, bids, asks, None, None, None, timestamp)


def _trade(trade: dict[str, Any]) -> Trade:
    # Coinbase reports the maker's side; we publish the taker's.
    return Trade(
        trade["product_id"],
        trade["trade_id"],
        float(trade["price"]),
        float(trade["size"]),
        "buy" if trade["side"] == "SELL" else "sell",
        milliseconds(trade["time"]),
    )


def _ticker(ticker: dict[str, Any], timestamp: int) -> Ticker:
    last = float(ticker["price"])
    # Percent: 0.096 is 0.096 %.
    ratio = 1 + float(ticker["price_percent_chg_24_h"]) / 100
    open_24h = last / ratio if ratio > 0 else None
    return Ticker(ticker["product_id"], last, open_24h, float(ticker["volume_24_h"]), None, timestamp)


def _subscribed(subscriptions: dict[str, list[str]]) -> Iterator[Subscribed]:
    for channel in subscriptions:
        # The heartbeats belong to no product.
        if channel != "heartbeats":
            for product in subscriptions[channel]:
                yield Subscribed(product, channel)
