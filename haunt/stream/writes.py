"""The writes of one slice of a flush: who, by which function, what."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain, repeat
from operator import call, mul

from haunt.stream.session import Session
from haunt.stream.subscriptions import Cohort


class Writes:
    """Takes the parcels of these cohorts: one write for each client that is ready, `done` of them made.

    All lists are built by loops that run in C. A Python loop costs half as much again as the sends, and where
    every client has chosen for itself there are as many cohorts as clients.
    """

    __slots__ = ("_data", "_sends", "deliveries", "done", "sessions")

    def __init__(self, cohorts: Sequence[Cohort]) -> None:
        ready = [cohort.ready for cohort in cohorts]
        parcels = [cohort.parcel for cohort in cohorts]
        clients = list(map(len, ready))
        joined = list(map(b"".join, parcels))
        self.deliveries = sum(map(mul, clients, map(len, parcels)))
        self.sessions: list[Session] = list(chain.from_iterable(ready))
        self._sends: list[Callable[[bytes], int]] = list(chain.from_iterable(map(dict.values, ready)))
        alone = clients.count(1) == len(clients)
        self._data = joined if alone else list(chain.from_iterable(map(repeat, joined, clients)))
        self.done = 0
        for parcel in parcels:
            parcel.clear()

    def skip(self, index: int) -> bool:
        """Write nothing to the client at this place. False when that was so already."""
        skipped = self._sends[index] is len
        self._sends[index], self._data[index] = len, b""
        return not skipped

    def send(self, most: int) -> int:
        """The next `most` writes, or as many as are left: how many bytes they are."""
        start, self.done = self.done, min(self.done + most, len(self.sessions))
        data = self._data[start : self.done]
        lengths = list(map(len, data))
        attempts = map(call, self._sends[start : self.done], data)
        results: list[int] = []
        while len(results) < len(data):
            try:
                results.extend(attempts)
            except BlockingIOError:
                results.append(0)
            except OSError:
                results.append(-1)
        if results == lengths:
            return sum(lengths)
        for session, frames, taken in zip(self.sessions[start : self.done], data, results, strict=True):
            if taken < 0:
                session.wire.lose()
            elif taken != len(frames):
                session.wire.keep(frames, taken)
        return sum(lengths)
