"""Gate: 24-hour tickers, trades and order books of the spot market."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal

import ujson
from pydantic import Field

from haunt import Event, Instrument, Source, StreamOptions, StreamSource, hookimpl
from haunt_sources.gate.parser import parse, parse_instruments, parse_response


class GateOptions(StreamOptions):
    url: str = Field("wss://api.gateio.ws/ws/v4/", description="Gate's WebSocket; a mirror or a fake works too.")
    rest_url: str = Field("https://api.gateio.ws", description="Where the list of markets is fetched.")
    depth: Literal[50, 400] = Field(
        400, description="Order-book levels kept per side: 50 come every 20 ms, 400 every 100 ms."
    )


class Gate(StreamSource):
    """The books come whole in the stream, then as numbered changes.

    Gate does not document what it allows a connection; its engineers name no limit.
    """

    name = "gate"
    options: GateOptions

    @property
    def ping_message(self) -> str:
        return ujson.dumps({"time": int(time.time()), "channel": "spot.ping"})

    async def instruments(self) -> Iterable[Instrument]:
        return parse_instruments(await self.fetch(f"{self.options.rest_url}/api/v4/spot/currency_pairs"))

    def subscribe_messages(self, venue_symbols: Sequence[str]) -> Iterator[str]:
        # A message that names a market unknown to Gate is refused whole, so each names one.
        for venue_symbol in venue_symbols:
            yield _message("subscribe", "spot.tickers", venue_symbol)
            yield _message("subscribe", "spot.trades", venue_symbol)
            yield _message("subscribe", "spot.obu", self._book(venue_symbol))

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
