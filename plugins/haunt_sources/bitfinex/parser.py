"""Bitfinex's frames and responses as events, and its checksum.

https://docs.bitfinex.com/docs/ws-general
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, MutableMapping, Sequence
from itertools import zip_longest
from json import JSONDecoder
from typing import Any, NamedTuple
from zlib import crc32

from haunt import (
    Book,
    BookDelta,
    BookSnapshot,
    Candle,
    Event,
    Farewell,
    FrameNumber,
    Instrument,
    Level,
    Refused,
    SourceLost,
    Subscribed,
    Ticker,
    Trade,
)

CHECKED_LEVELS = 25
# What comes on a channel before Bitfinex says what it is: 400 frames seen, all of them together.
MOST_EARLY = 10_000
# Bitfinex asks for so many seconds of peace when it begins its maintenance.
MAINTENANCE = 120.0
ALREADY = "10301"
RECONNECT, MAINTENANCE_BEGINS, MAINTENANCE_ENDED = "20051", "20060", "20061"
# UST is Tether, which is not the coin of that name that collapsed.
NAMES = {"UST": "USDT", "UDC": "USDC"}


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not a number")


# The checksum is made from the digits as they were sent.
_decode = JSONDecoder(parse_float=str, parse_int=str, parse_constant=_refuse).decode


class Data(NamedTuple):
    """What a frame says on its channel; `kind` is empty for most."""

    kind: str
    payload: Any
    timestamp: int | None


class Channel(NamedTuple):
    name: str
    venue_symbol: str


class Reader:
    """The frames of one connection. It gives each channel a number, and data may come before it says which.

    The first of a book is the whole of it, which nothing in the frame says.
    `books`, which outlives the connection, is told the number of each market's book.
    """

    def __init__(self, books: MutableMapping[str, str]) -> None:
        self._books = books
        self._channels: dict[str, Channel] = {}
        self._begun: set[str] = set()
        self._early: list[tuple[str, Data]] = []

    def __call__(self, frame: str | bytes) -> Iterator[Event]:
        """The events of one frame, its number first. Heartbeats have nothing but their number.

        A book frame that makes no sense raises before its number is given: the gap loses the books it was for.
        Raises SourceLost when Bitfinex asks for a new connection, and for its maintenance.
        """
        try:
            message = _decode(frame if isinstance(frame, str) else frame.decode())
        except RecursionError:
            raise ValueError("nested too deeply") from None
        if type(message) is dict:
            yield from self._answer(message)
            return
        if type(message) is not list:
            raise TypeError("a frame must be an object or an array")
        number, payload, *rest = message
        if type(number) is not str or type(payload) not in (str, list):
            raise TypeError("a frame must name its channel and hold data")
        kind = ""
        if type(payload) is str:
            kind, payload = payload, None if payload == "hb" else rest.pop(0)
        data = Data(kind, payload, int(rest[1]) if len(rest) > 1 else None)
        channel = self._channels.get(number)
        events: Iterable[Event] = ()
        if channel is None:
            self._hold(number, data)
        elif kind != "hb":
            # A book is read here and now, the others are generators.
            events = self._read(number, channel, data)
        if rest:
            yield FrameNumber(int(rest[0]))
        yield from events

    def _read(self, number: str, channel: Channel, data: Data) -> Iterable[Event]:
        if channel.name != "book" or data.kind or number in self._begun:
            return READERS[channel.name](channel.venue_symbol, data)
        bids, asks = _sides(data.payload)
        self._begun.add(number)
        return (BookSnapshot(channel.venue_symbol, bids, asks, None, None, data.timestamp),)

    def _hold(self, number: str, data: Data) -> None:
        if data.kind == "hb":
            return
        if len(self._early) >= MOST_EARLY:
            raise SourceLost(f"Bitfinex does not say what its channel {number} is")
        self._early.append((number, data))

    def _answer(self, message: dict[str, Any]) -> Iterator[Event]:
        event = message["event"]
        if event == "subscribed":
            yield from self._subscribed(message["chanId"], Channel(message["channel"], message["symbol"]))
        elif event == "unsubscribed":
            self._channels.pop(message["chanId"], None)
            self._begun.discard(message["chanId"])
        elif event == "error" and message["code"] == ALREADY:
            yield Subscribed(message["symbol"], message["channel"])
        elif event == "error":
            reason = f"{message['msg']} (code {message['code']})"
            yield Refused(message.get("symbol", ""), message.get("channel", "subscribe"), reason)
        elif event == "conf" and message["status"] != "OK":
            yield Refused("", "conf", f"Bitfinex will not number its frames: {message['status']}")
        elif event == "info":
            _heed(message)

    def _subscribed(self, number: str, channel: Channel) -> Iterator[Event]:
        self._channels[number] = channel
        if channel.name == "book":
            self._books[channel.venue_symbol] = number
        yield Subscribed(channel.venue_symbol, channel.name)
        early, self._early = self._early, [held for held in self._early if held[0] != number]
        for held, data in early:
            if held == number:
                yield from self._read(number, channel, data)


def parse_instruments(body: str) -> list[Instrument]:
    """The spot markets of a `/conf/pub:list:pair:exchange,pub:map:currency:sym` response but those for tests.

    The second list, which may be missing, gives currencies the names that everyone else uses.
    """
    pairs, *others = _decode(body)
    names = NAMES | {ours: str.upper(theirs) for other in others for ours, theirs in other}
    instruments = []
    for pair in pairs:
        # A name of other than three letters is set apart by a colon.
        base, quote = pair.split(":") if ":" in pair else (pair[:3], pair[3:])
        base, quote = names.get(base, base), names.get(quote, quote)
        if not base.startswith("TEST"):
            instruments.append(Instrument(f"t{pair}", base, quote))
    return instruments


def parse_candles(body: str) -> list[Candle]:
    """The candles of a `/candles/…/hist` response that was asked for the oldest first."""
    candles = []
    for start, *figures in _decode(body):
        opened, close, high, low, volume = map(float, figures[:5])
        candles.append(Candle(int(start), opened, high, low, close, volume))
    return candles


def checksum(book: Book) -> int:
    """CRC32, signed, of the 25 best levels of each side as Bitfinex wrote them: a bid, an ask, a bid, an ask …"""
    bids = [f"{price}:{amount}" for price, amount in book.bids.top(CHECKED_LEVELS)]
    asks = [f"{price}:-{amount}" for price, amount in book.asks.top(CHECKED_LEVELS)]
    texts = [text for pair in zip_longest(bids, asks) for text in pair if text is not None]
    unsigned = crc32(":".join(texts).encode())
    return unsigned - 2**32 if unsigned >= 2**31 else unsigned


def _heed(info: dict[str, Any]) -> None:
    code = info.get("code")
    if code == RECONNECT:
        raise Farewell("Bitfinex asks for a new connection")
    if code == MAINTENANCE_ENDED:
        raise SourceLost("Bitfinex ended its maintenance, and asks to be subscribed to anew")
    if code == MAINTENANCE_BEGINS or info.get("platform") == {"status": "0"}:
        raise SourceLost("Bitfinex is under maintenance", retry_after=MAINTENANCE)


def _change(venue_symbol: str, data: Data) -> Iterable[Event]:
    kind, payload, timestamp = data
    if kind == "cs":
        return (BookDelta(venue_symbol, (), (), None, None, int(payload), timestamp),)
    if kind:
        raise ValueError(f"unknown kind {kind!r:.20} of data")
    # One level, where Bitfinex was not asked for all that change together.
    bids, asks = _sides(payload if not payload or type(payload[0]) is list else [payload])
    return (BookDelta(venue_symbol, bids, asks, None, None, None, timestamp),)


def _sides(levels: Sequence[Sequence[str]]) -> tuple[list[Level], list[Level]]:
    bids: list[Level] = []
    asks: list[Level] = []
    for level in levels:
        if type(level) is not list:
            raise TypeError("a level must be an array")
        price, count, amount, *_ = level
        side, quantity = (asks, amount[1:]) if amount[0] == "-" else (bids, amount)
        side.append((price, quantity if count != "0" else "0"))
    return bids, asks


def _trades(venue_symbol: str, data: Data) -> Iterator[Event]:
    if not data.kind:
        # The newest trade comes first.
        for trade in reversed(data.payload):
            yield _trade(venue_symbol, trade)
    elif data.kind == "te":
        # "tu" tells of the same trade a moment later.
        yield _trade(venue_symbol, data.payload)


def _trade(venue_symbol: str, trade: Sequence[str]) -> Trade:
    number, timestamp, amount, price, *_ = trade
    quantity = float(amount)
    return Trade(venue_symbol, number, float(price), abs(quantity), "sell" if quantity < 0 else "buy", int(timestamp))


def _ticker(venue_symbol: str, data: Data) -> Iterator[Event]:
    *_, change, _, last, volume = map(float, data.payload[:8])
    yield Ticker(venue_symbol, last, last - change, volume, None, data.timestamp)


READERS: dict[str, Callable[[str, Data], Iterable[Event]]] = {"book": _change, "ticker": _ticker, "trades": _trades}
