"""Coinbase: 24-hour tickers, trades and order books of Advanced Trade's public feed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import ujson
from pydantic import Field

from haunt import Event, Instrument, Source, StreamOptions, StreamSource, hookimpl
from haunt_sources.coinbase.parser import parse, parse_instruments

# Other channels close after a minute without news unless heartbeats are subscribed too.
CHANNELS = ("heartbeats", "ticker", "market_trades", "level2")


class CoinbaseOptions(StreamOptions):
    url: str = Field(
        "wss://advanced-trade-ws.coinbase.com",
        description="Coinbase's WebSocket; a mirror or a fake works too.",
    )
    rest_url: str = Field("https://api.coinbase.com", description="Where the list of markets is fetched.")


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
