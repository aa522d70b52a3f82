"""Gemini's WebSocket of 2026 and REST as a fake speaks them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from haunt.testing import Ask, Channel, Deal, Delta, Dialect, Figures, Frame, Request, Snapshot

CHANNELS: dict[str, Channel] = {"depth@100ms": "book", "trade": "trades", "bookTicker": "quotes"}
# A change of a book has a range of numbers: here always three.
NUMBERS = 3


class GeminiDialect(Dialect):
    """Books come whole in the stream, in a frame like those of their changes; figures are fetched over REST.

    Streams are named in small letters, markets in capitals.
    """

    symbol = "{base}{quote}"

    @staticmethod
    def options(ws: str, rest: str) -> dict[str, object]:
        return {"url": f"{ws}/", "rest_url": rest, "figures_interval": 1.0}

    def respond(self, request: Request) -> Frame:
        match request.path.strip("/").split("/"):
            case ["v1", "symbols", "details", "all"]:
                return [_market(*instrument[:3]) for instrument in self.venue.instruments]
            case ["v2", "ticker", name]:
                figures = self.venue.figures(name.upper())
                prices = {"open": figures.open, "high": figures.high, "low": figures.low, "close": figures.last}
                return {"symbol": name.upper(), "changes": [figures.last] * 24} | prices
            case ["v1", "pubticker", name]:
                market = self.venue.markets[name.upper()]
                figures = self.venue.figures(market.symbol)
                volumes = {market.base: figures.volume, market.quote: figures.quote_volume, "timestamp": figures.time}
                return {"bid": figures.bid[0], "ask": figures.ask[0], "last": figures.last, "volume": volumes}
            case ["v2", "candles", name, "1m"]:
                now = self.venue.milliseconds()
                candles = self.venue.candles(name.upper(), now - 86_400_000, now)
                return [list(candle[:6]) for candle in reversed(candles)]

    def asks(self, message: Any) -> Iterator[Ask]:
        if message["method"] in ("subscribe", "unsubscribe"):
            for stream in message["params"]:
                name, _, channel = stream.partition("@")
                yield Ask(CHANNELS[channel], name.upper(), ends=message["method"] == "unsubscribe")

    def accept(self, message: Any, asks: Sequence[Ask]) -> Iterator[Frame]:
        yield {"id": message["id"], "status": 200}

    def refuse(self, message: Any, asks: Sequence[Ask]) -> Iterator[Frame]:
        yield {"id": message["id"], "status": 400, "error": {"code": -1002, "msg": "Invalid stream"}}

    def answer(self, message: Any) -> list[Frame] | None:
        return [{"id": message["id"], "status": 200}] if message["method"] == "ping" else None

    def snapshot(self, snapshot: Snapshot) -> Iterator[Frame]:
        yield _book(snapshot)

    def delta(self, delta: Delta) -> Iterator[Frame]:
        yield _book(delta)

    def trades(self, deals: Sequence[Deal], *, first: bool) -> Iterator[Frame]:
        for deal in () if first else deals:
            # m: the buyer is the maker.
            trade = {"t": deal.id, "p": deal.price, "q": deal.quantity, "m": deal.side == "sell"}
            yield {"E": _nanoseconds(deal.time), "s": deal.symbol.lower()} | trade

    def quotes(self, figures: Figures) -> Iterator[Frame]:
        (bid, bids), (ask, asks) = figures.bid, figures.ask
        quote = {"b": bid, "B": bids, "a": ask, "A": asks, "c": figures.last}
        time = _nanoseconds(figures.time)
        yield {"u": NUMBERS * figures.number, "E": time, "s": figures.symbol.lower()} | quote


def _book(data: Snapshot | Delta) -> Frame:
    last, time = NUMBERS * data.number, _nanoseconds(data.time)
    numbers = {"U": last - NUMBERS + 1, "u": last}
    return {"e": "depthUpdate", "E": time, "s": data.symbol.lower()} | numbers | {"b": data.bids, "a": data.asks}


def _nanoseconds(milliseconds: int) -> int:
    return milliseconds * 1_000_000 + 123_456


def _market(symbol: str, base: str, quote: str) -> Frame:
    currencies = {"base_currency": base, "quote_currency": quote}
    return {"symbol": symbol, "status": "open", "product_type": "spot"} | currencies
