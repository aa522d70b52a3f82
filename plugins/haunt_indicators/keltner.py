"""Keltner channel: a band around the average price, as wide as its true ranges."""

from __future__ import annotations

from collections.abc import Callable

from pydantic import Field

from haunt import AverageTrueRange, Candle, Ema, Indicator, RatedOptions, Reading, hookimpl, outside, rated


class KeltnerOptions(RatedOptions):
    period: int = Field(20, ge=2, le=1000, description="Candles in the average of the typical price.")
    atr_period: int = Field(10, ge=2, le=1000, description="Candles in Wilder's average of the true range.")
    width: float = Field(2.0, gt=0, le=100, description="Average true ranges from the middle to a line.")


class Keltner(Indicator):
    """A moving average and the usual range around it.

    Chester W. Keltner, How to Make Money in Commodities, 1960, with the exponential average and the ATR that Linda
    Bradford Raschke brought in:

        typical = (high + low + close) / 3
        middle = EMA(typical, period), the primary value
        upper, lower = middle ± width x ATR(atr_period)

    As in TA-Lib the one of the two averages that needs fewer candles starts late, so that both begin at the same.

    Warm-up: the greater of `period` - 1 and `atr_period` candles, as in TA-Lib.
    Level: Keltner's own rule is the breakout: buy while the close is above the upper line, sell while it is below the
    lower. Within 1e-12 of the price it counts as inside.
    Confirmed: only from the second such close in a row.
    Confidence: d / (d + half the width of the channel), where d is the distance from the line that was passed. 0 when
    neutral.
    """

    name = "keltner"
    options: KeltnerOptions

    def __init__(self, options: KeltnerOptions) -> None:
        super().__init__(options)
        self._middle, self._range = Ema(options.period), AverageTrueRange(options.atr_period)
        self._middle_late = max(0, options.atr_period + 1 - options.period)
        self._range_late = max(0, options.period - options.atr_period - 1)
        self._strength = 0.0

    def update(self, candle: Candle) -> Reading | None:
        middle = atr = None
        if self._middle_late:
            self._middle_late -= 1
        else:
            middle = self._middle.update((candle.high + candle.low + candle.close) / 3)
        if self._range_late:
            self._range_late -= 1
        else:
            atr = self._range.update(candle)
        if middle is None or atr is None:
            return None
        reach = self.options.width * atr
        upper, lower = middle + reach, middle - reach
        before, self._strength = self._strength, outside(candle.close, lower, upper)
        values = {"upper": upper, "middle": middle, "lower": lower}
        return rated(self.options.rule, middle, self._strength, before, values)


@hookimpl
def register_indicators(register: Callable[[type[Indicator]], None]) -> None:
    register(Keltner)
