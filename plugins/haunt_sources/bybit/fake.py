"""Bybit's spot market as a fake speaks it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from haunt import Candle
from haunt.testing import Ask, Channel, Deal, Delta, Dialect, Figures, Frame, Request, Snapshot

CHANNELS: dict[str, Channel] = {"orderbook": "book", "publicTrade": "trades", "tickers": "ticker"}
MOST_TOPICS = 10


class BybitDialect(Dialect):
    """Books come whole in the stream, then as numbered changes. A message is granted or refused as a whole."""

    symbol = "{base}{quote}"
    quote = "USDT"

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._depth = ""

    def respond(self, request: Request) -> Frame:
        query = request.query
        match request.path.split("/")[2:]:
            case ["market", "instruments-info"]:
                return self._response([_instrument(*instrument[:3]) for instrument in self.venue.instruments])
            case ["market", "kline"]:
                candles = self.venue.candles(query["symbol"], int(query["start"]), int(query["end"]) + 1)
                return self._response([_candle(candle) for candle in reversed(candles)][: int(query["limit"])])

    def asks(self, message: Any) -> Iterator[Ask]:
        topics = message.get("args", ())
        if len(topics) <= MOST_TOPICS:
            for topic in topics:
                channel, *depth, symbol = topic.split(".")
                self._depth = "".join(depth) or self._depth
                yield Ask(CHANNELS[channel], symbol, ends=message["op"] == "unsubscribe")

    def answer(self, message: Any) -> Iterator[Frame] | None:
        return iter([_answer(message, True, "pong")]) if message["op"] == "ping" else None

    def accept(self, message: Any, asks: Sequence[Ask]) -> Iterator[Frame]:
        yield _answer(message, True, message["op"])

    def refuse(self, message: Any, asks: Sequence[Ask]) -> Iterator[Frame]:
        yield _answer(message, False, f"error:handler not found,topic:{message['args'][0]}")

    def snapshot(self, snapshot: Snapshot) -> Iterator[Frame]:
        yield self._book(snapshot, "snapshot")

    def delta(self, delta: Delta) -> Iterator[Frame]:
        yield self._book(delta, "delta")

    def trades(self, deals: Sequence[Deal], *, first: bool) -> Iterator[Frame]:
        if first:
            return
        for deal in deals:
            trade = {
                "i": str(deal.id),
                "T": deal.time,
                "p": deal.price,
                "v": deal.quantity,
                "S": deal.side.capitalize(),
                "seq": deal.id,
                "s": deal.symbol,
                "BT": False,
                "RPI": False,
            }
            yield _push(f"publicTrade.{deal.symbol}", "snapshot", deal.time, [trade])

    def ticker(self, figures: Figures) -> Iterator[Frame]:
        ticker = {
            "symbol": figures.symbol,
            "lastPrice": figures.last,
            "highPrice24h": figures.high,
            "lowPrice24h": figures.low,
            "prevPrice24h": figures.open,
            "volume24h": figures.volume,
            "turnover24h": figures.quote_volume,
            # A ratio: 0.0015 is 0.15 %.
            "price24hPcnt": f"{float(figures.last) / float(figures.open) - 1:.4f}",
        }
        yield _push(f"tickers.{figures.symbol}", "snapshot", figures.time, ticker)

    def _book(self, book: Snapshot | Delta, kind: str) -> Frame:
        data = {"s": book.symbol, "b": book.bids, "a": book.asks, "u": book.number, "seq": book.number * 3}
        return _push(f"orderbook.{self._depth}.{book.symbol}", kind, book.time, data)

    def _response(self, entries: list[Frame]) -> Frame:
        result = {"category": "spot", "list": entries}
        return {"retCode": 0, "retMsg": "OK", "result": result, "time": self.venue.milliseconds()}


def _instrument(symbol: str, base: str, quote: str) -> Frame:
    return {"symbol": symbol, "baseCoin": base, "quoteCoin": quote, "status": "Trading", "symbolType": ""}


def _candle(candle: Candle) -> Frame:
    return [str(figure) for figure in (*candle[:6], candle.volume * candle.close)]


def _answer(message: Any, success: bool, words: str) -> Frame:
    answer = {"success": success, "ret_msg": words, "conn_id": "c", "op": message["op"]}
    return answer | {"req_id": message["req_id"]} if "req_id" in message else answer


def _push(topic: str, kind: str, time: int, data: Frame) -> Frame:
    return {"topic": topic, "type": kind, "ts": time, "data": data}
