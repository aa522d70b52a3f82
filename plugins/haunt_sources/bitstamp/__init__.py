"""Bitstamp: 24-hour figures, trades and order books."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from urllib.parse import urlencode

import ujson
from pydantic import Field

from haunt import Candle, Event, Instrument, Source, StreamOptions, StreamSource, hookimpl
from haunt_sources.bitstamp.parser import parse, parse_candles, parse_instruments, parse_response

CHANNELS = ("live_trades", "diff_order_book")
MOST_CANDLES = 1000
MINUTE = 60_000


class BitstampOptions(StreamOptions):
    url: str = Field("wss://ws.bitstamp.net", description="Bitstamp's WebSocket; a mirror or a fake works too.")
    rest_url: str = Field(
        "https://www.bitstamp.net",
        description="Where the list of markets, 24-hour figures, book snapshots and candles are fetched.",
    )
    figures_interval: float = Field(
        60.0, ge=1, description="Seconds between two requests for the 24-hour figures of one market."
    )
    review_interval: float = Field(
        600.0, ge=0, description="Seconds between two comparisons of one book with a fetched one; 0 = none."
    )


class Bitstamp(StreamSource):
    """Books are rebuilt from a REST snapshot and the deltas of the stream around it.

    The deltas carry no number and no checksum, only their time: a bid above the ask, a delta out of order and a
    review by a new snapshot are all that can tell of a lost one. The stream has no 24-hour figures.
    """

    name = "bitstamp"
    streams = ("book",)
    request_limit = (10_000, 600.0)
    options: BitstampOptions

    @property
    def ping_message(self) -> str:
        return '{"event":"bts:heartbeat"}'

    @property
    def figures_interval(self) -> float:
        return self.options.figures_interval

    @property
    def review_interval(self) -> float:
        return self.options.review_interval

    async def instruments(self) -> Iterable[Instrument]:
        return parse_instruments(await self.fetch(f"{self.options.rest_url}/api/v2/markets/"))

    def subscribe_messages(self, venue_symbols: Sequence[str]) -> Iterator[str]:
        for venue_symbol in venue_symbols:
            for channel in CHANNELS:
                yield ujson.dumps({"event": "bts:subscribe", "data": {"channel": f"{channel}_{venue_symbol}"}})

    def parse(self, frame: str | bytes) -> Sequence[Event]:
        return parse(frame)

    def snapshot_url(self, venue_symbol: str) -> str:
        return f"{self.options.rest_url}/api/v2/order_book/{venue_symbol}/"

    def parse_response(self, url: str, body: str) -> Sequence[Event]:
        return parse_response(url, body)

    async def figures(self, venue_symbol: str) -> Sequence[Event]:
        url = f"{self.options.rest_url}/api/v2/ticker/{venue_symbol}/"
        return parse_response(url, await self.fetch(url))

    async def candles(self, venue_symbol: str, start: int, end: int) -> Sequence[Candle]:
        # Bitstamp counts back from `end`, whose candle it includes.
        end = min(end, start + MOST_CANDLES * MINUTE)
        limit = -((start - end) // MINUTE)
        query = urlencode({"step": 60, "limit": limit, "end": (end - 1) // 1000, "exclude_current_candle": "true"})
        body = await self.fetch(f"{self.options.rest_url}/api/v2/ohlc/{venue_symbol}/?{query}")
        return [candle for candle in parse_candles(body) if start <= candle.start < end]


@hookimpl
def register_sources(register: Callable[[type[Source]], None]) -> None:
    register(Bitstamp)
