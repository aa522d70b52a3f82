"""Back-fill: what Haunt did not hear it asks venues for, so that indicators are warm in seconds."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import pairwise
from pathlib import Path
from statistics import median

import pytest
from strangers import running

from haunt import Candle
from haunt.app import Haunt
from haunt.market.signals import MINUTE
from haunt.plugin.registry import Registry
from haunt.testing import eventually
from haunt.testing.certification import find_dialect
from haunt.testing.exchange import FakeExchange
from haunt.web.health import health

Trick = Callable[[Sequence[Candle]], Sequence[Candle]]
BACK = 120  # minutes


@asynccontextmanager
async def exchanges(*names: str) -> AsyncIterator[dict[str, FakeExchange]]:
    """Venues with a market of bitcoin in dollars."""
    registry = Registry()
    async with AsyncExitStack() as stack:
        yield {
            name: await stack.enter_async_context(
                FakeExchange(find_dialect(registry.source(name)), prices={"BTC": 67_000.0}, seed=number)
            )
            for number, name in enumerate(names)
        }


def configuration(venues: dict[str, FakeExchange]) -> str:
    options = {
        name: dict(venue.dialect.options(venue.url.rstrip("/"), venue.rest_url)) for name, venue in venues.items()
    }
    return json.dumps(
        {
            "server": {"port": 0},
            "symbols": {"btc": {"tick": 0.01}},
            "sources": options,
            "history": {"backfill": BACK, "flush_interval": 0.1},
            "indicators": {"rsi": {"timeframe": "1m"}, "slow": {"plugin": "rsi", "timeframe": "5m"}},
        }
    )


def tricks(venue: FakeExchange, trick: Trick) -> list[tuple[int, int]]:
    """Let its candles be others. What is asked of it."""
    honest, asked = venue.candles, []

    def candles(symbol: str, start: int, end: int) -> list[Candle]:
        asked.append((start, end))
        return list(trick(honest(symbol, start, end)))

    venue.candles = candles  # type: ignore[method-assign]
    return asked


def rsi(closes: Sequence[float], period: int = 14) -> float:
    moves = [after - before for before, after in pairwise(closes)]
    gain, loss = (sum(max(0.0, sign * move) for move in moves[:period]) / period for sign in (1, -1))
    for move in moves[period:]:
        gain = (gain * (period - 1) + max(0.0, move)) / period
        loss = (loss * (period - 1) + max(0.0, -move)) / period
    return 100 * gain / (gain + loss)


async def seeded(haunt: Haunt) -> list[Candle]:
    """The minutes of bitcoin that were back-filled."""
    await eventually(lambda: haunt.backfill.seeding.done == 1, within=15)
    kept = await haunt.history.candles("btc", "1m", 1_000)
    return [candle for candle in kept if candle.backfilled]


def closes(venue: FakeExchange, start: int, end: int) -> list[float]:
    (market,) = venue.markets.values()
    return [candle.close for candle in market.candles(start, end)]


@pytest.mark.gen_test(timeout=30)
async def test_an_empty_history_is_filled_and_the_indicators_are_warm(tmp_path: Path):
    async with exchanges("coinbase", "kraken", "bitstamp") as venues:
        async with running(tmp_path, configuration(venues)) as haunt:
            candles = await seeded(haunt)
            live = candles[-1].start + MINUTE
            assert [one.start for one in candles] == list(range(live - BACK * MINUTE, live, MINUTE))
            told = [closes(venue, candles[0].start, live) for venue in venues.values()]
            assert [one.close for one in candles] == [round(median(each), 2) for each in zip(*told, strict=True)]
            price = haunt.market.price("btc")
            assert price is not None
            peeked = haunt.signals.peek("btc")
            assert peeked["rsi"].value == pytest.approx(rsi([*(one.close for one in candles), price.price]))
            assert "slow" in peeked
            fives = await haunt.history.candles("btc", "5m", 100)
            assert [one.start % (5 * MINUTE) for one in fives] == [0] * len(fives)
            assert len(fives) >= BACK / 5 - 1
            assert health(haunt)["seeding"] == {
                "symbols": 1, "done": 1, "candles": haunt.backfill.seeding.candles, "requests": 3, "failed": {}
            }  # fmt: skip
        async with running(tmp_path, configuration(venues)) as haunt:
            await eventually(lambda: haunt.backfill.seeding.done == 1, within=15)
            assert haunt.backfill.seeding.requests == 0 or haunt.signals.lives_since("btc")["1m"] != live


@pytest.mark.gen_test(timeout=30)
async def test_a_venue_that_lies_moves_no_candle_beyond_the_others(tmp_path: Path):
    async with exchanges("coinbase", "kraken", "bitstamp") as venues:
        tricks(venues["kraken"], lambda told: [one._replace(open=9e5, high=9e5, close=9e5) for one in told])
        async with running(tmp_path, configuration(venues)) as haunt:
            candles = await seeded(haunt)
    assert len(candles) == BACK
    assert all(67_000 * 0.99 <= one.low <= one.high <= 67_000 * 1.01 for one in candles)


@pytest.mark.gen_test(timeout=30)
async def test_another_source_is_asked_where_one_fails_or_talks_nonsense(tmp_path: Path):
    def fail(told: Sequence[Candle]) -> Sequence[Candle]:
        raise KeyError("no such page")

    async with exchanges("coinbase", "kraken", "bitstamp", "gemini") as venues:
        failing = tricks(venues["coinbase"], fail)
        tricks(venues["kraken"], lambda told: [one._replace(low=-1.0) for one in told])
        async with running(tmp_path, configuration(venues)) as haunt:
            candles = await seeded(haunt)
            assert len(candles) == BACK
            assert haunt.backfill.seeding.failed == {}
            assert haunt.backfill.seeding.requests <= 4
            assert len(failing) <= 1


@pytest.mark.gen_test(timeout=30)
async def test_where_nobody_answers_the_symbol_is_named_and_all_else_goes_on(tmp_path: Path):
    async with exchanges("coinbase") as venues:
        tricks(venues["coinbase"], lambda told: [])
        async with running(tmp_path, configuration(venues)) as haunt:
            assert await seeded(haunt) == []
            assert health(haunt)["seeding"]["failed"] == {"btc": "no venue answered with candles"}
            assert haunt.market.price("btc") is not None


@pytest.mark.gen_test(timeout=30)
async def test_a_stop_in_the_middle_leaves_it_to_the_next_start(tmp_path: Path):
    async with exchanges("coinbase") as venues:
        async with running(tmp_path, configuration(venues)) as haunt:
            await eventually(lambda: haunt.market.price("btc") is not None)
            assert haunt.backfill.seeding.done == 0
        async with running(tmp_path, configuration(venues)) as haunt:
            candles = await seeded(haunt)
            assert len(candles) in (BACK, BACK - 1)
            assert "rsi" in haunt.signals.peek("btc")
