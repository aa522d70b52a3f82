"""Binance: 24-hour tickers, quotes, trades and order books of the spot market."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from urllib.parse import urlencode

import ujson
from pydantic import Field

from haunt import Candle, Clock, Event, Instrument, Source, StreamOptions, StreamSource, hookimpl
from haunt_sources.binance.parser import parse, parse_candles, parse_instruments, parse_response

MINUTE = 60_000
CHANNELS = ("trade", "ticker", "bookTicker", "depth@100ms")
STREAMS_PER_CONNECTION = 1024
STREAMS_PER_MESSAGE = 100
MOST_CANDLES = 1000


class BinanceOptions(StreamOptions):
    url: str = Field(
        "wss://stream.binance.com:9443/stream",
        description="Binance's WebSocket for combined streams; a test net, a mirror or a fake works too.",
    )
    rest_url: str = Field(
        "https://api.binance.com", description="Where the list of markets, book snapshots and candles are fetched."
    )
    depth: int = Field(1000, ge=1, le=5000, description="Order-book levels fetched per side; changes add to them.")


class Binance(StreamSource):
    """Books are rebuilt from a REST snapshot and the deltas of the stream around it."""

    name = "binance"
    streams = ("book", "ticker")
    connection_limit = (300, 300.0)
    # A snapshot of 1000 levels weighs 50 of the 6000 a minute.
    request_limit = (100, 60.0)
    connection_life = 86_400.0
    # Binance cuts clients that send more than five messages a second.
    message_interval = 0.25
    symbols_per_connection = STREAMS_PER_CONNECTION // len(CHANNELS)
    options: BinanceOptions

    async def instruments(self) -> Iterable[Instrument]:
        return parse_instruments(await self.fetch(f"{self.options.rest_url}/api/v3/exchangeInfo"))

    async def candles(self, venue_symbol: str, start: int, end: int) -> Sequence[Candle]:
        end = min(end, Clock().milliseconds() - MINUTE + 1)
        query = urlencode(
            {"symbol": venue_symbol, "interval": "1m", "startTime": start, "endTime": end - 1, "limit": MOST_CANDLES}
        )
        return parse_candles(await self.fetch(f"{self.options.rest_url}/api/v3/klines?{query}"))

    def subscribe_messages(self, venue_symbols: Sequence[str]) -> Iterator[str]:
        streams = [f"{symbol.lower()}@{channel}" for symbol in venue_symbols for channel in CHANNELS]
        for start in range(0, len(streams), STREAMS_PER_MESSAGE):
            params = streams[start : start + STREAMS_PER_MESSAGE]
            yield ujson.dumps({"method": "SUBSCRIBE", "params": params, "id": start // STREAMS_PER_MESSAGE + 1})

    def parse(self, frame: str | bytes) -> Sequence[Event]:
        return parse(frame)

    def snapshot_url(self, venue_symbol: str) -> str:
        query = urlencode({"symbol": venue_symbol, "limit": self.options.depth})
        return f"{self.options.rest_url}/api/v3/depth?{query}"

    def parse_response(self, url: str, body: str) -> Sequence[Event]:
        return parse_response(url, body)


@hookimpl
def register_sources(register: Callable[[type[Source]], None]) -> None:
    register(Binance)
