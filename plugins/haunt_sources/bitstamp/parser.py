"""Bitstamp's frames and responses as events.

https://www.bitstamp.net/websocket/v2/
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

import ujson

from haunt import (
    BookDelta,
    BookSnapshot,
    Candle,
    Event,
    Farewell,
    Instrument,
    Refused,
    Subscribed,
    Ticker,
    Trade,
)


def parse(frame: str | bytes) -> Sequence[Event]:
    """The events of one frame. Heartbeats say nothing.

    Raises Farewell when Bitstamp asks for a new connection, which it does before maintenance.
    """
    message = ujson.loads(frame)
    if type(message) is not dict:
        raise TypeError("a frame must be an object")
    if message["event"] == "bts:request_reconnect":
        raise Farewell("Bitstamp asks for a new connection")
    reader = READERS.get(message["event"])
    if reader is None:
        return ()
    channel, _, venue_symbol = str.rpartition(message["channel"], "_")
    return reader(channel, venue_symbol, message["data"])


def parse_response(url: str, body: str) -> Sequence[Event]:
    """The book or the figures of a `/order_book/` or `/ticker/` response; its symbol is known from the URL alone."""
    *_, kind, venue_symbol = urlsplit(url).path.strip("/").split("/")
    data = ujson.loads(body)
    return (_ticker(venue_symbol, data) if kind == "ticker" else _snapshot(venue_symbol, data),)


def parse_instruments(body: str) -> list[Instrument]:
    """The spot markets of a `/markets/` response that are open, or of the older `/trading-pairs-info/`."""
    instruments = []
    for market in ujson.loads(body):
        if market["trading"] == "Enabled" and market.get("market_type", "SPOT") == "SPOT":
            base, quote = market["name"].split("/")
            venue_symbol = market["market_symbol"] if "market_symbol" in market else market["url_symbol"]
            instruments.append(Instrument(venue_symbol, base, quote))
    return instruments


def parse_candles(body: str) -> list[Candle]:
    """The candles of an `/ohlc/` response, oldest first."""
    candles = []
    for candle in ujson.loads(body)["data"]["ohlc"]:
        opened, high, low, close, volume = (float(candle[name]) for name in CANDLE)
        candles.append(Candle(int(candle["timestamp"]) * 1000, opened, high, low, close, volume))
    return candles


def _delta(channel: str, venue_symbol: str, data: dict[str, Any]) -> Sequence[Event]:
    if channel != "diff_order_book":
        return ()
    microseconds = int(data["microtimestamp"])
    # Nothing numbers the changes or links them: their time is all the order there is.
    return (BookDelta(venue_symbol, data["bids"], data["asks"], None, microseconds, None, microseconds // 1000),)


def _trade(channel: str, venue_symbol: str, data: dict[str, Any]) -> Sequence[Event]:
    return (
        Trade(
            venue_symbol,
            str(data["id"]),
            float(data["price_str"]),
            float(data["amount_str"]),
            "sell" if data["type"] else "buy",
            int(data["microtimestamp"]) // 1000,
        ),
    )


def _subscribed(channel: str, venue_symbol: str, data: dict[str, Any]) -> Sequence[Event]:
    return (Subscribed(venue_symbol, channel),)


def _error(channel: str, venue_symbol: str, data: dict[str, Any]) -> Sequence[Event]:
    # Bitstamp leaves the channel empty, so it does not say which subscription it refuses.
    return (Refused(venue_symbol, channel or "bts:subscribe", f"{data['message']} (code {data['code']})"),)


def _snapshot(venue_symbol: str, data: dict[str, Any]) -> BookSnapshot:
    microseconds = int(data["microtimestamp"])
    return BookSnapshot(venue_symbol, data["bids"], data["asks"], microseconds, None, microseconds // 1000, apart=True)


def _ticker(venue_symbol: str, data: dict[str, Any]) -> Ticker:
    last, volume = float(data["last"]), float(data["volume"])
    # `open` is that of the day in UTC; a market younger than a day has no `open_24`.
    opened = float(data["open_24"]) if data["open_24"] else None
    quote_volume = volume * float(data["vwap"])
    return Ticker(venue_symbol, last, opened, volume, quote_volume, int(data["timestamp"]) * 1000, apart=True)


CANDLE = ("open", "high", "low", "close", "volume")
READERS: dict[str, Callable[[str, str, Any], Sequence[Event]]] = {
    "data": _delta,
    "trade": _trade,
    "bts:subscription_succeeded": _subscribed,
    "bts:error": _error,
}
