"""Bollinger bands: a channel around the average close, as wide as the closes are scattered."""

from __future__ import annotations

from collections.abc import Callable

from pydantic import Field

from haunt import ROUNDING, Candle, Change, Deviation, Indicator, RatedOptions, Reading, hookimpl, outside, rated


class BollingerOptions(RatedOptions):
    period: int = Field(20, ge=2, le=1000, description="Candles in the average and the deviation of the close.")
    width: float = Field(2.0, gt=0, le=100, description="Standard deviations from the middle to a band.")


class Bollinger(Indicator):
    """Where the close is between two bands that follow its own scatter.

    John Bollinger, Bollinger on Bollinger Bands, 2001:

        middle = mean of `period` closes
        upper, lower = middle ± width x standard deviation of those closes (of the population)
        percent_b = (close - lower) / (upper - lower), the primary value: 0 on the lower band, 1 on the upper

    Warm-up: `period` - 1 candles, as in TA-Lib.
    Level: buy while the close is below the lower band, sell while it is above the upper. Bands closer together than
    1e-12 of the price are rounding: percent_b is 0.5 and the signal neutral.
    Confirmed: only while the close is coming back: higher than the one before for buy, lower for sell.
    Confidence: d / (d + half the width of the channel), where d is the distance from the band that was passed. 0 when
    neutral.
    """

    name = "bollinger"
    options: BollingerOptions

    def __init__(self, options: BollingerOptions) -> None:
        super().__init__(options)
        self._deviation = Deviation(options.period)
        self._turn = Change()

    def update(self, candle: Candle) -> Reading | None:
        close = candle.close
        turn = self._turn.update(close)
        found = self._deviation.update(close)
        if found is None:
            return None
        middle, deviation = found
        reach = self.options.width * deviation
        upper, lower = middle + reach, middle - reach
        percent_b, strength = 0.5, 0.0
        if reach > ROUNDING * close:
            percent_b = (close - lower) / (2 * reach)
            strength = -outside(close, lower, upper)
        values = {"upper": upper, "middle": middle, "lower": lower, "percent_b": percent_b}
        return rated(self.options.rule, percent_b, strength, turn, values)


@hookimpl
def register_indicators(register: Callable[[type[Indicator]], None]) -> None:
    register(Bollinger)
