"""How often signals came true, and what chance would have given."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random

import pytest

from haunt.market.published import Signal
from haunt.market.scores import HORIZONS, LEAST_SIGNALS, RISE, Score, score_card, shuffled, wilson

MINUTE = 60_000


def closes_of(prices: Iterable[float]) -> dict[int, float]:
    return {number * MINUTE: price for number, price in enumerate(prices)}


def said(candle: int, direction: str) -> Signal:
    """Given when the candle of this number closed."""
    return Signal("btc", "rsi", "1m", direction, 1.0, 1.0, (candle + 1) * MINUTE, {})  # type: ignore[arg-type]


def score(signals: Iterable[Signal], prices: Iterable[float], horizon: int = 1) -> Score:
    return score_card(signals, closes_of(prices), MINUTE)[HORIZONS.index(horizon)]


def walk(random: Random, length: int = 400) -> list[float]:
    prices = [100.0]
    for _ in range(length):
        prices.append(prices[-1] * (1 + random.gauss(0.0, 0.001)))
    return prices


def guesses(random: Random, candles: int, number: int = 60) -> list[Signal]:
    return [said(candle, random.choice(["buy", "sell"])) for candle in sorted(random.sample(range(candles), number))]


def test_the_figures_are_those_reckoned_by_hand() -> None:
    # Up by a percent, back, and the same once more: buys at the first of three are hits, sells at the last half hits.
    prices = [100.0, 101.0, 100.0] * 20 + [100.0]
    signals = [said(3 * time, "buy") for time in range(20)] + [said(3 * time + 2, "sell") for time in range(20)]
    found = score(signals, prices)
    assert found.signals == 40
    assert found.hits == wilson(30, 40)
    assert found.hits is not None
    assert found.hits.rate == 0.75
    assert (found.hits.low, found.hits.high) == (pytest.approx(0.5981, abs=1e-4), pytest.approx(0.8581, abs=1e-4))
    assert found.returns == pytest.approx(50.0), "half of them gave a percent, the others nothing"
    assert found.always_up == 0.5
    assert found.always_up_returns == pytest.approx((100.0 - 100.0 / 1.01) / 3)
    assert found.shuffled is not None
    assert (found.shuffled.low, found.shuffled.high) == (0.0, 0.75), "moved by one all are wrong, by two as before"
    assert found.verdict == "no better than shuffled"


def test_a_sell_is_a_hit_where_the_price_falls() -> None:
    found = score([said(candle, "sell") for candle in range(40)], [1_000.0 - candle for candle in range(100)])
    assert found.hits is not None
    assert (found.hits.rate, found.always_up) == (1.0, 0.0)
    assert found.returns is not None
    assert found.returns > 0


def test_signals_that_know_the_future_are_better_than_shuffled_and_their_opposite_is_worse() -> None:
    prices = walk(Random(1))
    right = [said(candle, "buy" if prices[candle + 1] > prices[candle] else "sell") for candle in range(0, 300, 3)]
    wrong = [one._replace(signal="sell" if one.signal == "buy" else "buy") for one in right]
    assert score(right, prices).verdict == "better than shuffled"
    assert score(wrong, prices).verdict == "worse than shuffled"


def test_neither_neutral_nor_what_has_not_come_yet_counts() -> None:
    signals = [said(candle, "neutral" if candle % 2 else "buy") for candle in range(100)]
    counted = {found.horizon: found.signals for found in score_card(signals, closes_of(range(1, 101)), MINUTE)}
    assert counted == {1: 50, 5: 48, 15: 43, 60: 20}


def test_what_follows_the_last_outcome_changes_nothing() -> None:
    prices = walk(Random(2), 200)
    signals = guesses(Random(3), 100)
    later = [*prices[:161], *walk(Random(4), 39)]
    for horizon in HORIZONS:
        now, then = score(signals, prices, horizon), score(signals, later, horizon)
        assert (now.signals, now.hits, now.returns) == (then.signals, then.hits, then.returns)


def test_a_signal_at_a_candle_that_is_missing_does_not_count_nor_one_whose_outcome_is() -> None:
    closes = closes_of(range(1, 101))
    del closes[10 * MINUTE]
    found = score_card([said(candle, "buy") for candle in range(50)], closes, MINUTE)[0]
    assert found.signals == 48


def test_too_few_signals_are_told_without_a_figure() -> None:
    few = score([said(candle, "buy") for candle in range(LEAST_SIGNALS - 1)], range(1, 101))
    assert (few.verdict, few.hits, few.returns, few.shuffled) == ("too few signals: 29 of 30", None, None, None)
    assert score([], []).verdict == "too few signals: 0 of 30"
    assert score([said(candle, "buy") for candle in range(LEAST_SIGNALS)], range(1, 101)).hits is not None


def test_what_came_before_the_first_signal_is_not_held_against_it() -> None:
    prices = [*range(1_000, 500, -1), *range(500, 600)]
    assert score([said(candle, "buy") for candle in range(500, 580)], prices).always_up == 1.0


def test_shuffled_signals_are_as_many_and_the_same_whenever_they_are_asked_for() -> None:
    assert shuffled([RISE] * 50, range(20), range(20, 30), Random(1)) == pytest.approx((2 / 3, 2 / 3, 2 / 3))
    prices = walk(Random(5))
    assert score(guesses(Random(6), 300), prices) == score(guesses(Random(6), 300), prices)


def test_by_chance_half_of_them_come_true_and_the_intervals_say_so_nineteen_times_in_twenty() -> None:
    within = beside = 0
    for seed in range(300):
        random = Random(seed)
        prices = walk(random)
        found = score(guesses(random, 395), prices)
        assert found.hits is not None
        assert found.shuffled is not None
        within += found.hits.low <= 0.5 <= found.hits.high
        beside += found.shuffled.low <= found.hits.rate <= found.shuffled.high
    assert 0.92 <= within / 300 <= 0.98
    assert 0.92 <= beside / 300 <= 0.985
