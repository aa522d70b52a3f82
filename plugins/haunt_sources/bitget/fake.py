"""Bitget's WebSocket v2 and REST as a fake speaks them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from zlib import crc32

from haunt.testing import Ask, Channel, Deal, Delta, Dialect, Figures, Frame, Request, Snapshot

CHANNELS: dict[str, Channel] = {"books": "book", "trade": "trades", "ticker": "ticker"}
NAMES = {channel: name for name, channel in CHANNELS.items()}


class BitgetDialect(Dialect):
    """Books come whole in the stream, and every change has a checksum of the result."""

    symbol = "{base}{quote}"
    quote = "USDT"
    numbered = False
    checksummed = True

    @staticmethod
    def options(ws: str, rest: str) -> dict[str, object]:
        return {"url": f"{ws}/v2/ws/public", "rest_url": rest}

    def respond(self, request: Request) -> Frame:
        query, now = request.query, self.venue.milliseconds()
        match request.path:
            case "/api/v2/spot/public/symbols":
                data: list[Frame] = [
                    {"symbol": symbol, "baseCoin": base, "quoteCoin": quote, "status": "online"}
                    for symbol, base, quote, _ in self.venue.instruments
                ]
            case "/api/v2/spot/market/candles":
                candles = self.venue.candles(query["symbol"], int(query["startTime"]), int(query["endTime"]) + 1)
                data = [_candle(candle) for candle in candles[-int(query["limit"]) :]]
            case _:
                return None
        return {"code": "00000", "msg": "success", "requestTime": now, "data": data}

    def asks(self, message: Any) -> Iterator[Ask]:
        if message != "ping" and message["op"] in ("subscribe", "unsubscribe"):
            for arg in message["args"]:
                yield Ask(CHANNELS[arg["channel"]], arg["instId"], ends=message["op"] == "unsubscribe")

    def accept(self, message: Any, asks: Sequence[Ask]) -> Iterator[Frame]:
        for ask in asks:
            yield {"event": message["op"], "arg": _arg(ask.channel, ask.symbol)}

    def refuse(self, message: Any, asks: Sequence[Ask]) -> Iterator[Frame]:
        for ask in asks:
            arg = _arg(ask.channel, ask.symbol)
            reason = f"instType:SPOT,channel:{arg['channel']},instId:{ask.symbol} doesn't exist"
            yield {"event": "error", "arg": arg, "code": 30001, "msg": reason, "op": message["op"]}

    def answer(self, message: Any) -> list[Frame] | None:
        return ["pong"] if message == "ping" else None

    def snapshot(self, snapshot: Snapshot) -> Iterator[Frame]:
        yield _book("snapshot", snapshot, 0)

    def delta(self, delta: Delta) -> Iterator[Frame]:
        yield _book("update", delta, _checksum(delta.after))

    def trades(self, deals: Sequence[Deal], *, first: bool) -> Iterator[Frame]:
        data = [
            {
                "ts": str(deal.time),
                "price": deal.price,
                "size": deal.quantity,
                "side": deal.side,
                "tradeId": str(deal.id),
            }
            for deal in reversed(deals)
        ]
        yield _frame("snapshot" if first else "update", "trades", deals[0].symbol, data, deals[-1].time)

    def ticker(self, figures: Figures) -> Iterator[Frame]:
        (bid, bids), (ask, asks) = figures.bid, figures.ask
        data = {
            "instId": figures.symbol,
            "lastPr": figures.last,
            "open24h": figures.open,
            "high24h": figures.high,
            "low24h": figures.low,
            # Of another span of 24 hours, as Bitget's is.
            "change24h": "-0.00396",
            "bidPr": bid,
            "bidSz": bids,
            "askPr": ask,
            "askSz": asks,
            "baseVolume": figures.volume,
            "quoteVolume": figures.quote_volume,
            "ts": str(figures.time),
        }
        yield _frame("snapshot", "ticker", figures.symbol, [data], figures.time)


def _arg(channel: Channel, symbol: str) -> dict[str, str]:
    return {"instType": "SPOT", "channel": NAMES[channel], "instId": symbol}


def _frame(action: str, channel: Channel, symbol: str, data: Sequence[Frame], time: int) -> Frame:
    return {"action": action, "arg": _arg(channel, symbol), "data": data, "ts": time}


def _book(action: str, book: Snapshot | Delta, checksum: int) -> Frame:
    data = {"asks": book.asks, "bids": book.bids, "checksum": checksum, "ts": str(book.time)}
    return _frame(action, "book", book.symbol, [data], book.time)


def _checksum(book: Snapshot) -> int:
    texts: list[str] = []
    for place in range(25):
        for side in (book.bids, book.asks):
            texts += side[place] if place < len(side) else ()
    unsigned = crc32(":".join(texts).encode())
    return unsigned - ((unsigned >> 31) << 32)


def _candle(candle: Any) -> Frame:
    start, opened, high, low, close, volume, *_ = candle
    return [str(figure) for figure in (start, opened, high, low, close, volume, volume * close, volume * close)]
