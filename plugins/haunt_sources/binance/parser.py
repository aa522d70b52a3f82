"""Binance's frames and responses as events.

https://developers.binance.com/en/docs/products/spot/web-socket-streams
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit

import ujson

from haunt import BookDelta, BookSnapshot, Candle, Event, Farewell, Instrument, Quote, Refused, Side, Ticker, Trade


def parse(frame: str | bytes) -> Sequence[Event]:
    """The events of one frame, of a combined stream or a raw one.

    Raises Farewell when Binance announces that it is about to close the connection.
    """
    message = ujson.loads(frame)
    try:
        data = message["data"]
    except KeyError:
        data = message
    if type(data) is not dict:
        raise TypeError("the data of a frame must be an object")
    kind = data.get("e")
    if kind is None:
        return (_quote(data),) if "u" in data else _answer(data)
    if kind == "depthUpdate":
        return (_delta(data),)
    if kind == "trade":
        return (_trade(data, data["t"]),)
    if kind == "24hrTicker":
        return (_ticker(data),)
    if kind == "aggTrade":
        return (_trade(data, data["a"]),)
    if kind == "serverShutdown":
        raise Farewell("Binance is about to close the connection")
    return ()


def parse_response(url: str, body: str) -> Sequence[Event]:
    """The book of a `/depth` response; its symbol is known from the URL alone."""
    (venue_symbol,) = parse_qs(urlsplit(url).query)["symbol"]
    book = ujson.loads(body)
    sequence = book["lastUpdateId"]
    return (BookSnapshot(venue_symbol, book["bids"], book["asks"], sequence, None, None, apart=True),)


def parse_instruments(body: str) -> list[Instrument]:
    """The spot markets of an `/exchangeInfo` response that are open for trading."""
    return [
        Instrument(market["symbol"], market["baseAsset"], market["quoteAsset"])
        for market in ujson.loads(body)["symbols"]
        if market["status"] == "TRADING" and market.get("isSpotTradingAllowed")
    ]


def parse_candles(body: str) -> list[Candle]:
    """The candles of a `/klines` response, oldest first."""
    return list(map(_candle, ujson.loads(body)))


def _candle(row: list[Any]) -> Candle:
    opened, high, low, close, volume = map(float, row[1:6])
    return Candle(row[0], opened, high, low, close, volume)


def _quote(data: dict[str, Any]) -> Quote:
    return Quote(data["s"], float(data["b"]), float(data["a"]), data["u"], None)


def _delta(data: dict[str, Any]) -> BookDelta:
    return BookDelta(data["s"], data["b"], data["a"], data["U"] - 1, data["u"], None, data["E"])


def _trade(data: dict[str, Any], number: int) -> Trade:
    # m: the buyer is the maker, so the taker sells.
    side: Side = "sell" if data["m"] else "buy"
    return Trade(data["s"], str(number), float(data["p"]), float(data["q"]), side, data["T"])


def _ticker(data: dict[str, Any]) -> Ticker:
    return Ticker(data["s"], float(data["c"]), float(data["o"]), float(data["v"]), float(data["q"]), data["E"])


def _answer(data: dict[str, Any]) -> Sequence[Event]:
    """What Binance says to a SUBSCRIBE: nothing but the message's id, or why not."""
    error = data.get("error", data)
    if "msg" not in error:
        return ()
    return (Refused("", "SUBSCRIBE", f"{error['msg']} (code {error.get('code')})"),)
