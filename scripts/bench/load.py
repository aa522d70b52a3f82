"""A source that publishes as much as asked: the load for benchmarks of the whole server.

It is a plugin like any other. Each update is a trade, so it takes the whole way: relay, feed, composite price,
candles, encoding, fan-out.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Iterator
from itertools import count
from typing import ClassVar

from pydantic import Field

from haunt import Instrument, Source, SourceOptions, Ticker, Trade, hookimpl

FIRST_PRICE = 20_000.0  # rises by a cent with each update, so that clients can check the order
LAST_PRICE = 100_000.0
SETTLE = 0.2  # seconds between the last client's subscription and the first update
TIMER_ERROR = 0.0015  # asyncio's timers ring up to a millisecond late
CHUNK = 256  # overdue updates published at one go, as many as one read from a busy venue's socket may hold


class LoadOptions(SourceOptions):
    """How much load."""

    updates_per_second: float = Field(0, description="0 = each batch when the last is delivered; below 0 = none.")
    batch: int = Field(1, ge=1, description="Updates published at once.")
    stop_after: int = Field(0, ge=0, description="Updates after which each symbol gets its last price; 0 = never.")


class Load(Source):
    """Trades of every symbol in turn, each at a higher price.

    After `stop_after` updates the first symbol gets LAST_PRICE, the second one more, and so on; then no more is said.
    """

    name = "load"
    simulated = True
    options: LoadOptions

    ready: ClassVar[staticmethod[[], bool]] = staticmethod(lambda: True)
    """Whether all clients have subscribed; set by whoever starts the benchmark."""
    delivered: ClassVar[staticmethod[[], bool]] = staticmethod(lambda: True)
    """Whether what was published has been written to all clients; set by whoever starts the benchmark."""

    async def run(self) -> None:
        symbols = self.relay.choose(
            Instrument(f"{symbol.name}-USD", symbol.name.upper(), "USD") for symbol in self.relay.wanted
        )
        self.relay.open()
        for symbol in symbols:
            self.relay.publish(Ticker(symbol, FIRST_PRICE, 19_500.0, 424_000.0, 28_500_000_000.0, _now_ms()))
        await _when(self.ready, 0.02)
        await asyncio.sleep(SETTLE)
        rate = self.options.updates_per_second
        if rate > 0:
            await self._publish_at_rate(symbols, rate)
        elif rate == 0:
            await self._publish_at_full_speed(symbols)
        if rate >= 0:
            for index, symbol in enumerate(symbols):
                self.relay.publish(Trade(symbol, "last", LAST_PRICE + index, 0.001, "buy", _now_ms()))
        await asyncio.Event().wait()

    async def _publish_at_full_speed(self, symbols: list[str]) -> None:
        for numbers in self._batches():
            self._publish(symbols, numbers, _now_ms())
            await asyncio.sleep(0)
            await _when(self.delivered, 0)

    async def _publish_at_rate(self, symbols: list[str], rate: float) -> None:
        """Stamp each update with the moment it was due, so that a late one shows as latency."""
        # On a whole millisecond, so that stamps in milliseconds tell the very moment.
        began = math.ceil(time.time() * 1_000) / 1_000
        for numbers in self._batches():
            due = began + numbers.start / rate
            if time.time() < due or numbers.start % CHUNK < self.options.batch:
                await _until(due)
            self._publish(symbols, numbers, round(due * 1_000))

    def _batches(self) -> Iterator[range]:
        """The numbers of the updates that are published together."""
        batch, end = self.options.batch, self.options.stop_after or math.inf
        for first in count(0, batch):
            if first >= end:
                return
            yield range(first, int(min(first + batch, end)))

    def _publish(self, symbols: list[str], numbers: range, timestamp: int) -> None:
        for number in numbers:
            symbol = symbols[number % len(symbols)]
            price = round(FIRST_PRICE + number * 0.01, 2)
            self.relay.publish(Trade(symbol, str(number), price, 0.001, "buy", timestamp))


async def _until(due: float) -> None:
    await asyncio.sleep(max(0.0, due - time.time() - TIMER_ERROR))
    await _when(lambda: time.time() >= due, 0)


async def _when(condition: Callable[[], bool], look_every: float) -> None:
    while not condition():  # noqa: ASYNC110 - what is waited for makes no event
        await asyncio.sleep(look_every)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


@hookimpl
def register_sources(register: Callable[[type[Source]], None]) -> None:
    register(Load)
