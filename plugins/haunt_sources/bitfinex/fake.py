"""Bitfinex's WebSocket and REST as a fake speaks them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import Any
from zlib import crc32

from haunt.testing import Ask, Channel, Deal, Delta, Dialect, FakeExchange, Figures, Frame, Level, Request, Snapshot

CHANNELS: dict[str, Channel] = {"book": "book", "trades": "trades", "ticker": "ticker"}
CHECKED_LEVELS = 25


class BitfinexDialect(Dialect):
    """Every frame of a connection has a number, and every channel of it too, which its frames are known by.

    Frames are made as text: Bitfinex sends numbers, and a checksum is made of their digits.
    """

    symbol = "t{base}{quote}"
    checksummed = True

    def __init__(self, venue: FakeExchange) -> None:
        super().__init__(venue)
        self._frames = 0
        self._next_channel = 200_000
        self._channels: dict[tuple[str, str], int] = {}

    def respond(self, request: Request) -> Frame:
        match request.path.strip("/").split("/"):
            case ["v2", "conf", "pub:list:pair:exchange,pub:map:currency:sym"]:
                pairs = [instrument.venue_symbol[1:] for instrument in self.venue.instruments]
                return [[*pairs, "TESTBTC:TESTUSD"], [["UST", "USDt"]]]
            case ["v2", "candles", key, "hist"]:
                start, end, limit = (int(request.query[name]) for name in ("start", "end", "limit"))
                candles = self.venue.candles(key.rpartition(":")[2], start, end + 1)[:limit]
                return [[one.start, one.open, one.close, one.high, one.low, one.volume] for one in candles]

    def welcome(self) -> Iterator[Frame]:
        yield {"event": "info", "version": 2, "serverId": "fake", "platform": {"status": 1}}

    def asks(self, message: Any) -> Iterator[Ask]:
        if message["event"] == "subscribe":
            yield Ask(CHANNELS[message["channel"]], message["symbol"], depth=_depth(message))
        elif message["event"] == "unsubscribe":
            for (channel, symbol), number in self._channels.items():
                if number == message["chanId"]:
                    yield Ask(CHANNELS[channel], symbol, ends=True)

    def accept(self, message: Any, asks: Sequence[Ask]) -> Iterator[Frame]:
        (ask,) = asks
        if ask.ends:
            yield {"event": "unsubscribed", "status": "OK", "chanId": self._channels.pop((ask.channel, ask.symbol))}
            return
        self._next_channel += 1
        self._channels[ask.channel, ask.symbol] = self._next_channel
        yield message | {"event": "subscribed", "chanId": self._next_channel, "pair": ask.symbol[1:]}

    def refuse(self, message: Any, asks: Sequence[Ask]) -> Iterator[Frame]:
        yield message | {"event": "error", "msg": "symbol: invalid", "code": 10300}

    def answer(self, message: Any) -> list[Frame] | None:
        if message["event"] == "conf":
            return [{"event": "conf", "status": "OK", "flags": message["flags"]}]
        return [{"event": "pong", "ts": self.venue.milliseconds()}] if message["event"] == "ping" else None

    def heartbeat(self) -> Iterator[Frame]:
        for channel, symbol in self._channels:
            yield self._frame(channel, symbol, '"hb"')

    def snapshot(self, snapshot: Snapshot) -> Iterator[Frame]:
        yield self._frame("book", snapshot.symbol, f"[{_levels(snapshot)}]")

    def delta(self, delta: Delta) -> Iterator[Frame]:
        yield self._frame("book", delta.symbol, f"[{_levels(delta)}]")
        # Bitfinex sends one every few seconds.
        yield self._frame("book", delta.symbol, f'"cs",{_checksum(delta.after)}')

    def trades(self, deals: Sequence[Deal], *, first: bool) -> Iterator[Frame]:
        if first:
            yield self._frame("trades", deals[0].symbol, f"[{','.join(map(_trade, reversed(deals)))}]")
            return
        for deal in deals:
            for kind in ("te", "tu"):
                yield self._frame("trades", deal.symbol, f'"{kind}",{_trade(deal)}')

    def ticker(self, figures: Figures) -> Iterator[Frame]:
        last, opened = float(figures.last), float(figures.open)
        change = f"{last - opened:.8f},{(last - opened) / opened:.4f}"
        tops = f"{figures.bid[0]},{figures.bid[1]},{figures.ask[0]},{figures.ask[1]}"
        text = f"[{tops},{change},{figures.last},{figures.volume},{figures.high},{figures.low}]"
        yield self._frame("ticker", figures.symbol, text)

    def farewell(self) -> Iterator[Frame]:
        yield {"event": "info", "code": 20051, "msg": "Stopping. Please try to reconnect"}

    def _frame(self, channel: str, symbol: str, data: str) -> str:
        self._frames += 1
        return f"[{self._channels[channel, symbol]},{data},{self._frames},{self.venue.milliseconds()}]"


def _depth(message: Any) -> int | None:
    return int(message["len"]) if message["channel"] == "book" else None


def _levels(data: Snapshot | Delta) -> str:
    return ",".join([_level(level, "") for level in data.bids] + [_level(level, "-") for level in data.asks])


def _level(level: Level, sign: str) -> str:
    price, quantity = level
    return f"[{price},1,{sign}{quantity}]" if float(quantity) else f"[{price},0,{sign}1]"


def _checksum(book: Snapshot) -> int:
    bids = [f"{price}:{quantity}" for price, quantity in book.bids[:CHECKED_LEVELS]]
    asks = [f"{price}:-{quantity}" for price, quantity in book.asks[:CHECKED_LEVELS]]
    texts = [text for pair in zip_longest(bids, asks) for text in pair if text is not None]
    unsigned = crc32(":".join(texts).encode())
    return unsigned - 2**32 if unsigned >= 2**31 else unsigned


def _trade(deal: Deal) -> str:
    sign = "-" if deal.side == "sell" else ""
    return f"[{deal.id},{deal.time},{sign}{deal.quantity},{deal.price}]"
