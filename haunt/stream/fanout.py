"""Delivers each changed state to its subscribers, encoded once, one write per client."""

from __future__ import annotations

import asyncio
import logging
from bisect import bisect_right
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
        self._pace: Pace[State] = Pace(self.mark, self._clock)
        self._flushing: Iterator[None] | None = None
        self._paused = False
        self._current: dict[State, None] = {}
        self._failing: set[Topic] = set()
        self._turn = 0

    @property
    def idle(self) -> bool:
        """Whether everything marked so far has been sent."""
        return self._flushing is None

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
        # A client that is closed by this leaves the index at once.
        for topic, cohorts in list(self._subscriptions.listeners(state).items()):
            frame = framed(topic, encode(topic))
            for session in [session for cohort in cohorts for session in (*cohort.ready, *cohort.behind)]:
                session.send(frame, state)
                self.deliveries += 1

    def frame(self, topic: Topic) -> bytes:
        """The newest state of a topic as a frame; empty when there is none."""
        payload = self._encode(topic)
        return framed(topic, payload) if payload is not None else b""

    # -- one client

    def held_back(self, session: Session) -> list[State]:
        """What the throttle of a client's cohort keeps from it for now."""
        cohort = session.cohort
        if cohort is None or cohort.pace is None:
            return []
        return [*cohort.pace.held_back, *(state for one, state in self._released if one is cohort)]

    def arrived(self, session: Session, held_back: Iterable[State] = ()) -> None:
        """A client's subscriptions changed. It left a cohort that a flush under way may be about to serve, and
        whose throttle held something back, so it is told what that cohort would have been told."""
        session.since = self._turn
        for state in {**self._current, **dict.fromkeys(held_back)}:
            if state in session.topics:
                self.tell(session, state)

    def tell(self, session: Session, state: State) -> None:
        """Send the newest of one state to one client: at once, in this turn's flush if that is about to send it
        anyway, or when its socket drains."""
        if session.blocked:
            session.owed[state] = None
            return
        if state in self._changed and session.cohort is not None and state not in session.cohort.throttles:
            return
        frame = self.frame(session.topics[state])
        if not frame:
            return
        session.send(frame)
        if session.cohort is not None and state in session.cohort.throttles:
            self._pace_of(session.cohort).note(state)

    def drained(self, session: Session) -> None:
        """A client that was behind takes bytes again: send what it is owed, newest states only."""
        parts = [self._newest(part) if isinstance(part, Topic) else part for part in session.catch_up()]
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
        self._current = {}
        if self._changed or self._released:
            self._schedule()

    def _flush(self) -> Iterator[None]:
        """Send the changed states; yields between slices of clients."""
        self._turn += 1
        changed, self._changed = self._changed, {}
        released, self._released = self._released, {}
        self._current = changed | dict.fromkeys(state for _, state in released)
        writes = Writes()
        for cohort, parcel in self._parcels(changed, released).items():
            writes.add(cohort, parcel)
            self.deliveries += len(cohort.ready) * len(parcel)
            for session in cohort.behind:
                session.owed.update(dict.fromkeys(parcel))
        for start in range(0, len(writes.sessions), SLICE):
            if self._paused:
                self._leave_out(writes, start)
            writes.send(start, start + SLICE)
            yield

    def _parcels(
        self, changed: Mapping[State, None], released: Iterable[tuple[Cohort, State]]
    ) -> dict[Cohort, dict[State, bytes]]:
        """The frames each cohort is to get."""
        parcels: dict[Cohort, dict[State, bytes]] = {}
        for state in changed:
            for topic, cohorts in self._subscriptions.listeners(state).items():
                frame = self._newest(topic)
                if not frame:
                    continue
                for cohort in cohorts:
                    if cohort.throttles and not self._is_due(cohort, state):
                        continue
                    parcel = parcels.get(cohort)
                    if parcel is None:
                        parcels[cohort] = {state: frame}
                    else:
                        parcel[state] = frame
        for cohort, state in released:
            if state in changed or not len(cohort) or not self._is_due(cohort, state):
                continue
            parcels.setdefault(cohort, {})[state] = self._newest(cohort.topics[state])
        return parcels

    def _newest(self, topic: Topic) -> bytes:
        """Like `frame`, but a state that cannot be encoded is left out, so that it hides no other."""
        try:
            frame = self.frame(topic)
        except Exception:
            if topic not in self._failing:
                self._failing.add(topic)
                logger.exception("The %s of %s cannot be sent until this is mended", topic.channel, topic.symbol)
            return b""
        if self._failing:
            self._failing.discard(topic)
        return frame

    def _leave_out(self, writes: Writes, start: int) -> None:
        """Other things happened since the flush began: some have left, were told since, or are behind by now."""
        for index in range(start, min(start + SLICE, len(writes.sessions))):
            session = writes.sessions[index]
            if session.ready and session.since < self._turn:
                continue
            writes.skip(index)
            if session.cohort is not None and session.since < self._turn:
                session.owed.update(dict.fromkeys(writes.parcel(index)))

    def _release(self, cohort: Cohort, state: State) -> None:
        """A throttled cohort may have this state now."""
        self._released[cohort, state] = None
        self._schedule()

    def _is_due(self, cohort: Cohort, state: State) -> bool:
        throttle = cohort.throttles.get(state)
        if throttle is None:
            return True
        return self._pace_of(cohort).due(state, throttle)

    def _pace_of(self, cohort: Cohort) -> Pace[State]:
        if cohort.pace is None:
            cohort.pace = Pace(partial(self._release, cohort), self._clock)
        return cohort.pace


class Writes:
    """The writes of one flush, a flat list: who, by which function, what."""

    __slots__ = ("_data", "_parcels", "_sends", "_starts", "sessions")

    def __init__(self) -> None:
        self.sessions: list[Session] = []
        self._sends: list[Callable[[bytes], int]] = []
        self._data: list[bytes] = []
        self._starts: list[int] = []
        self._parcels: list[Mapping[State, bytes]] = []

    def add(self, cohort: Cohort, parcel: Mapping[State, bytes]) -> None:
        """The same data for every client of a cohort that is ready."""
        ready = cohort.ready
        data = b"".join(parcel.values())
        self._starts.append(len(self.sessions))
        self._parcels.append(parcel)
        if len(ready) == 1:
            # Where every client has chosen for itself, there are as many cohorts as clients.
            ((session, send),) = ready.items()
            self.sessions.append(session)
            self._sends.append(send)
            self._data.append(data)
        else:
            self.sessions.extend(ready)
            self._sends.extend(ready.values())
            self._data.extend(repeat(data, len(ready)))

    def parcel(self, index: int) -> Mapping[State, bytes]:
        """What the client at this place is sent, state by state."""
        return self._parcels[bisect_right(self._starts, index) - 1]

    def skip(self, index: int) -> None:
        self._sends[index] = len

    def send(self, start: int, end: int) -> None:
        """One write per client, looped in C: a Python loop costs half as much again as the sends."""
        data = self._data[start:end]
        attempts = map(call, self._sends[start:end], data)
        results: list[int] = []
        while len(results) < len(data):
            try:
                results.extend(attempts)
            except BlockingIOError:
                results.append(0)
            except OSError:
                results.append(-1)
        if results == list(map(len, data)):
            return
        for index, taken in enumerate(results, start):
            if taken < 0:
                self.sessions[index].wire.lose()
            elif taken != len(self._data[index]):
                self.sessions[index].wire.keep(self._data[index], taken)


def framed(topic: Topic, payload: bytes) -> bytes:
    if topic.deflate and len(payload) >= SMALLEST_DEFLATED:
        return deflated_text_frame(payload)
    return text_frame(payload)
