"""SMA: the simple moving average of closing prices."""

from __future__ import annotations

from collections.abc import Callable

from pydantic import Field

from haunt import Candle, Indicator, RatedOptions, Reading, Strength, Sum, hookimpl, rated


class SmaOptions(RatedOptions):
    period: int = Field(20, ge=2, le=1000, description="Candles in the average of the close.")


class Sma(Indicator):
    """The mean of the newest closes.

    Robert D. Edwards and John Magee, Technical Analysis of Stock Trends, 1948:

        SMA = (close + the period - 1 closes before it) / period

    Warm-up: `period` - 1 candles, as in TA-Lib.
    Level: buy while the close is above the SMA, sell while it is below. Within 1e-12 of the price it counts as on it:
    neutral, as in a market without movement.
    Confirmed: only from the second such close in a row.
    Confidence: d / (d + usual), where d = |close - SMA| and `usual` is the EMA over `period` of d before this candle,
    beginning as the first. 0.5 for a usual distance, 0 when neutral.
    """

    name = "sma"
    options: SmaOptions

    def __init__(self, options: SmaOptions) -> None:
        super().__init__(options)
        self._sum = Sum(options.period)
        self._strength = Strength(options.period)

    def update(self, candle: Candle) -> Reading | None:
        total = self._sum.update(candle.close)
        if total is None:
            return None
        sma = total / self.options.period
        strength, before = self._strength.update(candle.close - sma, candle.close)
        return rated(self.options.rule, sma, strength, before, {"sma": sma})


@hookimpl
def register_indicators(register: Callable[[type[Indicator]], None]) -> None:
    register(Sma)
