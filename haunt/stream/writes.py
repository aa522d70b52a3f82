"""The writes of one slice of a flush: who, by which way, what."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from errno import EAGAIN, EBADF
from itertools import accumulate, chain, repeat
from operator import call, mul
from struct import pack
from typing import Any, Literal, Protocol

from haunt.stream.session import Session, Wire
from haunt.stream.subscriptions import Cohort


class Batch(Protocol):
    """Sends to many sockets at once: see `Ring`."""

    def address(self, data: bytes) -> int: ...
    def send(self, descriptors: bytes, addresses: memoryview[int], lengths: memoryview[int]) -> list[int]: ...


class Writes:
    """Takes the parcels of these cohorts: one write for each client that is ready, `done` of them made.

    All lists are built by loops that run in C. A Python loop costs half as much again as the sends, and where
    every client has chosen for itself there are as many cohorts as clients.
    """

    __slots__ = ("_data", "_lines", "deliveries", "done", "sessions")

    nobody: Any = len
    """Takes the place of a client that is written nothing."""

    def __init__(self, cohorts: Sequence[Cohort]) -> None:
        ready = [cohort.ready for cohort in cohorts]
        parcels = [cohort.parcel for cohort in cohorts]
        clients = list(map(len, ready))
        self.sessions: list[Session] = list(chain.from_iterable(ready))
        self.deliveries = sum(map(mul, clients, map(len, parcels)))
        self.done = 0
        self._lines: list[Any] = list(chain.from_iterable(map(dict.values, ready)))
        self._load(list(map(b"".join, parcels)), clients)
        for parcel in parcels:
            parcel.clear()

    def skip(self, index: int) -> bool:
        """Write nothing to the client at this place. False when that was so already."""
        skipped = self._lines[index] is self.nobody
        self._leave_out(index)
        return not skipped

    def send(self, most: int) -> int:
        """The next `most` writes, or as many as are left: how many bytes they are."""
        start, self.done = self.done, min(self.done + most, len(self.sessions))
        results, lengths = self._attempt(start, self.done)
        if results != lengths:
            for index, (taken, length) in enumerate(zip(results, lengths, strict=True), start):
                if taken != length:
                    self._look_after(index, taken)
        return sum(lengths)

    def _load(self, joined: list[bytes], clients: list[int]) -> None:
        alone = clients.count(1) == len(clients)
        self._data = joined if alone else list(chain.from_iterable(map(repeat, joined, clients)))

    def _leave_out(self, index: int) -> None:
        self._lines[index], self._data[index] = self.nobody, b""

    def _attempt(self, start: int, end: int) -> tuple[list[int], list[int]]:
        """How much each took, less than 0 where it failed, and how much it should have."""
        data = self._data[start:end]
        attempts = map(call, self._lines[start:end], data)
        results: list[int] = []
        while len(results) < len(data):
            try:
                results.extend(attempts)
            except BlockingIOError:
                results.append(0)
            except OSError:
                results.append(-1)
        return results, list(map(len, data))

    def _look_after(self, index: int, taken: int) -> None:
        _keep(self.sessions[index].wire, self._data[index], taken)


class BatchedWrites(Writes):
    """The same with one system call for each `send`."""

    __slots__ = ("_addresses", "_batch", "_lengths", "_whole")

    nobody = array("i", [-1])

    def __init__(self, cohorts: Sequence[Cohort], batch: Batch) -> None:
        self._batch = batch
        super().__init__(cohorts)

    def _load(self, joined: list[bytes], clients: list[int]) -> None:
        lengths = list(map(len, joined))
        self._whole = b"".join(joined)
        starts = list(accumulate(lengths[:-1], initial=self._batch.address(self._whole)))
        self._addresses, self._lengths = _column("Q", starts, clients), _column("I", lengths, clients)

    def _leave_out(self, index: int) -> None:
        self._lines[index], self._lengths[index] = self.nobody, 0

    def _attempt(self, start: int, end: int) -> tuple[list[int], list[int]]:
        # A socket that was closed has no descriptor any more, and none is closed before the call returns.
        descriptors, lengths = b"".join(self._lines[start:end]), self._lengths[start:end]
        return self._batch.send(descriptors, self._addresses[start:end], lengths), lengths.tolist()

    def _look_after(self, index: int, taken: int) -> None:
        if self._lines[index] is self.nobody:
            return
        wire = self.sessions[index].wire
        start = self._addresses[index] - self._addresses[0]
        frames = self._whole[start : start + self._lengths[index]]
        if taken == -EBADF:
            # TLS has no descriptor to send to.
            taken = _send_now(wire, frames)
        _keep(wire, frames, 0 if taken == -EAGAIN else taken)


def _send_now(wire: Wire, frames: bytes) -> int:
    try:
        return wire.send_now(frames)
    except BlockingIOError:
        return 0
    except OSError:
        return -1


def _keep(wire: Wire, frames: bytes, taken: int) -> None:
    """What was not taken waits for its client; less than 0: it is lost."""
    if taken < 0:
        wire.lose()
    elif taken != len(frames):
        wire.keep(frames, taken)


def _column(kind: Literal["I", "Q"], values: Sequence[int], counts: Sequence[int]) -> memoryview[int]:
    """Each value so many times."""
    if counts.count(1) == len(counts):
        return memoryview(array(kind, values))
    repeated = [pack(kind, value) * count for value, count in zip(values, counts, strict=True)]
    return memoryview(bytearray().join(repeated)).cast(kind)
