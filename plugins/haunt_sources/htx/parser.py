"""HTX's frames and responses as events.

https://www.htx.com/en-us/opend/newApiPages/
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Sequence
from json import JSONDecoder
from typing import Any

from haunt import BookSnapshot, Candle, Event, Instrument, Quote, Refused, SourceLost, Subscribed, Ticker, Trade

LONGEST_FRAME = 16 * 1024 * 1024
MINUTE = 60_000
GZIP = 31  # zlib's word for it


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not a number")


# Ids of trades have 24 digits, and a level is its own text.
_decode = JSONDecoder(parse_float=str, parse_int=str, parse_constant=_refuse).decode


def decode(frame: str | bytes) -> dict[str, Any]:
    """The message of a frame, its numbers as text. HTX compresses every frame."""
    try:
        message = _decode(frame if isinstance(frame, str) else _uncompressed(frame))
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if type(message) is not dict:
        raise TypeError("a frame must be an object")
    return message


def parse(frame: str | bytes) -> Iterable[Event]:
    """The events of one frame."""
    return parse_message(decode(frame))


def parse_message(message: dict[str, Any]) -> Iterable[Event]:
    """The events of one message. Pings say nothing."""
    topic = message.get("ch")
    if topic is None:
        return _answer(message)
    venue_symbol, channel = _market(topic)
    reader = READERS.get(channel)
    return () if reader is None else reader(venue_symbol, message)


def parse_instruments(body: str) -> list[Instrument]:
    """The markets of a `/common/symbols` response that are open. Those with an underlying are leveraged tokens."""
    return [
        Instrument(market["symbol"], market["base-currency"].upper(), market["quote-currency"].upper())
        for market in _data(body)["data"]
        if market["state"] == "online" and "underlying" not in market
    ]


def parse_candles(body: str) -> list[Candle]:
    """The closed candles of a `/history/kline` response, oldest first."""
    response = _data(body)
    running = int(response["ts"]) - MINUTE
    return [candle for candle in map(_candle, reversed(response["data"])) if candle.start <= running]


def _uncompressed(frame: bytes) -> str:
    unpacking = zlib.decompressobj(GZIP)
    try:
        text = unpacking.decompress(frame, LONGEST_FRAME)
    except zlib.error as error:
        raise ValueError(f"not compressed as it should be: {error}") from None
    if not unpacking.eof:
        raise ValueError("cut off, or too long")
    return text.decode()


def _candle(data: dict[str, str]) -> Candle:
    opened, high, low, close, volume = (float(data[name]) for name in ("open", "high", "low", "close", "amount"))
    return Candle(int(data["id"]) * 1000, opened, high, low, close, volume)


def _data(body: str) -> dict[str, Any]:
    response = _decode(body)
    if response.get("status") != "ok":
        raise SourceLost(f"HTX gave an error: {response.get('err-msg')} ({response.get('err-code')})")
    return dict(response)


def _market(topic: str) -> tuple[str, str]:
    """`market.btcusdt.depth.step0` → `btcusdt` and `depth.step0`."""
    if type(topic) is not str:
        raise TypeError("a topic must be a text")
    _, venue_symbol, channel = topic.split(".", 2)
    return venue_symbol, channel


def _book(venue_symbol: str, message: dict[str, Any]) -> Sequence[Event]:
    if message.get("update"):
        raise ValueError("changes of a book that are not numbered")
    tick = message["tick"]
    sequence = int(tick["version"] if "version" in tick else tick["seqNum"])
    return (BookSnapshot(venue_symbol, tick["bids"], tick["asks"], sequence, None, int(message["ts"])),)


def _quote(venue_symbol: str, message: dict[str, Any]) -> Sequence[Event]:
    tick = message["tick"]
    return (Quote(venue_symbol, float(tick["bid"]), float(tick["ask"]), int(tick["seqId"]), int(message["ts"])),)


def _trades(venue_symbol: str, message: dict[str, Any]) -> Iterable[Event]:
    # The newest trade comes first.
    return [
        Trade(
            venue_symbol,
            trade["tradeId"],
            float(trade["price"]),
            float(trade["amount"]),
            "sell" if trade["direction"] == "sell" else "buy",
            int(trade["ts"]),
        )
        for trade in reversed(message["tick"]["data"])
    ]


def _ticker(venue_symbol: str, message: dict[str, Any]) -> Sequence[Event]:
    tick = message["tick"]
    # `amount` is in base units, `vol` in the quote currency; `open` is the price a day ago.
    last, open_24h, volume, quote_volume = (float(tick[name]) for name in ("close", "open", "amount", "vol"))
    return (Ticker(venue_symbol, last, open_24h, volume, quote_volume, int(message["ts"])),)


def _answer(message: dict[str, Any]) -> Sequence[Event]:
    """What HTX says to a request, whose id is its topic."""
    if "subbed" in message:
        return (Subscribed(*_market(message["subbed"])),)
    if message.get("status") != "error":
        return ()
    topic = message.get("id") or ""
    venue_symbol, channel = _market(topic) if "." in topic else ("", str(topic))
    return (Refused(venue_symbol, channel, f"{message['err-msg']} ({message.get('err-code')})"),)


READERS: dict[str, Callable[[str, dict[str, Any]], Iterable[Event]]] = {
    "depth.step0": _book,
    "mbp.refresh.5": _book,
    "mbp.refresh.10": _book,
    "mbp.refresh.20": _book,
    "bbo": _quote,
    "trade.detail": _trades,
    "detail": _ticker,
}
