"""RSI: Wilder's relative strength index of closing prices."""

from __future__ import annotations

from collections.abc import Callable

from pydantic import Field

from haunt import ROUNDING, Candle, Indicator, LevelOptions, Reading, Turn, Wilder, hookimpl, rated


class RsiOptions(LevelOptions):
    buy_below: float = Field(30.0, ge=0, le=100, description="An RSI below this is oversold: buy. 0 = never.")
    sell_above: float = Field(70.0, ge=0, le=100, description="An RSI above this is overbought: sell. 100 = never.")
    period: int = Field(14, ge=2, le=1000, description="Candles in Wilder's averages.")


class Rsi(Indicator):
    """The share of upward movement in all movement of the close, 0..100.

    J. Welles Wilder, New Concepts in Technical Trading Systems, 1978:

        gain = max(close - previous close, 0)      loss = max(previous close - close, 0)
        average = (previous average x (period - 1) + newest) / period; the first is the mean of `period` changes
        RSI = 100 x average gain / (average gain + average loss)

    Warm-up: `period` candles, as in TA-Lib.
    Level: buy while RSI < buy_below, sell while RSI > sell_above. A market without movement has no RSI: the value is 0
    as in TA-Lib, the signal neutral. It is neutral too once its averages have shrunk below 1e-12 of the price, some
    300 candles after it froze.
    Confirmed: only while the RSI is turning back: rising for buy, falling for sell.
    Confidence: how far RSI is past the level, as a part of what is possible: (buy_below - RSI) / buy_below,
    (RSI - sell_above) / (100 - sell_above), and 0 when neutral.
    """

    name = "rsi"
    options: RsiOptions

    def __init__(self, options: RsiOptions) -> None:
        super().__init__(options)
        self._close: float | None = None
        self._gain, self._loss = Wilder(options.period), Wilder(options.period)
        self._turn = Turn()

    def update(self, candle: Candle) -> Reading | None:
        previous, self._close = self._close, candle.close
        if previous is None:
            return None
        change = candle.close - previous
        gain = self._gain.update(change if change > 0 else 0.0)
        loss = self._loss.update(-change if change < 0 else 0.0)
        if gain is None or loss is None:
            return None
        movement = gain + loss
        rsi = 100.0 * (gain / movement) if movement else 0.0
        moves = movement > ROUNDING * candle.close
        strength = self.options.strength(rsi, least=0.0, most=100.0) if moves else 0.0
        return rated(self.options.rule, rsi, strength, self._turn.update(rsi), {"rsi": rsi})


@hookimpl
def register_indicators(register: Callable[[type[Indicator]], None]) -> None:
    register(Rsi)
