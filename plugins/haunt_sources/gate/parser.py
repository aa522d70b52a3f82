"""Gate's frames and responses as events.

https://www.gate.com/docs/developers/apiv4/ws/en/
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit

import ujson

from haunt import BookDelta, BookSnapshot, Candle, Event, Instrument, Refused, Subscribed, Ticker, Trade


def parse(frame: str | bytes) -> Sequence[Event]:
    """The events of one frame. Pongs and answers to an unsubscription say nothing."""
    message = ujson.loads(frame)
    if type(message) is not dict:
        raise TypeError("a frame must be an object")
    if message.get("event") != "update":
        return _answer(message)
    reader = READERS.get(message["channel"])
    return () if reader is None else (reader(message, message["result"]),)


def parse_response(url: str, body: str) -> Sequence[Event]:
    """The book of an `/order_book` response; its market, and how many levels of it are known, stand in the URL."""
    query = parse_qs(urlsplit(url).query)
    (venue_symbol,), (depth,) = query["currency_pair"], query["limit"]
    book = ujson.loads(body)
    snapshot = BookSnapshot(venue_symbol, book["bids"], book["asks"], book["id"], None, book.get("update"), apart=True)
    return Subscribed(venue_symbol, "spot.order_book_update", int(depth)), snapshot


def parse_instruments(body: str) -> list[Instrument]:
    """The markets of a `/currency_pairs` response that are open for buying and selling."""
    return [
        Instrument(pair["id"], pair["base"], pair["quote"])
        for pair in ujson.loads(body)
        if pair["trade_status"] == "tradable" and pair.get("type", "normal") == "normal"
    ]


def parse_candles(body: str) -> list[Candle]:
    """The closed candles of a `/candlesticks` response, oldest first."""
    return [
        Candle(int(start) * 1000, float(opened), float(high), float(low), float(close), float(volume))
        for start, _, close, high, low, opened, volume, closed in ujson.loads(body)
        if closed == "true"
    ]


def _book(message: dict[str, Any], data: dict[str, Any]) -> BookSnapshot | BookDelta:
    venue_symbol, _ = _market(data["s"])
    bids, asks = data.get("b") or [], data.get("a") or []
    if data.get("full"):
        return BookSnapshot(venue_symbol, bids, asks, data["u"], None, data["t"])
    return BookDelta(venue_symbol, bids, asks, data["U"] - 1, data["u"], None, data["t"])


def _trade(message: dict[str, Any], data: dict[str, Any]) -> Trade:
    return Trade(
        data["currency_pair"],
        str(data["id"]),
        float(data["price"]),
        float(data["amount"]),
        "sell" if data["side"] == "sell" else "buy",
        int(float(data["create_time_ms"])),
    )


def _ticker(message: dict[str, Any], data: dict[str, Any]) -> Ticker:
    last = float(data["last"])
    # Percent: -2.2192 is -2.2192 %.
    ratio = 1 + float(data["change_percentage"]) / 100
    return Ticker(
        data["currency_pair"],
        last,
        last / ratio if ratio > 0 else None,
        float(data["base_volume"]),
        float(data["quote_volume"]),
        message.get("time_ms") or message["time"] * 1000,
    )


def _answer(message: dict[str, Any]) -> Sequence[Event]:
    """What Gate says to a request for one market: that it is granted, or why not."""
    channel, payload, error = str(message.get("channel")), message.get("payload"), message.get("error")
    venue_symbol, depth = _market(payload[0]) if payload else ("", None)
    if error:
        return (Refused(venue_symbol, channel, f"{error['message']} (code {error['code']})"),)
    if venue_symbol and message.get("event") == "subscribe":
        return (Subscribed(venue_symbol, channel, depth),)
    return ()


def _market(topic: str) -> tuple[str, int | None]:
    """`BTC_USDT` is a market; so is `ob.BTC_USDT.400`, with the levels of its book."""
    if topic[:3] != "ob.":
        return topic, None
    venue_symbol, depth = topic[3:].rsplit(".", 1)
    return venue_symbol, int(depth)


READERS: dict[Any, Callable[[dict[str, Any], dict[str, Any]], Event]] = {
    "spot.obu": _book,
    "spot.order_book_update": _book,
    "spot.trades": _trade,
    "spot.tickers": _ticker,
}
