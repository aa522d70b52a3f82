"""HTX: 24-hour tickers, quotes, trades and order books of the spot market."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal
from urllib.parse import urlencode

import ujson
from pydantic import Field

from haunt import Candle, Event, Instrument, Source, StreamOptions, StreamSource, hookimpl
from haunt_sources.htx.parser import MINUTE, decode, parse, parse_candles, parse_instruments, parse_message

MOST_CANDLES = 2000


class HtxOptions(StreamOptions):
    url: str = Field("wss://api.huobi.pro/ws", description="HTX's WebSocket; a mirror or a fake works too.")
    rest_url: str = Field(
        "https://api.huobi.pro", description="Where the list of markets and past candles are fetched."
    )
    book: Literal["depth.step0", "mbp.refresh.5", "mbp.refresh.10", "mbp.refresh.20"] = Field(
        "depth.step0", description="Order books: 150 levels each second, or so many of them every 100 ms."
    )


class Htx(StreamSource):
    """Every order book comes whole, so a lost frame costs a second of it; the quotes between two come at once.

    HTX also streams numbered changes (mbp), on another address and with breaks that its users report. Whether
    `mbp.refresh` stays on this address is not certain, so it is not the default.
    """

    name = "htx"
    streams = ("book", "ticker")
    options: HtxOptions

    async def instruments(self) -> Iterable[Instrument]:
        return parse_instruments(await self.fetch(f"{self.options.rest_url}/v1/common/symbols"))

    async def candles(self, venue_symbol: str, start: int, end: int) -> Sequence[Candle]:
        # HTX gives the latest so many, the running one among them.
        size = min(MOST_CANDLES, max(1, int(time.time() * 1000 - start) // MINUTE + 2))
        query = urlencode({"symbol": venue_symbol, "period": "1min", "size": size})
        body = await self.fetch(f"{self.options.rest_url}/market/history/kline?{query}")
        return [candle for candle in parse_candles(body) if start <= candle.start < end]

    def subscribe_messages(self, venue_symbols: Sequence[str]) -> Iterator[str]:
        for venue_symbol in venue_symbols:
            for channel in (self.options.book, "bbo", "trade.detail", "detail"):
                yield _message("sub", venue_symbol, channel)

    def parse(self, frame: str | bytes) -> Iterable[Event]:
        return parse(frame)

    def reader(self, send: Callable[[str], None]) -> Callable[[str | bytes], Iterable[Event]]:
        def read(frame: str | bytes) -> Iterable[Event]:
            message = decode(frame)
            # One comes every five seconds; two without an answer end the connection.
            if "ping" in message:
                send(f'{{"pong":{int(message["ping"])}}}')
            return parse_message(message)

        return read

    def resubscribe_messages(self, venue_symbol: str) -> Iterator[str]:
        yield _message("unsub", venue_symbol, self.options.book)
        yield _message("sub", venue_symbol, self.options.book)


def _message(kind: str, venue_symbol: str, channel: str) -> str:
    topic = f"market.{venue_symbol}.{channel}"
    return ujson.dumps({kind: topic, "id": topic})


@hookimpl
def register_sources(register: Callable[[type[Source]], None]) -> None:
    register(Htx)
