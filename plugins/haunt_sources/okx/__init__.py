"""OKX: 24-hour tickers, trades and order books of the spot market."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from urllib.parse import urlencode

import ujson
from pydantic import Field

from haunt import Candle, Clock, Event, Instrument, Source, StreamOptions, StreamSource, hookimpl
from haunt_sources.okx.parser import READERS, checksum, parse, parse_candles, parse_instruments, parse_response

MINUTE = 60_000
MOST_CANDLES = 100
# All that the channel "books" keeps.
DEPTH = 400


class OkxOptions(StreamOptions):
    url: str = Field(
        "wss://ws.okx.com:8443/ws/v5/public",
        description="OKX's WebSocket; another region's, a mirror or a fake works too.",
    )
    rest_url: str = Field(
        "https://www.okx.com", description="Where the list of markets, book snapshots and candles are fetched."
    )


class Okx(StreamSource):
    """Each change of a book names the one before it.

    The snapshot comes in the stream, for as long as OKX sends it: it has announced that it will stop. A book that
    has none, or has lost a change, is rebuilt from a REST snapshot and the deltas of the stream around it.
    """

    name = "okx"
    streams = ("book", "ticker")
    connection_limit = (3, 1.0)
    # Of the list of markets and of history; of books and candles twice as many.
    request_limit = (20, 2.0)
    checksum = staticmethod(checksum)
    ping_message = "ping"
    # A connection takes 480 requests an hour to subscribe or to unsubscribe.
    symbols_per_connection = 400
    options: OkxOptions

    async def instruments(self) -> Iterable[Instrument]:
        return parse_instruments(await self.fetch(f"{self.options.rest_url}/api/v5/public/instruments?instType=SPOT"))

    async def candles(self, venue_symbol: str, start: int, end: int) -> Sequence[Candle]:
        # Only the latest 1440 are candles; those before them are history.
        path = "candles" if start > Clock().milliseconds() - 1440 * MINUTE else "history-candles"
        after = min(end, start + MOST_CANDLES * MINUTE)
        query = urlencode(
            {"instId": venue_symbol, "bar": "1m", "before": start - 1, "after": after, "limit": MOST_CANDLES}
        )
        return parse_candles(await self.fetch(f"{self.options.rest_url}/api/v5/market/{path}?{query}"))

    def subscribe_messages(self, venue_symbols: Sequence[str]) -> Iterator[str]:
        for venue_symbol in venue_symbols:
            args = [{"channel": channel, "instId": venue_symbol} for channel in READERS]
            yield ujson.dumps({"op": "subscribe", "args": args})

    def parse(self, frame: str | bytes) -> Sequence[Event]:
        return parse(frame)

    def snapshot_url(self, venue_symbol: str) -> str:
        query = urlencode({"instId": venue_symbol, "sz": DEPTH})
        return f"{self.options.rest_url}/api/v5/market/books?{query}"

    def parse_response(self, url: str, body: str) -> Sequence[Event]:
        return parse_response(url, body)


@hookimpl
def register_sources(register: Callable[[type[Source]], None]) -> None:
    register(Okx)
