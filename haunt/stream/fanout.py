"""Delivers each changed state to its subscribers, encoded once, one write per client."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import repeat
from operator import call

from haunt.clock import Clock
from haunt.stream.frames import deflated_text_frame, text_frame
from haunt.stream.pace import Pace
from haunt.stream.session import Session
from haunt.stream.subscriptions import Cohort, State, Subscriptions, Topic

logger = logging.getLogger(__name__)

Encode = Callable[[Topic], bytes | None]
"""The newest state of a topic as JSON text; None when there is none yet."""

SMALLEST_DEFLATED = 1_024
SLICE = 256  # clients written to between two looks at the clock
LONGEST_SLICE = 0.004  # seconds of writing before sources, pings and requests get their turn


class Fanout:
    """Marks states as changed, and once per turn of the event loop sends the newest of each.

    States that change again before they were sent are merged by that, so neither latency nor memory grows
    under overload. `intervals` holds the least seconds between two sendings of a state, per channel.
    """

    def __init__(
        self, subscriptions: Subscriptions, encode: Encode, *, intervals: Mapping[str, float] | None = None,
        clock: Clock | None = None,
    ) -> None:  # fmt: skip
        self.deliveries = 0
        self._subscriptions = subscriptions
        self._encode = encode
        self._intervals = intervals or {}
        self._clock = clock or Clock()
        self._changed: dict[State, None] = {}
        self._released: dict[tuple[Cohort, State], None] = {}
        self._pace = Pace(self.mark, self._clock)
        self._flushing: Iterator[None] | None = None
        self._paused = False
        self._current: dict[State, None] = {}
        self._turn = 0

    # -- what changed

    def mark(self, state: State) -> None:
        """Note that a state changed; nobody listens: nothing happens."""
        if state in self._changed or state not in self._subscriptions:
            return
        interval = self._intervals.get(state[0], 0.0)
        if interval and not self._pace.due(state, interval):
            return
        self._changed[state] = None
        self._schedule()

    def announce(self, state: State, encode: Callable[[Topic], bytes]) -> None:
        """Send at once, in order and never merged, to everyone who listens to this state."""
        for topic, cohorts in self._subscriptions.listeners(state).items():
            frame = framed(topic, encode(topic))
            for session in [session for cohort in cohorts for session in (*cohort.ready, *cohort.behind)]:
                session.send(frame, state)
                self.deliveries += 1

    def frame(self, topic: Topic) -> bytes:
        """The newest state of a topic as a frame; empty when there is none."""
        payload = self._encode(topic)
        return framed(topic, payload) if payload is not None else b""

    # -- one client

    def arrived(self, session: Session) -> None:
        """A client's subscriptions changed. It left the cohort that a flush under way may be about to serve, so
        it is told what that flush would have told it."""
        session.since = self._turn
        if self._flushing is None:
            return
        for state in self._current:
            if state in session.topics:
                self.tell(session, state)

    def tell(self, session: Session, state: State) -> None:
        """Send the newest of one state to one client, at once or when its socket drains."""
        if session.blocked:
            session.owed[state] = None
        else:
            session.send(self.frame(session.topics[state]))

    def drained(self, session: Session) -> None:
        """A client that was behind takes bytes again: send what it is owed, newest states only."""
        parts = [self.frame(part) if isinstance(part, Topic) else part for part in session.catch_up()]
        data = b"".join(parts)
        if data:
            session.wire.send(data)

    # -- the flush

    def _schedule(self) -> None:
        if self._flushing is None:
            self._flushing = self._flush()
            self._paused = False
            asyncio.get_running_loop().call_soon(self._go_on)

    def _go_on(self) -> None:
        """Flush for one slice of time; the rest comes in the next turn of the loop."""
        assert self._flushing is not None
        until = self._clock.monotonic() + LONGEST_SLICE
        try:
            for _ in self._flushing:
                if self._clock.monotonic() >= until:
                    self._paused = True
                    asyncio.get_running_loop().call_soon(self._go_on)
                    return
        except Exception:
            logger.exception("A flush failed; the states it held are sent with their next change")
        self._flushing = None
        if self._changed or self._released:
            self._schedule()

    def _flush(self) -> Iterator[None]:
        """Send the changed states; yields between slices of clients."""
        self._turn += 1
        changed, self._changed = self._changed, {}
        self._current = changed
        writes = Writes()
        for cohort, frames in self._parcels(changed).items():
            data = frames[0] if len(frames) == 1 else b"".join(frames)
            writes.add(cohort, data)
            self.deliveries += len(cohort.ready) * len(frames)
            if cohort.behind:
                self._owe(cohort.behind, cohort, changed)
        for start in range(0, len(writes.sessions), SLICE):
            if self._paused:
                self._leave_out(writes, start, changed)
            writes.send(start, start + SLICE)
            yield
        self._current = {}

    def _parcels(self, changed: Iterable[State]) -> dict[Cohort, list[bytes]]:
        """The frames each cohort is to get."""
        parcels: dict[Cohort, list[bytes]] = {}
        released, self._released = self._released, {}
        for state in changed:
            for topic, cohorts in self._subscriptions.listeners(state).items():
                frame = self.frame(topic)
                if not frame:
                    continue
                for cohort in cohorts:
                    if cohort.throttles and not self._is_due(cohort, state):
                        continue
                    parcel = parcels.get(cohort)
                    if parcel is None:
                        parcels[cohort] = [frame]
                    else:
                        parcel.append(frame)
        for cohort, state in released:
            if len(cohort) and self._is_due(cohort, state):
                parcels.setdefault(cohort, []).append(self.frame(cohort.topics[state]))
        return parcels

    def _owe(self, sessions: Iterable[Session], cohort: Cohort, changed: Iterable[State]) -> None:
        states = dict.fromkeys(state for state in changed if state in cohort.topics)
        for session in sessions:
            session.owed.update(states)

    def _leave_out(self, writes: Writes, start: int, changed: Iterable[State]) -> None:
        """Other things happened since the flush began: some have left, were told since, or are behind by now."""
        for index in range(start, min(start + SLICE, len(writes.sessions))):
            session = writes.sessions[index]
            if session.ready and session.since < self._turn:
                continue
            writes.skip(index)
            if session.cohort is not None and session.since < self._turn:
                self._owe((session,), session.cohort, changed)

    def _release(self, cohort: Cohort, state: State) -> None:
        """A throttled cohort may have this state now."""
        self._released[cohort, state] = None
        self._schedule()

    def _is_due(self, cohort: Cohort, state: State) -> bool:
        throttle = cohort.throttles.get(state)
        if throttle is None:
            return True
        if cohort.pace is None:
            cohort.pace = Pace(partial(self._release, cohort), self._clock)
        return cohort.pace.due(state, throttle)


class Writes:
    """The writes of one flush: who, by which function, what, and how long that is."""

    __slots__ = ("_data", "_lengths", "_sends", "sessions")

    def __init__(self) -> None:
        self.sessions: list[Session] = []
        self._sends: list[Callable[[bytes], int]] = []
        self._data: list[bytes] = []
        self._lengths: list[int] = []

    def add(self, cohort: Cohort, data: bytes) -> None:
        """The same data for every client of a cohort that is ready."""
        self.sessions.extend(cohort.ready)
        self._sends.extend(cohort.ready.values())
        self._data.extend(repeat(data, len(cohort.ready)))
        self._lengths.extend(repeat(len(data), len(cohort.ready)))

    def skip(self, index: int) -> None:
        self._sends[index] = len

    def send(self, start: int, end: int) -> None:
        """One write per client, looped in C: a Python loop costs half as much again as the sends."""
        attempts = map(call, self._sends[start:end], self._data[start:end])
        results: list[int] = []
        expected = self._lengths[start:end]
        while len(results) < len(expected):
            try:
                results.extend(attempts)
            except BlockingIOError:
                results.append(0)
            except OSError:
                results.append(-1)
        if results == expected:
            return
        for index, taken in enumerate(results, start):
            if taken < 0:
                self.sessions[index].wire.lose()
            elif taken != self._lengths[index]:
                self.sessions[index].wire.keep(self._data[index], taken)


def framed(topic: Topic, payload: bytes) -> bytes:
    if topic.deflate and len(payload) >= SMALLEST_DEFLATED:
        return deflated_text_frame(payload)
    return text_frame(payload)
