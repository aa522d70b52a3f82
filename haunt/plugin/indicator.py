"""What an indicator is: closed candles in, readings out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, NamedTuple, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, WithJsonSchema

from haunt.market.candles import Candle, timeframe_milliseconds
from haunt.plugin.state import copied, restore, saved

SignalState: TypeAlias = Literal["buy", "sell", "neutral"]


def _checked(timeframe: str) -> str:
    timeframe_milliseconds(timeframe)
    return timeframe


Timeframe: TypeAlias = Annotated[
    str, AfterValidator(_checked), WithJsonSchema({"type": "string", "pattern": "^[1-9][0-9]{0,4}[smhdw]$"})
]


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
    options class, and implements `update`. What it remembers is in its attributes, of the kinds haunt.plugin.state
    names; `peek`, `save` and `restore` follow from that.
    """

    name: ClassVar[str]
    version: ClassVar[int] = 1
    """Raised when an attribute comes to mean something else: what was saved before then no longer fits."""
    options: IndicatorOptions

    def __init__(self, options: IndicatorOptions) -> None:
        self.options = options

    def update(self, candle: Candle) -> Reading | None:
        """Take the next closed candle. None while warming up.

        What it raises is logged and costs this candle; ten failures in a row stop the indicator.
        """
        raise NotImplementedError

    def peek(self, candle: Candle) -> Reading | None:
        """What `update` would say if the running candle closed as it is. Changes nothing."""
        return copied(self).update(candle)

    def save(self) -> dict[str, JsonValue]:
        """All it remembers, as JSON data. Raises ValueError when that holds NaN or infinity."""
        return {**self._identity(), "state": saved(self)}

    def restore(self, data: Mapping[str, JsonValue]) -> None:
        """Go on where another one was saved. Raises ValueError, and changes nothing, when the data does not fit:
        it was saved by another plugin or version, or with other options."""
        for name, own in self._identity().items():
            if data.get(name) != own:
                raise ValueError(f"{name} was {data.get(name)!r}, now it is {own!r}")
        restore(self, data.get("state"))

    def _identity(self) -> dict[str, JsonValue]:
        return {"indicator": self.name, "version": self.version, "options": self.options.model_dump(mode="json")}


class Combination(Indicator):
    """An indicator over the others of its symbol in its timeframe. Implements `combine` in place of `update`."""

    def combine(self, readings: Mapping[str, Reading]) -> Reading | None:
        """Take what the others said of a closed candle, by their names. Who warms up or fails is not among them, nor
        is another Combination."""
        raise NotImplementedError
