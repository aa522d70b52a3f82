"""Running figures are those of the window, however long they have run and whatever has left it."""

from __future__ import annotations

import random
from fractions import Fraction
from itertools import pairwise
from statistics import fmean, pstdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haunt import AverageTrueRange, Candle, Change, Deviation, Ema, Highest, Lowest, Sum, Total, TrueRange, Wilder

NUMBERS = st.lists(st.floats(-1e12, 1e12), min_size=1, max_size=60)
A_MILLION = 1_000_000


def windows(numbers: list[float], period: int) -> list[list[float] | None]:
    return [numbers[end - period : end] if end >= period else None for end in range(1, len(numbers) + 1)]


@given(NUMBERS, st.integers(1, 20))
def test_extremes_are_those_of_the_window(numbers: list[float], period: int) -> None:
    highest, lowest = Highest(period), Lowest(period)
    expected = windows(numbers, period)
    assert [highest.update(number) for number in numbers] == [window and max(window) for window in expected]
    assert [lowest.update(number) for number in numbers] == [window and min(window) for window in expected]


@given(NUMBERS, st.integers(1, 20))
def test_a_sum_is_right_to_what_rounding_does_to_the_numbers_in_the_window(numbers: list[float], period: int) -> None:
    running = Sum(period)
    for number, window in zip(numbers, windows(numbers, period), strict=True):
        found = running.update(number)
        assert (found is None) == (window is None)
        if window is not None:
            allowed = period * 2.3e-16 * sum(map(abs, window))
            assert abs(Fraction(found) - sum(map(Fraction, window))) <= allowed


@pytest.mark.parametrize("period", [2, 20, 1000])
def test_a_sum_does_not_drift_in_a_million_values(period: int) -> None:
    """Of 1e-10 and of 1e12 in turn. A sum that adds and subtracts is wrong in its first digit after that."""
    chance = random.Random(period)
    numbers = [chance.uniform(1, 2) * (1e12 if turn // 5_000 % 2 else 1e-10) for turn in range(A_MILLION)]
    running = Sum(period)
    found = [running.update(number) for number in numbers]
    for end in range(period, A_MILLION, 4_999):
        exact = sum(map(Fraction, numbers[end - period : end]))
        assert abs(Fraction(found[end - 1]) / exact - 1) < period * 2.3e-16


def test_a_total_of_a_million_values_is_right_to_the_last_digits() -> None:
    chance = random.Random(1)
    numbers = [chance.choice((-1, 1)) * chance.uniform(0, 10.0 ** chance.randint(-8, 8)) for _ in range(A_MILLION)]
    running = Total()
    for number in numbers:
        found = running.update(number)
    exact = sum(map(Fraction, numbers))
    assert abs(Fraction(found) / exact - 1) < 1e-15


@given(st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=60), st.integers(1, 20))
def test_deviation_is_that_of_the_window(numbers: list[float], period: int) -> None:
    running = Deviation(period)
    for number, window in zip(numbers, windows(numbers, period), strict=True):
        found = running.update(number)
        assert (found is None) == (window is None)
        if window is not None:
            assert found == pytest.approx((fmean(window), pstdev(window)), rel=1e-12, abs=1e-13 * max(window))


def test_deviation_of_a_flat_window_is_nothing_at_all_whatever_was_before() -> None:
    running = Deviation(20)
    for number in [1e12, 1e-12, 3.0, *[0.1] * 50]:
        found = running.update(number)
    assert found == (0.1, 0.0)


@pytest.mark.parametrize(("kind", "weight"), [(Ema, 2 / 5), (Wilder, 1 / 4)])
def test_an_average_begins_as_a_mean_and_moves_by_its_weight(kind: type[Ema], weight: float) -> None:
    running = kind(4)
    assert [running.update(number) for number in (1.0, 2.0, 3.0)] == [None] * 3
    assert running.update(6.0) == 3.0
    assert running.update(13.0) == 3.0 + 10.0 * weight


def test_a_change_is_the_newest_less_the_one_before() -> None:
    running = Change()
    assert [running.update(number) for number in (5.0, 7.0, 4.0)] == [0.0, 2.0, -3.0]


def test_the_true_range_is_drawn_out_to_the_close_before() -> None:
    running = TrueRange()
    bars = [(10.0, 9.0, 9.5), (12.0, 11.0, 11.5), (10.0, 9.0, 9.0), (9.5, 8.5, 9.0)]
    found = [running.update(Candle(0, close, high, low, close, 1.0)) for high, low, close in bars]
    assert found == [None, 2.5, 2.5, 1.0]


def test_the_average_true_range_is_wilders_average_of_it() -> None:
    running = AverageTrueRange(2)
    found = [running.update(Candle(0, close, close, close, close, 1.0)) for close in (1.0, 2.0, 5.0, 5.0)]
    assert found == [None, None, 2.0, 1.0]


def test_a_window_holds_no_more_than_two_periods() -> None:
    running = Sum(10)
    for number in range(10_000):
        running.update(float(number))
        assert len(running._block) + len(running._ends) < 20


def test_averages_of_a_frozen_value_come_to_it() -> None:
    running = Ema(3)
    found = [running.update(number) for number in [5.0, 1.0, 3.0, *[2.0] * 100]]
    apart = [abs(number - 2.0) for number in found[2:]]
    assert all(later <= earlier for earlier, later in pairwise(apart))
    assert apart[-1] < 1e-15
