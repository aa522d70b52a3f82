"""Candles of one symbol: opened, moved and closed by the clock, aligned to UTC."""

from __future__ import annotations

import re
from typing import NamedTuple

UNITS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
# After a machine slept, the hole is filled with at most this many candles; indicators start anew from there.
MOST_FILLED = 1_000
# Weeks begin on Monday; 1970 began on a Thursday.
MONDAY = 4 * UNITS["d"]


def timeframe_milliseconds(timeframe: str) -> int:
    """`15s`, `1m`, `4h`, `1d`, `1w` in milliseconds. Raises ValueError for anything else."""
    match = re.fullmatch(r"([1-9][0-9]{0,4})([smhdw])", timeframe)
    if match is None:
        raise ValueError("must be a number and a unit of s, m, h, d or w, such as 15s, 1m or 4h")
    return int(match[1]) * UNITS[match[2]]


class Candle(NamedTuple):
    """One interval. `start` is milliseconds UTC, `volume` is in base units; `filled`: no price came in it,
    so it repeats the close of the candle before."""

    start: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    filled: bool = False


class CandleSeries:
    """The running candle of one symbol and timeframe. Times are passed in, in milliseconds UTC."""

    __slots__ = ("_close", "_filled", "_high", "_low", "_offset", "_open", "_start", "_volume", "length")

    def __init__(self, timeframe: str) -> None:
        self.length = timeframe_milliseconds(timeframe)
        self._offset = MONDAY if self.length % UNITS["w"] == 0 else 0
        self._start: int | None = None
        self._open = self._high = self._low = self._close = self._volume = 0.0
        self._filled = True

    @property
    def running(self) -> Candle | None:
        """The candle as it stands; None before the first price."""
        if self._start is None:
            return None
        return Candle(self._start, self._open, self._high, self._low, self._close, self._volume, self._filled)

    def price(self, price: float, now: int) -> list[Candle]:
        """Move the running candle. Returns the candles that `now` closes, oldest first."""
        closed = self.close(now)
        if self._start is None:
            self._begin(now, price)
        if self._filled:
            self._open = self._high = self._low = price
            self._filled = False
        self._high = max(self._high, price)
        self._low = min(self._low, price)
        self._close = price
        return closed

    def volume(self, quantity: float, now: int) -> list[Candle]:
        """Add to the running candle's volume; it counts once a price is known."""
        closed = self.close(now)
        if self._start is not None:
            self._volume += quantity
        return closed

    def close(self, now: int) -> list[Candle]:
        """The candles that end at or before `now`, oldest first. A clock set back closes nothing."""
        closed: list[Candle] = []
        while self._start is not None and now >= self._start + self.length:
            running = self.running
            assert running is not None
            closed.append(running)
            start = self._start + self.length
            if len(closed) >= MOST_FILLED:
                start = self._aligned(now)
            self._begin(start, self._close)
        return closed

    def _begin(self, moment: int, price: float) -> None:
        self._start = self._aligned(moment)
        self._open = self._high = self._low = self._close = price
        self._volume = 0.0
        self._filled = True

    def _aligned(self, moment: int) -> int:
        return moment - (moment - self._offset) % self.length
