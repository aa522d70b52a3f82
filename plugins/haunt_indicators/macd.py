"""MACD: convergence and divergence of two moving averages of closing prices."""

from __future__ import annotations

from collections.abc import Callable

from pydantic import Field, model_validator

from haunt import Candle, Change, Ema, Indicator, RatedOptions, Reading, Strength, hookimpl, rated


class MacdOptions(RatedOptions):
    fast: int = Field(12, ge=2, le=1000, description="Candles in the fast average of the close.")
    slow: int = Field(26, ge=2, le=1000, description="Candles in the slow average of the close; more than fast.")
    signal: int = Field(9, ge=1, le=1000, description="Candles in the average of the MACD line.")

    @model_validator(mode="after")
    def _fast_is_faster(self) -> MacdOptions:
        if self.fast >= self.slow:
            raise ValueError(f"fast ({self.fast}) must be less than slow ({self.slow})")
        return self


class Macd(Indicator):
    """The distance between a fast and a slow average of the close, and whether it grows.

    Gerald Appel, The Moving Average Convergence-Divergence Method, 1979; the histogram is Thomas Aspray's, 1986:

        EMA = previous EMA + (newest - previous EMA) x 2 / (period + 1)
        macd = EMA(close, fast) - EMA(close, slow)
        signal = EMA(macd, signal)
        histogram = macd - signal, the primary value

    Each EMA begins as the mean of its first `period` values, and as in TA-Lib the fast one starts slow - fast
    candles late, so that both begin at the same candle.

    Warm-up: `slow` + `signal` - 2 candles, as in TA-Lib.
    Level: buy while histogram > 0, sell while < 0. Within 1e-12 of the price it counts as 0: neutral, as in a market
    without movement.
    Confirmed: only while the histogram moves away from 0.
    Confidence: |histogram| / (|histogram| + usual), 0.5 for a usual one and free of the price's scale. `usual` is
    the EMA over `slow` periods of |histogram| before this candle, beginning as the first. 0 when neutral.
    """

    name = "macd"
    options: MacdOptions

    def __init__(self, options: MacdOptions) -> None:
        super().__init__(options)
        self._late = options.slow - options.fast
        self._fast, self._slow, self._signal = Ema(options.fast), Ema(options.slow), Ema(options.signal)
        self._strength = Strength(options.slow)
        self._turn = Change()

    def update(self, candle: Candle) -> Reading | None:
        fast = None
        if self._late:
            self._late -= 1
        else:
            fast = self._fast.update(candle.close)
        slow = self._slow.update(candle.close)
        if fast is None or slow is None:
            return None
        macd = fast - slow
        signal = self._signal.update(macd)
        if signal is None:
            return None
        histogram = macd - signal
        strength, _ = self._strength.update(histogram, slow)
        values = {"macd": macd, "signal": signal, "histogram": histogram}
        return rated(self.options.rule, histogram, strength, self._turn.update(histogram), values)


@hookimpl
def register_indicators(register: Callable[[type[Indicator]], None]) -> None:
    register(Macd)
