"""A source that publishes as fast as asked: the load for benchmarks of the whole server.

It is a plugin like any other. Each update is a trade, so it takes the whole way: relay, feed, composite price,
candles, encoding, fan-out.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import ClassVar

from pydantic import Field

from haunt import Instrument, Source, SourceOptions, Ticker, Trade, hookimpl

SUBSCRIBERS_SETTLE = 0.2  # seconds between the last client's subscription and the first update


class LoadOptions(SourceOptions):
    """How much load."""

    updates_per_second: float = Field(0, description="0 = `batch` updates per turn of the loop; below 0 = none at all.")
    batch: int = Field(1, ge=1, description="Updates per turn of the loop where no rate is given.")


class Load(Source):
    """Trades of every symbol in turn, each at a new price."""

    name = "load"
    simulated = True
    options: LoadOptions

    ready: ClassVar[Callable[[], bool]] = staticmethod(lambda: True)
    """Whether all clients have subscribed; set by whoever starts the benchmark."""

    async def run(self) -> None:
        symbols = self.relay.choose(
            Instrument(f"{symbol.name}-USD", symbol.name.upper(), "USD") for symbol in self.relay.wanted
        )
        self.relay.open()
        for symbol in symbols:
            self.relay.publish(Ticker(symbol, 67_234.56, 65_700.0, 424_000.0, 28_500_000_000.0, _now_ms()))
        while not self.ready():
            await asyncio.sleep(0.02)
        await asyncio.sleep(SUBSCRIBERS_SETTLE)
        if self.options.updates_per_second < 0:
            await asyncio.Event().wait()
        elif self.options.updates_per_second:
            await self._publish_at_rate(symbols, self.options.updates_per_second)
        else:
            await self._publish_batches(symbols)

    async def _publish_batches(self, symbols: list[str]) -> None:
        number = 0
        while True:
            for _ in range(self.options.batch):
                self._publish(symbols, number, _now_ms())
                number += 1
            await asyncio.sleep(0)

    async def _publish_at_rate(self, symbols: list[str], rate: float) -> None:
        """Stamp each update with the moment it was due, so that a late one shows as latency."""
        began, began_ms, number = time.monotonic(), _now_ms(), 0
        while True:
            due = number / rate
            early = began + due - time.monotonic()
            if early > 0:
                await asyncio.sleep(early)
            while number / rate <= time.monotonic() - began:
                self._publish(symbols, number, int(began_ms + number * 1000 / rate))
                number += 1
            await asyncio.sleep(0)

    def _publish(self, symbols: list[str], number: int, timestamp: int) -> None:
        symbol = symbols[number % len(symbols)]
        price = 67_234.56 + number % 1000 * 0.01
        self.relay.publish(Trade(symbol, str(number), price, 0.001, "buy", timestamp))


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


@hookimpl
def register_sources(register: Callable[[type[Source]], None]) -> None:
    register(Load)
