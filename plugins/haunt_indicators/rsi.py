"""RSI: Wilder's relative strength index of closing prices."""

from __future__ import annotations

from collections.abc import Callable

from pydantic import Field, model_validator

from haunt import Candle, Indicator, IndicatorOptions, Reading, hookimpl

# Averages below this part of the price are what rounding leaves of a movement long ago.
ROUNDING = 1e-12


class RsiOptions(IndicatorOptions):
    period: int = Field(14, ge=2, le=1000, description="Candles in Wilder's averages.")
    buy_below: float = Field(30.0, ge=0, le=100, description="An RSI below this is oversold: buy. 0 = never.")
    sell_above: float = Field(70.0, ge=0, le=100, description="An RSI above this is overbought: sell. 100 = never.")

    @model_validator(mode="after")
    def _levels_are_apart(self) -> RsiOptions:
        if self.buy_below >= self.sell_above:
            raise ValueError(f"buy_below ({self.buy_below:g}) must be less than sell_above ({self.sell_above:g})")
        return self


class Rsi(Indicator):
    """The share of upward movement in all movement of the close, 0..100.

    J. Welles Wilder, New Concepts in Technical Trading Systems, 1978:

        gain = max(close - previous close, 0)      loss = max(previous close - close, 0)
        average = (previous average x (period - 1) + newest) / period; the first is the mean of `period` changes
        RSI = 100 x average gain / (average gain + average loss)

    Warm-up: `period` candles say nothing; the first reading comes with candle `period` + 1, as in TA-Lib.
    Signal (rule `level`): buy while RSI < buy_below, sell while RSI > sell_above, else neutral.
    Confidence: how far RSI is past the level, as a part of what is possible: (buy_below - RSI) / buy_below,
    (RSI - sell_above) / (100 - sell_above), and 0 when neutral.
    A market without movement has no RSI: the value is 0 as in TA-Lib, the signal neutral, the confidence 0. It
    is neutral too once its averages have shrunk below 1e-12 of the price, some 300 candles after it froze.
    """

    name = "rsi"
    options: RsiOptions

    def __init__(self, options: RsiOptions) -> None:
        super().__init__(options)
        self._close: float | None = None
        self._missing = options.period
        self._gain = self._loss = 0.0

    def update(self, candle: Candle) -> Reading | None:
        previous, self._close = self._close, candle.close
        if previous is None:
            return None
        change = candle.close - previous
        self._average(max(change, 0.0), max(-change, 0.0))
        if self._missing:
            return None
        return self._read(candle.close)

    def _average(self, gain: float, loss: float) -> None:
        period = self.options.period
        if self._missing:
            self._missing -= 1
            self._gain += gain
            self._loss += loss
            if self._missing:
                return
        else:
            self._gain = self._gain * (period - 1) + gain
            self._loss = self._loss * (period - 1) + loss
        self._gain *= 1 / period
        self._loss *= 1 / period

    def _read(self, close: float) -> Reading:
        movement = self._gain + self._loss
        rsi = 100.0 * (self._gain / movement) if movement else 0.0
        values = {"rsi": rsi}
        if movement <= ROUNDING * close:
            return Reading(rsi, "neutral", 0.0, values)
        buy_below, sell_above = self.options.buy_below, self.options.sell_above
        if rsi < buy_below:
            return Reading(rsi, "buy", (buy_below - rsi) / buy_below, values)
        if rsi > sell_above:
            return Reading(rsi, "sell", (rsi - sell_above) / (100.0 - sell_above), values)
        return Reading(rsi, "neutral", 0.0, values)


@hookimpl
def register_indicators(register: Callable[[type[Indicator]], None]) -> None:
    register(Rsi)
