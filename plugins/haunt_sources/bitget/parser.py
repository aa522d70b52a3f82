"""Bitget's frames and responses as events, and its checksum.

https://www.bitget.com/docs/classic/websocket/intro

Three versions of the frames are read: v2, v3, and the v1 of old recordings. They differ in names alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import zip_longest
from typing import Any
from zlib import crc32

import ujson

from haunt import (
    Book,
    BookDelta,
    BookSnapshot,
    Candle,
    Event,
    Instrument,
    Refused,
    Side,
    SourceLost,
    Subscribed,
    Ticker,
    Trade,
)

CHECKED_LEVELS = 25
MINUTE = 60_000
V1_FIGURES = ("last", "open24h", "baseVolume", "quoteVolume")
V2_FIGURES = ("lastPr", "open24h", "baseVolume", "quoteVolume")
V3_FIGURES = ("lastPrice", "openPrice24h", "volume24h", "turnover24h")
# As they are subscribed to and as v1 echoes them. The futures have markets of the same names.
SPOT = {"SPOT", "spot", "SP", "sp"}


def parse(frame: str | bytes) -> Iterable[Event]:
    """The events of one frame. A pong says nothing."""
    if frame == "pong":
        return ()
    message = ujson.loads(frame)
    if type(message) is not dict:
        raise TypeError("a frame must be an object")
    if "event" in message:
        return _answer(message)
    arg = message["arg"]
    channel, venue_symbol = _named(arg)
    reader = READERS.get(channel)
    return reader(message, venue_symbol) if reader is not None and arg["instType"] in SPOT else ()


def parse_instruments(body: str) -> list[Instrument]:
    """The markets of a `/spot/public/symbols` response that are open to everyone."""
    return [
        Instrument(market["symbol"], market["baseCoin"], market["quoteCoin"])
        for market in _response(body)["data"]
        if market["status"] == "online"
    ]


def parse_candles(body: str) -> list[Candle]:
    """The closed candles of a `/spot/market/candles` response, oldest first."""
    response = _response(body)
    candles = sorted(
        Candle(int(start), float(opened), float(high), float(low), float(close), float(volume))
        for start, opened, high, low, close, volume, *_ in response["data"]
    )
    return [candle for candle in candles if candle.start + MINUTE <= int(response["requestTime"])]


def checksum(book: Book) -> int:
    """CRC32, signed, of the 25 best levels of each side as Bitget wrote them: a bid, an ask, a bid, an ask …"""
    pairs = zip_longest(book.bids.top(CHECKED_LEVELS), book.asks.top(CHECKED_LEVELS), fillvalue=())
    unsigned = crc32(":".join([text for pair in pairs for level in pair for text in level]).encode())
    return unsigned - 2**32 if unsigned >= 2**31 else unsigned


def _response(body: str) -> dict[str, Any]:
    """The answer of Bitget's REST. Raises SourceLost where it says why it gives none."""
    response: dict[str, Any] = ujson.loads(body)
    if response["code"] != "00000":
        raise SourceLost(f"Bitget gave no answer: {response['msg']} (code {response['code']})")
    return response


def _named(arg: dict[str, str]) -> tuple[str, str]:
    """The channel and the venue symbol a frame is about."""
    return (arg["channel"], arg["instId"]) if "channel" in arg else (arg["topic"], arg["symbol"])


def _books(message: dict[str, Any], venue_symbol: str) -> Sequence[Event]:
    snapshot = message["action"] == "snapshot"
    return [_book(data, venue_symbol, snapshot) for data in message["data"]]


def _book(data: dict[str, Any], venue_symbol: str, snapshot: bool) -> BookSnapshot | BookDelta:
    bids, asks = (data["b"], data["a"]) if "b" in data else (data["bids"], data["asks"])
    sequence, timestamp = data.get("seq"), int(data["ts"])
    if snapshot:
        return BookSnapshot(venue_symbol, bids, asks, sequence, None, timestamp)
    # 0: no checksum.
    return BookDelta(venue_symbol, bids, asks, data.get("pseq"), sequence, data.get("checksum") or None, timestamp)


def _trades(message: dict[str, Any], venue_symbol: str) -> Sequence[Event]:
    # The newest trade comes first.
    return [_trade(trade, venue_symbol) for trade in reversed(message["data"])]


def _trade(trade: dict[str, str] | list[str], venue_symbol: str) -> Trade:
    if isinstance(trade, list):
        timestamp, price, quantity, side = trade
        number = "-".join(trade)
    elif "tradeId" in trade:
        number, price, quantity = trade["tradeId"], trade["price"], trade["size"]
        side, timestamp = trade["side"], trade["ts"]
    else:
        number, price, quantity, side, timestamp = (trade[name] for name in "ipvST")
    taker: Side = "sell" if side == "sell" else "buy"
    return Trade(venue_symbol, number, float(price), float(quantity), taker, int(timestamp))


def _tickers(message: dict[str, Any], venue_symbol: str) -> Sequence[Event]:
    return [_ticker(data, venue_symbol, message.get("ts")) for data in message["data"]]


def _ticker(data: dict[str, Any], venue_symbol: str, sent: Any) -> Ticker:
    # Bitget's change24h is not the change from open24h: it can even have the other sign.
    names = V3_FIGURES if "lastPrice" in data else V2_FIGURES if "lastPr" in data else V1_FIGURES
    last, opened, volume, quote_volume = (float(data[name]) for name in names)
    return Ticker(venue_symbol, last, opened, volume, quote_volume, int(data.get("ts", sent)))


def _answer(message: dict[str, Any]) -> Sequence[Event]:
    """What Bitget says to a request: one answer for each channel and symbol. In v3 a refusal names them in `msg`."""
    channel, venue_symbol = _named(message["arg"]) if "arg" in message else ("subscribe", "")
    if message["event"] == "error":
        return (Refused(venue_symbol, channel, f"{message['msg']} (code {message['code']})"),)
    return (Subscribed(venue_symbol, channel),) if message["event"] == "subscribe" else ()


READERS: dict[str, Callable[[dict[str, Any], str], Sequence[Event]]] = {
    "books": _books,
    "ticker": _tickers,
    "trade": _trades,
    "publicTrade": _trades,
}
