"""Candles of one symbol: opened, moved and closed by the clock, aligned to UTC."""

from __future__ import annotations

import re
from typing import NamedTuple

UNITS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
# What a machine that slept finds at once; more candles of the same price would tell nobody anything.
MOST_FILLED = 1_000
# Weeks begin on Monday; 1970 began on a Thursday.
MONDAY = 4 * UNITS["d"]


def timeframe_milliseconds(timeframe: str) -> int:
    """`15s`, `1m`, `4h`, `1d`, `1w` in milliseconds. Raises ValueError for anything else."""
    match = re.fullmatch(r"([1-9][0-9]{0,4})([smhdw])", timeframe)
    if match is None:
        raise ValueError("must be a number and a unit of s, m, h, d or w, such as 15s, 1m or 4h")
    return int(match[1]) * UNITS[match[2]]


def candle_start(moment: int, length: int) -> int:
    """When the candle of `length` that holds this moment began. All in milliseconds UTC."""
    offset = MONDAY if length % UNITS["w"] == 0 else 0
    return moment - (moment - offset) % length


class Candle(NamedTuple):
    """One interval. `start` is milliseconds UTC, `volume` is in base units; `filled`: no price came in it,
    so it repeats the close of the candle before. `gap`: for a time a market of the symbol was missing.
    `backfilled`: it is made of the venues' own candles, since Haunt heard nothing then."""

    start: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    filled: bool = False
    gap: bool = False
    volume_usd: float = 0.0
    backfilled: bool = False


class CandleSeries:
    """The running candle of one symbol and timeframe. Times are passed in, in milliseconds UTC.

    A candle without a price repeats the close before it, so candles follow each other without a hole. The one
    exception: a call that comes more than MOST_FILLED candles late (the machine slept) returns the first
    MOST_FILLED, and the series goes on at that call's time.
    A clock set back closes nothing: the running candle takes what comes until the clock has caught up.
    """

    __slots__ = ("_close", "_end", "_filled", "_high", "_low", "_open", "_start", "_usd", "_volume", "length")

    def __init__(self, timeframe: str) -> None:
        self.length = timeframe_milliseconds(timeframe)
        self._start = 0
        self._end: int | None = None
        self._open = self._high = self._low = self._close = self._volume = self._usd = 0.0
        self._filled = True

    @property
    def running(self) -> Candle | None:
        """The candle as it stands; None before the first price."""
        return None if self._end is None else self._candle()

    def follow(self, close: float, start: int) -> None:
        """Begin at `start`, after a candle that closed at `close`."""
        self._close = close
        self._begin(start)

    def precede(self, part: Candle) -> None:
        """What happened in the running candle before its first price."""
        self._open = part.open
        self._high, self._low = max(self._high, part.high), min(self._low, part.low)
        self._volume += part.volume
        self._usd += part.volume_usd
        self._filled = self._filled and part.filled

    def price(self, price: float, now: int) -> list[Candle]:
        """Move the running candle. Returns the candles that `now` closes, oldest first."""
        closed = self.close(now)
        if self._end is None:
            self._begin(candle_start(now, self.length))
        if self._filled:
            self._open = self._high = self._low = price
            self._filled = False
        elif price > self._high:
            self._high = price
        elif price < self._low:
            self._low = price
        self._close = price
        return closed

    def volume(self, quantity: float, now: int, usd: float = 0.0, at: int | None = None) -> list[Candle]:
        """Count a trade, in base units and US dollars. Returns what `price` does.

        It counts in the candle of the time `at` which it happened while nothing has closed that, else in the running
        one. Before the first price it is not counted.
        """
        in_time = at is not None and self._end is not None and at < self._end
        closed = [] if in_time else self.close(now)
        if self._end is not None:
            self._volume += quantity
            self._usd += usd
        return self.close(now) if in_time else closed

    def close(self, now: int) -> list[Candle]:
        """The candles that end at or before `now`, oldest first."""
        closed: list[Candle] = []
        while self._end is not None and now >= self._end:
            closed.append(self._candle())
            late = len(closed) == MOST_FILLED
            self._begin(candle_start(now, self.length) if late else self._end)
        return closed

    def _candle(self) -> Candle:
        return Candle(
            self._start,
            self._open,
            self._high,
            self._low,
            self._close,
            self._volume,
            self._filled,
            volume_usd=self._usd,
        )

    def _begin(self, start: int) -> None:
        self._start = start
        self._end = start + self.length
        self._open = self._high = self._low = self._close
        self._volume = self._usd = 0.0
        self._filled = True
