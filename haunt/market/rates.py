"""How fast counters grow, over the last seconds."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

LOOKS = 11


class Rates:
    """`look` is called about once a second with all counters as they stand; times are monotonic."""

    def __init__(self) -> None:
        self._looks: deque[tuple[float, Mapping[str, int]]] = deque(maxlen=LOOKS)

    def look(self, counts: Mapping[str, int], now: float) -> None:
        self._looks.append((now, counts))

    def of(self, name: str) -> float:
        """Growth in a second between the oldest look that has it and the newest; 0 before there are two."""
        looks = [(moment, counts[name]) for moment, counts in self._looks if name in counts]
        if len(looks) < 2 or looks[-1][0] <= looks[0][0]:
            return 0.0
        (began, before), (ended, after) = looks[0], looks[-1]
        return (after - before) / (ended - began)
