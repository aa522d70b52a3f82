"""Supertrend: a stop that follows the trend."""

from __future__ import annotations

from collections.abc import Callable

from pydantic import Field

from haunt import ROUNDING, AverageTrueRange, Candle, Indicator, RatedOptions, Reading, hookimpl, rated


class SupertrendOptions(RatedOptions):
    period: int = Field(10, ge=2, le=1000, description="Candles in Wilder's average of the true range.")
    width: float = Field(3.0, gt=0, le=100, description="Average true ranges from a candle's middle to the stop.")


class Supertrend(Indicator):
    """Which way the trend goes, and the price at which it would be over.

    Olivier Seban, a French trader, in the 2000s:

        middle = (high + low) / 2
        upper = middle + width x ATR, or the previous upper where that is lower and the previous close was not above it
        lower = middle - width x ATR, or the previous lower where that is higher and the previous close not below it
        trend = -1 once the close is below lower, 1 once it is above upper; it begins as 1
        supertrend = lower while trend is 1, upper while it is -1; the primary value

    Warm-up: `period` candles, as in TA-Lib.
    Level: buy while trend is 1, sell while it is -1. Neutral while the close is within 1e-12 of the stop, as in a
    market without movement.
    Confirmed: only from the second candle of a trend.
    Confidence: d / (d + width x ATR), where d = |close - supertrend|. 0 when neutral.
    """

    name = "supertrend"
    options: SupertrendOptions

    def __init__(self, options: SupertrendOptions) -> None:
        super().__init__(options)
        self._range = AverageTrueRange(options.period)
        self._stops: tuple[float, float] | None = None
        self._close = self._strength = 0.0
        self._trend = 1

    def update(self, candle: Candle) -> Reading | None:
        atr = self._range.update(candle)
        previous, self._close = self._close, candle.close
        if atr is None:
            return None
        close, reach = candle.close, self.options.width * atr
        middle = (candle.high + candle.low) / 2
        upper, lower = middle + reach, middle - reach
        if self._stops:
            upper_before, lower_before = self._stops
            upper = upper if previous > upper_before else min(upper, upper_before)
            lower = lower if previous < lower_before else max(lower, lower_before)
        self._stops = upper, lower
        if close < lower if self._trend > 0 else close > upper:
            self._trend = -self._trend
        stop = lower if self._trend > 0 else upper
        distance = close - stop
        strength = distance / (abs(distance) + reach) if abs(distance) > ROUNDING * close else 0.0
        before, self._strength = self._strength, strength
        values = {"supertrend": stop, "trend": float(self._trend)}
        return rated(self.options.rule, stop, strength, before, values)


@hookimpl
def register_indicators(register: Callable[[type[Indicator]], None]) -> None:
    register(Supertrend)
