"""OKX as a fake speaks it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from haunt import Candle
from haunt.testing import Ask, Channel, Deal, Delta, Dialect, Figures, Frame, Request, Snapshot

CHANNELS: dict[str, Channel] = {"books": "book", "trades": "trades", "tickers": "ticker"}
NAMES = {channel: name for name, channel in CHANNELS.items()}
# The numbers of two changes in a row are some way apart.
STRIDE = 7


class OkxDialect(Dialect):
    """Books come whole in the stream, then as changes that name the one before; over REST too."""

    quote = "USDT"

    def respond(self, request: Request) -> Frame:
        query = request.query
        match request.path.split("/")[3:]:
            case ["public", "instruments"]:
                return _response([_instrument(*instrument[:3]) for instrument in self.venue.instruments])
            case ["market", "books"]:
                snapshot = self.venue.book(query["instId"], int(query["sz"]))
                return _response([_book(snapshot) | {"seqId": snapshot.number * STRIDE}])
            case ["market", "candles" | "history-candles"]:
                # Neither end is included.
                candles = self.venue.candles(query["instId"], int(query["before"]) + 1, int(query["after"]))
                return _response([self._candle(candle) for candle in reversed(candles)][: int(query["limit"])])

    def asks(self, message: Any) -> Iterator[Ask]:
        if message != "ping":
            for argument in message["args"]:
                yield Ask(CHANNELS[argument["channel"]], argument["instId"], ends=message["op"] == "unsubscribe")

    def answer(self, message: Any) -> Iterator[Frame] | None:
        return iter(["pong"]) if message == "ping" else None

    def accept(self, message: Any, asks: Sequence[Ask]) -> Iterator[Frame]:
        for ask in asks:
            yield {"event": message["op"], "arg": _argument(ask.channel, ask.symbol), "connId": "a4d3ae55"}

    def refuse(self, message: Any, asks: Sequence[Ask]) -> Iterator[Frame]:
        for ask in asks:
            missing = f"channel:{NAMES[ask.channel]},instId:{ask.symbol} doesn't exist"
            yield {"event": "error", "msg": f"Wrong URL or {missing}.", "code": "60018", "connId": "a4d3ae55"}

    def farewell(self) -> Iterator[Frame]:
        yield {"event": "notice", "code": "64008", "msg": "The connection will soon be closed.", "connId": "a4d3ae55"}

    def snapshot(self, snapshot: Snapshot) -> Iterator[Frame]:
        book = _book(snapshot) | {"checksum": 0, "seqId": snapshot.number * STRIDE, "prevSeqId": -1}
        yield _push("book", snapshot.symbol, book) | {"action": "snapshot"}

    def delta(self, delta: Delta) -> Iterator[Frame]:
        number = delta.number * STRIDE
        book = _book(delta) | {"checksum": 0, "seqId": number, "prevSeqId": number - STRIDE}
        yield _push("book", delta.symbol, book) | {"action": "update"}

    def trades(self, deals: Sequence[Deal], *, first: bool) -> Iterator[Frame]:
        # A new subscriber is told of the last one.
        for deal in deals[-1:]:
            trade = {"instId": deal.symbol, "tradeId": str(deal.id), "px": deal.price, "sz": deal.quantity}
            yield _push("trades", deal.symbol, trade | {"side": deal.side, "ts": str(deal.time)})

    def ticker(self, figures: Figures) -> Iterator[Frame]:
        ticker = {
            "instType": "SPOT",
            "instId": figures.symbol,
            "last": figures.last,
            "askPx": figures.ask[0],
            "askSz": figures.ask[1],
            "bidPx": figures.bid[0],
            "bidSz": figures.bid[1],
            "open24h": figures.open,
            "high24h": figures.high,
            "low24h": figures.low,
            # Today's open by the clock of UTC is another price.
            "sodUtc0": figures.low,
            "volCcy24h": figures.quote_volume,
            "vol24h": figures.volume,
            "ts": str(figures.time),
        }
        yield _push("ticker", figures.symbol, ticker)

    def _candle(self, candle: Candle) -> Frame:
        closed = candle.start + 60_000 <= self.venue.milliseconds()
        turnover = candle.volume * candle.close
        figures = (*candle[:6], turnover, turnover, int(closed))
        return [str(figure) for figure in figures]


def _instrument(symbol: str, base: str, quote: str) -> Frame:
    return {"instType": "SPOT", "instId": symbol, "baseCcy": base, "quoteCcy": quote, "state": "live"}


def _response(data: list[Frame]) -> Frame:
    return {"code": "0", "msg": "", "data": data}


def _argument(channel: Channel, symbol: str) -> dict[str, str]:
    return {"channel": NAMES[channel], "instId": symbol}


def _push(channel: Channel, symbol: str, data: Frame) -> dict[str, Frame]:
    return {"arg": _argument(channel, symbol), "data": [data]}


def _book(book: Snapshot | Delta) -> dict[str, Frame]:
    bids, asks = ([(*level, "0", "1") for level in side] for side in (book.bids, book.asks))
    return {"asks": asks, "bids": bids, "ts": str(book.time)}
