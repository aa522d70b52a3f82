"""An explanation says what everyone said, and the price can be worked out from it."""

from __future__ import annotations

import json

import pytest
from floor import SYMBOLS, Floor, Venue
from hypothesis import given
from hypothesis import strategies as st

from haunt.market.composite import Ballot
from haunt.market.explain import Explanation, Say
from haunt.market.merged_book import Crossing

PRICES = st.one_of(st.floats(99, 101), st.decimals("99.00", "101.00", places=2).map(float), st.floats(50, 150))


@pytest.fixture
def floor() -> Floor:
    return Floor()


def say(floor: Floor, venue: str, symbol: str = "btc") -> Say:
    (found,) = [one for one in floor.market.explain(symbol).markets if one.venue == venue]
    return found


def recounted(explanation: Explanation) -> float:
    """The price before rounding, from nothing but the votes and their weights, as they are in JSON."""
    markets = json.loads(json.dumps([one._asdict() for one in explanation.markets]))
    votes = [(one["vote"], one["weight"]) for one in markets if one["vote"] is not None]
    if explanation.method == "median":
        return Ballot(votes).quantile(0.5)
    return sum(vote * weight for vote, weight in votes) / sum(weight for _, weight in votes)


@given(
    st.lists(st.tuples(PRICES, st.floats(0.1, 9)), min_size=1, max_size=8),
    st.sampled_from(["hcp", "median", "last"]),
    st.sampled_from([0.0, 3.0]),
)
def test_published_price_follows_from_the_votes(venues: list[tuple[float, float]], method: str, mads: float):
    floor = Floor(method=method, clamp_mads=mads)
    for number, (price, weight) in enumerate(venues):
        floor.venue(f"v{number}", weight=weight).trades("btc", price)
    explanation = floor.market.explain("btc")
    assert explanation.unrounded is not None
    assert recounted(explanation) == pytest.approx(explanation.unrounded, rel=1e-14)
    assert SYMBOLS[0].round(explanation.unrounded) == explanation.price == floor.price()


def test_each_venue_is_there_with_what_it_said_and_what_it_counts_as(floor: Floor):
    floor.venue("dollar").trades("usdt", 0.99)
    floor.venue("acme").trades("btc", 99)
    floor.clock.advance(1.5)
    floor.venue("zeta").trades("btc", 99)
    floor.venue("wild", "USDT").trades("btc", 200)
    assert say(floor, "wild") == Say(
        venue="wild", market="btc-USDT", source="wild", quote="USDT", price=200.0, rate=0.99, usd=198.0, age=0.0,
        deviation=1.0, weight=1 / 3, vote=99.495, why_not=None,
    )  # fmt: skip
    assert (say(floor, "acme").age, say(floor, "acme").vote) == (1.5, 99.0)


def test_unknown_price_has_an_explanation(floor: Floor):
    explanation = floor.market.explain("eth")
    assert (explanation.price, explanation.unrounded, explanation.stale, explanation.markets) == (None, None, False, [])


def test_price_that_waits_for_24_hour_figures_is_shown_unrounded():
    floor = Floor(first_price_wait=5)
    floor.venue("acme").trades("btc", 99)
    assert (floor.market.explain("btc").price, floor.market.explain("btc").unrounded) == (None, 99.0)


def test_who_does_not_count_has_a_reason():
    floor = Floor(weights={"weightless": 0.0})
    acme = floor.venue("acme")
    floor.venue("silent", stale_after=1).trades("btc", 100)
    floor.wait(1.25)
    gone, onesided, unknown = floor.venue("gone"), floor.venue("onesided"), floor.venue("unknown", "USDC")
    for venue in (acme, gone, unknown, floor.venue("acme_again", venue="acme"), floor.venue("weightless")):
        venue.trades("btc", 100)
    onesided.shows("btc", [99], [])
    gone.relay.close("gone")
    assert {one.source: one.why_not for one in floor.market.explain("btc").markets} == {
        "acme": None, "silent": "stale", "gone": "disconnected", "unknown": "no rate", "acme_again": "other market",
        "weightless": "no weight", "onesided": "no price",
    }  # fmt: skip


def test_outlier_is_called_one(floor: Floor):
    venues: list[tuple[Venue, float]] = [(floor.venue(f"v{number}"), 100.0 + 9 * (number == 3)) for number in range(4)]
    for _ in range(7):
        for venue, price in venues:
            venue.trades("btc", price)
        floor.pass_time(1)
    assert (say(floor, "v3").why_not, say(floor, "v3").vote, say(floor, "v3").weight) == ("outlier", None, 0)
    assert say(floor, "v3").deviation == pytest.approx(0.09)


def test_loser_of_a_dispute_is_called_so(floor: Floor):
    floor.venue("acme").trades("btc", 100)
    floor.venue("wild").trades("btc", 150)
    assert (say(floor, "acme").vote, say(floor, "wild").why_not) == (100.0, "disputed")


def test_only_the_last_counts_where_the_last_is_the_price():
    floor = Floor(method="last")
    floor.venue("acme").trades("btc", 100)
    floor.venue("zeta").trades("btc", 150)
    assert (say(floor, "acme").why_not, say(floor, "zeta").vote) == ("not the last", 150.0)


def test_levels_that_would_cross_the_book_are_named(floor: Floor):
    floor.venue("stale").shows("btc", [103, 99], [104])
    floor.clock.advance(2)
    floor.venue("live").shows("btc", [99], [101])
    assert floor.market.explain("btc").left_out == [Crossing("stale", "bids", 101.0)]


def test_stale_price_says_so(floor: Floor):
    floor.venue("acme").trades("btc", 100)
    floor.wait(31)
    explanation = floor.market.explain("btc")
    assert (explanation.price, explanation.unrounded, explanation.stale) == (100, None, True)
