"""Gemini: 24-hour figures, trades and order books of the spot market."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import ujson
from pydantic import Field

from haunt import Candle, Clock, Event, Instrument, Source, StreamOptions, StreamSource, hookimpl
from haunt_sources.gemini.parser import (
    CHANNELS,
    SUBSCRIBE,
    UNSUBSCRIBE,
    Reader,
    parse_candles,
    parse_figures,
    parse_instruments,
)

MINUTE = 60_000


class GeminiOptions(StreamOptions):
    url: str = Field("wss://ws.gemini.com", description="Gemini's WebSocket; a mirror or a fake works too.")
    rest_url: str = Field(
        "https://api.gemini.com", description="Where the list of markets, 24-hour figures and candles are fetched."
    )
    figures_interval: float = Field(
        60.0, ge=1, description="Seconds between two requests for the 24-hour figures of one market."
    )


class Gemini(StreamSource):
    """The books come whole in the stream, then as numbered changes. The stream has no 24-hour figures."""

    name = "gemini"
    streams = ("book",)
    hosts = ("api.gemini.com",)
    # The figures of one market take two.
    request_limit = (120, 60.0)
    message_interval = 0.1
    options: GeminiOptions

    @property
    def ping_message(self) -> str:
        return '{"id":"","method":"ping"}'

    @property
    def figures_interval(self) -> float:
        return self.options.figures_interval

    async def address(self) -> str:
        # Without it books begin with their next change.
        return f"{self.options.url}?snapshot=-1"

    async def instruments(self) -> Iterable[Instrument]:
        return parse_instruments(await self.fetch(f"{self.options.rest_url}/v1/symbols/details/all"))

    async def figures(self, venue_symbol: str) -> Sequence[Event]:
        name, rest_url = venue_symbol.lower(), self.options.rest_url
        ticker = await self.fetch(f"{rest_url}/v2/ticker/{name}")
        pubticker = await self.fetch(f"{rest_url}/v1/pubticker/{name}")
        return (parse_figures(venue_symbol, self.relay.feeds[venue_symbol].quote, ticker, pubticker),)

    async def candles(self, venue_symbol: str, start: int, end: int) -> Sequence[Candle]:
        # Those of the last day, whatever is asked for.
        body = await self.fetch(f"{self.options.rest_url}/v2/candles/{venue_symbol.lower()}/1m")
        end = min(end, Clock().milliseconds() - MINUTE + 1)
        return [candle for candle in parse_candles(body) if start <= candle.start < end]

    def subscribe_messages(self, venue_symbols: Sequence[str]) -> Iterator[str]:
        for venue_symbol in venue_symbols:
            yield _message(SUBSCRIBE, venue_symbol, CHANNELS)

    def reader(self, send: Callable[[str], None]) -> Callable[[str | bytes], Iterable[Event]]:
        return Reader()

    def resubscribe_messages(self, venue_symbol: str) -> Iterator[str]:
        yield _message(UNSUBSCRIBE, venue_symbol, ("depth@100ms",))
        yield _message(SUBSCRIBE, venue_symbol, ("depth@100ms",))


def _message(kind: str, venue_symbol: str, channels: Iterable[str]) -> str:
    method = "subscribe" if kind == SUBSCRIBE else "unsubscribe"
    params = [f"{venue_symbol.lower()}@{channel}" for channel in channels]
    return ujson.dumps({"id": f"{kind}{venue_symbol}", "method": method, "params": params})


@hookimpl
def register_sources(register: Callable[[type[Source]], None]) -> None:
    register(Gemini)
