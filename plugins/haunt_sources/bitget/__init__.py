"""Bitget: 24-hour tickers, trades and order books of the spot market."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from urllib.parse import urlencode

import ujson
from pydantic import Field

from haunt import Candle, Event, Instrument, Source, StreamOptions, StreamSource, hookimpl
from haunt_sources.bitget.parser import checksum, parse, parse_candles, parse_instruments

CHANNELS = ("ticker", "trade", "books")
V3_TOPICS = {"trade": "publicTrade"}
# A message may be 4096 bytes long, but v3 has closed connections for one that names 25 channels.
CHANNELS_PER_MESSAGE = 20
# Bitget takes a thousand and recommends less than this many.
CHANNELS_PER_CONNECTION = 50
MOST_CANDLES = 1000


class BitgetOptions(StreamOptions):
    url: str = Field(
        "wss://ws.bitget.com/v2/ws/public",
        description="Bitget's WebSocket; with /v3/ in it, that version is spoken. A mirror or a fake works too.",
    )
    rest_url: str = Field(
        "https://api.bitget.com", description="Where the list of markets and past candles are fetched."
    )


class Bitget(StreamSource):
    """The books come whole in the stream. Changes carry the number of the one before (`pseq`), a checksum, or both;
    what Bitget sends is verified."""

    name = "bitget"
    streams = ("book", "ticker")
    checksum = staticmethod(checksum)
    connection_limit = (300, 300.0)
    request_limit = (20, 1.0)
    # Bitget cuts a connection that has not sent the word for two minutes, whatever flows over it.
    ping_message = "ping"
    # Bitget takes ten messages a second, pings among them.
    message_interval = 0.15
    symbols_per_connection = CHANNELS_PER_CONNECTION // len(CHANNELS)
    options: BitgetOptions

    async def instruments(self) -> Iterable[Instrument]:
        return parse_instruments(await self.fetch(f"{self.options.rest_url}/api/v2/spot/public/symbols"))

    def subscribe_messages(self, venue_symbols: Sequence[str]) -> Iterator[str]:
        args = [self._arg(channel, venue_symbol) for venue_symbol in venue_symbols for channel in CHANNELS]
        for start in range(0, len(args), CHANNELS_PER_MESSAGE):
            yield _message("subscribe", args[start : start + CHANNELS_PER_MESSAGE])

    def resubscribe_messages(self, venue_symbol: str) -> Iterator[str]:
        book = [self._arg("books", venue_symbol)]
        yield _message("unsubscribe", book)
        yield _message("subscribe", book)

    async def candles(self, venue_symbol: str, start: int, end: int) -> Sequence[Candle]:
        query = urlencode(
            {"symbol": venue_symbol, "granularity": "1min", "startTime": start, "endTime": end, "limit": MOST_CANDLES}
        )
        body = await self.fetch(f"{self.options.rest_url}/api/v2/spot/market/candles?{query}")
        return [candle for candle in parse_candles(body) if start <= candle.start < end]

    def parse(self, frame: str | bytes) -> Iterable[Event]:
        return parse(frame)

    def _arg(self, channel: str, venue_symbol: str) -> dict[str, str]:
        if "/v3/" not in self.options.url:
            return {"instType": "SPOT", "channel": channel, "instId": venue_symbol}
        return {"instType": "spot", "topic": V3_TOPICS.get(channel, channel), "symbol": venue_symbol}


def _message(operation: str, args: Sequence[dict[str, str]]) -> str:
    return ujson.dumps({"op": operation, "args": args})


@hookimpl
def register_sources(register: Callable[[type[Source]], None]) -> None:
    register(Bitget)
