"""A restart: it goes on where the history ends, and says nothing twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from haunt import Candle, Indicator, IndicatorOptions, Reading
from haunt.market.history import History
from haunt.market.published import Signal
from haunt.market.restart import leave, recall, remember
from haunt.market.signals import Signals
from haunt.testing import FakeClock, eventually

MINUTE = 60_000
START = 1_700_006_400_000


class Turn(Indicator):
    """Sell above 110, with the number of candles it has seen."""

    name = "turn"

    def __init__(self, options: IndicatorOptions) -> None:
        super().__init__(options)
        self._seen = 0

    def update(self, candle: Candle) -> Reading | None:
        self._seen += 1
        return Reading(float(self._seen), "sell" if candle.close > 110 else "neutral", 0.5, {"close": candle.close})


class Run:
    """One life of a server between two restarts."""

    def __init__(self, path: Path, minute: float) -> None:
        self.clock = FakeClock()
        self.clock.advance((START + minute * MINUTE - self.clock.milliseconds()) / 1000)
        self.said: list[Signal] = []
        self.history = History(str(path), {"1m": None, "5m": None}, self.clock)
        self.signals = Signals(
            [("turn", Turn, IndicatorOptions())],
            ["btc"],
            self.said.append,
            timeframes=["1m", "5m"],
            keep=self.history.keep,
            clock=self.clock,
        )

    def prices(self, *closes: float) -> None:
        """One a minute."""
        for close in closes:
            self.signals.price("btc", close, self.clock.milliseconds())
            self.clock.advance(60)
        self.signals.tick(self.clock.milliseconds())

    async def candles(self, timeframe: str = "1m") -> list[tuple[float, float, bool]]:
        """Minute, close and whether it has a gap."""
        kept = await self.history.candles("btc", timeframe, 100)
        return [((candle.start - START) / MINUTE, candle.close, candle.gap) for candle in kept]

    @property
    def spoken(self) -> list[tuple[float, str, float]]:
        """The minute a candle closed, the signal, and how many candles the indicator knew."""
        return [((one.timestamp - START) / MINUTE, one.signal, one.value) for one in self.said]


@asynccontextmanager
async def run(path: Path, minute: float, *, killed: bool = False) -> AsyncIterator[Run]:
    life = Run(path, minute)
    await recall(life.signals, life.history, ["btc"], life.clock)
    yield life
    if killed:
        remembering = asyncio.create_task(remember(life.signals, life.history, lambda: 0.0))
        await eventually(lambda: not life.history.waiting)
        remembering.cancel()
        with suppress(asyncio.CancelledError):
            await remembering
        await life.history.stop()
    else:
        await leave(life.signals, life.history, ["btc"])


@pytest.mark.gen_test
async def test_a_restart_within_a_candle_changes_nothing(tmp_path: Path):
    async with run(tmp_path / "h.db", 0) as life:
        life.prices(100.0, 120.0)
        life.signals.price("btc", 130.0, life.clock.milliseconds())
        assert life.spoken == [(2, "sell", 2.0)]
    async with run(tmp_path / "h.db", 2.5) as life:
        assert [signal.signal for signal in life.signals.last("btc")] == ["sell"]
        life.signals.price("btc", 125.0, life.clock.milliseconds())
        life.clock.advance(30)
        life.prices(100.0)
        assert life.spoken == [(4, "neutral", 4.0)]
        assert await life.candles() == [(0, 100.0, False), (1, 120.0, False), (2, 125.0, False), (3, 100.0, False)]
        assert await life.candles("5m") == []
        life.prices(101.0)
        assert await life.candles("5m") == [(0, 101.0, False)]


@pytest.mark.gen_test
async def test_a_candle_that_was_cut_counts_and_is_marked(tmp_path: Path):
    async with run(tmp_path / "h.db", 0) as life:
        life.prices(100.0)
        life.signals.price("btc", 120.0, life.clock.milliseconds())
    async with run(tmp_path / "h.db", 2.1) as life:
        assert life.said == []
        assert [(one.signal, one.value) for one in life.signals.last("btc")] == [("sell", 2.0)]
        life.clock.advance(54)
        life.prices(120.0, 100.0)
        assert life.spoken == [(5, "neutral", 5.0)]
        assert await life.candles() == [
            (0, 100.0, False), (1, 120.0, True), (2, 120.0, False), (3, 120.0, False), (4, 100.0, False)
        ]  # fmt: skip


@pytest.mark.gen_test
async def test_after_missing_candles_the_indicators_begin_anew_and_a_state_goes_on(tmp_path: Path):
    async with run(tmp_path / "h.db", 0) as life:
        life.prices(120.0, 120.0)
        assert life.spoken == [(1, "sell", 1.0)]
    async with run(tmp_path / "h.db", 30) as life:
        life.prices(120.0, 100.0)
        assert life.spoken == [(32, "neutral", 2.0)]
        assert [minute for minute, *_ in await life.candles()] == [0, 1, 30, 31]


@pytest.mark.gen_test
async def test_after_a_crash_candles_without_their_state_are_caught_up_with_in_silence(tmp_path: Path):
    async with run(tmp_path / "h.db", 0, killed=True) as life:
        life.prices(100.0, 120.0, 120.0)
    async with run(tmp_path / "h.db", 3) as life:
        life.history.keep("btc", "1m", Candle(START + 3 * MINUTE, 100.0, 100.0, 100.0, 100.0, 0.0))
        await life.history.stop()
    async with run(tmp_path / "h.db", 4) as life:
        assert [(one.signal, one.value) for one in life.signals.last("btc")] == [("neutral", 4.0)]
        life.prices(100.0, 120.0)
        assert life.spoken == [(6, "sell", 6.0)]


@pytest.mark.gen_test
async def test_candles_alone_warm_an_indicator_up(tmp_path: Path):
    async with run(tmp_path / "h.db", 0) as life:
        for minute in range(10):
            life.history.keep("btc", "1m", Candle(START + minute * MINUTE, 120.0, 120.0, 120.0, 120.0, 0.0))
        await life.history.flush()
    async with run(tmp_path / "h.db", 10) as life:
        life.prices(100.0)
        assert life.spoken == [(11, "neutral", 11.0)]
