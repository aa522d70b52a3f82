"""The messages of the protocol: what a client may say, and what Haunt says, as JSON text."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NoReturn, TypeAlias, get_args

import ujson

from haunt.errors import ErrorCode, RequestError
from haunt.market.published import CompositePrice, Doubt, MergedBook, Signal
from haunt.stream.messages import (
    DEEPEST_BOOK,
    LARGEST_INTEGER,
    LONGEST_ID,
    MOST_SYMBOLS,
    SLOWEST_THROTTLE_MS,
    Acknowledgement,
    Channel,
    Error,
    ExtendedOrderbookUpdate,
    ExtendedPriceUpdate,
    ExtendedSignalUpdate,
    Level,
    OrderbookUpdate,
    Pong,
    PriceUpdate,
    ServerStatus,
    SignalUpdate,
    VenueLevel,
)

CHANNELS: tuple[Channel, ...] = get_args(Channel)
DEFAULT_CHANNELS: tuple[Channel, ...] = ("price", "signal")
RequestId: TypeAlias = str | int | None

LONGEST_SYMBOL = 32


@dataclass(frozen=True, slots=True)
class Subscribe:
    """`symbols` as the client wrote them. `throttle_ms` and `depth` are None where the client left them out."""

    symbols: tuple[str, ...]
    channels: tuple[Channel, ...]
    throttle_ms: int | None
    depth: int | None
    snapshot: bool
    id: RequestId


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """`channels` is None where the client named none, which means all of them."""

    symbols: tuple[str, ...]
    channels: tuple[Channel, ...] | None
    id: RequestId


@dataclass(frozen=True, slots=True)
class Ping:
    id: RequestId


Request: TypeAlias = Subscribe | Unsubscribe | Ping


# -- what a client says


def decode(message: str | bytes) -> dict[str, Any]:
    """The JSON object of one message. Raises RequestError("invalid_message") with the reason."""
    if isinstance(message, bytes):
        raise RequestError("invalid_message", "Binary messages are not understood; send text frames")
    try:
        # The standard library's decoder: it alone can be told of duplicate keys, NaN and Infinity.
        data = json.loads(message, object_pairs_hook=_without_duplicates, parse_constant=_refuse_constant)
    except RecursionError:
        raise RequestError("invalid_message", "The message is nested too deeply") from None
    except ValueError as error:
        raise RequestError("invalid_message", f"The message is not valid JSON: {error}") from None
    if not isinstance(data, dict):
        raise RequestError("invalid_message", "A message must be one JSON object")
    return data


def request_id(data: Mapping[str, Any]) -> RequestId:
    """The client's `id`. Raises RequestError where it is neither a short string nor an integer."""
    given = data.get("id")
    if given is None or (isinstance(given, str) and len(given) <= LONGEST_ID):
        return given
    if isinstance(given, int) and not isinstance(given, bool) and abs(given) <= LARGEST_INTEGER:
        return given
    raise RequestError("invalid_message", f"'id' must be an integer or a string of up to {LONGEST_ID} characters")


def parse(data: Mapping[str, Any], id: RequestId) -> Request:  # noqa: A002 - the protocol's own word
    """The request a JSON object makes. Raises RequestError; unknown fields are ignored."""
    kind = data.get("type")
    if kind == "subscribe":
        return Subscribe(
            symbols=_symbols(data),
            channels=_channels(data) or (DEFAULT_CHANNELS if _names_no_channel(data) else ()),
            throttle_ms=_whole_number(data, "throttle_ms", 0, SLOWEST_THROTTLE_MS),
            depth=_whole_number(data, "depth", 1, DEEPEST_BOOK),
            snapshot=_truth(data, "snapshot"),
            id=id,
        )
    if kind == "unsubscribe":
        return Unsubscribe(symbols=_symbols(data), channels=None if _names_no_channel(data) else _channels(data), id=id)
    if kind == "ping":
        return Ping(id=id)
    if "type" not in data:
        raise RequestError("invalid_message", "The field 'type' is missing")
    if not isinstance(kind, str):
        raise RequestError("invalid_message", "'type' must be a string")
    raise RequestError("invalid_message", f"Unknown message type '{shortened(kind)}'")


def shortened(text: str) -> str:
    """A client's own words, short enough to be said back."""
    return text if len(text) <= LONGEST_SYMBOL else text[:LONGEST_SYMBOL] + "…"


def _symbols(data: Mapping[str, Any]) -> tuple[str, ...]:
    if "symbols" not in data:
        raise RequestError("invalid_message", "The field 'symbols' is missing")
    symbols = data["symbols"]
    if not isinstance(symbols, list) or not all(isinstance(symbol, str) for symbol in symbols):
        raise RequestError("invalid_message", "'symbols' must be an array of strings")
    if len(symbols) > MOST_SYMBOLS:
        raise RequestError("invalid_message", f"'symbols' may name at most {MOST_SYMBOLS} in one message")
    return tuple(symbols)


def _names_no_channel(data: Mapping[str, Any]) -> bool:
    return data.get("channels") is None and data.get("channel") is None


def _channels(data: Mapping[str, Any]) -> tuple[Channel, ...]:
    named: list[object] = []
    channels = data.get("channels")
    if channels is not None:
        if not isinstance(channels, list):
            raise RequestError("invalid_message", "'channels' must be an array of strings")
        named.extend(channels)
    channel = data.get("channel")
    if channel is not None:
        if not isinstance(channel, str):
            raise RequestError("invalid_message", "'channel' must be a string; 'channels' takes an array")
        named.append(channel)
    for name in named:
        if name not in CHANNELS:
            words = ", ".join(CHANNELS)
            raise RequestError("invalid_message", f"Unknown channel '{shortened(str(name))}'; there are {words}")
    return tuple(channel for channel in CHANNELS if channel in named)


def _whole_number(data: Mapping[str, Any], name: str, least: int, most: int) -> int | None:
    number = data.get(name)
    if number is None:
        return None
    if isinstance(number, bool) or not isinstance(number, int) or not least <= number <= most:
        raise RequestError("invalid_message", f"'{name}' must be a whole number from {least} to {most}")
    return number


def _truth(data: Mapping[str, Any], name: str) -> bool:
    value = data.get(name)
    if value is None or isinstance(value, bool):
        return bool(value)
    raise RequestError("invalid_message", f"'{name}' must be true or false")


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) < len(pairs):
        raise ValueError("a key stands twice in one object")
    return data


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


# -- what Haunt says


def encode(message: Mapping[str, object]) -> bytes:
    """The JSON text of one message. Raises OverflowError for NaN and infinities, which are not JSON."""
    return ujson.dumps(message, escape_forward_slashes=False, allow_nan=False).encode()


def acknowledgement(
    kind: Literal["subscribed", "unsubscribed"],
    symbols: Sequence[str],
    channels: Sequence[Channel],
    rejected: Sequence[str],
    id: str | int,  # noqa: A002
) -> bytes:
    message: Acknowledgement = {
        "type": kind,
        "id": id,
        "symbols": list(symbols),
        "channels": list(channels),
        "rejected": [shortened(symbol) for symbol in rejected],
    }
    return encode(message)


def pong(timestamp: int, id: RequestId) -> bytes:  # noqa: A002
    message: Pong = {"type": "pong", "timestamp": timestamp}
    if id is not None:
        message["id"] = id
    return encode(message)


def error(code: ErrorCode, message: str, *, symbol: str | None = None, id: RequestId = None) -> bytes:  # noqa: A002
    """`id` and `symbol` are told only to a client that sent an `id`."""
    body: Error = {"type": "error", "code": code, "message": message}
    if id is not None:
        body["id"] = id
        if symbol is not None:
            body["symbol"] = shortened(symbol)
    return encode(body)


def server_status(*, connected_peers: int, active_sources: int, symbols_tracked: int, uptime_seconds: int) -> bytes:
    message: ServerStatus = {
        "type": "server_status",
        "connected_peers": connected_peers,
        "active_sources": active_sources,
        "symbols_tracked": symbols_tracked,
        "uptime_seconds": uptime_seconds,
    }
    return encode(message)


def price_update(price: CompositePrice, *, sent: int | None = None, doubt: Doubt | None = None) -> bytes:
    """`sent`: the time of sending, for clients that asked for the extended fields, and `doubt` with it; None for
    others."""
    message: PriceUpdate = {
        "type": "price_update",
        "symbol": price.symbol,
        "price": price.price,
        "change_24h": round(price.change_24h, 4),
        "volume_24h": _volume(price.volume_24h),
        "timestamp": price.timestamp,
    }
    if sent is None or doubt is None:
        return encode(message)
    extended: ExtendedPriceUpdate = {
        **message,
        "seq": price.sequence,
        "sent": sent,
        "sources": list(price.sources),
        "stale": price.stale,
        "dispersion": float(f"{doubt.dispersion:.6g}"),
        "confidence": doubt.confidence,
        "flags": list(doubt.flags),
    }
    return encode(extended)


def orderbook_update(book: MergedBook, *, sent: int | None = None) -> bytes:
    """`sent` as above, of a book that knows its venues."""
    if sent is None:
        message: OrderbookUpdate = {
            "type": "orderbook_update",
            "symbol": book.symbol,
            "bids": _levels(book.bids),
            "asks": _levels(book.asks),
            "timestamp": book.timestamp,
        }
        return encode(message)
    extended: ExtendedOrderbookUpdate = {
        "type": "orderbook_update",
        "symbol": book.symbol,
        "bids": _venue_levels(book.bids, book.bid_venues),
        "asks": _venue_levels(book.asks, book.ask_venues),
        "timestamp": book.timestamp,
        "seq": book.sequence,
        "sent": sent,
        "sources": list(book.sources),
    }
    return encode(extended)


def signal_update(signal: Signal, *, sent: int | None = None) -> bytes:
    message: SignalUpdate = {
        "type": "signal_update",
        "symbol": signal.symbol,
        "indicator": signal.indicator,
        "signal": signal.signal,
        "value": signal.value,
        "confidence": signal.confidence,
        "timestamp": signal.timestamp,
    }
    if sent is None:
        return encode(message)
    extended: ExtendedSignalUpdate = {
        **message,
        "timeframe": signal.timeframe,
        "bar_closed": True,
        "sent": sent,
        "values": dict(signal.values),
    }
    return encode(extended)


def _levels(levels: Sequence[tuple[float, float]]) -> list[Level]:
    return [{"price": price, "quantity": quantity} for price, quantity in levels]


def _venue_levels(levels: Sequence[tuple[float, float]], venues: Sequence[Mapping[str, float]]) -> list[VenueLevel]:
    return [
        {"price": price, "quantity": quantity, "venues": parts}
        for (price, quantity), parts in zip(levels, venues, strict=True)
    ]


def _volume(volume: float) -> int | float:
    """A whole number from 1000 up, so that clients that expect an integer there can parse it."""
    rounded = round(volume, 6)
    return round(volume) if rounded >= 1000 else rounded
