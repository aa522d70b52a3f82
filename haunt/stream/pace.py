"""At most one sending per interval, and never the last one forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from haunt.clock import Clock

Key = TypeVar("Key", bound=Hashable)


class Pace(Generic[Key]):
    """Remembers when each state was last sent; calls `release(state)` when one that came too early is due.

    `merged` counts those that came again before they were.
    """

    __slots__ = ("_clock", "_release", "_sent_at", "_timers", "merged")

    def __init__(self, release: Callable[[Key], None], clock: Clock) -> None:
        self._release = release
        self._clock = clock
        self._sent_at: dict[Key, float] = {}
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self.merged = 0

    @property
    def held_back(self) -> list[Key]:
        """The states that came too early and are not due yet."""
        return list(self._timers)

    def due(self, state: Key, interval: float) -> bool:
        """Whether `interval` seconds have passed since this state was last due; else it is released later."""
        now = self._clock.monotonic()
        due = self._sent_at.get(state, float("-inf")) + interval
        if now >= due:
            self._sent_at[state] = now
            timer = self._timers.pop(state, None)
            if timer is not None:
                timer.cancel()
            return True
        if state in self._timers:
            self.merged += 1
        else:
            self._timers[state] = asyncio.get_running_loop().call_later(due - now, self._ring, state)
        return False

    def note(self, state: Key) -> None:
        """This state was sent by other means: the wait begins anew."""
        self._sent_at[state] = self._clock.monotonic()
        timer = self._timers.pop(state, None)
        if timer is not None:
            timer.cancel()

    def cancel(self) -> None:
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _ring(self, state: Key) -> None:
        del self._timers[state]
        self._release(state)
