"""Kraken's WebSocket v2 and REST as a fake speaks them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from zlib import crc32

from haunt.testing import (
    Ask,
    Channel,
    Deal,
    Delta,
    Dialect,
    FakeExchange,
    Figures,
    Frame,
    Level,
    Request,
    Snapshot,
    rfc3339,
)

CHANNELS: dict[str, Channel] = {"book": "book", "trade": "trades", "ticker": "ticker"}
OLD_NAMES = {"BTC": "XBT", "DOGE": "XDG"}


class KrakenDialect(Dialect):
    """Books come whole in the stream, as deep as asked for, and every change has a checksum of the result.

    Frames are made as text: Kraken sends numbers, and a checksum is made of their digits.
    """

    symbol = "{base}/{quote}"
    numbered = False
    checksummed = True

    def __init__(self, venue: FakeExchange) -> None:
        super().__init__(venue)
        self._subscribed = False

    @staticmethod
    def options(ws: str, rest: str) -> dict[str, object]:
        # Fewer levels than a made-up book has, so that they fall out and come back.
        return {"url": f"{ws}/v2", "rest_url": rest, "depth": 10}

    def respond(self, request: Request) -> Frame:
        pairs = {
            f"{OLD_NAMES.get(base, base)}{quote}": (symbol, f"{OLD_NAMES.get(base, base)}/{quote}")
            for symbol, base, quote, _ in self.venue.instruments
        }
        match request.path:
            case "/0/public/AssetPairs":
                rows = {
                    name: {"altname": name, "wsname": old, "aclass_base": "currency", "status": "online"}
                    for name, (_, old) in pairs.items()
                }
                return {"error": [], "result": rows}
            case "/0/public/OHLC":
                symbol, _ = pairs[request.query["pair"]]
                # Those after `since`, the running one too, at most 720.
                since, now = int(request.query["since"]) * 1_000, self.venue.milliseconds()
                candles = self.venue.candles(symbol, since + 1, now)[:720]
                return {"error": [], "result": {symbol: [_candle(candle) for candle in candles], "last": since}}

    def welcome(self) -> Iterator[Frame]:
        yield {"channel": "status", "type": "update", "data": [{"version": "2.0.10", "system": "online"}]}

    def asks(self, message: Any) -> Iterator[Ask]:
        if message["method"] in ("subscribe", "unsubscribe"):
            params = message["params"]
            for symbol in params["symbol"]:
                ends = message["method"] == "unsubscribe"
                yield Ask(CHANNELS[params["channel"]], symbol, depth=params.get("depth"), ends=ends)

    def accept(self, message: Any, asks: Sequence[Ask]) -> Iterator[Frame]:
        self._subscribed = True
        for ask in asks:
            result = {"channel": message["params"]["channel"], "symbol": ask.symbol}
            if ask.depth is not None:
                result["depth"] = ask.depth
            yield {"method": message["method"], "success": True, "result": result}

    def refuse(self, message: Any, asks: Sequence[Ask]) -> Iterator[Frame]:
        for ask in asks:
            error = f"Currency pair not supported {ask.symbol}"
            yield {"method": message["method"], "success": False, "error": error, "symbol": ask.symbol}

    def answer(self, message: Any) -> list[Frame] | None:
        return [{"method": "pong"}] if message == {"method": "ping"} else None

    def heartbeat(self) -> Iterator[Frame]:
        if self._subscribed:
            yield {"channel": "heartbeat"}

    def snapshot(self, snapshot: Snapshot) -> Iterator[Frame]:
        yield _book("snapshot", snapshot, snapshot)

    def delta(self, delta: Delta) -> Iterator[Frame]:
        yield _book("update", delta, delta.after)

    def trades(self, deals: Sequence[Deal], *, first: bool) -> Iterator[Frame]:
        trades = [
            f'{{"symbol":"{deal.symbol}","side":"{deal.side}","price":{deal.price},"qty":{deal.quantity},'
            f'"ord_type":"market","trade_id":{deal.id},"timestamp":"{rfc3339(deal.time)}"}}'
            for deal in deals
        ]
        yield _frame("trade", "snapshot" if first else "update", ",".join(trades))

    def ticker(self, figures: Figures) -> Iterator[Frame]:
        change = float(figures.last) - float(figures.open)
        vwap = float(figures.quote_volume) / float(figures.volume)
        data = (
            f'{{"symbol":"{figures.symbol}","bid":{figures.bid[0]},"bid_qty":{figures.bid[1]},'
            f'"ask":{figures.ask[0]},"ask_qty":{figures.ask[1]},"last":{figures.last},"volume":{figures.volume},'
            f'"vwap":{vwap:.5f},"low":{figures.low},"high":{figures.high},"change":{change:.5f},'
            f'"change_pct":{change / float(figures.open) * 100:.2f},"timestamp":"{rfc3339(figures.time)}"}}'
        )
        yield _frame("ticker", "update", data)


def _frame(channel: str, kind: str, data: str) -> str:
    return f'{{"channel":"{channel}","type":"{kind}","data":[{data}]}}'


def _book(kind: str, data: Snapshot | Delta, after: Snapshot) -> str:
    digits = [number.replace(".", "").lstrip("0") for level in [*after.asks[:10], *after.bids[:10]] for number in level]
    levels = f'"bids":[{_levels(data.bids)}],"asks":[{_levels(data.asks)}]'
    checksum = crc32("".join(digits).encode())
    fields = f'"symbol":"{data.symbol}",{levels},"checksum":{checksum},"timestamp":"{rfc3339(data.time)}"'
    return _frame("book", kind, f"{{{fields}}}")


def _levels(levels: Sequence[Level]) -> str:
    return ",".join(f'{{"price":{price},"qty":{quantity}}}' for price, quantity in levels)


def _candle(candle: Any) -> Frame:
    start, opened, high, low, close, volume, *_ = candle
    return [start // 1_000, *map(str, (opened, high, low, close, close, volume)), 1]
