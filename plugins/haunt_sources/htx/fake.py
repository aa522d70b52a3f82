"""HTX's WebSocket and REST as a fake speaks them."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Sequence
from typing import Any

from haunt.testing import Ask, Channel, Deal, Delta, Dialect, Figures, Frame, Level, Request, Snapshot

CHANNELS: dict[str, Channel] = {
    "depth.step0": "book",
    "trade.detail": "trades",
    "detail": "ticker",
    "bbo": "quotes",
}
NAMES = {channel: name for name, channel in CHANNELS.items()}


class HtxDialect(Dialect):
    """Every frame is compressed, and every book comes whole."""

    symbol = "{base}{quote}"
    quote = "USDT"
    lower_case = True
    numbered = False

    @staticmethod
    def options(ws: str, rest: str) -> dict[str, object]:
        return {"url": f"{ws}/ws", "rest_url": rest}

    def encode(self, frame: Frame) -> bytes:
        return frame if isinstance(frame, bytes) else gzip.compress(json.dumps(frame).encode(), compresslevel=1)

    def respond(self, request: Request) -> bytes | None:
        query, now = request.query, self.venue.milliseconds()
        match request.path:
            case "/v1/common/symbols":
                data: list[Frame] = [_market(*instrument[:3]) for instrument in self.venue.instruments]
            case "/market/history/kline":
                candles = self.venue.candles(query["symbol"], now - int(query["size"]) * 60_000, now)
                data = [_candle(candle) for candle in reversed(candles)]
            case _:
                return None
        # Answers over REST are not compressed.
        return json.dumps({"status": "ok", "ts": now, "data": data}).encode()

    def asks(self, message: Any) -> Iterator[Ask]:
        topic = message.get("sub", message.get("unsub"))
        if topic is not None:
            _, symbol, channel = topic.split(".", 2)
            yield Ask(CHANNELS[channel], symbol, ends="unsub" in message)

    def accept(self, message: Any, asks: Sequence[Ask]) -> Iterator[Frame]:
        word = "sub" if "sub" in message else "unsub"
        yield {"id": message["id"], "status": "ok", f"{word}bed": message[word], "ts": self.venue.milliseconds()}

    def refuse(self, message: Any, asks: Sequence[Ask]) -> Iterator[Frame]:
        error = {"status": "error", "err-code": "bad-request", "err-msg": "invalid symbol"}
        yield error | {"id": message["id"], "ts": self.venue.milliseconds()}

    def answer(self, message: Any) -> list[Frame] | None:
        return [] if "pong" in message else None

    def heartbeat(self) -> Iterator[Frame]:
        yield {"ping": self.venue.milliseconds()}

    def snapshot(self, snapshot: Snapshot) -> Iterator[Frame]:
        tick = {"bids": _numbers(snapshot.bids), "asks": _numbers(snapshot.asks)}
        yield _frame("book", snapshot.symbol, snapshot.time, tick | {"version": snapshot.number, "ts": snapshot.time})

    def delta(self, delta: Delta) -> Iterator[Frame]:
        yield from self.snapshot(delta.after)

    def trades(self, deals: Sequence[Deal], *, first: bool) -> Iterator[Frame]:
        newest = deals[-1]
        data = [
            {
                # Longer than 64 bits.
                "id": deal.id * 10**20,
                "ts": deal.time,
                "tradeId": deal.id,
                "amount": float(deal.quantity),
                "price": float(deal.price),
                "direction": deal.side,
            }
            for deal in ([newest] if first else reversed(deals))
        ]
        yield _frame("trades", newest.symbol, newest.time, {"id": newest.id, "ts": newest.time, "data": data})

    def ticker(self, figures: Figures) -> Iterator[Frame]:
        tick = {
            "id": figures.number,
            "open": float(figures.open),
            "close": float(figures.last),
            "high": float(figures.high),
            "low": float(figures.low),
            "amount": float(figures.volume),
            "vol": float(figures.quote_volume),
        }
        yield _frame("ticker", figures.symbol, figures.time, tick)

    def quotes(self, figures: Figures) -> Iterator[Frame]:
        (bid, bids), (ask, asks) = (map(float, level) for level in (figures.bid, figures.ask))
        tick = {"seqId": figures.number, "bid": bid, "bidSize": bids, "ask": ask, "askSize": asks}
        yield _frame("quotes", figures.symbol, figures.time, tick | {"quoteTime": figures.time})


def _frame(channel: Channel, symbol: str, time: int, tick: Frame) -> Frame:
    return {"ch": f"market.{symbol}.{NAMES[channel]}", "ts": time, "tick": tick}


def _numbers(levels: Sequence[Level]) -> list[list[float]]:
    return [[float(price), float(quantity)] for price, quantity in levels]


def _market(symbol: str, base: str, quote: str) -> Frame:
    names = {"symbol": symbol, "base-currency": base.lower(), "quote-currency": quote.lower()}
    return names | {"state": "online", "api-trading": "enabled"}


def _candle(candle: Any) -> Frame:
    start, opened, high, low, close, volume, *_ = candle
    figures = {"open": opened, "high": high, "low": low, "close": close, "amount": volume, "vol": volume * close}
    return {"id": start // 1_000, "count": 7} | figures
