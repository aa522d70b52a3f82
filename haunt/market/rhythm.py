"""How often a stream speaks, so that a silence can be told from a pause."""

from __future__ import annotations

# A silence this many times as long as the longest pause of late is none of the pauses.
MULTIPLE = 4.0
# Seconds after which a pause counts for a third of itself.
MEMORY = 300.0
# What is not heard of for so long has no rhythm.
LONGEST_PAUSE = 600.0


class Rhythm:
    """The pauses of one stream, learned by looking at it about once a second: a pause is the time between what was
    the latest at two looks, so it is never taken for too short.

    `heard`: the monotonic time of the latest it said on this connection. `patience`: seconds it may be silent,
    never less than `least`; as given until pauses are known.
    """

    __slots__ = ("_due", "_longest", "_seen", "heard", "known", "least")

    def __init__(self, *, least: float, patience: float) -> None:
        self.least = least
        self.heard: float | None = None
        self.known = False
        """Whether it spoke before, on any connection."""
        self._longest = patience / MULTIPLE
        self._seen: float | None = None
        self._due: float | None = None

    @property
    def patience(self) -> float:
        return max(self.least, MULTIPLE * self._longest)

    def begin(self) -> None:
        """The connection is gone: how long until the next one speaks is no pause."""
        self.heard = self._seen = self._due = None

    def expect(self, due: float) -> None:
        """It must have spoken by then, or by an earlier time it was told."""
        self._due = due if self._due is None else min(due, self._due)

    def excuse(self) -> None:
        """It need not speak."""
        self._due = None

    def look(self) -> None:
        heard, seen = self.heard, self._seen
        if heard is None or heard == seen:
            return
        self.known = True
        self._seen = heard
        if seen is not None:
            pause = min(heard - seen, LONGEST_PAUSE)
            self._longest = max(pause, self._longest * MEMORY / (MEMORY + pause))

    def silent(self, now: float, times: float = 1.0) -> bool:
        """Whether it said nothing for so many `times` its patience, or not by the time it was expected."""
        if self.heard is None:
            return self._due is not None and now > self._due
        return now - self.heard > times * self.patience
