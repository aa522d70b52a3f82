"""What a venue lets one address do, shared by all sources that go there."""

from __future__ import annotations

import asyncio
from collections import deque
from time import monotonic
from typing import TypeAlias
from urllib.parse import urlsplit

from haunt.errors import SourceLost

Limit: TypeAlias = tuple[int, float]
"""At most so many in any so many seconds."""

# What was sent evenly arrives less evenly.
MARGIN = 1.05


class Budget:
    """What may be done at one host: each thing within its limit, and nothing while the host refuses."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._taken: dict[str, deque[float]] = {}
        self._refused_until = 0.0

    async def take(self, what: str, limit: Limit | None) -> None:
        """Wait until one more may be done. Raises SourceLost while the host refuses."""
        now = monotonic()
        self._check(now)
        if limit is None:
            return
        most, seconds = limit
        taken = self._taken.setdefault(what, deque(maxlen=most))
        turn = max(now, taken[0] + seconds * MARGIN) if len(taken) == most else now
        taken.append(turn)
        if turn > now:
            await asyncio.sleep(turn - now)
            self._check(turn)

    def spare(self, what: str, limit: Limit | None) -> bool:
        """Whether what can wait may be done now: the host refuses nothing, and half of its limit is free."""
        now = monotonic()
        if now < self._refused_until or limit is None:
            return limit is None and now >= self._refused_until
        most, seconds = limit
        return sum(turn > now - seconds * MARGIN for turn in self._taken.get(what, ())) * 2 <= most

    def note(self, error: SourceLost) -> None:
        """What the host answered to one may concern everyone."""
        if error.everyone:
            self._refused_until = max(self._refused_until, monotonic() + error.retry_after)

    def _check(self, now: float) -> None:
        wait = self._refused_until - now
        if wait > 0:
            raise SourceLost(f"{self._host} wants to be left alone for another {wait:.0f} s", retry_after=wait)


class Budgets:
    """The budget of each host."""

    def __init__(self) -> None:
        self._budgets: dict[str, Budget] = {}

    def of(self, url: str) -> Budget:
        """That of the host and port of this url, whoever asks."""
        host = urlsplit(url).netloc.rpartition("@")[2]
        return self._budgets.setdefault(host, Budget(host))
