"""Williams %R: where the close is in the range of the newest candles, from above."""

from __future__ import annotations

from collections.abc import Callable

from pydantic import Field

from haunt import Candle, Highest, Indicator, LevelOptions, Lowest, Reading, Turn, hookimpl, rated


class WilliamsROptions(LevelOptions):
    buy_below: float = Field(-80.0, ge=-100, le=0, description="A %R below this is oversold: buy. -100 = never.")
    sell_above: float = Field(-20.0, ge=-100, le=0, description="A %R above this is overbought: sell. 0 = never.")
    period: int = Field(14, ge=2, le=1000, description="Candles whose highest high and lowest low are the range.")


class WilliamsR(Indicator):
    """How far the close is below the highest high, as a part of the range, -100..0.

    Larry R. Williams, How I Made One Million Dollars Last Year Trading Commodities, 1973:

        williams_r = -100 x (highest high - close) / (highest high - lowest low) of `period` candles

    Warm-up: `period` - 1 candles, as in TA-Lib.
    Level: buy while williams_r < buy_below, sell while williams_r > sell_above. Where the candles have no range the
    value is 0 as in TA-Lib, the signal neutral.
    Confirmed: only while williams_r is turning back: rising for buy, falling for sell.
    Confidence: how far it is past the level, as a part of what is possible: (buy_below - %R) / (buy_below + 100),
    (%R - sell_above) / -sell_above, and 0 when neutral.
    """

    name = "williams_r"
    options: WilliamsROptions

    def __init__(self, options: WilliamsROptions) -> None:
        super().__init__(options)
        self._highest, self._lowest = Highest(options.period), Lowest(options.period)
        self._turn = Turn()

    def update(self, candle: Candle) -> Reading | None:
        highest, lowest = self._highest.update(candle.high), self._lowest.update(candle.low)
        if highest is None or lowest is None:
            return None
        height = highest - lowest
        percent_r = -100.0 * ((highest - candle.close) / height) if height else 0.0
        strength = self.options.strength(percent_r, least=-100.0, most=0.0) if height else 0.0
        return rated(self.options.rule, percent_r, strength, self._turn.update(percent_r), {"williams_r": percent_r})


@hookimpl
def register_indicators(register: Callable[[type[Indicator]], None]) -> None:
    register(WilliamsR)
