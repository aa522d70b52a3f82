"""Coinbase Advanced Trade as a fake speaks it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

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

CHANNELS: dict[str, Channel] = {"level2": "book", "market_trades": "trades", "ticker": "ticker"}


class CoinbaseDialect(Dialect):
    """Every frame of a connection has a number, whatever its channel; books come whole in the stream."""

    def __init__(self, venue: FakeExchange) -> None:
        super().__init__(venue)
        self._number = -1
        self._subscriptions: dict[str, list[str]] = {}

    def respond(self, request: Request) -> Frame:
        match request.path.split("/")[4:]:
            case ["market", "products"]:
                return {"products": [_product(*instrument[:3]) for instrument in self.venue.instruments]}
            case ["market", "products", symbol, "candles"]:
                start, end = (int(request.query[name]) * 1_000 for name in ("start", "end"))
                return {"candles": [_candle(candle) for candle in reversed(self.venue.candles(symbol, start, end))]}

    def asks(self, message: Any) -> Iterator[Ask]:
        if message["channel"] in CHANNELS:
            for symbol in message["product_ids"]:
                yield Ask(CHANNELS[message["channel"]], symbol, ends=message["type"] == "unsubscribe")

    def answer(self, message: Any) -> Iterator[Frame] | None:
        if message["channel"] != "heartbeats":
            return None
        self._subscriptions["heartbeats"] = ["heartbeats"]
        return self._subscribed()

    def accept(self, message: Any, asks: Sequence[Ask]) -> Iterator[Frame]:
        symbols = self._subscriptions.setdefault(message["channel"], [])
        for ask in asks:
            if ask.symbol in symbols:
                symbols.remove(ask.symbol)
            if not ask.ends:
                symbols.append(ask.symbol)
        return self._subscribed()

    def refuse(self, message: Any, asks: Sequence[Ask]) -> Iterator[Frame]:
        for ask in asks:
            yield {"type": "error", "message": f"{ask.symbol} is not a valid product"}

    def heartbeat(self) -> Iterator[Frame]:
        if "heartbeats" in self._subscriptions:
            yield self._frame("heartbeats", {"heartbeat_counter": self._number})

    def snapshot(self, snapshot: Snapshot) -> Iterator[Frame]:
        yield self._book("snapshot", snapshot.symbol, snapshot.bids, snapshot.asks)

    def delta(self, delta: Delta) -> Iterator[Frame]:
        yield self._book("update", delta.symbol, delta.bids, delta.asks)

    def trades(self, deals: Sequence[Deal], *, first: bool) -> Iterator[Frame]:
        trades = [
            {
                "product_id": deal.symbol,
                "trade_id": str(deal.id),
                "price": deal.price,
                "size": deal.quantity,
                # The maker's side.
                "side": "SELL" if deal.side == "buy" else "BUY",
                "time": rfc3339(deal.time),
            }
            for deal in reversed(deals)
        ]
        yield self._frame("market_trades", {"type": "snapshot" if first else "update", "trades": trades})

    def ticker(self, figures: Figures) -> Iterator[Frame]:
        ticker = {
            "type": "ticker",
            "product_id": figures.symbol,
            "price": figures.last,
            "volume_24_h": figures.volume,
            "low_24_h": figures.low,
            "high_24_h": figures.high,
            "price_percent_chg_24_h": f"{(float(figures.last) / float(figures.open) - 1) * 100:.14f}",
            "best_bid": figures.bid[0],
            "best_bid_quantity": figures.bid[1],
            "best_ask": figures.ask[0],
            "best_ask_quantity": figures.ask[1],
        }
        yield self._frame("ticker", {"type": "update", "tickers": [ticker]})

    def _subscribed(self) -> Iterator[Frame]:
        yield self._frame("subscriptions", {"subscriptions": self._subscriptions})

    def _book(self, kind: str, symbol: str, bids: Sequence[Level], asks: Sequence[Level]) -> Frame:
        time = rfc3339(self.venue.milliseconds())
        updates = [
            {"side": side, "event_time": time, "price_level": price, "new_quantity": quantity}
            for side, levels in (("bid", bids), ("offer", asks))
            for price, quantity in levels
        ]
        return self._frame("l2_data", {"type": kind, "product_id": symbol, "updates": updates})

    def _frame(self, channel: str, event: Frame) -> Frame:
        self._number += 1
        time = rfc3339(self.venue.milliseconds())
        return {
            "channel": channel,
            "client_id": "",
            "timestamp": time,
            "sequence_num": self._number,
            "events": [event],
        }


def _product(symbol: str, base: str, quote: str) -> Frame:
    return {
        "product_id": symbol,
        "base_currency_id": base,
        "quote_currency_id": quote,
        "product_type": "SPOT",
        "is_disabled": False,
        "trading_disabled": False,
        "alias": "",
    }


def _candle(candle: Any) -> Frame:
    names = ("open", "high", "low", "close", "volume")
    return {"start": str(candle.start // 1_000)} | {name: str(getattr(candle, name)) for name in names}
