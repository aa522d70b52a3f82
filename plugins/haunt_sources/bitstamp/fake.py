"""Bitstamp's WebSocket and REST as a fake speaks them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from haunt.testing import Ask, Channel, Deal, Delta, Dialect, Frame, Request

CHANNELS: dict[str, Channel] = {"diff_order_book": "book", "live_trades": "trades"}
# The changes of a book differ in their times, which are microseconds here as there.
EPOCH = 1_700_000_000_000_000


class BitstampDialect(Dialect):
    """Books and figures are fetched over REST; the changes of a book carry nothing but a time."""

    symbol = "{base}{quote}"
    lower_case = True
    numbered = False

    @staticmethod
    def options(ws: str, rest: str) -> dict[str, object]:
        return {"url": f"{ws}/", "rest_url": rest, "figures_interval": 1.0}

    def respond(self, request: Request) -> Frame:
        match request.path.strip("/").split("/"):
            case ["api", "v2", "markets"]:
                return [_market(*instrument[:3]) for instrument in self.venue.instruments]
            case ["api", "v2", "order_book", symbol]:
                book = self.venue.book(symbol)
                return {"timestamp": "0", "microtimestamp": _time(book.number), "bids": book.bids, "asks": book.asks}
            case ["api", "v2", "ticker", symbol]:
                figures = self.venue.figures(symbol)
                return {
                    "last": figures.last,
                    # That of the day in UTC.
                    "open": figures.last,
                    "open_24": figures.open,
                    "high": figures.high,
                    "low": figures.low,
                    "volume": figures.volume,
                    "vwap": str(float(figures.quote_volume) / float(figures.volume)),
                    "percent_change_24": f"{(float(figures.last) / float(figures.open) - 1) * 100:.2f}",
                    "bid": figures.bid[0],
                    "ask": figures.ask[0],
                    "timestamp": str(figures.time // 1_000),
                }
            case ["api", "v2", "ohlc", symbol]:
                limit, end = (int(request.query[name]) for name in ("limit", "end"))
                now = self.venue.milliseconds()
                closed = min(end * 1_000 + 1, now - 59_999)
                candles = self.venue.candles(symbol, (end - 60 * limit) * 1_000, closed)
                return {"data": {"pair": symbol, "ohlc": [_candle(candle) for candle in candles[-limit:]]}}

    def asks(self, message: Any) -> Iterator[Ask]:
        if message["event"] in ("bts:subscribe", "bts:unsubscribe"):
            channel, _, symbol = message["data"]["channel"].rpartition("_")
            yield Ask(CHANNELS[channel], symbol, ends=message["event"] == "bts:unsubscribe")

    def accept(self, message: Any, asks: Sequence[Ask]) -> Iterator[Frame]:
        event = message["event"].replace("subscribe", "subscription_succeeded")
        yield {"event": event, "channel": message["data"]["channel"], "data": {}}

    def refuse(self, message: Any, asks: Sequence[Ask]) -> Iterator[Frame]:
        yield {"event": "bts:error", "channel": "", "data": {"code": None, "message": "Bad subscription string."}}

    def answer(self, message: Any) -> list[Frame] | None:
        if message != {"event": "bts:heartbeat"}:
            return None
        return [{"event": "bts:heartbeat", "channel": "", "data": {"status": "success"}}]

    def delta(self, delta: Delta) -> Iterator[Frame]:
        data = {"timestamp": "0", "microtimestamp": _time(delta.number), "bids": delta.bids, "asks": delta.asks}
        yield {"event": "data", "channel": f"diff_order_book_{delta.symbol}", "data": data}

    def trades(self, deals: Sequence[Deal], *, first: bool) -> Iterator[Frame]:
        for deal in () if first else deals:
            trade = {
                "id": deal.id,
                "amount": float(deal.quantity),
                "amount_str": deal.quantity,
                "price": float(deal.price),
                "price_str": deal.price,
                # The taker's.
                "type": int(deal.side == "sell"),
                "timestamp": str(deal.time // 1_000),
                "microtimestamp": str(deal.time * 1_000),
            }
            yield {"event": "trade", "channel": f"live_trades_{deal.symbol}", "data": trade}

    def farewell(self) -> Iterator[Frame]:
        yield {"event": "bts:request_reconnect", "channel": "", "data": ""}


def _time(number: int) -> str:
    return str(EPOCH + number)


def _market(symbol: str, base: str, quote: str) -> Frame:
    return {
        "name": f"{base}/{quote}",
        "market_symbol": symbol,
        "base_currency": base,
        "counter_currency": quote,
        "trading": "Enabled",
        "market_type": "SPOT",
    }


def _candle(candle: Any) -> Frame:
    names = ("open", "high", "low", "close", "volume")
    return {"timestamp": str(candle.start // 1_000)} | {name: str(getattr(candle, name)) for name in names}
