"""A storm: fakes of all venues misbehave at random at once, and Haunt publishes nothing that is not so.

`CHAOS_SECONDS=60 CHAOS_SEED=7 scripts/test tests/testing/test_chaos.py -s` is a longer one, or another.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from blocks import ROOT

from haunt.app import Haunt
from haunt.config.load import load
from haunt.market.composite import PriceRules
from haunt.market.feed import Feed
from haunt.market.supervisor import Supervisor
from haunt.plugin.connection import VenueConnection
from haunt.plugin.registry import Registry
from haunt.plugin.relay import Relay
from haunt.testing import Delta, FakeExchange, Snapshot, eventually
from haunt.testing.certification import find_dialect
from haunt.testing.exchange import Data, honest, unchanged
from haunt.testing.scenarios import GARBAGE, misplaced
from haunt.testing.trial import OPTIONS, TOLERANCE, was

SECONDS = float(os.environ.get("CHAOS_SECONDS", "12"))
SEED = int(os.environ.get("CHAOS_SEED", "1"))
FAKED = sorted(file.parent.name for file in ROOT.glob("plugins/haunt_sources/*/fake.py"))
LOOK_EVERY = 0.05
# A vote counts as at most `clamp` away from the median, and those who lie are a minority.
SWAY = PriceRules().clamp / 2

Fault = Callable[[FakeExchange, random.Random], Awaitable[None]]


# -- what can happen


async def a_while(chance: random.Random) -> None:
    await asyncio.sleep(chance.uniform(0.2, 2.0))


async def silence(exchange: FakeExchange, chance: random.Random) -> None:
    exchange.silent()
    await a_while(chance)
    exchange.wire.cut()
    exchange.speak()


async def half_open(exchange: FakeExchange, chance: random.Random) -> None:
    exchange.wire.freeze()


async def drip(exchange: FakeExchange, chance: random.Random) -> None:
    exchange.wire.rate = 5.0
    await a_while(chance)
    exchange.wire.rate = None
    exchange.wire.cut()


async def cut(exchange: FakeExchange, chance: random.Random) -> None:
    exchange.wire.cut()


async def stall(exchange: FakeExchange, chance: random.Random) -> None:
    """Not while a source subscribes: of its tickers it would hear for five seconds until it missed its book."""
    asked = exchange.asked.total()
    await asyncio.sleep(0.5)
    if exchange.asked.total() == asked:
        exchange.stall()


async def goodbye(exchange: FakeExchange, chance: random.Random) -> None:
    await exchange.leave()


async def refusal(exchange: FakeExchange, chance: random.Random) -> None:
    exchange.refuse(429, {"Retry-After": "1"})
    exchange.request_refusal = (429, "", {"Retry-After": "1"})
    exchange.wire.cut()
    await a_while(chance)
    exchange.accept()
    exchange.request_refusal = None


async def expiry(exchange: FakeExchange, chance: random.Random) -> None:
    exchange.expire_tokens()
    exchange.wire.cut()


async def forgotten_market(exchange: FakeExchange, chance: random.Random) -> None:
    exchange.ignored.add(chance.choice(list(exchange.markets)))
    exchange.wire.cut()
    await a_while(chance)
    exchange.ignored.clear()


async def disorder(exchange: FakeExchange, chance: random.Random) -> None:
    """Some changes are lost, others come twice."""
    if not exchange.dialect.numbered and not exchange.dialect.checksummed:
        return

    def tamper(data: Data | None, frames: list[str | bytes]) -> list[str | bytes]:
        return frames * chance.choice((0, 1, 1, 1, 2)) if isinstance(data, Delta) else frames

    exchange.tamper = tamper
    await a_while(chance)
    exchange.tamper = unchanged


async def garbage(exchange: FakeExchange, chance: random.Random) -> None:
    exchange.inject(*GARBAGE)


async def crossed_books(exchange: FakeExchange, chance: random.Random) -> None:
    def distort(data: Data) -> Data:
        return replace(data, bids=data.asks, asks=data.bids) if isinstance(data, Snapshot) else data

    await distortion(exchange, chance, distort)


async def misplaced_point(exchange: FakeExchange, chance: random.Random) -> None:
    await distortion(exchange, chance, misplaced(chance.choice((0.01, 100.0))))


async def seconds(exchange: FakeExchange, chance: random.Random) -> None:
    await distortion(exchange, chance, lambda data: replace(data, time=data.time // 1_000))


async def distortion(exchange: FakeExchange, chance: random.Random, distort: Callable[[Data], Any]) -> None:
    exchange.distort = distort
    if chance.random() < 0.5:
        exchange.wire.cut()
    await a_while(chance)
    exchange.distort = honest


FAULTS: tuple[Fault, ...] = (
    silence, half_open, stall, drip, cut, goodbye, refusal, expiry, forgotten_market, disorder, garbage, crossed_books,
    misplaced_point, seconds,
)  # fmt: skip


# -- Haunt in it


class Storm:
    """Every venue in a fake, all quoted in dollars, so that they agree; and what was published and was not so."""

    def __init__(self, folder: Path) -> None:
        registry = Registry()
        self.exchanges = {name: FakeExchange(_in_dollars(registry, name)) for name in FAKED}
        self.happened: Counter[str] = Counter()
        self.wrong: list[str] = []
        self._folder = folder
        self.haunt: Haunt

    async def start(self) -> None:
        sources = {}
        for name, exchange in self.exchanges.items():
            exchange.start()
            options = exchange.dialect.options(exchange.url.rstrip("/"), exchange.rest_url)
            sources[name] = {**OPTIONS, **options}
        file = self._folder / "storm.yaml"
        file.write_text(json.dumps({"server": {"port": 0}, "symbols": ["btc", "eth"], "sources": sources}))
        self.haunt = Haunt(load(file, Registry(), {}))
        self.haunt.supervisor = Supervisor(random=lambda low, high: 0.1)
        await self.haunt.start()

    async def stop(self) -> None:
        await self.haunt.stop()
        for exchange in self.exchanges.values():
            await exchange.stop()

    async def rage(self, name: str, chance: random.Random) -> None:
        """One venue misbehaves, and again after a while, without end."""
        while True:
            await asyncio.sleep(chance.uniform(0.0, 2.0))
            fault = chance.choice(FAULTS)
            self.happened[fault.__name__] += 1
            await fault(self.exchanges[name], chance)

    async def watch(self) -> None:
        while True:
            for base in ("btc", "eth"):
                self._look_at_price(base)
            for name, feed in self.feeds():
                moments = self.exchanges[name].markets[feed.venue_symbol].lately(TOLERANCE)
                counts = feed.book_state == "synced" and feed.fresh(self.haunt.clock.monotonic())
                if counts and not was(feed, moments):
                    self.wrong.append(f"{name}: a book of {feed.venue_symbol} that never was")
            await asyncio.sleep(LOOK_EVERY)

    def feeds(self) -> Iterator[tuple[str, Feed]]:
        for name, relay in self.haunt.relays.items():
            for feed in relay.feeds.values():
                yield name, feed

    def right(self) -> bool:
        """Every book of every venue is the venue's own, and counts."""
        feeds = list(self.feeds())
        return len(feeds) == 2 * len(self.exchanges) and all(
            feed.fresh(self.haunt.clock.monotonic())
            and was(feed, self.exchanges[name].markets[feed.venue_symbol].lately(0.5))
            for name, feed in feeds
        )

    def _look_at_price(self, base: str) -> None:
        price = self.haunt.market.price(base)
        if price is None or price.stale:
            return
        moments = [
            moment
            for exchange in self.exchanges.values()
            for market in exchange.markets.values()
            if market.base.lower() == base
            for moment in market.lately(TOLERANCE)
        ]
        low, high = min(one.bids[0][0] for one in moments), max(one.asks[0][0] for one in moments)
        if not low * (1 - SWAY) <= price.price <= high * (1 + SWAY):
            self.wrong.append(f"{base}: a price of {price.price}, not {low} to {high}, of {price.sources}")


def _in_dollars(registry: Registry, name: str) -> Any:
    dialect = find_dialect(registry.source(name))
    return type(dialect.__name__, (dialect,), {"quote": "USD"})


@asynccontextmanager
async def storm(folder: Path) -> AsyncIterator[Storm]:
    storm = Storm(folder)
    await storm.start()
    watching = asyncio.create_task(storm.watch())
    try:
        yield storm
    finally:
        watching.cancel()
        await storm.stop()


def test_nothing_wrong_is_published_and_nothing_is_left(tmp_path: Path) -> None:
    before = things()

    async def scenario() -> None:
        async with storm(tmp_path) as weather:
            await eventually(weather.right, within=15.0)
            raging = [
                asyncio.create_task(weather.rage(name, random.Random(f"{SEED} {name}"))) for name in weather.exchanges
            ]
            await asyncio.sleep(SECONDS)
            for task in raging:
                task.cancel()
            await asyncio.wait(raging)
            for exchange in weather.exchanges.values():
                calm_down(exchange)
            logging.getLogger(__name__).warning("seed %s: %s", SEED, dict(weather.happened))
            await eventually(weather.right, within=30.0)
            assert not weather.wrong, f"seed {SEED}: {weather.wrong[:3]}"
        await asyncio.sleep(0.1)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(scenario())
    assert things() - before == Counter()


def things() -> Counter[str]:
    """The files that are open, and the objects there are of the kinds that a storm is made of."""
    gc.collect()
    kinds = [type(one) for one in gc.get_objects() if isinstance(one, Haunt | Relay | VenueConnection | FakeExchange)]
    return Counter(kind.__name__ for kind in kinds) + Counter(files=len(os.listdir("/proc/self/fd")))


def calm_down(exchange: FakeExchange) -> None:
    exchange.speak()
    exchange.accept()
    exchange.request_refusal = None
    exchange.ignored.clear()
    exchange.distort, exchange.tamper = honest, unchanged
    exchange.wire.rate = None
    exchange.wire.cut()
