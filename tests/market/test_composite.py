"""The weighted median: what a minority of venues can do to a price, which is nothing."""

from __future__ import annotations

from math import inf

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from haunt.market.composite import weighted_median

Votes = list[tuple[float, float]]

VALUES = st.floats(1e-9, 1e12)
WEIGHTS = st.floats(0.01, 100)
VOTES = st.lists(st.tuples(VALUES, WEIGHTS), min_size=1, max_size=12)
ANY_VALUES = st.floats(-inf, inf, allow_nan=False)


@pytest.mark.parametrize(
    ("votes", "median"),
    [
        ([(100, 1)], 100),
        ([(100, 1), (104, 1)], 102),
        ([(100, 1), (104, 3)], 104),
        ([(1, 1), (100, 1), (104, 1)], 100),
        ([(1, 0.1), (2, 0.2), (100, 0.3)], 51),
        ([(100, 1)] * 5 + [(200, 1)], 100),
    ],
)
def test_half_of_the_weight_lies_on_either_side(votes: Votes, median: float):
    assert weighted_median(votes) == median


def test_without_votes_there_is_no_median():
    with pytest.raises(ValueError, match="weights"):
        weighted_median([])


@given(VOTES)
def test_median_lies_between_the_lowest_and_the_highest_value(votes: Votes):
    values = [value for value, _ in votes]
    assert min(values) <= weighted_median(votes) <= max(values)


@given(VOTES, st.lists(st.tuples(ANY_VALUES, WEIGHTS), max_size=12))
@example([(100.0, 1.0), (101.0, 1.0)], [(inf, 1.9)])
def test_minority_cannot_move_the_median_out_of_the_range_of_the_others(honest: Votes, wild: Votes):
    total = sum(weight for _, weight in honest + wild)
    assume(sum(weight for _, weight in wild) < total / 2 * (1 - 1e-9))
    values = [value for value, _ in honest]
    assert min(values) <= weighted_median(honest + wild) <= max(values)


@given(VOTES, st.randoms())
def test_order_of_the_votes_does_not_matter(votes: Votes, random):
    shuffled = random.sample(votes, len(votes))
    assert weighted_median(shuffled) == weighted_median(votes)


@given(VOTES, st.floats(1e-6, 1e6))
def test_values_times_a_number_give_the_median_times_that_number(votes: Votes, factor: float):
    scaled = [(value * factor, weight) for value, weight in votes]
    assert weighted_median(scaled) == pytest.approx(weighted_median(votes) * factor, rel=1e-12)


@given(VOTES, st.integers(-20, 20))
def test_weights_times_a_number_change_nothing(votes: Votes, power: int):
    scaled = [(value, weight * 2.0**power) for value, weight in votes]
    assert weighted_median(scaled) == weighted_median(votes)


@given(VOTES, st.data())
def test_raising_one_value_never_lowers_the_median(votes: Votes, data: st.DataObject):
    index = data.draw(st.integers(0, len(votes) - 1))
    value, weight = votes[index]
    raised = [*votes]
    raised[index] = (data.draw(st.floats(value, 1e13)), weight)
    assert weighted_median(raised) >= weighted_median(votes)


@given(VALUES, st.lists(WEIGHTS, min_size=1, max_size=20))
def test_equal_values_give_exactly_that_value(value: float, weights: list[float]):
    assert weighted_median([(value, weight) for weight in weights]) == value
