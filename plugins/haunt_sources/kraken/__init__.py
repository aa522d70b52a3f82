"""Kraken: 24-hour tickers, trades and order books proved by checksums."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal
from urllib.parse import urlencode

from pydantic import Field

from haunt import Candle, Clock, Event, Instrument, Source, StreamOptions, StreamSource, hookimpl
from haunt_sources.kraken.parser import checksum, pair, parse, parse_candles, parse_instruments

MINUTE = 60_000


class KrakenOptions(StreamOptions):
    url: str = Field(
        "wss://ws.kraken.com/v2", description="Kraken's WebSocket, version 2; a mirror or a fake works too."
    )
    rest_url: str = Field("https://api.kraken.com", description="Where the list of markets and candles are fetched.")
    depth: Literal[10, 25, 100, 500, 1000] = Field(100, description="Order-book levels kept per side.")


class Kraken(StreamSource):
    """The books come whole in the stream, and every change carries a checksum."""

    name = "kraken"
    streams = ("book", "ticker")
    connection_limit = (150, 600.0)
    checksum = staticmethod(checksum)
    ping_message = '{"method":"ping"}'
    # Kraken leaves channels unsubscribed in silence when it is asked too fast.
    message_interval = 0.25
    options: KrakenOptions

    async def instruments(self) -> Iterable[Instrument]:
        return parse_instruments(await self.fetch(f"{self.options.rest_url}/0/public/AssetPairs"))

    async def candles(self, venue_symbol: str, start: int, end: int) -> Sequence[Candle]:
        """Those of the last twelve hours: Kraken gives no older ones."""
        end = min(end, Clock().milliseconds() - MINUTE + 1)
        query = urlencode({"pair": pair(venue_symbol), "interval": 1, "since": start // 1_000 - 1})
        return parse_candles(await self.fetch(f"{self.options.rest_url}/0/public/OHLC?{query}"), start, end)

    def subscribe_messages(self, venue_symbols: Sequence[str]) -> Iterator[str]:
        yield self._message("subscribe", "ticker", venue_symbols)
        yield self._message("subscribe", "trade", venue_symbols)
        yield self._message("subscribe", "book", venue_symbols)

    def parse(self, frame: str | bytes) -> Iterable[Event]:
        return parse(frame)

    def resubscribe_messages(self, venue_symbol: str) -> Iterator[str]:
        yield self._message("unsubscribe", "book", [venue_symbol])
        yield self._message("subscribe", "book", [venue_symbol])

    def _message(self, method: str, channel: str, venue_symbols: Sequence[str]) -> str:
        params: dict[str, object] = {"channel": channel, "symbol": list(venue_symbols)}
        if channel == "book":
            params["depth"] = self.options.depth
        return json.dumps({"method": method, "params": params})


@hookimpl
def register_sources(register: Callable[[type[Source]], None]) -> None:
    register(Kraken)
