"""Stochastic oscillator: where the close is in the range of the newest candles."""

from __future__ import annotations

from collections.abc import Callable

from pydantic import Field

from haunt import Candle, Highest, Indicator, LevelOptions, Lowest, Reading, Sum, apart, hookimpl, rated


class StochasticOptions(LevelOptions):
    buy_below: float = Field(20.0, ge=0, le=100, description="A %K below this is oversold: buy. 0 = never.")
    sell_above: float = Field(80.0, ge=0, le=100, description="A %K above this is overbought: sell. 100 = never.")
    period: int = Field(14, ge=2, le=1000, description="Candles whose highest high and lowest low are the range.")
    smooth: int = Field(3, ge=1, le=1000, description="Candles in the average that makes %K; 1 = the fast stochastic.")
    signal: int = Field(3, ge=1, le=1000, description="Values of %K in the average that makes %D.")


class Stochastic(Indicator):
    """The close's place between the lowest low and the highest high, 0..100, averaged twice.

    George C. Lane, Lane's Stochastics, 1984:

        fast = 100 x (close - lowest low) / (highest high - lowest low) of `period` candles; 0 where both are the same
        k = mean of `smooth` values of fast, the primary value
        d = mean of `signal` values of k

    Warm-up: `period` + `smooth` + `signal` - 3 candles, as in TA-Lib.
    Level: buy while k < buy_below, sell while k > sell_above. Neutral where the candles have no range.
    Confirmed: only while k has turned past its own average: above d for buy, below d for sell.
    Confidence: how far k is past the level, as a part of what is possible: (buy_below - k) / buy_below,
    (k - sell_above) / (100 - sell_above), and 0 when neutral.
    """

    name = "stochastic"
    options: StochasticOptions

    def __init__(self, options: StochasticOptions) -> None:
        super().__init__(options)
        self._highest, self._lowest = Highest(options.period), Lowest(options.period)
        self._fast, self._k = Sum(options.smooth), Sum(options.signal)

    def update(self, candle: Candle) -> Reading | None:
        options = self.options
        highest, lowest = self._highest.update(candle.high), self._lowest.update(candle.low)
        if highest is None or lowest is None:
            return None
        height = highest - lowest
        fast = self._fast.update(100.0 * ((candle.close - lowest) / height) if height else 0.0)
        if fast is None:
            return None
        k = fast / options.smooth
        total = self._k.update(k)
        if total is None:
            return None
        d = total / options.signal
        strength = options.strength(k, least=0.0, most=100.0) if height else 0.0
        return rated(options.rule, k, strength, apart(k, d), {"k": k, "d": d})


@hookimpl
def register_indicators(register: Callable[[type[Indicator]], None]) -> None:
    register(Stochastic)
