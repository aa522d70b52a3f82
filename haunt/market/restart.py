"""What a restart finds again, and a reload: what the history keeps of the signals and gives back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from time import monotonic

from haunt.clock import Clock
from haunt.market.history import History
from haunt.market.signals import Signals

MOST_SEEDED = 1_000  # candles
LONGEST_SLICE = 0.004  # seconds before others get their turn


async def remember(signals: Signals, history: History, interval: Callable[[], float]) -> None:
    """Keep what changes, every `interval` seconds, until cancelled."""
    while True:
        await asyncio.sleep(interval())
        began = monotonic()
        for symbol, timeframe, state in signals.changed():
            history.keep_state(symbol, timeframe, state)
            if monotonic() - began > LONGEST_SLICE:
                await asyncio.sleep(0)
                began = monotonic()
        await history.flush()


async def recall(
    signals: Signals, history: History, symbols: Iterable[str], clock: Clock, *, hold: bool = False
) -> None:
    """Go on where the history ends, without a signal for what is past; with `hold`, as `Signals.resume` does.

    Raises HauntError as `History.start` does.
    """
    states = await history.start()
    kept: dict[str, dict[str, object]] = {}
    for (symbol, timeframe), state in states.items():
        kept.setdefault(symbol, {})[timeframe] = state
    for symbol in symbols:
        signals.restore(symbol, kept.get(symbol, {}))
        candles = {
            timeframe: await history.candles(symbol, timeframe, MOST_SEEDED, since)
            for timeframe, since in signals.expected(symbol).items()
        }
        signals.resume(symbol, candles, clock.milliseconds(), hold=hold)


async def learn(signals: Signals, history: History) -> None:
    """What indicators that came while Haunt runs know of the past, without a signal for it."""
    for lesson in signals.lessons():
        while True:
            since = lesson.study.next_start or 0
            candles = await history.candles(lesson.symbol, lesson.timeframe, MOST_SEEDED, since)
            began = monotonic()
            for candle in candles:
                signals.learn(lesson, candle)
                if monotonic() - began > LONGEST_SLICE:
                    await asyncio.sleep(0)
                    began = monotonic()
            if not candles or signals.conclude(lesson):
                break
        signals.conclude(lesson)


async def leave(signals: Signals, history: History, symbols: Iterable[str]) -> None:
    """Keep all there is, running candles included, and close the history."""
    for symbol in symbols:
        for timeframe, state in signals.save(symbol).items():
            history.keep_state(symbol, timeframe, state)
    await history.stop()
