"""One price from many: what a minority of venues can do to it, which is next to nothing."""

from __future__ import annotations

from math import inf

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from haunt.market.composite import Ballot, PriceRules, shares

Votes = list[tuple[float, float]]

HCP = PriceRules()
VALUES = st.floats(1e-9, 1e12)
WEIGHTS = st.floats(0.01, 100)
VOTES = st.lists(st.tuples(VALUES, WEIGHTS), min_size=1, max_size=12)
ANY_VALUES = st.floats(-inf, inf, allow_nan=False)


def weighted_median(votes: Votes) -> float:
    return Ballot(votes).quantile(0.5)


def price(*prices: float, rules: PriceRules = HCP, held: float | None = None) -> float:
    """Of venues of equal weight."""
    return Ballot([(one, 1.0) for one in prices]).price(rules, held)


# -- the weighted median


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


@given(VOTES, st.integers(-20, 20))
def test_weights_times_a_number_change_nothing(votes: Votes, power: int):
    scaled = [(value, weight * 2.0**power) for value, weight in votes]
    assert weighted_median(scaled) == weighted_median(votes)


@given(st.lists(VALUES, min_size=1, max_size=12), st.sampled_from([0.25, 0.5, 0.75]))
def test_equal_weights_are_no_special_case(values: list[float], share: float):
    nearly = [(value, 1.0 + 1e-14 * (index == 0)) for index, value in enumerate(values)]
    assert Ballot(nearly).quantile(share) == Ballot([(value, 1.0) for value in values]).quantile(share)


@given(VOTES, st.lists(st.tuples(st.integers(0, 11), VALUES), max_size=20))
def test_moving_votes_one_by_one_gives_what_counting_anew_gives(votes: Votes, moves: list[tuple[int, float]]):
    ballot, held = Ballot(votes), list(votes)
    for index, value in moves:
        index %= len(held)
        old, weight = held[index]
        ballot.move(old, value, weight)
        held[index] = (value, weight)
        anew = Ballot(held)
        assert sorted(zip(ballot.prices, ballot.weights, strict=True)) == sorted(held)
        assert (ballot.prices, ballot.quantile(0.5)) == (anew.prices, anew.quantile(0.5))


# -- the price


def test_price_is_the_mean_of_the_venues():
    assert price(100.0, 100.1, 100.5) == pytest.approx(100.2)
    assert Ballot([(100.0, 3.0), (100.4, 1.0)] * 2).price(HCP, None) == pytest.approx(100.1)


def test_venue_far_away_counts_as_if_it_were_at_the_edge_of_the_clamp():
    assert price(100.0, 100.0, 100.0, 250.0) == pytest.approx(100 + 0.5 / 4)
    assert price(0.001, 100.0, 100.0, 100.0) == pytest.approx(100 - 0.5 / 4)


def test_average_by_volume_would_follow_one_liar_and_the_price_does_not():
    """Why volume decides nothing: five honest venues at 100 with a volume of 1 each, one at 200 that claims 1000."""
    venues = [(100.0, 1.0)] * 5 + [(200.0, 1_000.0)]
    assert sum(value * volume for value, volume in venues) / 1_005 == pytest.approx(199.5, abs=0.01)
    weights = shares([volume for _, volume in venues])
    by_volume = Ballot([(value, weight) for (value, _), weight in zip(venues, weights, strict=True)])
    assert price(*[value for value, _ in venues]) == pytest.approx(100, abs=0.5 / 6 + 1e-9)
    assert by_volume.price(HCP, None) == pytest.approx(100, abs=0.5 / 3 + 1e-9)


@pytest.mark.parametrize(
    ("prices", "held", "expected"),
    [
        ((100.0, 100.8), 100.0, 100.4),
        ((100.0, 102.0), 100.2, 100.0),
        ((100.0, 102.0), 101.9, 102.0),
        ((100.0, 102.0), 101.0, 100.0),
        ((100.0, 102.0), None, 101.0),
    ],
)
@pytest.mark.parametrize("method", ["hcp", "median"])
def test_of_two_that_contradict_each_other_the_one_nearer_to_the_last_price_counts(prices, held, expected, method):
    rules = PriceRules(method=method)
    ballot = Ballot([(one, 0.5) for one in prices])
    assert ballot.price(rules, held) == expected
    assert ballot.dispersion(rules)[1] == (prices[1] > 101)


def test_median_itself_may_be_the_price():
    assert price(100.0, 100.1, 100.5, rules=PriceRules(method="median")) == 100.1


def test_clamp_of_an_illiquid_symbol_follows_the_spread_of_its_venues():
    wide = (98.0, 99.0, 100.0, 101.0, 102.0, 200.0)
    assert Ballot([(one, 1.0) for one in wide]).deviation(100.5) == 1.5
    assert price(*wide, rules=PriceRules(clamp_mads=3)) == pytest.approx((98 + 99 + 100 + 101 + 102 + 105) / 6)
    assert price(*wide) == pytest.approx(100.5, abs=0.51)


def test_dispersion_is_the_distance_of_the_farther_quartile_within_the_clamp():
    ballot = Ballot([(one, 1.0) for one in (99.9, 99.95, 100.0, 100.2, 300.0)])
    assert ballot.dispersion(HCP) == (pytest.approx(0.2), False)
    assert Ballot([(one, 1.0) for one in (100.0, 200.0, 300.0)]).dispersion(HCP) == (200 * 0.005, True)


@given(VOTES, st.randoms())
def test_order_of_the_votes_does_not_matter(votes: Votes, random):
    shuffled = random.sample(votes, len(votes))
    assert Ballot(shuffled).price(HCP, None) == Ballot(votes).price(HCP, None)


@given(VOTES, st.integers(-20, 20))
def test_prices_times_a_number_give_the_price_times_that_number(votes: Votes, power: int):
    scaled = [(value * 2.0**power, weight) for value, weight in votes]
    assert Ballot(scaled).price(HCP, None) == Ballot(votes).price(HCP, None) * 2.0**power


@given(VOTES, st.data())
def test_raising_one_vote_never_lowers_the_price(votes: Votes, data: st.DataObject):
    index = data.draw(st.integers(0, len(votes) - 1))
    value, weight = votes[index]
    raised = [*votes]
    raised[index] = (data.draw(st.floats(value, 1e13)), weight)
    assert Ballot(raised).price(HCP, None) >= Ballot(votes).price(HCP, None) * (1 - 1e-14)
    assert weighted_median(raised) >= weighted_median(votes)


@given(VALUES, st.lists(WEIGHTS, min_size=1, max_size=20))
def test_equal_prices_give_exactly_that_price(value: float, weights: list[float]):
    assert Ballot([(value, weight) for weight in weights]).price(HCP, None) == value


@given(VOTES, st.lists(st.tuples(st.floats(1e-300, 1e300), WEIGHTS), max_size=12))
def test_minority_moves_the_price_no_farther_than_the_clamp_beyond_the_others(honest: Votes, wild: Votes):
    total = sum(weight for _, weight in honest + wild)
    assume(sum(weight for _, weight in wild) < total / 2 * (1 - 1e-9))
    values = [value for value, _ in honest]
    found = Ballot(honest + wild).price(HCP, None)
    assert min(values) * 0.995 * (1 - 1e-12) <= found <= max(values) * 1.005 * (1 + 1e-12)


# -- the weights


@pytest.mark.parametrize(
    ("weights", "parts"),
    [
        ([7.0], [1]),
        ([1.0, 9.0], [1 / 2, 1 / 2]),
        ([1.0, 5.0, 9.0], [1 / 3, 1 / 3, 1 / 3]),
        ([1.0, 1.0, 1.0, 1.0], [1 / 4] * 4),
        ([10.0, 1.0, 1.0, 1.0], [1 / 3, 2 / 9, 2 / 9, 2 / 9]),
        ([50.0, 90.0, 1.0, 1.0, 1.0], [1 / 3, 1 / 3, 1 / 9, 1 / 9, 1 / 9]),
    ],
)
def test_no_venue_has_more_than_a_third_or_its_equal_part(weights: list[float], parts: list[float]):
    assert shares(weights) == pytest.approx(parts)


@given(st.lists(WEIGHTS, min_size=1, max_size=12))
def test_parts_are_one_in_all_and_in_the_order_of_the_weights(weights: list[float]):
    parts = shares(weights)
    assert sum(parts) == pytest.approx(1)
    assert all(part <= max(1 / 3, 1 / len(weights)) * (1 + 1e-9) for part in parts)
    assert [part for _, part in sorted(zip(weights, parts, strict=True))] == sorted(parts)
