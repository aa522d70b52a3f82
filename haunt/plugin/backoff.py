"""How long to wait before trying again."""

from __future__ import annotations

from collections.abc import Callable

from haunt.errors import SourceLost

LONGEST_WAIT = 60.0
SHORTEST_WAIT = 0.1
HEALTHY_AFTER = 10.0
"""Seconds of connection after which earlier failures no longer count."""


def wait_after(failures: int, error: BaseException, random: Callable[[float, float], float]) -> float:
    """A random part of 1, 2, 4 … 60 seconds, after what the venue asked for: those it refused together must not come
    back together."""
    wait = max(SHORTEST_WAIT, random(0.0, min(LONGEST_WAIT, 2.0 ** min(failures, 16))))
    return wait + error.retry_after if isinstance(error, SourceLost) else wait
