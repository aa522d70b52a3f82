"""Time in tests: a clock that stands still, and waiting without sleeping for luck."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from haunt.clock import Clock


class FakeClock(Clock):
    """A clock that stands still until told."""

    def __init__(self, milliseconds: int = 1_700_000_000_000) -> None:
        self._milliseconds = milliseconds
        self._monotonic = 1_000.0

    def milliseconds(self) -> int:
        return self._milliseconds

    def monotonic(self) -> float:
        return self._monotonic

    def advance(self, seconds: float) -> None:
        """Both clocks move on together."""
        self._milliseconds += round(seconds * 1_000)
        self._monotonic += seconds

    def set_back(self, seconds: float) -> None:
        """Only the wall clock jumps, as when a machine's clock is set."""
        self._milliseconds -= round(seconds * 1_000)


async def eventually(condition: Callable[[], object], *, within: float = 4.0) -> None:
    """Wait until `condition()` holds. Raises AssertionError when it does not within so many seconds."""
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, f"still not so after {within:g} s"
        await asyncio.sleep(0.002)
