"""Gemini's frames and responses as events.

https://developer.gemini.com/websocket/streams

The frames of the older `/v2/marketdata` are read too, for recordings of it; they carry nothing that proves a book.
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
    Instrument,
    Level,
    Quote,
    Refused,
    Side,
    Subscribed,
    Ticker,
    Trade,
)

CHANNELS = ("trade", "depth@100ms", "bookTicker")
# The answer to a message has its id: these and the symbol.
SUBSCRIBE, UNSUBSCRIBE = "+", "-"


class Reader:
    """The frames of one connection. The first of a book is the whole of it, which nothing in the frame says."""

    def __init__(self) -> None:
        self._begun: set[str] = set()

    def __call__(self, frame: str | bytes) -> Iterator[Event]:
        """The events of one frame. Heartbeats and answers to pings say nothing."""
        message = ujson.loads(frame)
        if type(message) is not dict:
            raise TypeError("a frame must be an object")
        if "type" in message:
            yield from _old(message)
        elif "status" in message:
            yield from self._answer(message)
        elif "u" not in message:
            yield _trade(message)
        elif "B" not in message:
            yield self._book(message)
        # A side without an order has no price.
        elif message["b"] and message["a"]:
            yield _quote(message)

    def _book(self, message: dict[str, Any]) -> BookSnapshot | BookDelta:
        venue_symbol, last, timestamp = str.upper(message["s"]), message["u"], message["E"] // 1_000_000
        if venue_symbol in self._begun:
            return BookDelta(venue_symbol, message["b"], message["a"], message["U"] - 1, last, None, timestamp)
        snapshot = BookSnapshot(venue_symbol, message["b"], message["a"], last, None, timestamp)
        self._begun.add(venue_symbol)
        return snapshot

    def _answer(self, message: dict[str, Any]) -> Iterator[Event]:
        kind, venue_symbol = message["id"][:1], message["id"][1:]
        if message["status"] != 200:
            error = message["error"]
            yield Refused(venue_symbol, "subscription", f"{error['msg']} (code {error['code']})")
        elif kind == SUBSCRIBE:
            for channel in CHANNELS:
                yield Subscribed(venue_symbol, channel)
        elif kind == UNSUBSCRIBE:
            # It is subscribed to once more, so it begins once more.
            self._begun.discard(venue_symbol)


def parse_instruments(body: str) -> list[Instrument]:
    """The spot markets of a `/symbols/details/all` response that are open."""
    return [
        Instrument(market["symbol"].upper(), market["base_currency"], market["quote_currency"])
        for market in ujson.loads(body)
        if market["status"] == "open" and market["product_type"] == "spot"
    ]


def parse_figures(venue_symbol: str, quote: str, ticker: str, pubticker: str) -> Ticker:
    """The figures of a `/v2/ticker/` response, which has no volume, and of a `/v1/pubticker/` one, which has no price
    of a day ago."""
    prices, volumes = ujson.loads(ticker), ujson.loads(pubticker)["volume"]
    timestamp, quote_volume = volumes.pop("timestamp"), float(volumes.pop(quote))
    (volume,) = map(float, volumes.values())
    last, opened = float(prices["close"]), float(prices["open"])
    return Ticker(venue_symbol, last, opened, volume, quote_volume, timestamp, apart=True)


def parse_candles(body: str) -> list[Candle]:
    """The candles of a `/v2/candles/` response, oldest first."""
    return [_candle(*candle) for candle in reversed(ujson.loads(body))]


def _candle(start: int, *figures: float) -> Candle:
    opened, high, low, close, volume = map(float, figures)
    return Candle(start, opened, high, low, close, volume)


def _quote(message: dict[str, Any]) -> Quote:
    bid, ask = float(message["b"]), float(message["a"])
    return Quote(str.upper(message["s"]), bid, ask, message["u"], message["E"] // 1_000_000)


def _trade(message: dict[str, Any]) -> Trade:
    # m: the buyer is the maker, so the taker sells.
    side: Side = "sell" if message["m"] else "buy"
    price, quantity = float(message["p"]), float(message["q"])
    return Trade(str.upper(message["s"]), str(message["t"]), price, quantity, side, message["E"] // 1_000_000)


def _old(message: dict[str, Any]) -> Iterator[Event]:
    kind = message["type"]
    if kind == "l2_updates":
        yield _old_book(message)
        trades = message.get("trades", ())
    elif kind == "trade":
        trades = (message,)
    else:
        trades = ()
    # A block was not traded on the book.
    for trade in trades:
        if trade["side"] != "block":
            yield _old_trade(trade)


def _old_book(message: dict[str, Any]) -> BookSnapshot | BookDelta:
    bids: list[Level] = []
    asks: list[Level] = []
    sides = {"buy": bids, "sell": asks}
    for side, price, quantity in message["changes"]:
        sides[side].append((price, quantity))
    # Only the first of a symbol has these.
    if "auction_events" in message:
        return BookSnapshot(message["symbol"], bids, asks, None, None, None)
    return BookDelta(message["symbol"], bids, asks, None, None, None, None)


def _old_trade(trade: dict[str, Any]) -> Trade:
    price, quantity = float(trade["price"]), float(trade["quantity"])
    return Trade(trade["symbol"], str(trade["tid"]), price, quantity, trade["side"], trade["timestamp"])
