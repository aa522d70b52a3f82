"""CCI: the commodity channel index."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from pydantic import Field

from haunt import ROUNDING, Candle, Indicator, LevelOptions, Reading, Sum, Turn, hookimpl, rated


class CciOptions(LevelOptions):
    buy_below: float = Field(-100.0, ge=-10000, lt=0, description="A CCI below this is oversold: buy.")
    sell_above: float = Field(100.0, gt=0, le=10000, description="A CCI above this is overbought: sell.")
    period: int = Field(20, ge=2, le=1000, description="Candles in the average of the typical price.")


class Cci(Indicator):
    """How many usual distances the typical price is from its average.

    Donald R. Lambert, Commodity Channel Index: Tool for Trading Cyclic Trends, 1980:

        typical = (high + low + close) / 3
        deviation = mean of |typical - mean of `period` typical prices| over those prices
        CCI = (typical - mean) / (0.015 x deviation)

    Each candle looks at the `period` prices once, since their distances from a mean that moves have no running sum.

    Warm-up: `period` - 1 candles, as in TA-Lib.
    Level: buy while CCI < buy_below, sell while CCI > sell_above. A deviation below 1e-12 of the price is rounding:
    CCI is 0 and the signal neutral.
    Confirmed: only while the CCI is turning back: rising for buy, falling for sell.
    Confidence: how far CCI is past the level, as a part of its own size: (CCI - level) / CCI. 0 when neutral.
    """

    name = "cci"
    options: CciOptions

    def __init__(self, options: CciOptions) -> None:
        super().__init__(options)
        self._window: deque[float] = deque(maxlen=options.period)
        self._sum = Sum(options.period)
        self._turn = Turn()

    def update(self, candle: Candle) -> Reading | None:
        typical = (candle.high + candle.low + candle.close) / 3
        self._window.append(typical)
        total = self._sum.update(typical)
        if total is None:
            return None
        options = self.options
        mean = total / options.period
        # As much is below the mean as above it.
        deviation = 2 * sum([price - mean for price in self._window if price > mean]) / options.period
        cci = (typical - mean) / (0.015 * deviation) if deviation > ROUNDING * mean else 0.0
        level = min(max(cci, options.buy_below), options.sell_above)
        strength = (level - cci) / abs(cci) if level != cci else 0.0
        return rated(options.rule, cci, strength, self._turn.update(cci), {"cci": cci})


@hookimpl
def register_indicators(register: Callable[[type[Indicator]], None]) -> None:
    register(Cci)
