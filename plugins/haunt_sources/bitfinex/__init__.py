"""Bitfinex: 24-hour tickers, trades and order books proved by numbered frames and checksums."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal
from urllib.parse import urlencode

import ujson
from pydantic import Field

from haunt import Candle, Clock, Event, Instrument, Relay, Source, StreamOptions, StreamSource, hookimpl
from haunt_sources.bitfinex.parser import READERS, Reader, checksum, parse_candles, parse_instruments

# What changes together comes together: level by level, the book would be wrong in between.
TIMESTAMPS, NUMBERS, CHECKSUMS, TOGETHER = 2**15, 2**16, 2**17, 2**29
MINUTE = 60_000
MOST_CANDLES = 10_000


class BitfinexOptions(StreamOptions):
    url: str = Field(
        "wss://api-pub.bitfinex.com/ws/2", description="Bitfinex's WebSocket, version 2; a mirror or a fake works too."
    )
    rest_url: str = Field(
        "https://api-pub.bitfinex.com", description="Where the list of markets and candles are fetched."
    )
    depth: Literal[25, 100, 250] = Field(100, description="Order-book levels kept per side.")
    channels_per_connection: int = Field(
        25, ge=3, le=36, description="Channels on one connection, three for each symbol; Bitfinex documents 25."
    )


class Bitfinex(StreamSource):
    """The books come whole in the stream. A number on every frame of a connection tells of a lost one, and every few
    seconds a checksum tells whether a book is right.

    Documented, and not seen here: that 20 connections a minute are too many, and the notices before maintenance.
    """

    name = "bitfinex"
    streams = ("book", "ticker")
    connection_limit = (20, 60.0)
    # That of those who log in.
    hosts = ("api.bitfinex.com",)
    checksum = staticmethod(checksum)
    options: BitfinexOptions

    def __init__(self, options: BitfinexOptions, relay: Relay) -> None:
        super().__init__(options, relay)
        self.symbols_per_connection = options.channels_per_connection // len(READERS)
        self._books: dict[str, str] = {}

    @property
    def ping_message(self) -> str:
        return '{"event":"ping"}'

    async def instruments(self) -> Iterable[Instrument]:
        lists = "pub:list:pair:exchange,pub:map:currency:sym"
        return parse_instruments(await self.fetch(f"{self.options.rest_url}/v2/conf/{lists}"))

    async def candles(self, venue_symbol: str, start: int, end: int) -> Sequence[Candle]:
        last = min(end - 1, Clock().milliseconds() - MINUTE)
        query = urlencode({"start": start, "end": last, "limit": MOST_CANDLES, "sort": 1})
        return parse_candles(
            await self.fetch(f"{self.options.rest_url}/v2/candles/trade:1m:{venue_symbol}/hist?{query}")
        )

    def subscribe_messages(self, venue_symbols: Sequence[str]) -> Iterator[str]:
        yield ujson.dumps({"event": "conf", "flags": TIMESTAMPS + NUMBERS + CHECKSUMS + TOGETHER})
        for venue_symbol in venue_symbols:
            for channel in READERS:
                yield self._subscribe(channel, venue_symbol)

    def reader(self, send: Callable[[str], None]) -> Callable[[str | bytes], Iterable[Event]]:
        return Reader(self._books)

    def resubscribe_messages(self, venue_symbol: str) -> Iterator[str]:
        number = self._books.get(venue_symbol)
        if number is not None:
            yield ujson.dumps({"event": "unsubscribe", "chanId": int(number)})
            yield self._subscribe("book", venue_symbol)

    def _subscribe(self, channel: str, venue_symbol: str) -> str:
        message = {"event": "subscribe", "channel": channel, "symbol": venue_symbol}
        if channel == "book":
            message |= {"prec": "P0", "freq": "F0", "len": str(self.options.depth)}
        return ujson.dumps(message)


@hookimpl
def register_sources(register: Callable[[type[Source]], None]) -> None:
    register(Bitfinex)
