"""Signals never repaint: live, in replay, and across restarts they are the same to the last byte."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Sequence

import pytest
from definitions import NAMES
from series import MINUTE, START, recorded

from haunt import Candle
from haunt.market.published import Signal
from haunt.market.signals import Instance, Signals
from haunt.plugin.registry import Registry, options_class
from haunt.stream.protocol import signal_update
from haunt.testing import FakeClock

EVERY: list[Instance] = [
    (f"{name}_{rule}_{timeframe}", cls, options_class(cls).model_validate({"rule": rule, "timeframe": timeframe}))
    for name in [*NAMES, "consensus"]
    for cls in [Registry().indicator(name)]
    for rule in ("level", "confirmed")
    for timeframe in ("1m", "5m")
]


def invented(seed: int, length: int = 400) -> list[Candle]:
    """Minutes whose volumes are parts of a power of two, so that they add up the same in any order."""
    chance, price, candles = random.Random(seed), 100.0, []
    for position in range(length):
        opened, price = price, price * math.exp(chance.gauss(0, 0.01))
        high, low = max(opened, price) * chance.uniform(1, 1.01), min(opened, price) * chance.uniform(0.99, 1)
        candles.append(Candle(START + position * MINUTE, opened, high, low, price, chance.randrange(1, 4096) / 64))
    return candles


def signals() -> tuple[Signals, list[Signal]]:
    sent: list[Signal] = []
    return Signals(EVERY, ["btc"], sent.append, clock=FakeClock()), sent


def batch(candles: Sequence[Candle], engine: Signals) -> None:
    for candle in candles:
        for price in candle[1:5]:
            engine.price("btc", price, candle.start)
        engine.trade("btc", candle.volume, candle.start)
    engine.tick(candles[-1].start + MINUTE)


def live(candles: Sequence[Candle], engine: Signals, chance: random.Random) -> None:
    """Each minute with prices that come and go, trades in parts, ticks, and looks at the running candle."""
    for candle in candles:
        between = [chance.uniform(candle.low, candle.high) for _ in range(chance.randrange(6))]
        wicks = chance.sample([candle.high, candle.low, *between], 2 + len(between))
        prices = [candle.open, *wicks, candle.close]
        moments = sorted(chance.sample(range(MINUTE - 1), len(prices)))
        part = math.floor(candle.volume * 32) / 64
        for price, moment, traded in zip(prices, moments, [part, candle.volume - part, *[0.0] * 9], strict=False):
            engine.price("btc", price, candle.start + moment)
            engine.trade("btc", traded, candle.start + moment)
            engine.tick(candle.start + moment + chance.randrange(MINUTE - moment))
            engine.peek("btc")
    engine.tick(candles[-1].start + MINUTE)


def encoded(sent: Sequence[Signal]) -> list[bytes]:
    return [signal_update(signal, sent=signal.timestamp) for signal in sent]


def replayed(candles: Sequence[Candle]) -> list[bytes]:
    engine, sent = signals()
    batch(candles, engine)
    return encoded(sent)


@pytest.mark.parametrize("seed", range(3))
def test_live_and_replay_give_the_same_signals_to_the_last_byte(seed):
    candles = invented(seed)
    engine, sent = signals()
    live(candles, engine, random.Random(seed))
    assert encoded(sent) == replayed(candles)


def test_eight_recorded_hours_give_the_same_signals_live_and_in_replay(shared):
    hours = [
        candle._replace(volume=float(round(candle.volume)))
        for candle in recorded("btcperp_1m_2021-12-31_2022-01-16", shared)[:480]
    ]
    engine, sent = signals()
    live(hours, engine, random.Random(7))
    assert encoded(sent) == replayed(hours)


def test_a_replay_has_signals_of_every_indicator_and_kind_at_all():
    engine, sent = signals()
    batch(invented(0, length=1_500), engine)
    said = {(signal.indicator.removesuffix("_level_1m"), signal.signal) for signal in sent}
    assert said >= {(name, signal) for name in NAMES for signal in ("buy", "sell")}


@pytest.mark.parametrize("seed", range(3))
def test_restarts_in_the_middle_change_not_one_byte(seed):
    candles, chance = invented(seed), random.Random(seed)
    engine, sent = signals()
    bytes_sent = []
    for position, candle in enumerate(candles):
        live([candle], engine, chance)
        if position % 37 == 11:
            # In the middle of a minute: it has opened, and some of its volume is known.
            data = json.loads(json.dumps({"btc": engine.save("btc")}, allow_nan=False))
            before = engine.last("btc")
            bytes_sent += encoded(sent)
            engine, sent = signals()
            engine.restore("btc", data["btc"])
            assert engine.last("btc") == before
    assert bytes_sent + encoded(sent) == replayed(candles)
