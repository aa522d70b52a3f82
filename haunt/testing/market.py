"""A made-up market: an honest price, a book in decimal text, trades, and what it was like at each moment."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from haunt.clock import Clock
from haunt.market.candles import Candle
from haunt.market.events import Side

Level: TypeAlias = tuple[str, str]
"""(price, quantity) in decimal text; a quantity of zero, "0.00000000", removes the level."""

MINUTE = 60_000
SHOWN = 50  # levels a side that are remembered of each moment
REMEMBERED = 20.0  # seconds
RECENT = 30  # trades


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A whole order book, best levels first. `number`: how many changes it has had."""

    symbol: str
    bids: Sequence[Level]
    asks: Sequence[Level]
    number: int
    time: int


@dataclass(frozen=True, slots=True)
class Delta:
    """The change of the book with this `number`, one above that of the change before. `after`: the book it makes."""

    symbol: str
    bids: Sequence[Level]
    asks: Sequence[Level]
    number: int
    time: int
    after: Snapshot


@dataclass(frozen=True, slots=True)
class Deal:
    """One trade; `side` is the taker's."""

    symbol: str
    id: int
    price: str
    quantity: str
    side: Side
    time: int


@dataclass(frozen=True, slots=True)
class Figures:
    """A ticker: the figures of 24 hours, and the best levels. Volumes are in base and in quote units."""

    symbol: str
    last: str
    open: str
    high: str
    low: str
    volume: str
    quote_volume: str
    bid: Level
    ask: Level
    number: int
    time: int


@dataclass(frozen=True, slots=True)
class Moment:
    """What was true from `since` (monotonic) until the next moment."""

    since: float
    bids: list[tuple[float, float]]
    asks: list[tuple[float, float]]

    @property
    def middle(self) -> float:
        return (self.bids[0][0] + self.asks[0][0]) / 2


class FakeMarket:
    """One market whose book changes with every `step`. The same seed gives the same market."""

    def __init__(
        self, symbol: str, base: str, quote: str, price: float, *, levels: int, seed: int, clock: Clock | None = None
    ) -> None:
        self.symbol = symbol
        self.base = base
        self.quote = quote
        self.open = price
        self.number = 1_000 * (seed + 1)
        self.deals: deque[Deal] = deque(maxlen=RECENT)
        self.moments: deque[Moment] = deque()
        self._clock = clock or Clock()
        self._random = random.Random(f"{symbol} {seed}")
        # All venues agree on where the price goes.
        self._way = random.Random(f"{base} {seed}")
        self._decimals = 2 if price >= 100 else 5
        self._levels = levels
        ticks = round(price * 1.03 * 10**self._decimals)
        # Prices stand on a grid, so that a move changes the book at its top and at its end alone.
        self._step = max(1, ticks // max(10_000, 4 * levels))
        self._middle = self._center = ticks // self._step
        self._filled = self._middle
        self._trend = 1
        self._bids: dict[int, int] = {}
        self._asks: dict[int, int] = {}
        self._volume = 1_234.5
        self._trade_id = self.number
        self._fill()
        self._remember()
        for _ in range(RECENT):
            self.deal()

    # -- what it is

    def snapshot(self, depth: int | None = None) -> Snapshot:
        """The best `depth` levels a side; all of them by default."""
        levels = min(depth or self._levels, self._levels)
        bids = [self._level(key, self._bids[key]) for key in range(self._middle - 1, self._middle - 1 - levels, -1)]
        asks = [self._level(key, self._asks[key]) for key in range(self._middle + 1, self._middle + 1 + levels)]
        return Snapshot(self.symbol, bids, asks, self.number, self._clock.milliseconds())

    def figures(self) -> Figures:
        top = self.snapshot(1)
        last = self.deals[-1].price
        return Figures(
            self.symbol,
            last=last,
            open=self._text(self.open),
            high=self._text(self.open * 1.1),
            low=self._text(self.open * 0.9),
            volume=f"{self._volume:.8f}",
            quote_volume=f"{self._volume * self.open:.8f}",
            bid=top.bids[0],
            ask=top.asks[0],
            number=self.number,
            time=top.time,
        )

    def candles(self, start: int, end: int) -> list[Candle]:
        """The candles of a minute that begin in [start, end), oldest first, the running one included."""
        first = -(-start // MINUTE) * MINUTE
        return [self._candle(minute) for minute in range(first, min(end, self._clock.milliseconds()), MINUTE)]

    def lately(self, seconds: float) -> Iterator[Moment]:
        """What was true within so many seconds, the newest first."""
        since = self._clock.monotonic() - seconds
        for moment in reversed(self.moments):
            yield moment
            if moment.since < since:
                return

    # -- what happens

    def step(self) -> Delta:
        """The price moves a little, and the book with it."""
        if self._way.random() < 0.02 or abs(self._middle - self._center) > self._center * 0.02:
            self._trend = 1 if self._middle < self._center else -1
        self._middle += self._way.choice((0, 0, 1, 1, 2, -1)) * self._trend
        bids, asks = self._fill()
        place = self._random.randrange(1, min(8, self._levels))
        bids[self._middle - place] = self._bids[self._middle - place] = self._quantity()
        asks[self._middle + place] = self._asks[self._middle + place] = self._quantity()
        self.number += 1
        self._remember()
        bids_changed, asks_changed = ([self._level(*change) for change in side.items()] for side in (bids, asks))
        after = self.snapshot(SHOWN)
        return Delta(self.symbol, bids_changed, asks_changed, self.number, after.time, after)

    def deal(self) -> Deal:
        """Somebody buys at the best ask or sells at the best bid."""
        side: Side = "buy" if self._random.random() < 0.5 else "sell"
        top = self.snapshot(1)
        price = (top.asks if side == "buy" else top.bids)[0][0]
        self._trade_id += 1
        lots = self._quantity() // 100 + 1
        self._volume += lots / 10**8
        deal = Deal(self.symbol, self._trade_id, price, f"{lots / 10**8:.8f}", side, top.time)
        self.deals.append(deal)
        return deal

    # -- how

    def _fill(self) -> tuple[dict[int, int], dict[int, int]]:
        """Have levels all around the middle and nowhere else. What changed of the bids and of the asks."""
        old, middle, levels = self._filled, self._middle, self._levels
        self._filled = middle
        bids = self._move(self._bids, range(old - levels, old), range(middle - levels, middle))
        asks = self._move(self._asks, range(old + 1, old + 1 + levels), range(middle + 1, middle + 1 + levels))
        return bids, asks

    def _move(self, side: dict[int, int], before: range, now: range) -> dict[int, int]:
        changes = dict.fromkeys(_without(before, now), 0)
        for key in changes:
            side.pop(key, None)
        for key in _without(now, before) if side else now:
            side[key] = changes[key] = self._quantity()
        return changes

    def _level(self, key: int, lots: int) -> Level:
        ticks = key * self._step + key * 7_919 % self._step
        return f"{ticks / 10**self._decimals:.{self._decimals}f}", f"{lots / 10**8:.8f}"

    def _text(self, price: float) -> str:
        return f"{price:.{self._decimals}f}"

    def _quantity(self) -> int:
        return self._random.randrange(10**6, 5 * 10**8)

    def _remember(self) -> None:
        now, top = self._clock.monotonic(), self.snapshot(SHOWN)
        bids, asks = ([(float(price), float(quantity)) for price, quantity in side] for side in (top.bids, top.asks))
        self.moments.append(Moment(now, bids, asks))
        while self.moments[0].since < now - REMEMBERED:
            self.moments.popleft()

    def _candle(self, start: int) -> Candle:
        chance = random.Random(f"{self.symbol} {start}")
        opened, closed, up, down = (
            round(self.open * (1 + chance.uniform(-0.01, 0.01)), self._decimals) for _ in range(4)
        )
        high, low = max(opened, closed, up), min(opened, closed, down)
        return Candle(start, opened, high, low, closed, round(chance.uniform(1, 50), 4))


def _without(one: range, other: range) -> list[int]:
    """What is in one range and not in the other."""
    return [*range(one.start, min(one.stop, other.start)), *range(max(one.start, other.stop), one.stop)]
