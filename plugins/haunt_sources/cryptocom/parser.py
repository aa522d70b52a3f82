"""Crypto.com's frames and responses as events.

https://exchange-developer.crypto.com/exchange/v1

Frames of today hold every number as text. Those of 2021 and 2022, with bare numbers and a whole book each time, are
read too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import ujson

from haunt import (
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
)

# The `id` of what comes unasked. The first frame of a ticker or of trades has the request's, and is its confirmation.
UNASKED = -1
MINUTE = 60_000


def parse(frame: str | bytes) -> Iterable[Event]:
    """The events of one frame. A heartbeat says nothing, but wants an answer: see `heartbeat_answer`."""
    message = ujson.loads(frame)
    if type(message) is not dict:
        raise TypeError("a frame must be an object")
    result = message.get("result")
    if result is None:
        return _answer(message)
    channel, venue_symbol = result["channel"], result["instrument_name"]
    reader = READERS.get(channel)
    if reader is None:
        return ()
    events = reader(venue_symbol, result["data"])
    if message.get("id", UNASKED) != UNASKED:
        events.append(Subscribed(venue_symbol, channel))
    return events


def heartbeat_answer(frame: str | bytes) -> str | None:
    """What Crypto.com wants to hear at once on the same connection when this frame is its heartbeat."""
    if not isinstance(frame, str) or "public/heartbeat" not in frame:
        return None
    answer = {"id": ujson.loads(frame)["id"], "method": "public/respond-heartbeat"}
    return ujson.dumps(answer, escape_forward_slashes=False)


def parse_instruments(body: str) -> list[Instrument]:
    """The spot markets of a `/public/get-instruments` response that are open for trading."""
    return [
        Instrument(market["symbol"], market["base_ccy"], market["quote_ccy"])
        for market in _response(body)
        if market["inst_type"] == "CCY_PAIR" and market.get("tradable")
    ]


def parse_candles(body: str, now: int) -> list[Candle]:
    """The candles of a `/public/get-candlestick` response that are closed at `now`, oldest first."""
    return sorted(
        Candle(
            candle["t"],
            float(candle["o"]),
            float(candle["h"]),
            float(candle["l"]),
            float(candle["c"]),
            float(candle["v"]),
        )
        for candle in _response(body)
        if candle["t"] + MINUTE <= now
    )


def _response(body: str) -> list[dict[str, Any]]:
    """The data of an answer of Crypto.com's REST. Raises SourceLost where it says why it gives none."""
    response = ujson.loads(body)
    if int(response["code"]):
        raise SourceLost(f"Crypto.com gave no answer: {response.get('message')} (code {response['code']})")
    data: list[dict[str, Any]] = response["result"]["data"]
    return data


def _books(venue_symbol: str, data: list[dict[str, Any]]) -> list[Event]:
    return [
        BookSnapshot(venue_symbol, _levels(book["bids"]), _levels(book["asks"]), book.get("u"), None, book["t"])
        for book in data
    ]


def _changes(venue_symbol: str, data: list[dict[str, Any]]) -> list[Event]:
    return [
        BookDelta(
            venue_symbol,
            _levels(change["update"]["bids"]),
            _levels(change["update"]["asks"]),
            change["pu"],
            change["u"],
            # Nobody says what `cs` is computed from.
            None,
            change["t"],
        )
        for change in data
    ]


def _levels(levels: list[tuple[str, str, str]]) -> list[Level]:
    return [(f"{price}", f"{quantity}") for price, quantity, _ in levels]


def _trades(venue_symbol: str, data: list[dict[str, Any]]) -> list[Event]:
    # The newest trade comes first.
    return [
        Trade(
            venue_symbol,
            str(trade["d"]),
            float(trade["p"]),
            float(trade["q"]),
            "sell" if trade["s"] == "SELL" else "buy",
            trade["t"],
        )
        for trade in reversed(data)
    ]


def _tickers(venue_symbol: str, data: list[dict[str, Any]]) -> list[Event]:
    # A market that never traded has no last price.
    return [_ticker(venue_symbol, figures) for figures in data if figures["a"] is not None]


def _ticker(venue_symbol: str, figures: dict[str, Any]) -> Ticker:
    last = float(figures["a"])
    # vv is in US dollars, whatever the market is quoted in.
    quote_volume = float(figures["vv"]) if venue_symbol[-4:] == "_USD" else None
    return Ticker(venue_symbol, last, _open_24h(last, figures["c"]), float(figures["v"]), quote_volume, figures["t"])


def _open_24h(last: float, change: str | float | None) -> float | None:
    """The change is a ratio today; in frames of bare numbers it is the difference of the prices."""
    if change is None:
        return None
    if not isinstance(change, str):
        return last - change
    ratio = 1 + float(change)
    return last / ratio if ratio > 0 else None


def _answer(message: dict[str, Any]) -> Sequence[Event]:
    """What Crypto.com says to a request: one answer for each channel it names."""
    method, code = message["method"], message.get("code", 0)
    kind, _, rest = str(message.get("channel", "")).partition(".")
    venue_symbol = rest.partition(".")[0]
    if code:
        return (Refused(venue_symbol, kind or method, f"{message.get('message')} (code {code})"),)
    return (Subscribed(venue_symbol, kind),) if venue_symbol and method == "subscribe" else ()


READERS: dict[str, Callable[[str, list[dict[str, Any]]], list[Event]]] = {
    "book": _books,
    "book.update": _changes,
    "ticker": _tickers,
    "trade": _trades,
}
