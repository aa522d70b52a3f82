"""Donchian channel: the highest high and the lowest low, and closes that break out."""

from __future__ import annotations

from collections.abc import Callable

from pydantic import Field

from haunt import Candle, Highest, Indicator, Lowest, RatedOptions, Reading, hookimpl, outside, rated


class DonchianOptions(RatedOptions):
    period: int = Field(20, ge=2, le=1000, description="Candles whose highest high and lowest low are the channel.")


class Donchian(Indicator):
    """The range of the newest candles.

    Richard D. Donchian, High Finance in Copper, 1960:

        upper = highest high of `period` candles      lower = their lowest low
        middle = (upper + lower) / 2, the primary value

    Warm-up: `period` - 1 candles, as in TA-Lib.
    Level: a close is never outside its own channel; the trade's rule is the breakout. Buy when the close is above the
    upper line of the candle before, sell when it is below the lower, else neutral.
    Confirmed: only from the second such close in a row.
    Confidence: d / (d + half the width of the channel before), where d is the distance from the line that was passed.
    0 when neutral.
    """

    name = "donchian"
    options: DonchianOptions

    def __init__(self, options: DonchianOptions) -> None:
        super().__init__(options)
        self._highest, self._lowest = Highest(options.period), Lowest(options.period)
        self._channel: tuple[float, float] | None = None
        self._strength = 0.0

    def update(self, candle: Candle) -> Reading | None:
        upper, lower = self._highest.update(candle.high), self._lowest.update(candle.low)
        if upper is None or lower is None:
            return None
        channel, self._channel = self._channel, (lower, upper)
        before, self._strength = self._strength, outside(candle.close, *channel) if channel else 0.0
        middle = (upper + lower) / 2
        values = {"upper": upper, "middle": middle, "lower": lower}
        return rated(self.options.rule, middle, self._strength, before, values)


@hookimpl
def register_indicators(register: Callable[[type[Indicator]], None]) -> None:
    register(Donchian)
