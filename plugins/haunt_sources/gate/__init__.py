"""Gate: 24-hour tickers, trades and order books of the spot market."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal
from urllib.parse import urlencode

import ujson
from pydantic import Field

from haunt import Candle, Event, Instrument, Source, StreamOptions, StreamSource, hookimpl
from haunt_sources.gate.parser import parse, parse_candles, parse_instruments, parse_response

MOST_CANDLES = 1000


class GateOptions(StreamOptions):
    url: str = Field("wss://api.gateio.ws/ws/v4/", description="Gate's WebSocket; a mirror or a fake works too.")
    rest_url: str = Field(
        "https://api.gateio.ws", description="Where the list of markets and past candles are fetched."
    )
    depth: Literal[50, 400] = Field(
        400, description="Order-book levels kept per side: 50 come every 20 ms, 400 every 100 ms."
    )


class Gate(StreamSource):
    """The books come whole in the stream, then as numbered changes.

    Gate does not document what it allows a connection; its engineers name no limit.
    """

    name = "gate"
    streams = ("book", "ticker")
    options: GateOptions

    @property
    def ping_message(self) -> str:
        return ujson.dumps({"time": int(time.time()), "channel": "spot.ping"})

    async def instruments(self) -> Iterable[Instrument]:
        return parse_instruments(await self.fetch(f"{self.options.rest_url}/api/v4/spot/currency_pairs"))

    async def candles(self, venue_symbol: str, start: int, end: int) -> Sequence[Candle]:
        # Gate counts in seconds, and gives the candle of the last one too.
        first, last = start // 1000, min(end // 1000, start // 1000 + MOST_CANDLES * 60) - 1
        query = urlencode({"currency_pair": venue_symbol, "interval": "1m", "from": first, "to": last})
        candles = parse_candles(await self.fetch(f"{self.options.rest_url}/api/v4/spot/candlesticks?{query}"))
        return [candle for candle in candles if start <= candle.start < end]

    def subscribe_messages(self, venue_symbols: Sequence[str]) -> Iterator[str]:
        # A message that names a market unknown to Gate is refused whole, so each names one.
        for venue_symbol in venue_symbols:
            yield _message("subscribe", "spot.obu", self._book(venue_symbol))
            yield _message("subscribe", "spot.trades", venue_symbol)
            yield _message("subscribe", "spot.tickers", venue_symbol)

    def parse(self, frame: str | bytes) -> Sequence[Event]:
        return parse(frame)

    def parse_response(self, url: str, body: str) -> Sequence[Event]:
        return parse_response(url, body)

    def resubscribe_messages(self, venue_symbol: str) -> Iterator[str]:
        yield _message("unsubscribe", "spot.obu", self._book(venue_symbol))
        yield _message("subscribe", "spot.obu", self._book(venue_symbol))

    def _book(self, venue_symbol: str) -> str:
        return f"ob.{venue_symbol}.{self.options.depth}"


def _message(event: str, channel: str, topic: str) -> str:
    return ujson.dumps({"time": int(time.time()), "channel": channel, "event": event, "payload": [topic]})


@hookimpl
def register_sources(register: Callable[[type[Source]], None]) -> None:
    register(Gate)
