"""MACD: convergence and divergence of two moving averages of closing prices."""

from __future__ import annotations

from collections.abc import Callable

from pydantic import Field, model_validator

from haunt import Candle, Indicator, IndicatorOptions, Reading, hookimpl

# A histogram below this part of the price is rounding: two averages of a frozen price differ in the last digit.
ROUNDING = 1e-12


class MacdOptions(IndicatorOptions):
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
    Warm-up: slow + signal - 2 candles say nothing; the first reading comes with the next, as in TA-Lib.
    Signal (rule `level`): buy while histogram > 0, sell while < 0. Within 1e-12 of the price it counts as 0:
    neutral, as in a market without movement.
    Confidence: |histogram| / (|histogram| + usual), 0.5 for a usual one and free of the price's scale. `usual` is
    the EMA over `slow` periods of |histogram| before this candle, beginning as the first. 0 when neutral.
    """

    name = "macd"
    options: MacdOptions

    def __init__(self, options: MacdOptions) -> None:
        super().__init__(options)
        self._late = options.slow - options.fast
        self._fast = _Average(options.fast)
        self._slow = _Average(options.slow)
        self._signal = _Average(options.signal)
        self._usual: float | None = None

    def update(self, candle: Candle) -> Reading | None:
        if self._late:
            self._late -= 1
        else:
            self._fast.update(candle.close)
        if not self._slow.update(candle.close):
            return None
        macd = self._fast.value - self._slow.value
        if not self._signal.update(macd):
            return None
        return self._read(macd, self._signal.value)

    def _read(self, macd: float, signal: float) -> Reading:
        histogram = macd - signal
        size = abs(histogram)
        usual = size if self._usual is None else self._usual
        self._usual = usual + (size - usual) * 2 / (self.options.slow + 1)
        values = {"macd": macd, "signal": signal, "histogram": histogram}
        if size <= ROUNDING * self._slow.value:
            return Reading(histogram, "neutral", 0.0, values)
        return Reading(histogram, "buy" if histogram > 0 else "sell", size / (size + usual), values)


class _Average:
    """An exponential moving average that begins as the mean of its first `period` values."""

    __slots__ = ("_missing", "_period", "_weight", "value")

    def __init__(self, period: int) -> None:
        self.value = 0.0
        self._period = self._missing = period
        self._weight = 2 / (period + 1)

    def update(self, newest: float) -> bool:
        """False while values are missing."""
        if not self._missing:
            self.value += (newest - self.value) * self._weight
            return True
        self.value += newest
        self._missing -= 1
        if self._missing:
            return False
        self.value /= self._period
        return True


@hookimpl
def register_indicators(register: Callable[[type[Indicator]], None]) -> None:
    register(Macd)
