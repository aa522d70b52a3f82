"""Small fakes for tests, Haunt's own and a plugin author's."""

from __future__ import annotations

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
