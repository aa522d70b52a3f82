"""Series of closing prices, invented and recorded, and a way to read an indicator over them."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pytest

from haunt import Candle, Indicator, Reading

Read: TypeAlias = Callable[[Indicator, Sequence[float]], list[Reading | None]]
MINUTE = 60_000


def walk(start: float, length: int, *, seed: int, size: float = 0.01) -> list[float]:
    steps = np.random.default_rng(seed).normal(0, size, length)
    return [float(price) for price in start * np.exp(np.cumsum(steps))]


GENERATED = {
    "a walk": walk(100.0, 2_000, seed=1),
    "prices of 1e-10": walk(1e-10, 2_000, seed=2),
    "prices of 1e12": walk(1e12, 2_000, seed=3),
    "hardly any movement": walk(1.0, 2_000, seed=4, size=1e-9),
    "many equal closes": [round(price, 1) for price in walk(10.0, 2_000, seed=5)],
    "gaps": walk(1.0, 100, seed=6) + walk(1e12, 100, seed=7) + walk(1e-10, 100, seed=8) + walk(5e4, 100, seed=9),
    "only up": [100.0 + candle for candle in range(200)],
    "only down": [300.0 - candle for candle in range(200)],
    "flat": [0.1] * 200,
    "flat after a walk": [*walk(100.0, 200, seed=10), *[77.7] * 1_000],
}
RECORDED = ["backtesting_EURUSD_1h", "btcperp_1m_2021-12-31_2022-01-16", "stockindicators_bitcoin_daily"]


@pytest.fixture(params=sorted(GENERATED))
def generated(request: pytest.FixtureRequest) -> list[float]:
    """Each invented series of closes in turn."""
    closes = GENERATED[request.param]
    assert isinstance(closes, list)
    return closes


@pytest.fixture(params=RECORDED)
def recorded(request: pytest.FixtureRequest, shared: Path) -> tuple[list[float], dict[str, dict[int, float | None]]]:
    """The closes of each recorded series in turn, and TA-Lib's values at some of its candles, by name."""
    with gzip.open(shared / f"data/ohlcv/{request.param}.csv.gz", "rt") as file:
        rows = [{name.lower(): text for name, text in row.items()} for row in csv.DictReader(file)]
    expected = json.loads((shared / f"data/expected/talib_{request.param}.json").read_text())
    values = {name: dict(zip(expected["index"], column, strict=True)) for name, column in expected["values"].items()}
    return [float(row["close"]) for row in rows], values


@pytest.fixture
def read() -> Read:
    """`read(indicator, closes)`: what it says after each of these candles."""

    def run(indicator: Indicator, closes: Sequence[float]) -> list[Reading | None]:
        return [
            indicator.update(Candle(position * MINUTE, close, close, close, close, 1.0))
            for position, close in enumerate(closes)
        ]

    return run


@pytest.fixture
def column(read: Read) -> Callable[[Indicator, Sequence[float], str], list[float]]:
    """`column(indicator, closes, name)`: one of its outputs after each candle, NaN while it warms up."""

    def run(indicator: Indicator, closes: Sequence[float], name: str) -> list[float]:
        return [reading.values[name] if reading else float("nan") for reading in read(indicator, closes)]

    return run
