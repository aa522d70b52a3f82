"""One venue's order book of one symbol: levels as the venue wrote them, sorted by price."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from math import inf

from haunt.market.events import Level

UNTOUCHED = -inf
# No market has a price or a quantity anywhere near; rubbish (1e300, inf) stops here.
LARGEST = 1e24
SMALLEST = 1e-24


class BookSide:
    """The bids or the asks.

    Prices are kept as float keys beside the venue's text: a text of up to 15 digits has a float of its own,
    so keys never collide, and checksums still see what the venue sent. Keys are signed so that the best
    price is the last: most changes happen at the top, where inserting into a list is cheap.

    `touched` is the key of the best level that changed since it was last set to UNTOUCHED.
    """

    __slots__ = ("_keys", "_levels", "_sign", "_zero", "touched")

    def __init__(self, sign: int) -> None:
        self.touched = UNTOUCHED
        self._sign = sign
        # Half of all changes remove a level, and a venue writes zero in one way: no need to read it each time.
        self._zero = "0"
        self._keys: list[float] = []
        self._levels: dict[float, tuple[float, Level]] = {}

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[tuple[float, float]]:
        """(price, quantity) as floats, best first."""
        sign, levels = self._sign, self._levels
        for key in reversed(self._keys):
            yield key * sign, levels[key][0]

    @property
    def best(self) -> float | None:
        return self._keys[-1] * self._sign if self._keys else None

    def top(self, depth: int) -> list[Level]:
        """The best `depth` levels in the venue's own text, best first."""
        levels = self._levels
        return [levels[key][1] for key in self._keys[: -depth - 1 : -1]]

    def best_keys(self, count: int) -> list[float]:
        """The keys of the best `count` levels, the best last."""
        return self._keys[-count:]

    def quantities(self, keys: Sequence[float]) -> list[float]:
        """Those of these levels."""
        levels = self._levels
        return [levels[key][0] for key in keys]

    def replace(self, levels: Sequence[Level]) -> None:
        """Forget everything, then hold these. Raises ValueError as `update` does."""
        touched, old_keys, old_levels = self.touched, self._keys, self._levels
        self._keys, self._levels = [], {}
        # Venues send a book best first; from its end each level is appended instead of inserted.
        self.update(levels[::-1])
        self.touched = touched
        # Many a venue sends its whole book again for a change far down in it.
        for key, old in zip_longest(reversed(self._keys), reversed(old_keys), fillvalue=UNTOUCHED):
            if key != old or self._levels[key][0] != old_levels[key][0]:
                self.touched = max(touched, key, old)
                return

    def update(self, levels: Sequence[Level]) -> None:
        """Set these levels; a quantity of zero removes one. Raises ValueError for a price or quantity that
        cannot be: the levels before it are set, so the book can no longer be trusted."""
        sign, keys, held, zero, touched = self._sign, self._keys, self._levels, self._zero, self.touched
        level: Level = ()
        try:
            for level in levels:
                key, text = float(level[0]) * sign, level[1]
                if key > touched:
                    self.touched = touched = key
                if text != zero:
                    quantity = float(text)
                    if 0.0 < quantity < LARGEST:
                        if key not in held:
                            if not SMALLEST < key * sign < LARGEST:
                                raise ValueError
                            insort(keys, key)
                        held[key] = quantity, level
                        continue
                    if quantity != 0.0:
                        raise ValueError
                    zero = self._zero = text
                if key in held:
                    del held[key]
                    del keys[bisect_left(keys, key)]
                elif not SMALLEST < key * sign < LARGEST:
                    raise ValueError
        except (ArithmeticError, LookupError, TypeError, ValueError):
            raise ValueError(f"impossible level {level!r:.80}") from None

    def clear(self) -> None:
        if self._keys:
            self.touched = max(self.touched, self._keys[-1])
        self._keys.clear()
        self._levels.clear()

    def truncate(self, depth: int) -> None:
        """Keep the best `depth` levels."""
        if len(self._keys) > depth:
            self.touched = max(self.touched, self._keys[-depth - 1])
            for key in self._keys[:-depth]:
                del self._levels[key]
            del self._keys[:-depth]


class Book:
    """Bids and asks of one venue. `depth`: the venue keeps that many levels per side and does not send the
    removal of those that fall out; None = all."""

    __slots__ = ("asks", "bids", "depth")

    def __init__(self, depth: int | None = None) -> None:
        self.bids = BookSide(+1)
        self.asks = BookSide(-1)
        self.depth = depth

    @property
    def crossed(self) -> bool:
        bid, ask = self.bids.best, self.asks.best
        return bid is not None and ask is not None and bid >= ask

    def replace(self, bids: Sequence[Level], asks: Sequence[Level]) -> None:
        self.bids.replace(bids)
        self.asks.replace(asks)
        self._truncate()

    def update(self, bids: Sequence[Level], asks: Sequence[Level]) -> None:
        if bids:
            self.bids.update(bids)
        if asks:
            self.asks.update(asks)
        self._truncate()

    def clear(self) -> None:
        self.bids.clear()
        self.asks.clear()

    def touches(self, worst_bid: float, worst_ask: float, rate: float) -> bool:
        """Whether a level changed that is not worse than these, which are keys at this rate, since `settle`."""
        return self.bids.touched * rate >= worst_bid or self.asks.touched * rate >= worst_ask

    def settle(self) -> None:
        """Call nothing touched that was so far."""
        self.bids.touched = self.asks.touched = UNTOUCHED

    def _truncate(self) -> None:
        if self.depth is not None:
            self.bids.truncate(self.depth)
            self.asks.truncate(self.depth)
