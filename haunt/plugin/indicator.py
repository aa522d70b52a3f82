"""What an indicator is: closed candles in, readings out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, NamedTuple, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from haunt.market.candles import Candle, timeframe_milliseconds

SignalState: TypeAlias = Literal["buy", "sell", "neutral"]


def _checked(timeframe: str) -> str:
    timeframe_milliseconds(timeframe)
    return timeframe


Timeframe: TypeAlias = Annotated[str, AfterValidator(_checked)]


class IndicatorOptions(BaseModel):
    """Options every indicator has. A plugin inherits and adds its own; config.yaml is checked against them."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    timeframe: Timeframe = Field("1m", description="The candles it reads: 1s, 15s, 1m, 5m, 4h, 1d, …")


class Reading(NamedTuple):
    """What an indicator says after a closed candle.

    `value` is its documented primary output, `confidence` is 0..1, `values` holds every output by name. Numbers
    must be finite; clients are told only when `signal` changes.
    """

    value: float
    signal: SignalState
    confidence: float
    values: Mapping[str, float] = {}


class Indicator:
    """One indicator of one symbol, made before its first closed candle. Must be O(1) per candle, in time and memory.

    A subclass sets `name` (the plugin's, equal to its entry point), annotates `options` with its own
    options class, and implements `update`.
    """

    name: ClassVar[str]
    options: IndicatorOptions

    def __init__(self, options: IndicatorOptions) -> None:
        self.options = options

    def update(self, candle: Candle) -> Reading | None:
        """Take the next closed candle. None while warming up.

        What it raises is logged and costs this candle; ten failures in a row stop the indicator.
        """
        raise NotImplementedError
