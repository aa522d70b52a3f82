"""How often values were how large."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

BATCH = 1_000


class Histogram:
    """Counts values by the ascending `bounds` they are not above.

    It is told of every flush, so a value is only noted; they are sorted and counted a thousand at once, which takes
    less than to find the place of each.
    """

    __slots__ = ("_counts", "_fresh", "_total", "bounds")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._total = 0.0
        self._fresh: list[float] = []

    def observe(self, value: float) -> None:
        self._fresh.append(value)
        if len(self._fresh) >= BATCH:
            self._count()

    @property
    def counts(self) -> list[int]:
        """How many values were not above each of the bounds, and how many there were."""
        self._count()
        return self._counts

    @property
    def total(self) -> float:
        """The sum of all."""
        self._count()
        return self._total

    def _count(self) -> None:
        fresh, self._fresh = sorted(self._fresh), []
        self._total += sum(fresh)
        for position, bound in enumerate(self.bounds):
            self._counts[position] += bisect_right(fresh, bound)
        self._counts[-1] += len(fresh)
