"""Gate's WebSocket and REST as a fake speaks them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from haunt.testing import Ask, Channel, Deal, Delta, Dialect, Figures, Frame, Request, Snapshot

CHANNELS: dict[str, Channel] = {"spot.obu": "book", "spot.trades": "trades", "spot.tickers": "ticker"}
# A change of a book has a range of numbers: here always three.
NUMBERS = 3
LEVELS = 50


class GateDialect(Dialect):
    """Books come whole in the stream, and every change has the numbers of its first and its last part."""

    symbol = "{base}_{quote}"
    quote = "USDT"

    @staticmethod
    def options(ws: str, rest: str) -> dict[str, object]:
        return {"url": f"{ws}/ws/v4/", "rest_url": rest, "depth": LEVELS}

    def respond(self, request: Request) -> Frame:
        query = request.query
        match request.path:
            case "/api/v4/spot/currency_pairs":
                return [
                    {"id": symbol, "base": base, "quote": quote, "trade_status": "tradable", "type": "normal"}
                    for symbol, base, quote, _ in self.venue.instruments
                ]
            case "/api/v4/spot/candlesticks":
                now = self.venue.milliseconds()
                start, end = (int(query[name]) * 1_000 for name in ("from", "to"))
                return [_candle(candle, now) for candle in self.venue.candles(query["currency_pair"], start, end + 1)]

    def asks(self, message: Any) -> Iterator[Ask]:
        if message.get("event") in ("subscribe", "unsubscribe"):
            channel, ends = CHANNELS[message["channel"]], message["event"] == "unsubscribe"
            for topic in message["payload"]:
                if channel == "book":
                    _, symbol, depth = topic.split(".")
                    yield Ask(channel, symbol, int(depth), ends)
                else:
                    yield Ask(channel, topic, ends=ends)

    def accept(self, message: Any, asks: Sequence[Ask]) -> Iterator[Frame]:
        yield self._answer(message, result={"status": "success"})

    def refuse(self, message: Any, asks: Sequence[Ask]) -> Iterator[Frame]:
        error = {"code": 2, "message": f"unknown currency pair: {asks[0].symbol}"}
        yield self._answer(message, error=error, result={"status": "fail"})

    def answer(self, message: Any) -> list[Frame] | None:
        if message["channel"] != "spot.ping":
            return None
        return [{"time": message["time"], "channel": "spot.pong", "event": "", "result": None}]

    def snapshot(self, snapshot: Snapshot) -> Iterator[Frame]:
        yield _book(snapshot, {"full": True, "u": NUMBERS * snapshot.number})

    def delta(self, delta: Delta) -> Iterator[Frame]:
        last = NUMBERS * delta.number
        yield _book(delta, {"U": last - NUMBERS + 1, "u": last})

    def trades(self, deals: Sequence[Deal], *, first: bool) -> Iterator[Frame]:
        for deal in () if first else deals:
            trade = {
                "id": deal.id,
                "create_time": deal.time // 1_000,
                "create_time_ms": f"{deal.time}.123",
                "side": deal.side,
                "currency_pair": deal.symbol,
                "amount": deal.quantity,
                "price": deal.price,
            }
            yield _frame("spot.trades", deal.time, trade)

    def ticker(self, figures: Figures) -> Iterator[Frame]:
        ticker = {
            "currency_pair": figures.symbol,
            "last": figures.last,
            "lowest_ask": figures.ask[0],
            "highest_bid": figures.bid[0],
            "change_percentage": f"{(float(figures.last) / float(figures.open) - 1) * 100:.4f}",
            "base_volume": figures.volume,
            "quote_volume": figures.quote_volume,
            "high_24h": figures.high,
            "low_24h": figures.low,
        }
        yield _frame("spot.tickers", figures.time, ticker)

    def _answer(self, message: Any, **words: object) -> Frame:
        now = self.venue.milliseconds()
        asked = {name: message[name] for name in ("channel", "event", "payload")}
        return {"time": now // 1_000, "time_ms": now, **asked, **words}


def _frame(channel: str, time: int, result: Frame) -> Frame:
    return {"time": time // 1_000, "time_ms": time, "channel": channel, "event": "update", "result": result}


def _book(book: Snapshot | Delta, numbers: dict[str, object]) -> Frame:
    levels = {"s": f"ob.{book.symbol}.{LEVELS}", "b": book.bids, "a": book.asks}
    return _frame("spot.obu", book.time, {"t": book.time, **numbers, **levels})


def _candle(candle: Any, now: int) -> Frame:
    start, opened, high, low, close, volume, *_ = candle
    figures = map(str, (start // 1_000, volume * close, close, high, low, opened, volume))
    return [*figures, "true" if start + 60_000 <= now else "false"]
