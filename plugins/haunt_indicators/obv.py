"""OBV: on-balance volume."""

from __future__ import annotations

from collections.abc import Callable

from pydantic import Field

from haunt import Candle, Change, Indicator, RatedOptions, Reading, Strength, Sum, Total, hookimpl, rated


class ObvOptions(RatedOptions):
    period: int = Field(20, ge=2, le=1000, description="Candles in the average of OBV that it is compared with.")


class Obv(Indicator):
    """All volume of candles that rose, less all volume of candles that fell.

    Joseph E. Granville, Granville's New Key to Stock Market Profits, 1963:

        OBV = previous OBV + volume if close > previous close, - volume if close < previous close

    It begins with the first candle's volume, as in TA-Lib, so its height means nothing, only its course.

    Warm-up: none, as in TA-Lib; neutral until there are `period` values.
    Level: the trade's rule for a line without a level: buy while OBV is above its mean of `period` values, sell while
    it is below. Within 1e-12 of its size it counts as on it: neutral, as in a market without movement.
    Confirmed: only from the second such candle in a row.
    Confidence: d / (d + usual), where d = |OBV - mean| and `usual` is the EMA over `period` of d before this candle,
    beginning as the first. 0.5 for a usual distance, 0 when neutral.
    """

    name = "obv"
    options: ObvOptions

    def __init__(self, options: ObvOptions) -> None:
        super().__init__(options)
        self._total = Total()
        self._change = Change()
        self._sum = Sum(options.period)
        self._strength = Strength(options.period)
        self._begun = False

    def update(self, candle: Candle) -> Reading | None:
        change = self._change.update(candle.close)
        volume = candle.volume if change > 0 or not self._begun else -candle.volume if change < 0 else 0.0
        self._begun = True
        obv = self._total.update(volume)
        before = strength = 0.0
        total = self._sum.update(obv)
        if total is not None:
            strength, before = self._strength.update(obv - total / self.options.period, abs(obv))
        return rated(self.options.rule, obv, strength, before, {"obv": obv})


@hookimpl
def register_indicators(register: Callable[[type[Indicator]], None]) -> None:
    register(Obv)
