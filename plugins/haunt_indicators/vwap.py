"""VWAP: the volume-weighted average price of a session."""

from __future__ import annotations

from collections.abc import Callable

from pydantic import Field, model_validator

from haunt import (
    Candle,
    Indicator,
    RatedOptions,
    Reading,
    Strength,
    Timeframe,
    candle_start,
    hookimpl,
    rated,
    timeframe_milliseconds,
)

USUAL = 20  # candles in the usual distance from the VWAP


class VwapOptions(RatedOptions):
    session: Timeframe = Field("1d", description="When the average begins anew, aligned to UTC: 8h, 1d, 1w, …")

    @model_validator(mode="after")
    def _session_is_longer(self) -> VwapOptions:
        if timeframe_milliseconds(self.session) <= timeframe_milliseconds(self.timeframe):
            raise ValueError(f"session ({self.session}) must be longer than timeframe ({self.timeframe})")
        return self


class Vwap(Indicator):
    """What was paid on average in this session for one unit of the asset.

    Stephen A. Berkowitz, Dennis E. Logue and Eugene A. Noser, The Total Cost of Transactions on the NYSE, 1988:

        typical = (high + low + close) / 3
        VWAP = sum of typical x volume / sum of volume, over the session's candles

    A session begins with the candle that starts at or after its boundary. While nothing was traded in it, VWAP is the
    typical price.

    Warm-up: none, as in TA-Lib, whose session is the whole series.
    Level: buy while the close is above the VWAP, sell while it is below. Within 1e-12 of the price it counts as on it:
    neutral, as in a market without movement.
    Confirmed: only from the second such close in a row.
    Confidence: d / (d + usual), where d = |close - VWAP| and `usual` is the EMA over 20 candles of d before this
    candle, beginning as the first. 0.5 for a usual distance, 0 when neutral.
    """

    name = "vwap"
    options: VwapOptions

    def __init__(self, options: VwapOptions) -> None:
        super().__init__(options)
        self._session = 0
        self._length = timeframe_milliseconds(options.session)
        self._vwap = self._volume = 0.0
        self._strength = Strength(USUAL)

    def update(self, candle: Candle) -> Reading | None:
        session = candle_start(candle.start, self._length)
        if session != self._session:
            self._session, self._volume = session, 0.0
        typical = (candle.high + candle.low + candle.close) / 3
        self._volume += candle.volume
        part = candle.volume / self._volume if self._volume else 1.0
        self._vwap = typical if part == 1.0 else self._vwap + (typical - self._vwap) * part
        strength, before = self._strength.update(candle.close - self._vwap, candle.close)
        return rated(self.options.rule, self._vwap, strength, before, {"vwap": self._vwap})


@hookimpl
def register_indicators(register: Callable[[type[Indicator]], None]) -> None:
    register(Vwap)
