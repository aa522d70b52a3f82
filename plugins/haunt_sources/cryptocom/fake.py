"""Crypto.com's WebSocket and REST as a fake speaks them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from haunt.testing import Ask, Channel, Deal, Delta, Dialect, FakeExchange, Figures, Frame, Level, Request, Snapshot

CHANNELS: dict[str, Channel] = {"book": "book", "trade": "trades", "ticker": "ticker"}
NAMES = {channel: name for name, channel in CHANNELS.items()}
# The numbers of a book are far apart.
STEP = 16_384


class CryptocomDialect(Dialect):
    """Books come whole in the stream, and every change has the number of the one before."""

    symbol = "{base}_{quote}"

    def __init__(self, venue: FakeExchange) -> None:
        super().__init__(venue)
        self._confirmed: set[tuple[Channel, str]] = set()

    @staticmethod
    def options(ws: str, rest: str) -> dict[str, object]:
        return {"url": f"{ws}/exchange/v1/market", "rest_url": rest}

    def respond(self, request: Request) -> Frame:
        method, query = request.path.removeprefix("/exchange/v1/"), request.query
        match method:
            case "public/get-instruments":
                data = [_market(*instrument[:3]) for instrument in self.venue.instruments]
            case "public/get-candlestick":
                candles = self.venue.candles(query["instrument_name"], int(query["start_ts"]), int(query["end_ts"]))
                data = [_candle(candle) for candle in candles[-int(query["count"]) :]]
            case _:
                return None
        return {"id": -1, "method": method, "code": 0, "result": {"data": data}}

    def asks(self, message: Any) -> Iterator[Ask]:
        if message["method"] in ("subscribe", "unsubscribe"):
            for name in message["params"]["channels"]:
                channel, symbol, *_ = name.split(".")
                yield Ask(CHANNELS[channel], symbol, ends=message["method"] == "unsubscribe")

    def accept(self, message: Any, asks: Sequence[Ask]) -> Iterator[Frame]:
        answer = {"id": message["id"], "method": message["method"], "code": 0}
        for ask in asks:
            if ask.ends:
                yield answer
            elif ask.channel == "book":
                yield answer | {"channel": f"book.{ask.symbol}.50"}
            # The others are confirmed by the first frame that has the request's number.

    def refuse(self, message: Any, asks: Sequence[Ask]) -> Iterator[Frame]:
        for ask in asks:
            channel = f"{NAMES[ask.channel]}.{ask.symbol}" + (".50" if ask.channel == "book" else "")
            answer = {"id": message["id"], "method": message["method"], "code": 40003}
            yield answer | {"channel": channel, "message": "Unknown symbol"}

    def answer(self, message: Any) -> list[Frame] | None:
        return [] if message["method"] == "public/respond-heartbeat" else None

    def heartbeat(self) -> Iterator[Frame]:
        yield {"id": self.venue.milliseconds(), "method": "public/heartbeat", "code": 0}

    def snapshot(self, snapshot: Snapshot) -> Iterator[Frame]:
        book = {"bids": _levels(snapshot.bids), "asks": _levels(snapshot.asks), "u": STEP * snapshot.number}
        yield self._frame("book", snapshot.symbol, "book", [book | _times(snapshot.time)])

    def delta(self, delta: Delta) -> Iterator[Frame]:
        change = {
            "update": {"bids": _levels(delta.bids), "asks": _levels(delta.asks)},
            "u": STEP * delta.number,
            "pu": STEP * (delta.number - 1),
        }
        yield self._frame("book", delta.symbol, "book.update", [change | _times(delta.time)])

    def trades(self, deals: Sequence[Deal], *, first: bool) -> Iterator[Frame]:
        symbol = deals[0].symbol
        data = [
            {
                "d": str(deal.id),
                "t": deal.time,
                "p": deal.price,
                "q": deal.quantity,
                "s": deal.side.upper(),
                "i": symbol,
            }
            for deal in reversed(deals)
        ]
        yield self._frame("trades", symbol, "trade", data)

    def ticker(self, figures: Figures) -> Iterator[Frame]:
        (bid, bids), (ask, asks) = figures.bid, figures.ask
        data = {
            "i": figures.symbol,
            "h": figures.high,
            "l": figures.low,
            "a": figures.last,
            "c": f"{float(figures.last) / float(figures.open) - 1:.12f}",
            "b": bid,
            "bs": bids,
            "k": ask,
            "ks": asks,
            "v": figures.volume,
            "vv": figures.quote_volume,
            "oi": "0",
            "t": figures.time,
        }
        yield self._frame("ticker", figures.symbol, "ticker", [data])

    def _frame(self, channel: Channel, symbol: str, name: str, data: Sequence[Frame]) -> Frame:
        first = channel != "book" and (channel, symbol) not in self._confirmed
        self._confirmed.add((channel, symbol))
        result = {
            "instrument_name": symbol,
            "subscription": f"{NAMES[channel]}.{symbol}",
            "channel": name,
            "data": data,
        }
        return {"id": 1 if first else -1, "method": "subscribe", "code": 0, "result": result}


def _times(time: int) -> dict[str, int]:
    return {"t": time, "tt": time - 5, "cs": -1}


def _levels(levels: Sequence[Level]) -> list[tuple[str, str, str]]:
    return [(price, quantity, "1" if float(quantity) else "0") for price, quantity in levels]


def _market(symbol: str, base: str, quote: str) -> Frame:
    return {"symbol": symbol, "inst_type": "CCY_PAIR", "base_ccy": base, "quote_ccy": quote, "tradable": True}


def _candle(candle: Any) -> Frame:
    start, *figures = candle[:6]
    return {"t": start} | dict(zip("ohlcv", map(str, figures), strict=True))
