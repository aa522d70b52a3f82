"""Running figures for indicators, one value at a time: sums, extremes, averages.

`update` takes the newest value or candle and returns the figure, None while there are too few. It costs the same
however long it runs. The averages begin as TA-Lib's do.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from itertools import accumulate
from math import sqrt
from typing import ClassVar, Generic, TypeVar

from haunt.market.candles import Candle

T = TypeVar("T")


class _Window(Generic[T]):
    """The newest `period` values, joined by `_join`.

    Values come in blocks of `period`, and a window is the end of one block and the beginning of the next. Ends are
    joined all at once when a block is full, the beginning grows with each value. Nothing is ever subtracted, so a
    value that has left the window leaves no rounding behind.
    """

    __slots__ = ("_beginning", "_block", "_ends", "_period")
    _join: ClassVar[Callable[..., object]]

    def __init__(self, period: int) -> None:
        self._period = period
        self._block: list[T] = []
        self._beginning: T | None = None
        self._ends: list[T] = []

    def update(self, value: T) -> T | None:
        block, join = self._block, self._join
        beginning = self._beginning = join(self._beginning, value) if block else value  # type: ignore[assignment]
        block.append(value)
        if len(block) == self._period:
            self._ends = [*accumulate(reversed(block), join)][:-1]
            block.clear()
            return beginning  # type: ignore[return-value]
        return join(self._ends.pop(), beginning) if self._ends else None  # type: ignore[return-value]


class Sum(_Window[float]):
    """The sum of the newest `period` values."""

    __slots__ = ()
    _join = operator.add


class Highest(_Window[float]):
    """The highest of the newest `period` values."""

    __slots__ = ()

    @staticmethod
    def _join(one: float, other: float) -> float:  # in half the time of max
        return one if one > other else other


class Lowest(_Window[float]):
    """The lowest of the newest `period` values."""

    __slots__ = ()

    @staticmethod
    def _join(one: float, other: float) -> float:
        return one if one < other else other


class Deviation:
    """Mean and standard deviation of the newest `period` values, as of a whole population."""

    __slots__ = ("_moments", "_period")

    def __init__(self, period: int) -> None:
        self._period = period
        self._moments = _Moments(period)

    def update(self, value: float) -> tuple[float, float] | None:
        moments = self._moments.update((1, value, 0.0))
        return moments and (moments[1], sqrt(moments[2] / self._period))


class _Moments(_Window[tuple[int, float, float]]):
    """How many, their mean, and the sum of the squared distances from it."""

    __slots__ = ()

    @staticmethod
    def _join(one: tuple[int, float, float], other: tuple[int, float, float]) -> tuple[int, float, float]:
        # Chan, Golub and LeVeque, Updating Formulae and a Pairwise Algorithm for Computing Sample Variances, 1979.
        n, mean, squares = one
        m, other_mean, other_squares = other
        apart, part = other_mean - mean, m / (n + m)
        return n + m, mean + apart * part, squares + other_squares + apart * apart * n * part


class Total:
    """The sum of all values there ever were; what each addition rounds away is kept beside it."""

    __slots__ = ("_rounded", "_sum")

    def __init__(self) -> None:
        self._sum = self._rounded = 0.0

    def update(self, value: float) -> float:
        # Neumaier, Rundungsfehleranalyse einiger Verfahren zur Summation endlicher Summen, 1974.
        before = self._sum
        after = self._sum = before + value
        self._rounded += before - after + value if abs(before) >= abs(value) else value - after + before
        return after + self._rounded


class _Average:
    """An average that moves by a part of the distance to the newest value. Begins as the mean of `period` values."""

    __slots__ = ("_missing", "_period", "_weight", "value")

    def __init__(self, period: int, weight: float) -> None:
        self.value = 0.0
        self._period = self._missing = period
        self._weight = weight

    def update(self, newest: float) -> float | None:
        if not self._missing:
            self.value += (newest - self.value) * self._weight
            return self.value
        self.value += newest
        self._missing -= 1
        if self._missing:
            return None
        self.value /= self._period
        return self.value


class Ema(_Average):
    """The exponential moving average: the newest of `period` values weighs 2 / (period + 1)."""

    __slots__ = ()

    def __init__(self, period: int) -> None:
        super().__init__(period, 2 / (period + 1))


class Wilder(_Average):
    """Wilder's moving average: the newest of `period` values weighs 1 / period."""

    __slots__ = ()

    def __init__(self, period: int) -> None:
        super().__init__(period, 1 / period)


class Change:
    """The newest value less the one before; 0 for the first."""

    __slots__ = ("_previous",)

    def __init__(self) -> None:
        self._previous: float | None = None

    def update(self, value: float) -> float:
        previous, self._previous = self._previous, value
        return 0.0 if previous is None else value - previous


class TrueRange:
    """Wilder's true range: a candle's height, drawn out to the close before it. None for the first candle."""

    __slots__ = ("_close",)

    def __init__(self) -> None:
        self._close: float | None = None

    def update(self, candle: Candle) -> float | None:
        previous, self._close = self._close, candle.close
        if previous is None:
            return None
        high, low = candle.high, candle.low
        return (high if high > previous else previous) - (low if low < previous else previous)


class AverageTrueRange:
    """Wilder's average of the true range."""

    __slots__ = ("_average", "_range")

    def __init__(self, period: int) -> None:
        self._range = TrueRange()
        self._average = Wilder(period)

    def update(self, candle: Candle) -> float | None:
        newest = self._range.update(candle)
        return None if newest is None else self._average.update(newest)
