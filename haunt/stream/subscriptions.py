"""Who listens to what."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import chain
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from haunt.stream.messages import Channel
from haunt.stream.pace import Pace
from haunt.stream.protocol import CHANNELS

if TYPE_CHECKING:
    from haunt.stream.session import Session, Wire

State: TypeAlias = tuple[Channel, str]
"""What changes: (channel, symbol)."""
Line: TypeAlias = "Callable[[bytes], int] | array[int]"
"""The way to one client: a function that sends, or the descriptor of its socket."""


class Subscription(NamedTuple):
    """What a client wants of one symbol. `throttle` is in seconds, 0 = every change."""

    channels: frozenset[Channel]
    throttle: float
    depth: int


class Topic(NamedTuple):
    """A state in one of the forms it is sent in; clients of the same topic get the same bytes."""

    channel: Channel
    symbol: str
    depth: int
    extended: bool
    deflate: bool


class Announcement(NamedTuple):
    """A frame that is never merged away, numbered, and the state it is about."""

    number: int
    state: State
    frame: bytes


class Form(NamedTuple):
    """What else makes two clients' bytes differ: extended fields, compression."""

    extended: bool = False
    deflate: bool = False


class Cohort:
    """The clients with the very same subscriptions: they are sent the same joined bytes.

    `ready` clients take what is sent, by the line beside them; those in `behind` have bytes waiting and are
    owed the newest states. `throttles` are the least seconds between two sendings of a state, for this cohort.
    `parcel` holds the frames of a flush until they are written, `announced` what the next flush must not merge.
    """

    __slots__ = (
        "_line", "announced", "behind", "form", "pace", "parcel", "ready", "subscriptions", "throttles", "topics",
    )  # fmt: skip

    def __init__(self, subscriptions: Mapping[str, Subscription], form: Form, line: Callable[[Wire], Line]) -> None:
        self.subscriptions = subscriptions
        self.form = form
        self._line = line
        self.ready: dict[Session, Line] = {}
        self.behind: dict[Session, None] = {}
        self.topics: dict[State, Topic] = {}
        self.throttles: dict[State, float] = {}
        self.pace: Pace[State] | None = None
        self.parcel: list[bytes] = []
        self.announced: list[Announcement] = []
        for symbol, subscription in subscriptions.items():
            for channel in subscription.channels:
                depth = subscription.depth if channel == "orderbook" else 0
                self.topics[channel, symbol] = Topic(channel, symbol, depth, form.extended, form.deflate)
                if subscription.throttle and channel != "signal":
                    self.throttles[channel, symbol] = subscription.throttle

    def __len__(self) -> int:
        return len(self.ready) + len(self.behind)

    def place(self, session: Session) -> None:
        """Among the ready or among those behind, by its socket."""
        session.ready = not session.blocked
        if session.ready:
            self.behind.pop(session, None)
            self.ready[session] = self._line(session.wire)
        else:
            self.ready.pop(session, None)
            self.behind[session] = None


class Audience:
    """The cohorts that listen to a topic: `prompt` ones are given each frame, by the function beside them,
    `throttled` ones when it is due."""

    __slots__ = ("prompt", "throttled")

    def __init__(self) -> None:
        self.prompt: dict[Cohort, Callable[[bytes], None]] = {}
        self.throttled: dict[Cohort, None] = {}

    def __iter__(self) -> Iterator[Cohort]:
        return chain(self.prompt, self.throttled)

    def __bool__(self) -> bool:
        return bool(self.prompt or self.throttled)

    def add(self, cohort: Cohort, state: State) -> None:
        if state in cohort.throttles:
            self.throttled[cohort] = None
        else:
            self.prompt[cohort] = cohort.parcel.append

    def remove(self, cohort: Cohort) -> None:
        self.prompt.pop(cohort, None)
        self.throttled.pop(cohort, None)


class Subscriptions:
    """The index from states to the cohorts that listen to them, by the form they are sent in.

    `line` finds the way to a client.
    """

    def __init__(self, line: Callable[[Wire], Line] = attrgetter("send_now")) -> None:
        self._line = line
        self._cohorts: dict[Hashable, Cohort] = {}
        self._listeners: dict[State, dict[Topic, Audience]] = {}

    @property
    def sessions(self) -> int:
        """Clients with at least one subscription."""
        return sum(len(cohort) for cohort in self._cohorts.values())

    def listeners(self, state: State) -> Mapping[Topic, Audience]:
        """Who listens to a state, by topic; empty when nobody does."""
        return self._listeners.get(state, {})

    def __contains__(self, state: State) -> bool:
        return state in self._listeners

    def subscribers(self, symbol: str) -> list[Session]:
        """Everyone with any subscription to this symbol."""
        return [
            session
            for cohort in self._cohorts.values()
            if symbol in cohort.subscriptions
            for session in (*cohort.ready, *cohort.behind)
        ]

    def move(self, session: Session, subscriptions: Mapping[str, Subscription]) -> None:
        """Put a client where its subscriptions belong; none at all takes it out of the index."""
        self.remove(session)
        if not subscriptions:
            return
        key = _key(subscriptions, session)
        cohort = self._cohorts.get(key)
        if cohort is None:
            cohort = self._cohorts[key] = Cohort(dict(subscriptions), session.form, self._line)
            for state, topic in cohort.topics.items():
                self._listeners.setdefault(state, {}).setdefault(topic, Audience()).add(cohort, state)
        session.cohort = cohort
        cohort.place(session)

    def remove(self, session: Session) -> None:
        """Forget a client; the last one of its cohort takes the cohort with it."""
        cohort = session.cohort
        if cohort is None:
            return
        session.cohort = None
        session.ready = False
        cohort.ready.pop(session, None)
        cohort.behind.pop(session, None)
        if not len(cohort):
            del self._cohorts[_key(cohort.subscriptions, session)]
            self._forget(cohort)

    def _forget(self, cohort: Cohort) -> None:
        if cohort.pace is not None:
            cohort.pace.cancel()
        for state, topic in cohort.topics.items():
            topics = self._listeners[state]
            topics[topic].remove(cohort)
            if not topics[topic]:
                del topics[topic]
            if not topics:
                del self._listeners[state]


def _key(subscriptions: Mapping[str, Subscription], session: Session) -> Hashable:
    """What clients of one cohort have in common. A throttled client's wait began when it was last told, so it has
    a cohort of its own."""
    throttled = any(subscription.throttle for subscription in subscriptions.values())
    return frozenset(subscriptions.items()), session.form, session if throttled else None


@lru_cache(maxsize=4096)
def subscription(channels: frozenset[Channel], throttle: float, depth: int) -> Subscription:
    """The same object for the same wishes: ten thousand clients with ten symbols each share a few."""
    return Subscription(channels, throttle, depth)


def widened(
    old: Subscription | None, channels: Iterable[Channel], throttle: float | None, depth: int | None, default_depth: int
) -> Subscription:
    """What a client has after subscribing to `channels` besides what it had; None keeps the old wish."""
    if old is None:
        old = Subscription(frozenset(), 0.0, default_depth)
    return subscription(
        old.channels | frozenset(channels),
        old.throttle if throttle is None else throttle,
        old.depth if depth is None else depth,
    )


def narrowed(old: Subscription, channels: Iterable[Channel] | None) -> Subscription | None:
    """What is left after unsubscribing from `channels`, None = from all; None when nothing is."""
    left = old.channels.difference(CHANNELS if channels is None else channels)
    return subscription(left, old.throttle, old.depth) if left else None
