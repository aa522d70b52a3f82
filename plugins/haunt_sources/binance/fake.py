"""Binance's combined streams and REST as a fake speaks them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from haunt.testing import Ask, Channel, Deal, Delta, Dialect, Figures, Frame, Request

CHANNELS: dict[str, Channel] = {
    "depth@100ms": "book",
    "trade": "trades",
    "ticker": "ticker",
    "bookTicker": "quotes",
}
# A change of a book has a range of numbers: here always three.
NUMBERS = 3


class BinanceDialect(Dialect):
    """Books are fetched over REST, and every change has the numbers of its first and its last part."""

    symbol = "{base}{quote}"
    quote = "USDT"

    @staticmethod
    def options(ws: str, rest: str) -> dict[str, object]:
        return {"url": f"{ws}/stream", "rest_url": rest}

    def respond(self, request: Request) -> Frame:
        query = request.query
        match request.path:
            case "/api/v3/exchangeInfo":
                return {"symbols": [_market(*instrument[:3]) for instrument in self.venue.instruments]}
            case "/api/v3/depth":
                book = self.venue.book(query["symbol"], int(query["limit"]))
                return {"lastUpdateId": NUMBERS * book.number, "bids": book.bids, "asks": book.asks}
            case "/api/v3/klines":
                candles = self.venue.candles(query["symbol"], int(query["startTime"]), int(query["endTime"]) + 1)
                return [_candle(candle) for candle in candles[: int(query["limit"])]]

    def asks(self, message: Any) -> Iterator[Ask]:
        if message["method"] in ("SUBSCRIBE", "UNSUBSCRIBE"):
            for stream in message["params"]:
                symbol, _, channel = stream.partition("@")
                yield Ask(CHANNELS[channel], symbol.upper(), ends=message["method"] == "UNSUBSCRIBE")

    # Binance confirms whatever is well put, and says nothing of markets that do not exist.

    def accept(self, message: Any, asks: Sequence[Ask]) -> Iterator[Frame]:
        yield {"result": None, "id": message["id"]}

    def delta(self, delta: Delta) -> Iterator[Frame]:
        last = NUMBERS * delta.number
        yield _frame(
            delta.symbol,
            "depth@100ms",
            {"e": "depthUpdate", "E": delta.time, "U": last - NUMBERS + 1, "u": last, "b": delta.bids, "a": delta.asks},
        )

    def trades(self, deals: Sequence[Deal], *, first: bool) -> Iterator[Frame]:
        for deal in () if first else deals:
            trade = {"e": "trade", "E": deal.time, "t": deal.id, "p": deal.price, "q": deal.quantity, "T": deal.time}
            # Whether the buyer is the maker.
            yield _frame(deal.symbol, "trade", trade | {"m": deal.side == "sell", "M": True})

    def ticker(self, figures: Figures) -> Iterator[Frame]:
        change = float(figures.last) - float(figures.open)
        yield _frame(
            figures.symbol,
            "ticker",
            {
                "e": "24hrTicker",
                "E": figures.time,
                "p": f"{change:.8f}",
                "P": f"{change / float(figures.open) * 100:.3f}",
                "c": figures.last,
                "o": figures.open,
                "h": figures.high,
                "l": figures.low,
                "v": figures.volume,
                "q": figures.quote_volume,
            },
        )

    def quotes(self, figures: Figures) -> Iterator[Frame]:
        (bid, bids), (ask, asks) = figures.bid, figures.ask
        quote = {"u": NUMBERS * figures.number, "b": bid, "B": bids, "a": ask, "A": asks}
        yield _frame(figures.symbol, "bookTicker", quote)

    def farewell(self) -> Iterator[Frame]:
        yield {"e": "serverShutdown", "E": self.venue.milliseconds()}


def _frame(symbol: str, channel: str, data: dict[str, object]) -> Frame:
    return {"stream": f"{symbol.lower()}@{channel}", "data": {"s": symbol} | data}


def _market(symbol: str, base: str, quote: str) -> Frame:
    return {
        "symbol": symbol,
        "status": "TRADING",
        "baseAsset": base,
        "quoteAsset": quote,
        "isSpotTradingAllowed": True,
    }


def _candle(candle: Any) -> Frame:
    start, opened, high, low, close, volume, *_ = candle
    return [start, *map(str, (opened, high, low, close, volume)), start + 59_999, str(volume * close), 1, "0", "0", "0"]
