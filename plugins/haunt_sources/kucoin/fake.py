"""KuCoin's WebSocket and REST as a fake speaks them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from haunt.testing import Ask, Channel, Deal, Delta, Dialect, Figures, Frame, Level, Request

CHANNELS: dict[str, Channel] = {"level2": "book", "match": "trades", "snapshot": "ticker", "ticker": "quotes"}
# A change of a book has a range of numbers: here always three.
NUMBERS = 3
# Milliseconds; KuCoin's are 18,000, too many for a trial to hear a ping.
PING = {"pingInterval": 200, "pingTimeout": 10_000}


class KuCoinDialect(Dialect):
    """A token opens the door; books are fetched over REST, and every change has a range of numbers."""

    quote = "USDT"
    token = "token"

    def respond(self, request: Request) -> Frame:
        query, venue = request.query, self.venue
        match request.method, request.path:
            case "POST", "/api/v1/bullet-public":
                server = {"endpoint": venue.url, "protocol": "websocket"} | PING
                data: Frame = {"token": venue.new_token(), "instanceServers": [server]}
            case "GET", "/api/v2/symbols":
                data = [_market(*instrument[:3]) for instrument in venue.instruments]
            case "GET", "/api/v1/market/orderbook/level2_100":
                book = venue.book(query["symbol"], 100)
                numbered = {"time": book.time, "sequence": str(NUMBERS * book.number)}
                data = numbered | {"bids": book.bids, "asks": book.asks}
            case "GET", "/api/v1/market/candles":
                start, end = (int(query[name]) * 1_000 for name in ("startAt", "endAt"))
                data = [_candle(candle) for candle in reversed(venue.candles(query["symbol"], start, end))]
            case _:
                return None
        return {"code": "200000", "data": data}

    def welcome(self) -> Iterator[Frame]:
        yield {"id": "hQvf8jkno", "type": "welcome"} | PING

    def asks(self, message: Any) -> Iterator[Ask]:
        if message["type"] in ("subscribe", "unsubscribe"):
            channel, symbols = _topic(message)
            for symbol in symbols:
                yield Ask(CHANNELS[channel], symbol, ends=message["type"] == "unsubscribe")

    # One market that does not exist refuses the whole message.

    def accept(self, message: Any, asks: Sequence[Ask]) -> Iterator[Frame]:
        if len(asks) == len(_topic(message)[1]):
            yield {"id": message["id"], "type": "ack"}

    def refuse(self, message: Any, asks: Sequence[Ask]) -> Iterator[Frame]:
        reason = f"topic {message['topic']} is not found"
        yield {"id": message["id"], "type": "error", "code": 404, "data": reason}

    def answer(self, message: Any) -> list[Frame] | None:
        return [{"id": message["id"], "type": "pong"}] if message["type"] == "ping" else None

    def delta(self, delta: Delta) -> Iterator[Frame]:
        last = NUMBERS * delta.number
        changes = {"bids": _rows(delta.bids, last), "asks": [["0", "0", str(last - 2)], *_rows(delta.asks, last)]}
        data = {"sequenceStart": last - NUMBERS + 1, "sequenceEnd": last, "symbol": delta.symbol, "changes": changes}
        yield _frame("level2", "trade.l2update", delta.symbol, data | {"time": delta.time})

    def trades(self, deals: Sequence[Deal], *, first: bool) -> Iterator[Frame]:
        for deal in () if first else deals:
            trade = {
                "symbol": deal.symbol,
                "sequence": str(deal.id),
                "side": deal.side,
                "size": deal.quantity,
                "price": deal.price,
                "tradeId": str(deal.id),
                "time": f"{deal.time}000000",
                "type": "match",
            }
            yield _frame("match", "trade.l3match", deal.symbol, trade)

    def ticker(self, figures: Figures) -> Iterator[Frame]:
        last, opened = float(figures.last), float(figures.open)
        data = {
            "symbol": figures.symbol,
            "lastTradedPrice": last,
            "changePrice": last - opened,
            "changeRate": round(last / opened - 1, 4),
            "high": float(figures.high),
            "low": float(figures.low),
            "vol": float(figures.volume),
            "volValue": float(figures.quote_volume),
            "datetime": figures.time,
        }
        number = str(NUMBERS * figures.number)
        yield _frame("snapshot", "trade.snapshot", figures.symbol, {"sequence": number, "data": data})

    def quotes(self, figures: Figures) -> Iterator[Frame]:
        (bid, bids), (ask, asks) = figures.bid, figures.ask
        quote = {"bestBid": bid, "bestBidSize": bids, "bestAsk": ask, "bestAskSize": asks, "time": figures.time}
        data = {"sequence": str(NUMBERS * figures.number), "price": figures.last, "size": "1"} | quote
        yield _frame("ticker", "trade.ticker", figures.symbol, data)


def _topic(message: Any) -> tuple[str, list[str]]:
    channel, _, symbols = message["topic"].removeprefix("/market/").partition(":")
    return channel, symbols.split(",")


def _frame(channel: str, subject: str, symbol: str, data: Frame) -> Frame:
    return {"type": "message", "topic": f"/market/{channel}:{symbol}", "subject": subject, "data": data}


def _rows(levels: Sequence[Level], number: int) -> list[list[str]]:
    return [[*level, str(number)] for level in levels]


def _market(symbol: str, base: str, quote: str) -> Frame:
    names = {"symbol": symbol, "name": symbol, "baseCurrency": base, "quoteCurrency": quote}
    return names | {"market": "USDS", "enableTrading": True}


def _candle(candle: Any) -> Frame:
    start, opened, high, low, close, volume, *_ = candle
    return [*map(str, (start // 1_000, opened, close, high, low, volume, volume * close))]
