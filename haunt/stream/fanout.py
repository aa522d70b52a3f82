"""Delivers each changed state to its subscribers, encoded once, one write per client."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from haunt.clock import Clock
from haunt.histogram import Histogram
from haunt.stream.frames import deflated_text_frame, text_frame
from haunt.stream.pace import Pace
from haunt.stream.session import Session
from haunt.stream.subscriptions import Announcement, Cohort, State, Subscriptions, Topic
from haunt.stream.writes import Batch, BatchedWrites, Writes

logger = logging.getLogger(__name__)

Encode = Callable[[Topic], bytes | None]
"""The newest state of a topic as JSON text; None when there is none yet."""
NOTHING: dict[Any, None] = {}

SMALLEST_DEFLATED = 1_024
SLICE = 64  # clients written to between two looks at the clock: half a millisecond
COHORTS = 256  # cohorts whose parcels are joined between two looks at the clock
LONGEST_SLICE = 0.004  # seconds of writing before sources, pings and requests get their turn
FLUSH_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)


class Fanout:
    """Marks states as changed, and once per turn of the event loop sends the newest of each.

    States that change again before they were sent are merged by that, so neither latency nor memory grows
    under overload. `intervals` holds the least seconds between two sendings of a state, per channel.
    What is announced is sent in the same write, before the states, in order and never merged.

    Counts since the start: `deliveries`, the frames of all clients together, and their `sent_bytes`; `left_out`,
    states that a client was not sent when they changed because it was behind. `flush_seconds`: from the first write
    of a flush to its last, others' turns between them included.
    """

    def __init__(
        self, subscriptions: Subscriptions, encode: Encode, *, intervals: Mapping[str, float] | None = None,
        batch: Batch | None = None, clock: Clock | None = None,
    ) -> None:  # fmt: skip
        self.deliveries = 0
        self.sent_bytes = 0
        self.left_out = 0
        self.flush_seconds = Histogram(FLUSH_SECONDS)
        self._subscriptions = subscriptions
        self._encode = encode
        self._intervals = intervals or {}
        self._write = partial(BatchedWrites, batch=batch) if batch else Writes
        self._clock = clock or Clock()
        self._changed: dict[State, None] = {}
        self._released: dict[tuple[Cohort, State], None] = {}
        self._announced_to: dict[Cohort, None] = {}
        self._pace: Pace[State] = Pace(self.mark, self._clock)
        self._flushing: Iterator[None] | None = None
        self._flush = Flush()
        self._paused = False
        self._began = 0.0
        self._merged = 0
        self._failing: set[Topic] = set()
        self._turn = 0
        self._announcements = 0

    def space(self, intervals: Mapping[str, float]) -> None:
        """The least seconds between two sendings from now on."""
        self._intervals = intervals

    @property
    def idle(self) -> bool:
        """Whether everything marked so far has been sent."""
        return self._flushing is None

    @property
    def merged(self) -> int:
        """Changes of a state whose change before was not sent yet: one frame told of both."""
        return self._merged + self._pace.merged

    # -- what changed

    def mark(self, state: State) -> None:
        """Note that a state changed; nobody listens: nothing happens."""
        if state in self._changed:
            self._merged += 1
            return
        if state not in self._subscriptions:
            return
        interval = self._intervals.get(state[0], 0.0)
        if interval and not self._pace.due(state, interval):
            return
        self._changed[state] = None
        self._schedule()

    def announce(self, state: State, encode: Callable[[Topic], bytes]) -> None:
        """Send in order, and never merged, to everyone who listens to this state now."""
        self._announcements += 1
        for topic, audience in self._subscriptions.listeners(state).items():
            announcement = Announcement(self._announcements, state, framed(topic, encode(topic)))
            for cohort in audience:
                cohort.announced.append(announcement)
                self._announced_to[cohort] = None
            self._schedule()

    def frame(self, topic: Topic) -> bytes:
        """The newest state of a topic as a frame; empty when there is none."""
        payload = self._encode(topic)
        return framed(topic, payload) if payload is not None else b""

    # -- one client

    def settle(self, session: Session) -> None:
        """Send one client the announcements on their way to it. To be called before it is answered, so that the
        answer comes after them, and before its subscriptions change."""
        cohort = session.cohort
        if cohort is None or not (cohort.announced or self._flush.unwritten(session, cohort)):
            return
        self._tell_apart(session, cohort)
        for announcement in cohort.announced:
            if announcement.number > session.heard:
                session.send(announcement.frame, announcement.state)
        session.heard = self._announcements

    def held_back(self, session: Session) -> list[State]:
        """What the throttle of a client's cohort keeps from it for now."""
        cohort = session.cohort
        if cohort is None or cohort.pace is None:
            return []
        return [*cohort.pace.held_back, *(state for one, state in self._released if one is cohort)]

    def arrived(self, session: Session, held_back: Iterable[State] = ()) -> None:
        """A client's subscriptions changed. It left a cohort that a flush under way may be about to serve, and
        whose throttle held something back, so it is told what that cohort would have been told."""
        session.since, session.heard = self._turn, self._announcements
        for state in {**self._flush.states, **dict.fromkeys(held_back)}:
            if state in session.topics:
                self.tell(session, state)

    def tell(self, session: Session, state: State) -> None:
        """Send the newest of one state to one client: at once, in this turn's flush if that is about to send it
        anyway, or when its socket drains."""
        if session.blocked:
            session.owed[state] = None
            self.left_out += 1
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
        if session.cohort is not None:
            # What a flush under way holds for it is older than what it is sent here.
            announced, states = self._withdraw(session, session.cohort)
            session.waiting += [(one.state, one.frame) for one in announced]
            session.owed.update(dict.fromkeys(states))
        parts = [self._newest(part) if isinstance(part, Topic) else part for part in session.catch_up()]
        data = b"".join(parts)
        if data:
            self.deliveries += len(parts)
            self.sent_bytes += len(data)
            session.wire.send(data)

    # -- the flush

    def _schedule(self) -> None:
        if self._flushing is None:
            self._flushing = self._deliver_all()
            self._paused = False
            asyncio.get_running_loop().call_soon(self._go_on)

    def _go_on(self) -> None:
        """Flush for one slice of time; the rest comes in the next turn of the loop."""
        assert self._flushing is not None
        monotonic = self._clock.monotonic
        now = monotonic()
        until = now + LONGEST_SLICE
        if not self._paused:
            self._began = now
        try:
            for _ in self._flushing:
                now = monotonic()
                if now >= until:
                    self._paused = True
                    asyncio.get_running_loop().call_soon(self._go_on)
                    return
        except Exception:
            logger.exception("A flush failed; the states it held are sent with their next change")
            self._flush.give_up()
        self.flush_seconds.observe(now - self._began)
        self._flushing = None
        self._flush = Flush()
        if self._changed or self._released or self._announced_to:
            self._schedule()

    def _deliver_all(self) -> Iterator[None]:
        """Send what was announced and the changed states; yields where others may have their turn."""
        self._turn += 1
        flush = self._flush = Flush(self._changed, self._released, self._announced_to)
        self._changed, self._released, self._announced_to = {}, {}, {}
        for state in flush.changed:
            for topic, audience in self._subscriptions.listeners(state).items():
                frame = self._newest(topic)
                if not frame:
                    continue
                for put in audience.prompt.values():
                    put(frame)
                flush.cohorts.update(audience.prompt)
                for cohort in audience.throttled:
                    if self._is_due(cohort, state):
                        flush.put(cohort, frame)
            yield
        for cohort, state in flush.released:
            if state not in flush.changed and len(cohort) and self._is_due(cohort, state):
                frame = self._newest(cohort.topics[state])
                if frame:
                    flush.put(cohort, frame)
                yield
        cohorts = list(flush.cohorts)
        for start in range(0, len(cohorts), COHORTS):
            yield from self._deliver(cohorts[start : start + COHORTS])

    def _deliver(self, cohorts: Sequence[Cohort]) -> Iterator[None]:
        writes = self._write(cohorts)
        self._flush.take(cohorts, writes)
        self.deliveries += writes.deliveries
        for cohort in [cohort for cohort in cohorts if cohort.behind]:
            # A client that is closed by this leaves its cohort at once.
            for session in list(cohort.behind):
                self._tell_apart(session, cohort)
        if self._flush.late:
            self._leave_out(writes, [index for index, one in enumerate(writes.sessions) if one in self._flush.late])
        turn = self._turn
        while writes.done < len(writes.sessions):
            if self._paused:
                # Some have left since the flush began, were told meanwhile, or are behind by now.
                upcoming = enumerate(writes.sessions[writes.done : writes.done + SLICE], writes.done)
                self._leave_out(writes, [index for index, one in upcoming if not (one.ready and one.since < turn)])
            self.sent_bytes += writes.send(SLICE)
            yield

    def _leave_out(self, writes: Writes, indices: Iterable[int]) -> None:
        for index in indices:
            session = writes.sessions[index]
            if writes.skip(index) and session.cohort is not None:
                self._tell_apart(session, session.cohort)

    def _tell_apart(self, session: Session, cohort: Cohort) -> None:
        """Tell one client by itself what this flush brings to its cohort."""
        announced, states = self._withdraw(session, cohort)
        for announcement in announced:
            session.send(announcement.frame, announcement.state)
        for state in states:
            self.tell(session, state)

    def _withdraw(self, session: Session, cohort: Cohort) -> tuple[list[Announcement], list[State]]:
        """Take a client out of the flush under way: what that still holds for it."""
        if session.since >= self._turn:
            return [], []
        session.since = self._turn
        return self._flush.unwritten(session, cohort), [state for state in self._flush.states if state in cohort.topics]

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

    def _release(self, cohort: Cohort, state: State) -> None:
        """A throttled cohort may have this state now."""
        self._released[cohort, state] = None
        self._schedule()

    def _is_due(self, cohort: Cohort, state: State) -> bool:
        return self._pace_of(cohort).due(state, cohort.throttles[state])

    def _pace_of(self, cohort: Cohort) -> Pace[State]:
        if cohort.pace is None:
            cohort.pace = Pace(partial(self._release, cohort), self._clock)
        return cohort.pace


class Flush:
    """What one flush brings to whom: what changed, what throttled cohorts were held back, what was announced.

    `states` are those that changed or were held back, `late` the clients that came to their cohort after the first
    of its announcements.
    """

    __slots__ = ("_announced", "_writes", "_writing", "changed", "cohorts", "late", "released", "states")

    def __init__(
        self,
        changed: dict[State, None] = NOTHING,
        released: dict[tuple[Cohort, State], None] = NOTHING,
        announced_to: dict[Cohort, None] = NOTHING,
    ) -> None:
        self.changed = changed
        self.released = released
        self.states = changed | dict.fromkeys(state for _, state in released) if released else changed
        self.cohorts: dict[Cohort, object] = dict(announced_to)
        self.late: set[Session] = set()
        self._announced: dict[Cohort, list[Announcement]] = {}
        self._writing: Sequence[Cohort] = ()
        self._writes = Writes(())
        for cohort in announced_to:
            announced, cohort.announced = cohort.announced, []
            cohort.parcel.extend([one.frame for one in announced])
            self._announced[cohort] = announced
            self.late.update([session for session in cohort.ready if session.heard >= announced[0].number])

    def put(self, cohort: Cohort, frame: bytes) -> None:
        """Give a throttled cohort a state that is due."""
        cohort.parcel.append(frame)
        self.cohorts[cohort] = None

    def take(self, cohorts: Sequence[Cohort], writes: Writes) -> None:
        """The writes of these cohorts come next; those taken before are done."""
        for cohort in self._writing if self._announced else ():
            self._announced.pop(cohort, None)
        self._writing, self._writes = cohorts, writes

    def unwritten(self, session: Session, cohort: Cohort) -> list[Announcement]:
        """The announcements to this cohort that have not reached this client of it."""
        announced = [one for one in self._announced.get(cohort, ()) if one.number > session.heard]
        written = cohort in self._writing and session in self._writes.sessions[: self._writes.done]
        return announced if announced and not written else []

    def give_up(self) -> None:
        for cohort in self.cohorts:
            cohort.parcel.clear()


def framed(topic: Topic, payload: bytes) -> bytes:
    if topic.deflate and len(payload) >= SMALLEST_DEFLATED:
        return deflated_text_frame(payload)
    return text_frame(payload)
