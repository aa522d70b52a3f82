"""How much a client may ask."""

from __future__ import annotations

from collections import deque

from haunt.clock import Clock


class TokenBucket:
    """`per_second` tokens fill it, and as many fit in: a burst of that size passes, a steady stream of that
    rate always does."""

    __slots__ = ("_clock", "_filled", "_tokens", "rate")

    def __init__(self, per_second: float, clock: Clock) -> None:
        self.rate = per_second
        self._tokens = per_second
        self._clock = clock
        self._filled = clock.monotonic()

    def take(self) -> bool:
        """Whether there was a token to take."""
        now = self._clock.monotonic()
        self._tokens = min(self.rate, self._tokens + (now - self._filled) * self.rate)
        self._filled = now
        # A steady stream at exactly the rate must pass, whatever floats make of ten tenths.
        if self._tokens < 1.0 - 1e-6:
            return False
        self._tokens -= 1.0
        return True


class Abuse:
    """Whether refusals come too fast: `most` within ten seconds."""

    __slots__ = ("_most", "_times")

    WINDOW = 10.0

    def __init__(self, most: int) -> None:
        self._most = most
        self._times: deque[float] | None = None  # made at the first refusal, which most clients never get

    def refuse(self, now: float) -> bool:
        """Note a refusal. True when it is one too many."""
        if self._times is None:
            self._times = deque(maxlen=self._most)
        self._times.append(now)
        return len(self._times) == self._most and now - self._times[0] <= self.WINDOW
