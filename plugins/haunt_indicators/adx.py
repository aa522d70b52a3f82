"""ADX: Wilder's average directional movement index."""

from __future__ import annotations

from collections.abc import Callable

from pydantic import Field

from haunt import ROUNDING, Candle, Indicator, RatedOptions, Reading, TrueRange, Turn, Wilder, hookimpl, rated


class AdxOptions(RatedOptions):
    period: int = Field(14, ge=2, le=1000, description="Candles in Wilder's sums and averages.")
    trend_above: float = Field(25.0, ge=0, lt=100, description="An ADX above this is a trend.")


class Adx(Indicator):
    """How much of all movement goes one way, 0..100, and which way.

    J. Welles Wilder, New Concepts in Technical Trading Systems, 1978:

        up = high - previous high      down = previous low - low
        +DM = up if up > down and up > 0 else 0      -DM = down if down > up and down > 0 else 0
        sum = previous sum x (period - 1) / period + newest; it begins as the sum of `period` - 1 values
        plus_di, minus_di = 100 x sum of +DM, of -DM / sum of true ranges
        DX = 100 x |plus_di - minus_di| / (plus_di + minus_di)
        adx = (previous adx x (period - 1) + DX) / period, the primary value; the first is the mean of `period` DX

    Where nothing moved, adx stays as it was, as in TA-Lib.

    Warm-up: 2 x `period` - 1 candles, as in TA-Lib.
    Level: buy while adx > trend_above and plus_di > minus_di, sell while adx > trend_above and plus_di < minus_di.
    Neutral once the true ranges have shrunk below 1e-12 of the price.
    Confirmed: only while adx rises.
    Confidence: (adx - trend_above) / (100 - trend_above), and 0 when neutral.
    """

    name = "adx"
    options: AdxOptions

    def __init__(self, options: AdxOptions) -> None:
        super().__init__(options)
        self._previous: Candle | None = None
        self._missing = options.period - 1
        self._plus = self._minus = self._range = 0.0
        self._true_range = TrueRange()
        self._average = Wilder(options.period)
        self._adx: float | None = None
        self._turn = Turn()

    def update(self, candle: Candle) -> Reading | None:
        previous, self._previous = self._previous, candle
        newest = self._true_range.update(candle)
        if previous is None or newest is None:
            return None
        up, down = candle.high - previous.high, previous.low - candle.low
        keep = 1.0
        if self._missing:
            self._missing -= 1
        else:
            keep -= 1 / self.options.period
        self._plus = self._plus * keep + (up if up > down and up > 0 else 0.0)
        self._minus = self._minus * keep + (down if down > up and down > 0 else 0.0)
        self._range = self._range * keep + newest
        return None if keep == 1.0 else self._read(candle.close)

    def _read(self, close: float) -> Reading | None:
        plus_di = 100 * (self._plus / self._range) if self._range else 0.0
        minus_di = 100 * (self._minus / self._range) if self._range else 0.0
        both, apart = plus_di + minus_di, plus_di - minus_di
        adx = self._adx = self._average.update(100 * (abs(apart) / both) if both else self._adx or 0.0)
        if adx is None:
            return None
        past = (adx - self.options.trend_above) / (100 - self.options.trend_above)
        direction = (apart > 0) - (apart < 0)
        moves = past > 0 and self._range > ROUNDING * close
        turn = self._turn.update(adx) * direction
        values = {"adx": adx, "plus_di": plus_di, "minus_di": minus_di}
        return rated(self.options.rule, adx, past * direction if moves else 0.0, turn, values)


@hookimpl
def register_indicators(register: Callable[[type[Indicator]], None]) -> None:
    register(Adx)
