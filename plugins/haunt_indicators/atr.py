"""ATR: the average true range, and closes that leap out of it."""

from __future__ import annotations

from collections.abc import Callable

from pydantic import Field

from haunt import ROUNDING, AverageTrueRange, Candle, Change, Indicator, RatedOptions, Reading, hookimpl, rated


class AtrOptions(RatedOptions):
    period: int = Field(14, ge=2, le=1000, description="Candles in Wilder's average of the true range.")
    leap: float = Field(1.5, gt=0, le=100, description="A change of the close by this many ATRs is a signal.")


class Atr(Indicator):
    """How far a price usually moves in one candle. It has no direction of its own.

    J. Welles Wilder, New Concepts in Technical Trading Systems, 1978:

        true range = max(high, previous close) - min(low, previous close)
        ATR = (previous ATR x (period - 1) + true range) / period; the first is the mean of `period` true ranges

    Warm-up: `period` candles, as in TA-Lib.
    Level: a range has no level to be bought at; the trade's rule is the volatility breakout (Larry R. Williams,
    Long-Term Secrets to Short-Term Trading, 1999). Buy when the close rose by more than `leap` times the ATR before
    this candle, sell when it fell by more, else neutral.
    Confirmed: only when the candle closed beyond its middle in that direction.
    Confidence: (m - leap x previous ATR) / m, where m = |close - previous close|. 0 when neutral.
    """

    name = "atr"
    options: AtrOptions

    def __init__(self, options: AtrOptions) -> None:
        super().__init__(options)
        self._range = AverageTrueRange(options.period)
        self._change = Change()
        self._atr: float | None = None

    def update(self, candle: Candle) -> Reading | None:
        change = self._change.update(candle.close)
        previous, self._atr = self._atr, self._range.update(candle)
        if self._atr is None:
            return None
        strength = 0.0
        if previous is not None:
            beyond = abs(change) - self.options.leap * previous
            if beyond > ROUNDING * candle.close:
                strength = beyond / change
        turn = candle.close - (candle.high + candle.low) / 2
        return rated(self.options.rule, self._atr, strength, turn, {"atr": self._atr})


@hookimpl
def register_indicators(register: Callable[[type[Indicator]], None]) -> None:
    register(Atr)
