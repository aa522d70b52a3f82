"""How an indicator's figures become a signal and its confidence.

An indicator computes a strength, -1..1: above 0 speaks for buying, below 0 for selling, 0 for neither, and its size is
the confidence. The rule `level` takes it as it is; `confirmed` waits until the turn, a figure of the indicator's
choice, has the strength's sign.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

from pydantic import Field, model_validator

from haunt.plugin.indicator import IndicatorOptions, Reading

Rule: TypeAlias = Literal["level", "confirmed"]

ROUNDING = 1e-12
"""A distance below this part of a price is rounding, or what averages keep of a movement long ago."""


class RatedOptions(IndicatorOptions):
    """The options of an indicator whose readings are `rated`."""

    rule: Rule = Field("level", description="Signal past the level, or only once that is confirmed: level, confirmed.")


class LevelOptions(RatedOptions):
    """Two levels. A plugin gives them defaults and bounds."""

    buy_below: float
    sell_above: float

    @model_validator(mode="after")
    def _levels_are_apart(self) -> LevelOptions:
        if self.buy_below >= self.sell_above:
            raise ValueError(f"buy_below ({self.buy_below:g}) must be less than sell_above ({self.sell_above:g})")
        return self

    def strength(self, value: float, least: float, most: float) -> float:
        """How far the value is past a level, as a part of what is possible."""
        if value < self.buy_below:
            return (self.buy_below - value) / (self.buy_below - least)
        if value > self.sell_above:
            return (self.sell_above - value) / (most - self.sell_above)
        return 0.0


class Strength:
    """A distance beside the usual one: distance / (|distance| + usual), so that 0.5 is as usual.

    `usual` is the exponential average over `period` of |distance| before this one, beginning as the first.
    A distance within rounding of `scale`, the price it was taken from, has strength 0.
    """

    __slots__ = ("_strength", "_usual", "_weight")

    def __init__(self, period: int) -> None:
        self._weight = 2 / (period + 1)
        self._usual: float | None = None
        self._strength = 0.0

    def update(self, distance: float, scale: float) -> tuple[float, float]:
        """The strength, and the one before it; 0 before the first."""
        size = abs(distance)
        usual = size if self._usual is None else self._usual
        self._usual = usual + (size - usual) * self._weight
        before, self._strength = self._strength, distance / (size + usual) if size > ROUNDING * scale else 0.0
        return self._strength, before


class Turn:
    """Which way a figure moves: the newest less the one before, as `apart`; 0 for the first."""

    __slots__ = ("_previous",)

    def __init__(self) -> None:
        self._previous: float | None = None

    def update(self, value: float) -> float:
        previous, self._previous = self._previous, value
        return 0.0 if previous is None else apart(value, previous)


def apart(one: float, other: float) -> float:
    """`one` - `other`; 0 where that is a part in 1e9 of `one` or less, which rounding may have done."""
    distance = one - other
    return distance if abs(distance) > 1e-9 * abs(one) else 0.0


def outside(price: float, lower: float, upper: float) -> float:
    """How far a price is above (> 0) or below (< 0) a channel: distance / (distance + half the channel's width)."""
    distance = price - upper if price > upper else price - lower if price < lower else 0.0
    if abs(distance) <= ROUNDING * price:
        return 0.0
    return distance / (abs(distance) + (upper - lower) / 2)


def rated(rule: Rule, value: float, strength: float, turn: float, values: Mapping[str, float]) -> Reading:
    """The reading. `value` and `values` pass through."""
    if strength > 0.0 and (rule == "level" or turn > 0.0):
        return Reading(value, "buy", min(strength, 1.0), values)
    if strength < 0.0 and (rule == "level" or turn < 0.0):
        return Reading(value, "sell", min(-strength, 1.0), values)
    return Reading(value, "neutral", 0.0, values)
