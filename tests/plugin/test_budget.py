"""Every venue's limits, kept by all who go there together."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from types import SimpleNamespace

import pytest

from haunt import Instrument, Relay, SourceLost, StreamOptions, StreamSource, Symbol
from haunt.plugin.budget import Budget, Budgets
from haunt.testing import FakeVenue, eventually


async def waits(budget: Budget, number: int, limit: tuple[int, float] | None, monkeypatch) -> list[float]:
    """How long each of so many, all asking at the same moment, is told to wait."""
    told = [0.0] * number

    async def take(index: int) -> None:
        async def sleep(seconds: float) -> None:
            told[index] = seconds

        monkeypatch.setattr("haunt.plugin.budget.asyncio", SimpleNamespace(sleep=sleep))
        await budget.take("connections", limit)

    monkeypatch.setattr("haunt.plugin.budget.monotonic", lambda: 1_000.0)
    for index in range(number):
        await take(index)
    return told


@pytest.mark.gen_test
async def test_a_window_never_holds_more_than_its_limit(monkeypatch) -> None:
    turns = await waits(Budget("acme"), 10, (3, 0.1), monkeypatch)
    assert all(later - earlier >= 0.1 for earlier, later in zip(turns, turns[3:], strict=False))
    assert turns[:3] == [0.0, 0.0, 0.0]


@pytest.mark.gen_test
async def test_without_a_limit_nobody_waits(monkeypatch) -> None:
    assert set(await waits(Budget("acme"), 1_000, None, monkeypatch)) == {0.0}


@pytest.mark.gen_test
async def test_what_is_counted_apart_is_limited_apart() -> None:
    budget = Budget("acme")
    await budget.take("connections", (1, 60.0))
    await asyncio.wait_for(budget.take("messages", (1, 60.0)), 0.5)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(budget.take("connections", (1, 60.0)), 0.05)


@pytest.mark.gen_test
async def test_nothing_is_asked_of_a_host_that_refuses() -> None:
    budget = Budget("acme.example")
    for seconds in (600.0, 5.0):
        budget.note(SourceLost("no", retry_after=seconds, everyone=True))
    with pytest.raises(SourceLost, match=r"acme\.example wants to be left alone for another 600 s") as caught:
        await budget.take("requests", None)
    assert 599 < caught.value.retry_after <= 600


@pytest.mark.gen_test
async def test_an_answer_to_one_request_alone_stops_nobody() -> None:
    budget = Budget("acme")
    budget.note(SourceLost("this country is not served", retry_after=600.0))
    await budget.take("requests", None)


@pytest.mark.gen_test
async def test_those_who_wait_for_their_turn_hear_of_a_refusal() -> None:
    budget = Budget("acme")
    await budget.take("requests", (1, 0.05))
    waiting = asyncio.create_task(budget.take("requests", (1, 0.05)))
    await asyncio.sleep(0)
    budget.note(SourceLost("no", retry_after=60.0, everyone=True))
    with pytest.raises(SourceLost):
        await waiting


def test_a_host_has_one_budget_whatever_the_path() -> None:
    budgets = Budgets()
    assert budgets.of("wss://acme.example/ws?token=1") is budgets.of("wss://acme.example/other")
    assert budgets.of("wss://acme.example/ws") is not budgets.of("wss://acme.example:9443/ws")


@pytest.mark.gen_test
async def test_a_hundred_sources_that_start_together_stay_within_the_limit_of_their_venue() -> None:
    class Modest(StreamSource):
        connection_limit = (20, 0.5)

        async def instruments(self) -> Iterable[Instrument]:
            return [Instrument("BTC-USD", "BTC", "USD")]

        def subscribe_messages(self, venue_symbols: Sequence[str]) -> Iterable[str]:
            return ()

    budgets, loop, sources = Budgets(), asyncio.get_running_loop(), list[asyncio.Task[None]]()
    async with FakeVenue() as venue:
        began = loop.time()
        for number in range(100):
            relay = Relay(f"acme{number}", wanted=[Symbol("btc")], deliver=lambda feed, event: None, budgets=budgets)
            sources.append(asyncio.create_task(Modest(StreamOptions(url=venue.url), relay).run()))
        for most in (20, 40, 60, 80):
            await eventually(lambda most=most: venue.handshakes >= most)
            assert venue.handshakes <= 20 * (1 + (loop.time() - began) // 0.5)
        await eventually(lambda: venue.connections == 100)
        assert loop.time() - began >= 2.0
        for source in sources:
            source.cancel()
        await asyncio.wait(sources)
