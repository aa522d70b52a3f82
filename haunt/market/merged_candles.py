"""Candles of several venues become one of the composite price. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from statistics import fmean, median

from haunt.market.book import LARGEST, SMALLEST
from haunt.market.candles import Candle, candle_start

MINUTE = 60_000
# A venue is believed to stand where it traded last for so many minutes.
LONGEST_SILENCE = 60
# Two venues that are farther apart contradict each other: twice the share to which prices are clamped.
CONTRADICTION = 0.01


def possible(candles: Iterable[Candle], start: int, end: int, rate: float) -> list[Candle]:
    """Those of a venue's candles that can be, begin a minute of [start, end) and are no repetition, oldest first; in
    US dollars, of which a unit of the venue's currency is worth `rate`."""
    found: dict[int, Candle] = {}
    for candle in candles:
        begun, opened, high, low, close, volume = candle[:6]
        if (
            start <= begun < end
            and begun % MINUTE == 0
            and SMALLEST < low <= min(opened, close) <= max(opened, close) <= high < LARGEST
            and 0 <= volume < LARGEST
        ):
            found[begun] = Candle(begun, opened * rate, high * rate, low * rate, close * rate, volume)
    return [found[begun] for begun in sorted(found)]


def merged(
    venues: Sequence[Sequence[Candle]], start: int, end: int, price: float, rounded: Callable[[float], float]
) -> Iterator[Candle]:
    """A candle for each minute of [start, end) that a venue speaks for, the newest first. `price` is that at `end`.

    Each figure is the median of the venues', so that of three or more one that lies moves nothing beyond the others;
    the volume is their sum. Of two that contradict each other, the one nearer to the minute after it counts.
    """
    standing = [_without_holes(candles, end) for candles in venues]
    for begun in range(end - MINUTE, start - MINUTE, -MINUTE):
        said = [candles[begun] for candles in standing if begun in candles]
        if len(said) == 2:
            said = _agreeing(said, price)
        if said:
            candle = _of_one_minute(begun, said, rounded)
            price = candle.open
            yield candle


def whole(minutes: Iterable[Candle], length: int) -> list[Candle]:
    """The candles of `length` of which every minute is there. The minutes come oldest first, none twice."""
    parts: dict[int, list[Candle]] = {}
    for minute in minutes:
        parts.setdefault(candle_start(minute.start, length), []).append(minute)
    return [joined(begun, found) for begun, found in parts.items() if len(found) * MINUTE == length]


def joined(start: int, parts: Sequence[Candle]) -> Candle:
    """The candle that these make, oldest first."""
    return Candle(
        start,
        parts[0].open,
        max(part.high for part in parts),
        min(part.low for part in parts),
        parts[-1].close,
        sum(part.volume for part in parts),
        filled=all(part.filled for part in parts),
        gap=any(part.gap for part in parts),
        volume_usd=sum(part.volume_usd for part in parts),
        backfilled=any(part.backfilled for part in parts),
    )


def _without_holes(candles: Sequence[Candle], end: int) -> dict[int, Candle]:
    """Venues leave out minutes without a trade."""
    standing = {candle.start: candle for candle in candles}
    ends = [*(candle.start for candle in candles[1:]), end]
    for candle, next_start in zip(candles, ends, strict=False):
        silent = min(next_start, candle.start + (LONGEST_SILENCE + 1) * MINUTE)
        for begun in range(candle.start + MINUTE, silent, MINUTE):
            close = candle.close
            standing[begun] = Candle(begun, close, close, close, close, 0.0, filled=True)
    return standing


def _agreeing(said: list[Candle], price: float) -> list[Candle]:
    one, other = sorted(said, key=lambda candle: abs(candle.close - price))
    return [one] if abs(one.close - other.close) > CONTRADICTION * one.close else said


def _of_one_minute(start: int, said: Sequence[Candle], rounded: Callable[[float], float]) -> Candle:
    opened, high, low, close = (rounded(median(figures)) for figures in zip(*(one[1:5] for one in said), strict=True))
    volume = sum(one.volume for one in said)
    return Candle(
        start, opened, high, low, close, volume,
        filled=all(one.filled for one in said),
        volume_usd=volume * fmean((opened, high, low, close)),
        backfilled=True,
    )  # fmt: skip
