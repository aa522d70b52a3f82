"""KuCoin's frames and responses as events.

https://www.kucoin.com/docs-new/introduction
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

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
    SourceLost,
    Subscribed,
    Ticker,
    Trade,
)

LEVELS = 100  # of each side of a book that anyone may fetch
NANOSECONDS = 1_000_000  # in a millisecond
NO_LEVEL = ["0", "0"]


class Asked(NamedTuple):
    """What a message asked for."""

    channel: str
    venue_symbols: Sequence[str]


class Door(NamedTuple):
    """Where a connection may be made, and with what token. `ping_interval` is in seconds."""

    endpoint: str
    token: str
    ping_interval: float


NOTHING: Mapping[str, Asked] = {}


def parse(frame: str | bytes, asked: Mapping[str, Asked] = NOTHING) -> Sequence[Event]:
    """The events of one frame. An answer bears the id of the message that asked; to any other it says nothing."""
    message = ujson.loads(frame)
    if type(message) is not dict:
        raise TypeError("a frame must be an object")
    if message.get("type") != "message":
        return _answer(message, asked)
    reader = READERS.get(message["subject"])
    _, _, venue_symbol = str.rpartition(message["topic"], ":")
    return () if reader is None else (reader(venue_symbol, message["data"]),)


def parse_response(url: str, body: str) -> Sequence[Event]:
    """The book of an `/orderbook/level2` response; its market is known from the URL alone."""
    address = urlsplit(url)
    (venue_symbol,) = parse_qs(address.query)["symbol"]
    book = _data(body)
    snapshot = BookSnapshot(
        venue_symbol, book["bids"], book["asks"], int(book["sequence"]), None, book["time"], apart=True
    )
    if address.path.endswith(f"_{LEVELS}"):
        return Subscribed(venue_symbol, "level2", LEVELS), snapshot
    return (snapshot,)


def parse_instruments(body: str) -> list[Instrument]:
    """The markets of a `/symbols` response that are open. Those of the market ETF are leveraged tokens."""
    return [
        Instrument(market["symbol"], market["baseCurrency"], market["quoteCurrency"])
        for market in _data(body)
        if market["enableTrading"] and market["market"] != "ETF"
    ]


def parse_door(body: str) -> Door:
    """The first server of a `/bullet-public` response."""
    data = _data(body)
    server = data["instanceServers"][0]
    return Door(server["endpoint"], data["token"], server["pingInterval"] / 1000)


def parse_candles(body: str) -> list[Candle]:
    """The candles of a `/market/candles` response, oldest first; the last may still be running."""
    return [
        Candle(int(start) * 1000, float(opened), float(high), float(low), float(close), float(volume))
        for start, opened, close, high, low, volume, _ in reversed(_data(body))
    ]


def _data(body: str) -> Any:
    response = ujson.loads(body)
    if response["code"] != "200000":
        raise SourceLost(f"KuCoin gave an error: {response.get('msg')} (code {response['code']})")
    return response["data"]


def _delta(venue_symbol: str, data: dict[str, Any]) -> BookDelta:
    changes = data["changes"]
    bids, asks = _levels(changes["bids"]), _levels(changes["asks"])
    return BookDelta(venue_symbol, bids, asks, data["sequenceStart"] - 1, data["sequenceEnd"], None, data.get("time"))


def _levels(changes: list[list[str]]) -> list[Level]:
    # A price and a size of zero are no level: only their number counts.
    return [level for *level, _ in changes if level != NO_LEVEL]


def _quote(venue_symbol: str, data: dict[str, Any]) -> Quote:
    return Quote(venue_symbol, float(data["bestBid"]), float(data["bestAsk"]), int(data["sequence"]), data["time"])


def _trade(venue_symbol: str, data: dict[str, Any]) -> Trade:
    return Trade(
        venue_symbol,
        data["tradeId"],
        float(data["price"]),
        float(data["size"]),
        "sell" if data["side"] == "sell" else "buy",
        int(data["time"]) // NANOSECONDS,
    )


def _ticker(venue_symbol: str, data: dict[str, Any]) -> Ticker:
    figures = data["data"]
    last, change = float(figures["lastTradedPrice"]), figures["changePrice"]
    # `changeRate` has four decimals only, too few for the price of a day ago.
    open_24h = None if change is None else last - float(change)
    return Ticker(venue_symbol, last, open_24h, float(figures["vol"]), float(figures["volValue"]), figures["datetime"])


def _answer(message: dict[str, Any], asked: Mapping[str, Asked]) -> Sequence[Event]:
    """What KuCoin says to a message: that all of it is granted, or why none of it is."""
    kind = message.get("type")
    if kind not in ("ack", "error"):
        return ()
    request = asked.get(message.get("id", ""))
    if kind == "ack":
        return [Subscribed(venue_symbol, request.channel) for venue_symbol in request.venue_symbols] if request else ()
    reason = f"{message['data']} (code {message['code']})"
    if request is None:
        return (Refused("", "subscribe", reason),)
    return [Refused(venue_symbol, request.channel, reason) for venue_symbol in request.venue_symbols]


READERS: dict[str, Callable[[str, dict[str, Any]], Event]] = {
    "trade.l2update": _delta,
    "trade.ticker": _quote,
    "trade.l3match": _trade,
    "trade.snapshot": _ticker,
}
