"""Crypto.com Exchange: 24-hour tickers, trades and order books of the spot market."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal
from urllib.parse import urlencode

import ujson
from pydantic import Field

from haunt import Candle, Clock, Event, Instrument, Source, StreamOptions, StreamSource, hookimpl
from haunt_sources.cryptocom.parser import heartbeat_answer, parse, parse_candles, parse_instruments

CHANNELS_PER_CONNECTION = 400
CHANNELS_PER_MESSAGE = 99
MOST_CANDLES = 300


class CryptocomOptions(StreamOptions):
    url: str = Field(
        "wss://stream.crypto.com/exchange/v1/market",
        description="Crypto.com's WebSocket for market data; a mirror or a fake works too.",
    )
    rest_url: str = Field(
        "https://api.crypto.com", description="Where the list of markets and past candles are fetched."
    )
    depth: Literal[10, 50] = Field(50, description="Order-book levels kept per side.")
    book_interval: Literal[10, 100] = Field(10, description="Milliseconds between two changes of a book.")


class Cryptocom(StreamSource):
    """The books come whole in the stream, and each change names the number of the one before (`pu`)."""

    name = "cryptocom"
    streams = ("book", "ticker")
    request_limit = (100, 1.0)
    # Crypto.com counts what is sent in the calendar second of the connection against a part of its limit.
    subscribe_delay = 1.0
    message_interval = 0.1
    symbols_per_connection = CHANNELS_PER_CONNECTION // 3
    options: CryptocomOptions

    async def instruments(self) -> Iterable[Instrument]:
        return parse_instruments(await self._ask("get-instruments"))

    async def candles(self, venue_symbol: str, start: int, end: int) -> Sequence[Candle]:
        query = {"instrument_name": venue_symbol, "timeframe": "1m", "start_ts": start, "end_ts": end}
        body = await self._ask(f"get-candlestick?{urlencode(query | {'count': MOST_CANDLES})}")
        return [candle for candle in parse_candles(body, Clock().milliseconds()) if start <= candle.start < end]

    def subscribe_messages(self, venue_symbols: Sequence[str]) -> Iterator[str]:
        names = [
            name for symbol in venue_symbols for name in (f"ticker.{symbol}", f"trade.{symbol}", self._book(symbol))
        ]
        for start in range(0, len(names), CHANNELS_PER_MESSAGE):
            yield self._message("subscribe", names[start : start + CHANNELS_PER_MESSAGE])

    def resubscribe_messages(self, venue_symbol: str) -> Iterator[str]:
        yield self._message("unsubscribe", [self._book(venue_symbol)])
        yield self._message("subscribe", [self._book(venue_symbol)])

    def parse(self, frame: str | bytes) -> Iterable[Event]:
        return parse(frame)

    def reader(self, send: Callable[[str], None]) -> Callable[[str | bytes], Iterable[Event]]:
        def read(frame: str | bytes) -> Iterable[Event]:
            answer = heartbeat_answer(frame)
            if answer is not None:
                send(answer)
            return parse(frame)

        return read

    async def _ask(self, method: str) -> str:
        return await self.fetch(f"{self.options.rest_url}/exchange/v1/public/{method}")

    def _book(self, venue_symbol: str) -> str:
        return f"book.{venue_symbol}.{self.options.depth}"

    def _message(self, method: str, channels: Sequence[str]) -> str:
        params = {
            "channels": channels,
            "book_subscription_type": "SNAPSHOT_AND_UPDATE",
            "book_update_frequency": self.options.book_interval,
        }
        return ujson.dumps({"id": 1, "method": method, "params": params})


@hookimpl
def register_sources(register: Callable[[type[Source]], None]) -> None:
    register(Cryptocom)
