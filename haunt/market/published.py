"""What the market publishes. Prices are in USD, times are milliseconds UTC."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, TypeAlias

Confidence: TypeAlias = Literal["high", "low"]
Direction: TypeAlias = Literal["buy", "sell", "neutral"]
Flag: TypeAlias = Literal["quote_assumed", "disputed"]
"""A coin counts as a dollar because nobody knows its price; two venues contradict each other."""

SourceState: TypeAlias = Literal["starting", "connected", "waiting", "stopped", "failed"]


class CompositePrice(NamedTuple):
    """One price of one symbol over all its venues.

    `change_24h` is in percent points, `volume_24h` in USD over 24 hours. `sequence` counts the publications of
    this symbol; `sources` names the venues that entered; `stale`: none is fresh any more, this is the last price.
    """

    symbol: str
    price: float
    change_24h: float
    volume_24h: float
    timestamp: int
    sequence: int
    sources: Sequence[str]
    stale: bool


class Doubt(NamedTuple):
    """How sure a price is. `dispersion` is how far the venues' quartiles are from their median, the farther of the
    two, in USD."""

    dispersion: float
    confidence: Confidence
    flags: Sequence[Flag]


class MergedBook(NamedTuple):
    """The best levels of all venues' books, (price, quantity) in USD and base units, best first, never crossed.

    `bid_venues` and `ask_venues` say what each venue has of each level; empty where that was not asked for.
    """

    symbol: str
    bids: Sequence[tuple[float, float]]
    asks: Sequence[tuple[float, float]]
    timestamp: int
    sequence: int
    sources: Sequence[str]
    bid_venues: Sequence[Mapping[str, float]] = ()
    ask_venues: Sequence[Mapping[str, float]] = ()


class Signal(NamedTuple):
    """An indicator changed its mind after a closed candle.

    `indicator` is the name of its instance in the configuration; `timestamp` is when the candle closed.
    """

    symbol: str
    indicator: str
    timeframe: str
    signal: Direction
    value: float
    confidence: float
    timestamp: int
    values: Mapping[str, float]
