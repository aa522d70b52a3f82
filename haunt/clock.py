"""Time as the rest of Haunt sees it."""

from __future__ import annotations

import time
from datetime import datetime


class Clock:
    """The two clocks of a computer. Tests pass a `haunt.testing.FakeClock` instead."""

    def milliseconds(self) -> int:
        """Milliseconds UTC since 1970; may jump when the machine's clock is set."""
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        """Seconds since some moment; never goes back, so every interval is measured with it."""
        return time.monotonic()


def milliseconds(rfc3339: str) -> int:
    """`2026-08-09T21:05:48.228568804Z` as milliseconds UTC. Raises ValueError for anything else."""
    moment = datetime.fromisoformat(rfc3339)
    if moment.tzinfo is None:
        raise ValueError(f"{rfc3339!r} names no time zone")
    return int(moment.timestamp() * 1000)
