"""MFI: the money flow index."""

from __future__ import annotations

from collections.abc import Callable

from pydantic import Field

from haunt import Candle, Indicator, LevelOptions, Reading, Sum, Turn, hookimpl, rated

# Sums of three prices that are equal may differ by this part.
SAME = 1e-14


class MfiOptions(LevelOptions):
    buy_below: float = Field(20.0, ge=0, le=100, description="An MFI below this is oversold: buy. 0 = never.")
    sell_above: float = Field(80.0, ge=0, le=100, description="An MFI above this is overbought: sell. 100 = never.")
    period: int = Field(14, ge=2, le=1000, description="Candles in the sums of money that flowed.")


class Mfi(Indicator):
    """The share of money that flowed at rising prices in all money that flowed, 0..100: an RSI with volume.

    Gene Quong and Avrum Soudack, Volume-Weighted RSI: Money Flow, 1989:

        typical = (high + low + close) / 3      flow = typical x volume
        positive, negative = sums of the flow of those of the `period` newest candles whose typical price rose, fell
        MFI = 100 x positive / (positive + negative)

    A typical price within 1e-14 of the one before counts as the same, as in TA-Lib.

    Warm-up: `period` candles, as in TA-Lib.
    Level: buy while MFI < buy_below, sell while MFI > sell_above. Where no money flowed there is no MFI: the value is 0
    as in TA-Lib, the signal neutral.
    Confirmed: only while the MFI is turning back: rising for buy, falling for sell.
    Confidence: how far MFI is past the level, as a part of what is possible: (buy_below - MFI) / buy_below,
    (MFI - sell_above) / (100 - sell_above), and 0 when neutral.
    """

    name = "mfi"
    options: MfiOptions

    def __init__(self, options: MfiOptions) -> None:
        super().__init__(options)
        self._typical: float | None = None
        self._positive, self._negative = Sum(options.period), Sum(options.period)
        self._turn = Turn()

    def update(self, candle: Candle) -> Reading | None:
        typical = (candle.high + candle.low + candle.close) / 3
        previous, self._typical = self._typical, typical
        if previous is None:
            return None
        flow, rise = typical * candle.volume, typical - previous
        positive = self._positive.update(flow if rise > SAME * typical else 0.0)
        negative = self._negative.update(flow if -rise > SAME * typical else 0.0)
        if positive is None or negative is None:
            return None
        money = positive + negative
        mfi = 100.0 * (positive / money) if money else 0.0
        strength = self.options.strength(mfi, least=0.0, most=100.0) if money else 0.0
        return rated(self.options.rule, mfi, strength, self._turn.update(mfi), {"mfi": mfi})


@hookimpl
def register_indicators(register: Callable[[type[Indicator]], None]) -> None:
    register(Mfi)
