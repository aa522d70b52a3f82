"""The load of the benchmarks publishes what it says."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import load
import pytest
from load import LAST_PRICE, Load, LoadOptions
from tornado.ioloop import IOLoop

from haunt import Event, Trade
from haunt.market.symbols import Symbol
from haunt.plugin.relay import Relay
from haunt.testing import eventually


class Desk:
    """A load at work and the trades it published; `start` it."""

    def __init__(self) -> None:
        self.trades: list[Trade] = []
        self.running: asyncio.Task[None] | None = None

    def start(self, **options: float) -> None:
        relay = Relay("load", wanted=[Symbol("s00"), Symbol("s01")], deliver=lambda feed, event: self.hear(event))
        source = Load(LoadOptions.model_validate(options), relay)
        self.running = asyncio.get_running_loop().create_task(source.run())

    def hear(self, event: Event) -> None:
        if isinstance(event, Trade):
            self.trades.append(event)

    async def hears(self, number: int) -> list[Trade]:
        await eventually(lambda: len(self.trades) >= number)
        for _ in range(10):
            await asyncio.sleep(0)
        assert len(self.trades) == number
        return self.trades

    async def stop(self) -> None:
        assert self.running is not None
        self.running.cancel()
        await asyncio.wait([self.running])


@pytest.fixture
def desk(io_loop: IOLoop, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setattr(load, "SETTLE", 0)
    desk = Desk()
    yield desk
    io_loop.run_sync(desk.stop)


@pytest.mark.gen_test
async def test_updates_take_the_symbols_in_turn_at_rising_prices(desk: Desk) -> None:
    desk.start(batch=3, stop_after=4)
    trades = (await desk.hears(6))[:4]
    assert [trade.venue_symbol for trade in trades] == ["s00-USD", "s01-USD", "s00-USD", "s01-USD"]
    assert [trade.price for trade in trades] == [20_000.0, 20_000.01, 20_000.02, 20_000.03]


@pytest.mark.gen_test
async def test_after_the_updates_each_symbol_gets_its_last_price(desk: Desk) -> None:
    desk.start(stop_after=5)
    last = (await desk.hears(7))[5:]
    assert [(trade.venue_symbol, trade.price) for trade in last] == [
        ("s00-USD", LAST_PRICE),
        ("s01-USD", LAST_PRICE + 1),
    ]


@pytest.mark.gen_test
async def test_updates_at_a_rate_are_stamped_with_the_moment_they_were_due(desk: Desk) -> None:
    desk.start(updates_per_second=1_000, batch=2, stop_after=6)
    trades = (await desk.hears(8))[:6]
    assert [trade.timestamp - trades[0].timestamp for trade in trades] == [0, 0, 2, 2, 4, 4]


@pytest.mark.gen_test
async def test_the_next_batch_waits_until_the_last_is_delivered(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    delivered = False
    monkeypatch.setattr(Load, "delivered", staticmethod(lambda: delivered))
    desk.start(batch=2, stop_after=4)
    await desk.hears(2)
    delivered = True
    await desk.hears(6)


@pytest.mark.gen_test
async def test_nothing_is_published_before_all_clients_are_ready(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    ready = False
    monkeypatch.setattr(Load, "ready", staticmethod(lambda: ready))
    desk.start(stop_after=1)
    await desk.hears(0)
    ready = True
    await desk.hears(3)
