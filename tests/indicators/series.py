"""Series of candles, invented and recorded."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from haunt import Candle

MINUTE = 60_000
START = 1_700_006_400_000  # a whole day
RECORDED = ("backtesting_EURUSD_1h", "btcperp_1m_2021-12-31_2022-01-16", "stockindicators_bitcoin_daily")


def walk(start: float, length: int, *, seed: int, size: float = 0.01) -> list[float]:
    steps = np.random.default_rng(seed).normal(0, size, length)
    return [float(price) for price in start * np.exp(np.cumsum(steps))]


def candles(closes: Sequence[float], *, size: float = 0.003, volume: float = 5.0, vary: bool = True) -> list[Candle]:
    """Candles with these closes, their wicks about `size` of the price."""
    chance = np.random.default_rng(len(closes))
    made, previous = [], closes[0]
    for position, close in enumerate(closes):
        up, down, part = (float(number) for number in chance.uniform(0, 1, 3))
        high, low = max(previous, close) * (1 + up * size), min(previous, close) * (1 - down * size)
        traded = volume * part if vary else volume
        made.append(Candle(START + position * MINUTE, previous, high, low, close, traded))
        previous = close
    return made


def flat(price: float, length: int) -> list[Candle]:
    return [Candle(START + position * MINUTE, price, price, price, price, 1.0) for position in range(length)]


def following(*parts: list[Candle]) -> list[Candle]:
    """One series of several."""
    joined = [candle for part in parts for candle in part]
    return [candle._replace(start=START + position * MINUTE) for position, candle in enumerate(joined)]


GENERATED = {
    "a walk": candles(walk(100.0, 2_000, seed=1)),
    "prices of 1e-10": candles(walk(1e-10, 2_000, seed=2), volume=1e9),
    "prices of 1e12": candles(walk(1e12, 2_000, seed=3)),
    "hardly any movement": candles(walk(1.0, 2_000, seed=4, size=1e-9), size=1e-9),
    "many equal closes": candles([round(price, 1) for price in walk(10.0, 2_000, seed=5)]),
    "constant volume": candles(walk(8.0, 500, seed=6), vary=False),
    "no volume": candles(walk(8.0, 500, seed=6), volume=0.0),
    "gaps": following(*(candles(walk(price, 100, seed=7)) for price in (1.0, 1e12, 1e-10, 5e4))),
    "only up": candles([100.0 + candle for candle in range(200)]),
    "only down": candles([300.0 - candle for candle in range(200)]),
    "flat": flat(0.1, 200),
    "flat, tiny": flat(1e-8, 200),
    "flat, huge": flat(1e8, 200),
    "flat after a walk": following(candles(walk(100.0, 200, seed=10)), flat(77.7, 1_000)),
    "flat after a gap": following(flat(77.7, 100), flat(0.3, 1_000)),
}


def recorded(name: str, shared: Path) -> list[Candle]:
    with gzip.open(shared / f"data/ohlcv/{name}.csv.gz", "rt") as file:
        rows = [{name.lower(): text for name, text in row.items()} for row in csv.DictReader(file)]
    names = ("open", "high", "low", "close", "volume")
    return [
        Candle(START + position * MINUTE, *(float(row[name]) for name in names)) for position, row in enumerate(rows)
    ]
