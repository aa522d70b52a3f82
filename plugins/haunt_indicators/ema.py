"""EMA: the exponential moving average of closing prices."""

from __future__ import annotations

from collections.abc import Callable

from pydantic import Field

from haunt import Candle, Ema, Indicator, RatedOptions, Reading, Strength, hookimpl, rated


class EmaOptions(RatedOptions):
    period: int = Field(20, ge=2, le=1000, description="Candles of the average; the newest weighs 2 / (period + 1).")


class ExponentialAverage(Indicator):
    """The mean of all closes, each weighing less with every candle that follows.

    Peter N. Haurlan, Measuring Trend Values, 1968:

        EMA = previous EMA + (close - previous EMA) x 2 / (period + 1); the first is the mean of `period` closes

    Warm-up: `period` - 1 candles, as in TA-Lib.
    Level: buy while the close is above the EMA, sell while it is below. Within 1e-12 of the price it counts as on it:
    neutral, as in a market without movement.
    Confirmed: only from the second such close in a row.
    Confidence: d / (d + usual), where d = |close - EMA| and `usual` is the EMA over `period` of d before this candle,
    beginning as the first. 0.5 for a usual distance, 0 when neutral.
    """

    name = "ema"
    options: EmaOptions

    def __init__(self, options: EmaOptions) -> None:
        super().__init__(options)
        self._average = Ema(options.period)
        self._strength = Strength(options.period)

    def update(self, candle: Candle) -> Reading | None:
        ema = self._average.update(candle.close)
        if ema is None:
            return None
        strength, before = self._strength.update(candle.close - ema, candle.close)
        return rated(self.options.rule, ema, strength, before, {"ema": ema})


@hookimpl
def register_indicators(register: Callable[[type[Indicator]], None]) -> None:
    register(ExponentialAverage)
