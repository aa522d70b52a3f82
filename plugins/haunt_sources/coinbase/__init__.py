"""Coinbase: 24-hour tickers, trades and order books of Advanced Trade's public feed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from urllib.parse import urlencode

import ujson
from pydantic import Field

from haunt import Candle, Clock, Event, Instrument, Source, StreamOptions, StreamSource, hookimpl
from haunt_sources.coinbase.parser import parse, parse_candles, parse_instruments

MINUTE = 60_000
# Coinbase gives 350 at most, and does not say whether both ends count.
MOST_CANDLES = 300

# Other channels close after a minute without news unless heartbeats are subscribed too.
CHANNELS = ("heartbeats", "ticker", "market_trades", "level2")


class CoinbaseOptions(StreamOptions):
    url: str = Field(
        "wss://advanced-trade-ws.coinbase.com",
        description="Coinbase's WebSocket; a mirror or a fake works too.",
    )
    rest_url: str = Field("https://api.coinbase.com", description="Where the list of markets and candles are fetched.")


class Coinbase(StreamSource):
    """The books come whole in the stream: 5 MB for BTC-USD."""

    name = "coinbase"
    streams = ("book", "ticker")
    connection_limit = (8, 1.0)
    message_limit = (8, 1.0)
    # Coinbase takes eight messages a second.
    message_interval = 0.15
    options: CoinbaseOptions

    async def instruments(self) -> Iterable[Instrument]:
        return parse_instruments(await self.fetch(f"{self.options.rest_url}/api/v3/brokerage/market/products"))

    async def candles(self, venue_symbol: str, start: int, end: int) -> Sequence[Candle]:
        end = min(end, start + MOST_CANDLES * MINUTE, Clock().milliseconds() - MINUTE + 1)
        query = urlencode({"start": start // 1_000, "end": end // 1_000, "granularity": "ONE_MINUTE"})
        url = f"{self.options.rest_url}/api/v3/brokerage/market/products/{venue_symbol}/candles?{query}"
        return parse_candles(await self.fetch(url), start, end)

    def subscribe_messages(self, venue_symbols: Sequence[str]) -> Iterator[str]:
        for channel in CHANNELS:
            yield _message("subscribe", channel, venue_symbols)

    def parse(self, frame: str | bytes) -> Iterator[Event]:
        return parse(frame)

    def resubscribe_messages(self, venue_symbol: str) -> Iterator[str]:
        yield _message("unsubscribe", "level2", [venue_symbol])
        yield _message("subscribe", "level2", [venue_symbol])


def _message(kind: str, channel: str, venue_symbols: Sequence[str]) -> str:
    return ujson.dumps({"type": kind, "product_ids": venue_symbols, "channel": channel})


@hookimpl
def register_sources(register: Callable[[type[Source]], None]) -> None:
    register(Coinbase)
