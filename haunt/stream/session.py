"""One client as the router sees it: what it asks, what it is owed. Knows no socket."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

from haunt.clock import Clock
from haunt.stream.frames import text_frame
from haunt.stream.limits import Abuse, TokenBucket
from haunt.stream.subscriptions import Cohort, Form, State, Subscription, Topic

# Answers and signals waiting for one client that does not read.
MOST_WAITING = 1_000
NOTHING: Mapping[str, Subscription] = {}
PLAIN = Form()


class Wire(Protocol):
    """What a session needs of a connection.

    `send_now` is the fastest way to send the same to many: only while not blocked; it returns how many bytes
    were taken and may raise OSError. What it did not take goes to `keep`, its failure to `lose`. `descriptor` holds
    that of the socket, -1 when there is none any more, or bytes may not be sent to it. Whenever `blocked` changes, the
    owner of the wire calls `Session.take_place`.
    """

    @property
    def send_now(self) -> Callable[[bytes], int]: ...
    @property
    def descriptor(self) -> array[int]: ...
    @property
    def blocked(self) -> bool: ...
    def keep(self, data: bytes, taken: int) -> None: ...
    def lose(self) -> None: ...
    def send(self, data: bytes) -> None: ...
    def close(self, code: int | None = None, reason: str = "", *, grace: float = 5.0) -> None: ...


class Session:
    """A client's subscriptions, limits and unsent answers.

    While its socket takes nothing more, states it should hear of are only noted in `owed` (the newest is sent
    when it drains), and what must not be merged waits in order in `waiting`, with the state it is about. What
    it unsubscribed from in the meantime is dropped then. `since` and `heard` are the numbers of the latest flush
    and announcement when it came to its cohort.
    """

    __slots__ = (
        "_answer",
        "abuse",
        "bucket",
        "cohort",
        "form",
        "heard",
        "name",
        "owed",
        "rate_error_at",
        "ready",
        "since",
        "waiting",
        "wire",
    )

    def __init__(
        self,
        wire: Wire,
        *,
        name: str = "client",
        messages_per_second: float = 10,
        abuse: int = 100,
        form: Form = PLAIN,
        clock: Clock,
    ) -> None:
        self.wire = wire
        self.name = name
        self.form = form
        self.bucket = TokenBucket(messages_per_second, clock)
        self.abuse = Abuse(abuse)
        self.rate_error_at = float("-inf")
        self.cohort: Cohort | None = None
        self.ready = False
        self.since = 0
        self.heard = 0
        self.owed: dict[State, None] = {}
        self.waiting: list[tuple[State | None, bytes]] = []
        self._answer: list[bytes] | None = None

    @property
    def subscriptions(self) -> Mapping[str, Subscription]:
        return self.cohort.subscriptions if self.cohort is not None else NOTHING

    @property
    def topics(self) -> Mapping[State, Topic]:
        return self.cohort.topics if self.cohort is not None else {}

    @property
    def blocked(self) -> bool:
        return self.wire.blocked

    @property
    def waiting_bytes(self) -> int:
        return sum(len(frames) for _, frames in self.waiting)

    def say(self, payload: bytes) -> None:
        """Send one JSON text that must not be merged away, in order."""
        self.send(text_frame(payload))

    def send(self, frames: bytes, about: State | None = None) -> None:
        """Send whole frames that must not be merged away: now, or in order when the socket drains."""
        if self._answer is not None:
            self._answer.append(frames)
            return
        if not self.wire.blocked:
            self.wire.send(frames)
            return
        self.waiting.append((about, frames))
        if len(self.waiting) > MOST_WAITING:
            self.waiting.clear()
            self.wire.close(1013, "slow consumer", grace=1.0)

    def begin_answer(self) -> None:
        """What is sent from here on is one answer: one write, however many frames it has."""
        self._answer = []

    def end_answer(self) -> None:
        answer, self._answer = self._answer, None
        if answer:
            self.send(b"".join(answer))

    def take_place(self) -> None:
        """Called when the socket blocks or drains: among the ready of the cohort, or those behind."""
        if self.cohort is not None:
            self.cohort.place(self)

    def catch_up(self) -> Iterator[bytes | Topic]:
        """What is owed now that the socket drained: the answers in order, then the topics."""
        self.take_place()
        waiting, self.waiting = self.waiting, []
        owed, self.owed = self.owed, {}
        topics = self.topics
        yield from (frames for about, frames in waiting if about is None or about in topics)
        yield from (topics[state] for state in owed if state in topics)
