"""OKX's frames (WebSocket v5) and responses as events, and its checksum.

https://www.okx.com/docs-v5/en/#order-book-trading-market-data
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit
from zlib import crc32

import ujson

from haunt import (
    Book,
    BookDelta,
    BookSnapshot,
    Candle,
    Event,
    Farewell,
    Instrument,
    Refused,
    SourceLost,
    Subscribed,
    Ticker,
    Trade,
)

CHECKED_LEVELS = 25
CLOSES_SOON = "64008"
# An error names what it refuses in its sentence alone.
REFUSED = re.compile(r"channel:(\S+),instId:(\S+) doesn't exist")


def parse(frame: str | bytes) -> Sequence[Event]:
    """The events of one frame.

    Raises Farewell when OKX announces that it is about to close the connection.
    """
    if frame == "pong":
        return ()
    message = ujson.loads(frame)
    if type(message) is not dict:
        raise TypeError("a frame must be an object")
    if "event" in message:
        return _answer(message)
    reader = READERS.get(message["arg"]["channel"])
    if reader is None:
        return ()
    venue_symbol, kind = message["arg"]["instId"], message.get("action")
    return [reader(venue_symbol, kind, data) for data in message["data"]]


def parse_response(url: str, body: str) -> Sequence[Event]:
    """The book of a `/market/books` response; its symbol is known from the URL alone."""
    (venue_symbol,) = parse_qs(urlsplit(url).query)["instId"]
    (book,) = _data(body)
    timestamp = int(book["ts"])
    return (BookSnapshot(venue_symbol, book["bids"], book["asks"], int(book["seqId"]), None, timestamp, apart=True),)


def parse_instruments(body: str) -> list[Instrument]:
    """The spot markets of a `/public/instruments` response that are open for trading."""
    return [
        Instrument(market["instId"], market["baseCcy"], market["quoteCcy"])
        for market in _data(body)
        if market["instType"] == "SPOT" and market["state"] == "live"
    ]


def parse_candles(body: str) -> list[Candle]:
    """The closed candles of a `/market/candles` response of a spot market, oldest first."""
    return [_candle(figures) for *figures, closed in reversed(_data(body)) if closed == "1"]


def checksum(book: Book) -> int:
    """The signed CRC32 of the 25 best bids and asks in turn, as they were sent.

    OKX has sent zero since June 2026, which is none; recordings made before hold it.
    """
    bids, asks = book.bids.top(CHECKED_LEVELS), book.asks.top(CHECKED_LEVELS)
    texts = [f"{bid[0]}:{bid[1]}:{ask[0]}:{ask[1]}" for bid, ask in zip(bids, asks, strict=False)]
    pairs = len(texts)
    texts += [f"{level[0]}:{level[1]}" for level in bids[pairs:] + asks[pairs:]]
    value = crc32(":".join(texts).encode())
    return value - 2**32 if value >= 2**31 else value


def _data(body: str) -> list[Any]:
    """Raises SourceLost where OKX says why it gives none."""
    response = ujson.loads(body)
    if response["code"] != "0":
        raise SourceLost(f"OKX refused: {response.get('msg')} (code {response['code']})")
    data: list[Any] = response["data"]
    return data


def _candle(figures: list[str]) -> Candle:
    opened, high, low, close, volume = map(float, figures[1:6])
    return Candle(int(figures[0]), opened, high, low, close, volume)


def _book(venue_symbol: str, kind: str | None, book: dict[str, Any]) -> BookSnapshot | BookDelta:
    bids, asks, sequence, proof = book["bids"], book["asks"], book.get("seqId"), book.get("checksum") or None
    timestamp = int(book["ts"])
    if kind == "snapshot":
        return BookSnapshot(venue_symbol, bids, asks, sequence, proof, timestamp)
    return BookDelta(venue_symbol, bids, asks, book.get("prevSeqId"), sequence, proof, timestamp)


def _trade(venue_symbol: str, kind: str | None, trade: dict[str, Any]) -> Trade:
    return Trade(
        venue_symbol,
        trade["tradeId"],
        float(trade["px"]),
        float(trade["sz"]),
        "sell" if trade["side"] == "sell" else "buy",
        int(trade["ts"]),
    )


def _ticker(venue_symbol: str, kind: str | None, ticker: dict[str, Any]) -> Ticker:
    # volCcy24h is in the quote currency for spot alone.
    base, quote = float(ticker["vol24h"]), float(ticker["volCcy24h"])
    return Ticker(venue_symbol, float(ticker["last"]), float(ticker["open24h"]), base, quote, int(ticker["ts"]))


def _answer(message: dict[str, Any]) -> Sequence[Event]:
    """What OKX says to a request, one answer for each channel, or about the connection."""
    event = message["event"]
    if event == "subscribe":
        return (Subscribed(message["arg"]["instId"], message["arg"]["channel"]),)
    if event == "notice" and message["code"] == CLOSES_SOON:
        raise Farewell("OKX is about to close the connection")
    if event != "error":
        return ()
    reason = f"{message['msg']} (code {message['code']})"
    named = REFUSED.search(reason)
    channel, venue_symbol = named.groups() if named else ("subscribe", "")
    return (Refused(venue_symbol, channel, reason),)


READERS: dict[Any, Callable[[str, str | None, dict[str, Any]], Event]] = {
    "books": _book,
    "trades": _trade,
    "tickers": _ticker,
}
