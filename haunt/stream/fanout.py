"""Delivers each changed state to its subscribers, encoded once, one write per client."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

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
        frames: dict[Topic, bytes] = {}
        for cohort in list(self._subscriptions.listeners(state)):
            topic = cohort.topics[state]
            frame = frames.get(topic)
            if frame is None:
                frame = frames[topic] = framed(topic, encode(topic))
            for session in [*cohort.ready, *cohort.behind]:
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
            session.notice_blocked()

    # -- the flush

    def _schedule(self) -> None:
        if self._flushing is None:
            self._flushing = self._flush()
            asyncio.get_running_loop().call_soon(self._go_on)

    def _go_on(self) -> None:
        """Flush for one slice of time; the rest comes in the next turn of the loop."""
        assert self._flushing is not None
        until = self._clock.monotonic() + LONGEST_SLICE
        try:
            for _ in self._flushing:
                if self._clock.monotonic() >= until:
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
        turn = self._turn
        changed, self._changed = self._changed, {}
        self._current = changed
        released, self._released = self._released, {}
        parcels: dict[Cohort, list[Topic]] = {}
        marked = [(cohort, state) for state in changed for cohort in self._subscriptions.listeners(state)]
        for cohort, state in [*marked, *released]:
            if len(cohort) and self._is_due(cohort, state):
                parcels.setdefault(cohort, []).append(cohort.topics[state])
        frames: dict[Topic, bytes] = {}
        for cohort, topics in parcels.items():
            for topic in topics:
                if topic not in frames:
                    frames[topic] = self.frame(topic)
            data = b"".join([frames[topic] for topic in topics])
            states = dict.fromkeys((topic.channel, topic.symbol) for topic in topics)
            for session in cohort.behind:
                session.owed.update(states)
            if data and cohort.ready:
                yield from self._deliver(cohort, states, data, turn)

    def _deliver(self, cohort: Cohort, states: dict[State, None], data: bytes, turn: int) -> Iterator[None]:
        """One write per client. A client that moved away in the meantime hears nothing of it."""
        everyone = list(cohort.ready)
        for start in range(0, len(everyone), SLICE):
            some = everyone[start : start + SLICE]
            if start:
                some = [one for one in some if one.cohort is cohort and one.since < turn]
                for one in [one for one in some if one.blocked]:
                    one.owed.update(states)
                some = [one for one in some if not one.blocked]
            self._write(some, data)
            self.deliveries += len(some) * len(states)
            if start + SLICE < len(everyone):
                yield
        yield

    def _write(self, sessions: Sequence[Session], data: bytes) -> None:
        for session in sessions:
            session.wire.send(data)
            session.notice_blocked()

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


def framed(topic: Topic, payload: bytes) -> bytes:
    if topic.deflate and len(payload) >= SMALLEST_DEFLATED:
        return deflated_text_frame(payload)
    return text_frame(payload)
