"""How often an indicator's signals came true, beside what chance would have given. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import ceil, sqrt
from random import Random
from statistics import fmean
from typing import NamedTuple

from haunt.market.published import Signal

HORIZONS = (1, 5, 15, 60)  # candles
LEAST_SIGNALS = 30
MOST_SIGNALS = 500  # of each indicator on each symbol; in the history some 80 KB
SHUFFLES = 400
SURENESS = 0.95
DEVIATIONS = 1.96  # of a normal distribution that 95 % lie within
BASIS_POINTS = 10_000.0
# In half hits.
RISE, SAME, FALL = 2, 1, 0


class Range(NamedTuple):
    """A share, and where it lies by 95 %."""

    rate: float
    low: float
    high: float


class Score(NamedTuple):
    """The signals of one indicator on one symbol, looked at `horizon` candles later.

    A `buy` is a hit where the price then was higher, a `sell` where it was lower; where it was the same, it is half a
    hit. `returns` is the mean of what following them gave, in basis points and without costs. `always_up` is the rate
    of a buy at every candle, and its returns; `shuffled` that of the same signals at other times. None of these where
    `signals` are too few.
    """

    horizon: int
    signals: int
    hits: Range | None = None
    returns: float | None = None
    always_up: float | None = None
    always_up_returns: float | None = None
    shuffled: Range | None = None

    @property
    def verdict(self) -> str:
        if self.hits is None or self.shuffled is None:
            return f"too few signals: {self.signals} of {LEAST_SIGNALS}"
        if self.hits.rate > self.shuffled.high:
            return "better than shuffled"
        return "worse than shuffled" if self.hits.rate < self.shuffled.low else "no better than shuffled"


def score_card(signals: Iterable[Signal], closes: Mapping[int, float], length: int) -> list[Score]:
    """By each horizon. `closes` are those of the closed candles by their start, and `length` is theirs in milliseconds.

    A signal counts where both candles are there, the one it was given at and the one so much later. `neutral` is none.
    The same for the same, whenever it is asked.
    """
    given = {signal.timestamp - length: signal.signal for signal in signals if signal.signal != "neutral"}
    return [_score(given, closes, horizon, horizon * length) for horizon in HORIZONS]


def wilson(hits: float, tries: int) -> Range:
    """The share of hits, with Wilson's interval: it holds for few tries and for shares near 0 or 1, too."""
    rate, spread = hits / tries, DEVIATIONS**2 / tries
    centre = (rate + spread / 2) / (1 + spread)
    half = sqrt(spread * (rate * (1 - rate) + spread / 4)) / (1 + spread)
    return Range(rate, max(0.0, centre - half), min(1.0, centre + half))


def shuffled(outcomes: Sequence[int], buys: Sequence[int], sells: Sequence[int], random: Random) -> Range:
    """The hit rates of the same buys and sells moved to other times, all by as much, as if the candles were a ring:
    how many there are of each, and how close together, stays as it was. Of each candle the outcome is RISE, SAME or
    FALL."""
    tries = len(buys) + len(sells)
    ring = bytes([*outcomes, *outcomes])
    rates = []
    for _ in range(SHUFFLES):
        moved = ring[random.randrange(len(outcomes)) :].__getitem__
        rises = sum(map(moved, buys)) + RISE * len(sells) - sum(map(moved, sells))
        rates.append(rises / RISE / tries)
    rates.sort()
    outside = SHUFFLES * (1 - SURENESS) / 2
    return Range(fmean(rates), rates[int(outside)], rates[ceil(SHUFFLES - outside) - 1])


def _score(given: Mapping[int, str], closes: Mapping[int, float], horizon: int, ahead: int) -> Score:
    # What came before the first signal says nothing of the time that the signals are of.
    begun = min(given, default=0)
    starts = [start for start in sorted(closes) if start >= begun and start + ahead in closes]
    directions = [given.get(start) for start in starts]
    buys = [place for place, direction in enumerate(directions) if direction == "buy"]
    sells = [place for place, direction in enumerate(directions) if direction == "sell"]
    tries = len(buys) + len(sells)
    if tries < LEAST_SIGNALS:
        return Score(horizon, tries)
    returns = [(closes[start + ahead] / closes[start] - 1) * BASIS_POINTS for start in starts]
    outcomes = [RISE if change > 0 else SAME if change == 0 else FALL for change in returns]
    hits = sum(outcomes[place] for place in buys) + sum(RISE - outcomes[place] for place in sells)
    gained = sum(returns[place] for place in buys) - sum(returns[place] for place in sells)
    return Score(
        horizon=horizon,
        signals=tries,
        hits=wilson(hits / RISE, tries),
        returns=gained / tries,
        always_up=fmean(outcomes) / RISE,
        always_up_returns=fmean(returns),
        shuffled=shuffled(outcomes, buys, sells, Random(horizon)),
    )
