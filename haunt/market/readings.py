"""What indicators say of closed candles, checked and rounded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from numbers import Real
from typing import TypeAlias, get_args

from haunt.errors import PluginError
from haunt.market.candles import Candle, timeframe_milliseconds
from haunt.market.symbols import SIGNIFICANT_DIGITS
from haunt.plugin.indicator import Combination, Indicator, IndicatorOptions, Reading, SignalState

Instance: TypeAlias = tuple[str, type[Indicator], IndicatorOptions]
"""One entry under `indicators:` in config.yaml: its name, the class and the options."""

STATES = get_args(SignalState)
CONFIDENCE_DECIMALS = 4
LARGEST = 1e300  # what is larger may round to infinity, which JSON does not have


class Said:
    """What the indicators of a symbol say of one candle, for those that combine them; they come last."""

    __slots__ = ("_readings",)

    def __init__(self) -> None:
        self._readings: dict[str, Reading] = {}

    def read(self, name: str, indicator: Indicator, candle: Candle) -> Reading | None:
        """Raises what the indicator raises, and PluginError for what cannot be published."""
        if isinstance(indicator, Combination):
            return _checked(indicator.combine(dict(self._readings)))
        reading = _checked(indicator.update(candle))
        if reading is not None:
            self._readings[name] = reading
        return reading


def combined_last(instances: Iterable[Instance]) -> list[Instance]:
    return sorted(instances, key=lambda instance: issubclass(instance[1], Combination))


def replayed(
    instances: Sequence[Instance], name: str, candles: Iterable[Candle]
) -> Iterator[tuple[Candle, Reading | None]]:
    """What a fresh instance of one of them says of each candle, oldest first; None while it warms up or where it fails.

    `instances` are those of its timeframe, which a Combination needs. After a hole all begin anew.
    """
    [asked] = [instance for instance in instances if instance[0] == name]
    combined = [instance for instance in instances if not issubclass(instance[1], Combination)]
    order = [*combined, asked] if issubclass(asked[1], Combination) else [asked]
    length = timeframe_milliseconds(asked[2].timeframe)
    fresh: dict[str, Indicator] = {}
    expected: int | None = None
    for candle in candles:
        if candle.start != expected:
            fresh.clear()
        expected = candle.start + length
        said, reading = Said(), None
        for one, make, options in order:
            reading = None
            with suppress(Exception):
                if one not in fresh:
                    fresh[one] = make(options)
                reading = said.read(one, fresh[one], candle)
        yield candle, reading


def rounded(reading: Reading) -> Reading:
    """As it is published."""
    return Reading(
        _rounded(reading.value),
        reading.signal,
        round(float(reading.confidence), CONFIDENCE_DECIMALS),
        {name: _rounded(number) for name, number in reading.values.items()},
    )


def _checked(reading: object) -> Reading | None:
    """The reading, if it can be published. Raises PluginError otherwise."""
    if reading is None:
        return None
    if not isinstance(reading, Reading):
        raise PluginError(f"update() must return a Reading or None, not {reading!r:.80}")
    value, signal, confidence, values = reading
    if signal not in STATES:
        raise PluginError(f"signal must be one of {', '.join(STATES)}, not {signal!r:.80}")
    for name, number in (("value", value), ("confidence", confidence), *values.items()):
        if not isinstance(name, str):
            raise PluginError(f"values must be named in text, not {name!r:.80}")
        # To ask whether a float is Real takes longer than all the rest.
        if not (type(number) is float or isinstance(number, Real)) or not -LARGEST < number < LARGEST:
            raise PluginError(f"{name} must be a finite number, not {number!r:.80}")
    if not 0.0 <= confidence <= 1.0:
        raise PluginError(f"confidence must be 0..1, not {confidence!r:.80}")
    return reading


def _rounded(number: float) -> float:
    return float(f"{float(number):.{SIGNIFICANT_DIGITS}g}")
