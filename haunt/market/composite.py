"""One price from many: votes in the order of their prices, and what they agree on. No I/O, no clock."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import mul
from typing import Literal, NamedTuple, TypeAlias

Method: TypeAlias = Literal["hcp", "median", "last"]

# Weights such as 0.1 + 0.2 and 0.3 must count as equal halves.
ROUNDING = 1e-12
LARGEST_SHARE = 1 / 3


@dataclass(frozen=True, slots=True)
class PriceRules:
    """How one symbol's price is made of its venues': the section `price` of the configuration."""

    method: Method = "hcp"
    clamp: float = 0.005
    clamp_mads: float = 0.0
    outlier: float = 0.03
    weigh_by: Literal["source", "volume"] = "source"
    weights: Mapping[str, float] = field(default_factory=dict, hash=False)
    stale_after: float | None = None


class Band(NamedTuple):
    """The weighted median of the votes, and how far from it a vote counts in full."""

    median: float
    low: float
    high: float


class Ballot:
    """At least one vote, in ascending order of price, with its weight beside it.

    `move` finds its place by bisection, so a venue's update does not sort the others.
    """

    __slots__ = ("_alike", "_total", "prices", "weights")

    def __init__(self, votes: Iterable[tuple[float, float]]) -> None:
        ordered = sorted(votes)
        self.prices = [price for price, _ in ordered]
        self.weights = [weight for _, weight in ordered]
        self._total = sum(self.weights)
        self._alike = min(self.weights) == max(self.weights)

    def move(self, old: float, new: float, weight: float) -> None:
        """The vote of `weight` at the price `old` is at `new` now."""
        prices, weights = self.prices, self.weights
        index = bisect_left(prices, old)
        if not self._alike:
            while weights[index] != weight:
                index += 1
        last = len(prices) - 1
        if (index == 0 or prices[index - 1] <= new) and (index == last or new <= prices[index + 1]):
            prices[index] = new
            return
        del prices[index], weights[index]
        index = bisect_left(prices, new)
        prices.insert(index, new)
        weights.insert(index, weight)

    def price(self, rules: PriceRules, held: float | None) -> float:
        """What the votes agree on: by `hcp` the mean of the prices, those outside the band moved to its edge.

        Of two that contradict each other it is the one nearer to `held`, the price last published.
        """
        lowest, highest = self.prices[0], self.prices[-1]
        if lowest == highest:
            return lowest
        band = self.band(rules)
        prices = self._clamped(band)
        if len(prices) == 2 and prices is not self.prices and held is not None:
            return lowest if held - lowest <= highest - held else highest
        if rules.method == "median":
            return band.median
        mean = sum(prices) / len(prices) if self._alike else float(sum(map(mul, prices, self.weights))) / self._total
        # A mean of equal numbers may miss them by its rounding.
        return lowest if mean < lowest else highest if mean > highest else mean

    def band(self, rules: PriceRules) -> Band:
        median = self.quantile(0.5)
        width = rules.clamp * median
        if rules.clamp_mads:
            width = max(width, rules.clamp_mads * self.deviation(median))
        return Band(median, median - width, median + width)

    def dispersion(self, rules: PriceRules) -> tuple[float, bool]:
        """How far the quartiles of the clamped prices are from the median, the farther of the two, and whether that
        is as far as the clamp lets them be."""
        band = self.band(rules)
        prices = self._clamped(band)
        low, high = self._quantile(prices, 0.25), self._quantile(prices, 0.75)
        return max(band.median - low, high - band.median), low <= band.low or high >= band.high

    def deviation(self, median: float) -> float:
        """The median absolute deviation (MAD)."""
        return Ballot(
            (abs(price - median), weight) for price, weight in zip(self.prices, self.weights, strict=True)
        ).quantile(0.5)

    def quantile(self, share: float) -> float:
        """The price below which lies this share of the weight. Where the weight splits evenly, the middle of two.

        At one half it is the weighted median, which those with less than half of the weight cannot move out of
        the others' range. Source: Edgeworth 1888; the indices of Deribit and CF Benchmarks have it at their centre.
        """
        return self._quantile(self.prices, share)

    def _quantile(self, prices: Sequence[float], share: float) -> float:
        if self._alike:
            place = share * len(prices)
            index = int(place)
            return prices[index] if index < place else (prices[index - 1] + prices[index]) / 2
        goal = share * self._total
        least, most = goal * (1 - ROUNDING), goal * (1 + ROUNDING)
        below = 0.0
        for index, weight in enumerate(self.weights):
            below += weight
            if below > most:
                return prices[index]
            if below >= least:
                return (prices[index] + prices[index + 1]) / 2
        raise AssertionError("weights are above zero")

    def _clamped(self, band: Band) -> Sequence[float]:
        """The prices, those outside the band moved to its edge; the very same list where there are none."""
        prices, (_, low, high) = self.prices, band
        if low <= prices[0] and prices[-1] <= high:
            return prices
        below, above = bisect_left(prices, low), len(prices) - bisect_right(prices, high)
        return [low] * below + prices[below : len(prices) - above] + [high] * above


def shares(weights: Sequence[float]) -> list[float]:
    """Each weight as its part of the whole, none of them above a third, or above one in n where n is less."""
    if len(weights) <= 3:
        return [1 / len(weights) for _ in weights]
    # The excess of the heaviest, of two at most, is taken from them, so that each has what is a third then.
    heaviest = sorted(weights, reverse=True)
    caps = [sum(heaviest[rank:]) / (1 / LARGEST_SHARE - rank) for rank in range(3)]
    cap = next(cap for cap, weight in zip(caps, heaviest, strict=False) if weight <= cap)
    capped = [min(weight, cap) for weight in weights]
    total = sum(capped)
    return [weight / total for weight in capped]
