"""Bybit's frames (WebSocket v5, spot) and responses as events.

https://bybit-exchange.github.io/docs/v5/ws/connect
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ujson

from haunt import (
    BookDelta,
    BookSnapshot,
    Candle,
    Event,
    Instrument,
    Refused,
    SourceLost,
    Subscribed,
    Ticker,
    Trade,
)

MINUTE = 60_000


def parse(frame: str | bytes) -> Sequence[Event]:
    """The events of one frame."""
    message = ujson.loads(frame)
    if type(message) is not dict:
        raise TypeError("a frame must be an object")
    topic = str(message.get("topic", ""))
    if not topic:
        return _answer(message)
    if topic.startswith("orderbook."):
        return (_book(message),)
    if topic.startswith("publicTrade."):
        # Block trades were agreed on apart from the market: their prices are not its prices.
        return [_trade(trade) for trade in message["data"] if not trade["BT"]]
    if topic.startswith("tickers."):
        return (_ticker(message["data"], message["ts"]),)
    return ()


def parse_instruments(body: str) -> list[Instrument]:
    """The markets of a `/market/instruments-info` response that are open for trading."""
    return [
        Instrument(market["symbol"], market["baseCoin"], market["quoteCoin"])
        for market in _response(body)["result"]["list"]
        # A tokenized stock is another class of asset.
        if market["status"] == "Trading" and market.get("symbolType") != "xstocks"
    ]


def parse_candles(body: str) -> list[Candle]:
    """The closed candles of a `/market/kline` response, oldest first."""
    response = _response(body)
    running = response["time"] - MINUTE
    candles = map(_candle, reversed(response["result"]["list"]))
    return [candle for candle in candles if candle.start <= running]


def _response(body: str) -> dict[str, Any]:
    """Raises SourceLost where Bybit says that it refuses, and why."""
    response: dict[str, Any] = ujson.loads(body)
    if response["retCode"] != 0:
        raise SourceLost(f"Bybit refused: {response.get('retMsg')} (code {response['retCode']})")
    return response


def _candle(figures: list[str]) -> Candle:
    opened, high, low, close, volume = map(float, figures[1:6])
    return Candle(int(figures[0]), opened, high, low, close, volume)


def _book(message: dict[str, Any]) -> BookSnapshot | BookDelta:
    book = message["data"]
    venue_symbol, bids, asks, sequence = book["s"], book["b"], book["a"], book["u"]
    # 1 is the first number after a restart of Bybit, and always a whole book.
    if message["type"] == "snapshot" or sequence == 1:
        return BookSnapshot(venue_symbol, bids, asks, sequence, None, message["ts"])
    return BookDelta(venue_symbol, bids, asks, sequence - 1, sequence, None, message["ts"])


def _trade(trade: dict[str, Any]) -> Trade:
    return Trade(
        trade["s"],
        trade["i"],
        float(trade["p"]),
        float(trade["v"]),
        "sell" if trade["S"] == "Sell" else "buy",
        trade["T"],
    )


def _ticker(ticker: dict[str, Any], timestamp: int) -> Ticker:
    return Ticker(
        ticker["symbol"],
        float(ticker["lastPrice"]),
        float(ticker["prevPrice24h"]),
        float(ticker["volume24h"]),
        float(ticker["turnover24h"]),
        timestamp,
    )


def _answer(message: dict[str, Any]) -> Sequence[Event]:
    """What Bybit says to a request. It repeats the id we gave it: the symbol it was for."""
    operation, venue_symbol = message["op"], message.get("req_id") or ""
    if message["success"] is not True:
        return (Refused(venue_symbol, operation, str(message["ret_msg"])),)
    return (Subscribed(venue_symbol, operation),) if operation == "subscribe" else ()
