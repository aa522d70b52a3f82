"""Bybit: 24-hour tickers, trades and order books of the spot market."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal
from urllib.parse import urlencode

import ujson
from pydantic import Field

from haunt import Candle, Event, Instrument, Source, StreamOptions, StreamSource, hookimpl
from haunt_sources.bybit.parser import MINUTE, parse, parse_candles, parse_instruments

MOST_CANDLES = 1000


class BybitOptions(StreamOptions):
    url: str = Field(
        "wss://stream.bybit.com/v5/public/spot",
        description="Bybit's WebSocket of the spot market; another region's, a test net, a mirror or a fake works too.",
    )
    rest_url: str = Field("https://api.bybit.com", description="Where the list of markets and candles are fetched.")
    depth: Literal[50, 200, 1000] = Field(
        200, description="Order-book levels per side; Bybit sends 50 every 20 ms, the others every 200 ms."
    )


class Bybit(StreamSource):
    """The books come whole in the stream, then as numbered changes; whole again when Bybit restarts."""

    name = "bybit"
    streams = ("book", "ticker")
    connection_limit = (500, 300.0)
    ping_message = '{"op":"ping"}'
    # What Bybit has said of connections to its futures, 21,000 characters of topics, may hold here too.
    symbols_per_connection = 200
    options: BybitOptions

    async def instruments(self) -> Iterable[Instrument]:
        url = f"{self.options.rest_url}/v5/market/instruments-info?category=spot&status=Trading&limit=1000"
        return parse_instruments(await self.fetch(url))

    async def candles(self, venue_symbol: str, start: int, end: int) -> Sequence[Candle]:
        last = min(end, start + MOST_CANDLES * MINUTE) - 1
        query = urlencode(
            {
                "category": "spot",
                "symbol": venue_symbol,
                "interval": 1,
                "start": start,
                "end": last,
                "limit": MOST_CANDLES,
            }
        )
        return parse_candles(await self.fetch(f"{self.options.rest_url}/v5/market/kline?{query}"))

    def subscribe_messages(self, venue_symbols: Sequence[str]) -> Iterator[str]:
        # A request that names one unknown topic is refused as a whole, and one for spot may name ten at most.
        for venue_symbol in venue_symbols:
            topics = [f"tickers.{venue_symbol}", f"publicTrade.{venue_symbol}", self._book(venue_symbol)]
            yield _message("subscribe", venue_symbol, topics)

    def parse(self, frame: str | bytes) -> Sequence[Event]:
        return parse(frame)

    def serves(self, url: str) -> bool:
        # The futures go by the same names.
        return not url.endswith(("/linear", "/inverse")) and "category=linear" not in url

    def resubscribe_messages(self, venue_symbol: str) -> Iterator[str]:
        yield _message("unsubscribe", venue_symbol, [self._book(venue_symbol)])
        yield _message("subscribe", venue_symbol, [self._book(venue_symbol)])

    def _book(self, venue_symbol: str) -> str:
        return f"orderbook.{self.options.depth}.{venue_symbol}"


def _message(operation: str, venue_symbol: str, topics: Sequence[str]) -> str:
    return ujson.dumps({"op": operation, "req_id": venue_symbol, "args": topics})


@hookimpl
def register_sources(register: Callable[[type[Source]], None]) -> None:
    register(Bybit)
