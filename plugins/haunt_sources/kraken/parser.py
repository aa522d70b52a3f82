"""Kraken's frames (WebSocket v2) and responses as events, and its checksum.

https://docs.kraken.com/exchange/api-reference/spot-websocket
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from json import JSONDecoder
from typing import Any
from zlib import crc32

from haunt import (
    Book,
    BookDelta,
    BookSnapshot,
    Candle,
    Event,
    Instrument,
    Level,
    Refused,
    SourceLost,
    Subscribed,
    Ticker,
    Trade,
    milliseconds,
)

CHECKED_LEVELS = 10
# REST still has these two by their old names; the stream does not know them.
NEW_NAMES = {"XBT": "BTC", "XDG": "DOGE"}
OLD_NAMES = {new: old for old, new in NEW_NAMES.items()}


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not a number")


# The checksum is made from the digits as they were sent, zeros at the end included.
_decode = JSONDecoder(parse_float=str, parse_int=str, parse_constant=_refuse).decode


def parse(frame: str | bytes) -> Iterable[Event]:
    """The events of one frame. Heartbeats, pongs and the status of the exchange say nothing."""
    try:
        message = _decode(frame if isinstance(frame, str) else frame.decode())
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if type(message) is not dict:
        raise TypeError("a frame must be an object")
    reader = READERS.get(message.get("channel"))
    if reader is None:
        return _answer(message)
    kind = message["type"]
    return [reader(kind, data) for data in message["data"]]


def parse_instruments(body: str) -> list[Instrument]:
    """The markets of an `/AssetPairs` response that are online.

    Raises SourceLost where Kraken says why it gives none.
    """
    instruments = []
    for market in _result(body).values():
        # A pair without a wsname is not in the stream; tokenized stocks are another class of asset.
        if market.get("status") == "online" and market.get("wsname") and market.get("aclass_base") == "currency":
            base, quote = (NEW_NAMES.get(name, name) for name in market["wsname"].split("/"))
            instruments.append(Instrument(f"{base}/{quote}", base, quote))
    return instruments


def parse_candles(body: str, start: int, end: int) -> list[Candle]:
    """The candles of an `/OHLC` response that begin in [start, end), oldest first.

    Raises SourceLost where Kraken says why it gives none.
    """
    (rows,) = (rows for name, rows in _result(body).items() if name != "last")
    return [candle for candle in map(_candle, rows) if start <= candle.start < end]


def pair(venue_symbol: str) -> str:
    """What REST calls a market: `XBTUSD`."""
    return "".join(OLD_NAMES.get(name, name) for name in venue_symbol.split("/"))


def checksum(book: Book) -> int:
    """CRC32 of the digits of the ten best asks, then of the ten best bids."""
    levels = book.asks.top(CHECKED_LEVELS) + book.bids.top(CHECKED_LEVELS)
    return crc32("".join([_digits(number) for level in levels for number in level]).encode())


def _digits(number: str) -> str:
    return f"{number}".replace(".", "").lstrip("0")


def _result(body: str) -> dict[str, Any]:
    response = _decode(body)
    if response.get("error"):
        raise SourceLost(f"Kraken refused: {', '.join(response['error'])}")
    result: dict[str, Any] = response["result"]
    return result


def _candle(row: list[str]) -> Candle:
    start, opened, high, low, close, _, volume, _ = map(float, row)
    return Candle(int(start) * 1_000, opened, high, low, close, volume)


def _book(kind: str, data: dict[str, Any]) -> BookSnapshot | BookDelta:
    bids, asks = _levels(data["bids"]), _levels(data["asks"])
    checksum = int(data["checksum"]) if "checksum" in data else None
    timestamp = milliseconds(data["timestamp"])
    if kind == "snapshot":
        return BookSnapshot(data["symbol"], bids, asks, None, checksum, timestamp)
    return BookDelta(data["symbol"], bids, asks, None, None, checksum, timestamp)


def _levels(levels: list[dict[str, str]]) -> list[Level]:
    return [(level["price"], level["qty"]) for level in levels]


def _trade(kind: str, data: dict[str, Any]) -> Trade:
    return Trade(
        data["symbol"],
        data["trade_id"],
        float(data["price"]),
        float(data["qty"]),
        "sell" if data["side"] == "sell" else "buy",
        milliseconds(data["timestamp"]),
    )


def _ticker(kind: str, data: dict[str, Any]) -> Ticker:
    last, volume = float(data["last"]), float(data["volume"])
    # change_pct has two decimals only, too few for the price of a day ago.
    open_24h = last - float(data["change"])
    return Ticker(data["symbol"], last, open_24h, volume, volume * float(data["vwap"]), milliseconds(data["timestamp"]))


def _answer(message: dict[str, Any]) -> Sequence[Event]:
    """What Kraken says to a request: one answer for each symbol."""
    if "error" in message:
        return (Refused(message.get("symbol", ""), str(message.get("method")), str(message["error"])),)
    if message.get("method") != "subscribe":
        return ()
    result = message["result"]
    depth = int(result["depth"]) if "depth" in result else None
    return (Subscribed(result["symbol"], result["channel"], depth),)


READERS: dict[Any, Callable[[str, dict[str, Any]], Event]] = {"book": _book, "ticker": _ticker, "trade": _trade}
