"""What no venue can do to a price, whatever it says, whenever it stalls and returns."""

from __future__ import annotations

from math import isfinite
from statistics import median
from typing import ClassVar

import pytest
from floor import Floor, Venue
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

CLAMP = 0.005
HALF_A_TICK = 0.005 + 1e-9
TRUTH = st.floats(99.5, 100.5)  # so near to each other that none of them is an outlier
LIE = st.one_of(st.floats(0.02, 1e9), st.floats(1e-300, 1e24, exclude_max=True), st.floats(96, 104))
THOROUGH = settings(max_examples=200, derandomize=True)


def agreed(prices: list[float]) -> tuple[float, float]:
    """(median, price) of venues of equal weight, the plain way."""
    centre = median(prices)
    clamped = [min(max(price, centre * (1 - CLAMP)), centre * (1 + CLAMP)) for price in prices]
    return centre, sum(clamped) / len(clamped)


class Venues(RuleBasedStateMachine):
    """Five honest venues speak whatever happens; two more honest ones and four liars come and go."""

    STEADY: ClassVar = ["h0", "h1", "h2", "h3", "h4"]
    HONEST: ClassVar = [*STEADY, "h5", "h6"]
    LIARS: ClassVar = ["l0", "l1", "l2", "l3"]

    @initialize(prices=st.tuples(*[TRUTH] * 5))
    def open(self, prices: tuple[float, ...]) -> None:
        self.floor = Floor(stale_after=3)
        self.venues: dict[str, Venue] = {}
        self.said: dict[str, float] = {}
        self.said_at: dict[str, float] = {}
        self.newest = 0
        for name, price in zip(self.STEADY, prices, strict=True):
            self._speak(name, price)

    @rule(name=st.sampled_from(HONEST), price=TRUTH)
    def an_honest_venue_speaks(self, name: str, price: float) -> None:
        self._speak(name, price)

    @rule(name=st.sampled_from(LIARS), price=LIE)
    def a_liar_speaks(self, name: str, price: float) -> None:
        self._speak(name, price)

    @rule(name=st.sampled_from([*HONEST[5:], *LIARS]), how=st.sampled_from(["gap", "garbage", "closed"]))
    def a_venue_is_lost(self, name: str, how: str) -> None:
        if name not in self.said:
            return
        self.venues[name].loses_book("btc", how)
        del self.said[name]
        if how == "closed":
            self.venues[name].relay.open()

    @rule(seconds=st.integers(1, 6))
    def time_passes(self, seconds: int) -> None:
        """What venues said some time ago is forgotten, but the steady ones say it again every second."""
        for _ in range(seconds):
            for name in self.STEADY:
                self._speak(name, self.said[name])
            self.floor.pass_time(1)
        now = self.floor.clock.monotonic()
        self.said = {name: price for name, price in self.said.items() if now - self.said_at[name] <= 3}

    def _speak(self, name: str, price: float) -> None:
        if name not in self.venues:
            self.venues[name] = self.floor.venue(name)
        self.venues[name].shows("btc", [price * (1 - 1e-6)], [price * (1 + 1e-6)])
        self.said[name] = price
        self.said_at[name] = self.floor.clock.monotonic()

    def _counted(self) -> list[str]:
        return list(self.floor.composite().sources)

    @invariant()
    def price_is_what_the_venues_agree_on_that_are_there(self) -> None:
        """No stale venue, none whose book has a hole, and no honest one is ever left out."""
        counted = self._counted()
        assert set(counted) <= self.said.keys()
        assert {name for name in self.HONEST if name in self.said} <= set(counted)
        _, price = agreed([self.said[name] for name in counted])
        assert self.floor.price() == pytest.approx(price, abs=HALF_A_TICK)

    @invariant()
    def liars_move_neither_the_median_out_of_the_honest_range_nor_the_price_beyond_the_clamp(self) -> None:
        honest = [self.said[name] for name in self.HONEST if name in self.said]
        centre, _ = agreed([self.said[name] for name in self._counted()])
        price = self.floor.composite().price
        assert min(honest) <= centre <= max(honest)
        assert min(honest) * (1 - CLAMP) - HALF_A_TICK <= price <= max(honest) * (1 + CLAMP) + HALF_A_TICK
        assert abs(price - centre) <= centre * CLAMP + HALF_A_TICK

    @invariant()
    def what_is_published_can_be_and_time_never_goes_back(self) -> None:
        composite, doubt = self.floor.composite(), self.floor.market.doubt("btc")
        assert isfinite(composite.price)
        assert composite.price > 0
        assert 0 <= doubt.dispersion <= composite.price * CLAMP * 1.02
        assert self.newest <= composite.timestamp <= self.floor.clock.milliseconds()
        self.newest = composite.timestamp


TestVenues = Venues.TestCase
TestVenues.settings = settings(max_examples=300, stateful_step_count=30, derandomize=True, deadline=None)


PRICES = st.lists(TRUTH, min_size=3, max_size=9)


def told(prices: list[float], names: list[int] | None = None) -> Floor:
    floor = Floor()
    for number, price in zip(names or range(len(prices)), prices, strict=True):
        floor.venue(f"v{number}").trades("btc", price)
    return floor


@THOROUGH
@given(PRICES, st.lists(LIE, max_size=8), st.randoms())
def test_order_in_which_venues_come_does_not_matter(honest: list[float], lies: list[float], random):
    prices = honest + lies[: len(honest) - 1]
    names = random.sample(range(len(prices)), len(prices))
    assert told(prices).price() == told([prices[name] for name in names], names).price()


@THOROUGH
@given(PRICES, LIE)
def test_another_market_of_a_venue_changes_nothing(prices: list[float], lie: float):
    floor = told(prices)
    floor.venue("dollar").trades("usdt", 1.0)
    before = floor.composite()
    floor.venue("again", venue="v0").trades("btc", lie)
    floor.venue("v0_usdt", "USDT", venue="v0").trades("btc", lie)
    floor.wait(0.25)
    assert floor.composite() == before


@THOROUGH
@given(PRICES, LIE)
def test_venue_that_comes_or_goes_moves_the_price_by_its_own_weight_and_the_shift_of_the_median(
    prices: list[float], lie: float
):
    floor = told(prices)
    without = floor.composite().price
    liar = floor.venue("liar")
    liar.trades("btc", lie)
    with_it = floor.composite().price
    old, new = median(prices), median([*prices, lie])
    most = abs(new - old) * (1 + CLAMP) + 2 * CLAMP * max(old, new) / (len(prices) + 1)
    assert abs(with_it - without) <= most + 2 * HALF_A_TICK
    liar.relay.close("gone")
    assert floor.price() == without


@THOROUGH
@given(PRICES, st.sampled_from(["silence", "closed"]))
def test_without_any_venue_the_last_price_stays_and_is_called_stale(prices: list[float], how: str):
    floor = Floor()
    venues = [floor.venue(f"v{number}") for number in range(len(prices))]
    for venue, price in zip(venues, prices, strict=True):
        venue.trades("btc", price)
    seen = [floor.composite()]
    for venue in venues:
        if how == "closed":
            venue.relay.close("gone")
        else:
            floor.wait(31 / len(venues))
        seen.append(floor.composite())
    floor.wait(31)
    seen.append(floor.composite())
    assert seen[-1].price == seen[-2].price
    assert (seen[-1].stale, floor.market.doubt("btc").confidence) == (True, "low")
    assert all(min(prices) - HALF_A_TICK <= one.price <= max(prices) + HALF_A_TICK for one in seen)
    floor.pass_time(2)
    assert floor.composite() == seen[-1]


@THOROUGH
@given(st.floats(0.3, 1.7), st.integers(1, 4), st.integers(3, 6), st.booleans())
def test_coin_that_loses_its_dollar_does_not_move_the_price_in_dollars(
    worth: float, dollars: int, tethers: int, sold: bool
):
    """Whether the coin itself is sold for dollars, or its worth follows from what bitcoin costs in both."""
    floor = Floor()
    usd = [floor.venue(f"usd{number}") for number in range(dollars)]
    usdt = [floor.venue(f"usdt{number}", "USDT") for number in range(tethers)]
    for rate in (1.0, worth):
        if sold:
            usd[0].trades("usdt", rate)
        for venue in usd:
            venue.trades("btc", 100.0)
        for venue in usdt:
            venue.trades("btc", 100 / rate)
        floor.pass_time(0.5)
        assert floor.price() == pytest.approx(100, abs=HALF_A_TICK)
    assert len(floor.composite().sources) == dollars + tethers * (sold or dollars >= 3)
