"""Whatever happens in whatever order while a flush is cut into slices, every client hears what it should, once."""

from __future__ import annotations

import asyncio
from operator import attrgetter

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from haunt.stream import fanout
from haunt.stream.fanout import Fanout
from haunt.stream.session import Session
from haunt.stream.subscriptions import Subscription, Subscriptions

from .stage import SlowClock
from .wire import FakeBatch, FakeWire

SYMBOLS = ("btc", "eth")
CHANNELS = frozenset({"price", "signal"})
CLIENTS = 4

clients = st.integers(0, CLIENTS - 1)
symbols = st.sampled_from(SYMBOLS)
# Symbols and their throttles; few, so that cohorts are shared.
wishes = st.sampled_from([{}, {"btc": 0.0}, {"btc": 0.0, "eth": 0.0}, {"eth": 0.0}, {"btc": 0.03}])


class Client:
    """A client. `wanted` says for each of its symbols the number of the first signal it must hear.

    Once its socket `was_full`, what was on its way when it unsubscribed may come out later.
    """

    def __init__(self, index: Subscriptions, deliver: Fanout, clock: SlowClock) -> None:
        self.wire = FakeWire()
        self.session = Session(self.wire, clock=clock)
        self.wire.on_blocked = self.session.take_place
        self.wire.on_drained = lambda: deliver.drained(self.session)
        self.wanted: dict[str, int] = {}
        self.was_full = False
        self.heard: list[tuple[str, str, int]] = []
        self._index, self._deliver = index, deliver

    def want(self, wishes: dict[str, float], signals: int) -> None:
        self._deliver.settle(self.session)
        self.listen()
        held_back = self._deliver.held_back(self.session)
        self._index.move(self.session, {symbol: Subscription(CHANNELS, pace, 20) for symbol, pace in wishes.items()})
        self._deliver.arrived(self.session, held_back)
        for symbol in wishes.keys() - self.wanted.keys():
            self._deliver.tell(self.session, ("price", symbol))
        self.wanted = {symbol: self.wanted.get(symbol, signals) for symbol in wishes}

    def ask(self, signals: int) -> None:
        self._deliver.settle(self.session)
        self.session.say(f"answer - {signals}".encode())

    def listen(self) -> None:
        for found in self.wire.frames():
            kind, symbol, number = found.payload.decode().split()
            assert kind == "answer" or symbol in self.wanted or self.was_full, "it had unsubscribed"
            self.heard.append((kind, symbol, int(number)))

    def numbers(self, kind: str, symbol: str) -> list[int]:
        return [number for one, its, number in self.heard if (one, its) == (kind, symbol)]


class History(RuleBasedStateMachine):
    """What happens within one turn of the event loop, and turns in which a flush under way goes on by one slice."""

    batched = False

    def __init__(self) -> None:
        super().__init__()
        self.clock = SlowClock()
        self.loop = asyncio.new_event_loop()
        self.sizes, fanout.SLICE, fanout.COHORTS = (fanout.SLICE, fanout.COHORTS), 1, 1
        batch = FakeBatch() if self.batched else None
        self.index = Subscriptions(attrgetter("descriptor" if batch else "send_now"))
        self.prices = dict.fromkeys(SYMBOLS, 0)
        self.signals: list[str] = []
        self.deliver = Fanout(self.index, self.encode, batch=batch, clock=self.clock)
        self.clients = [Client(self.index, self.deliver, self.clock) for _ in range(CLIENTS)]
        # The first is one of those that have no descriptor.
        for client in self.clients[1:] if batch else ():
            batch.add(client.wire)
        self.now = []

    def encode(self, topic):
        return f"price {topic.symbol} {self.prices[topic.symbol]}".encode()

    @rule()
    def turn(self):
        errors, now = [], self.now
        self.now = []
        self.loop.set_exception_handler(lambda loop, context: errors.append(context["exception"]))
        for action in (*now, self.loop.stop):
            self.loop.call_soon(action)
        self.loop.run_forever()
        assert errors == []
        for client in self.clients:
            client.listen()

    @rule(symbol=symbols)
    def price(self, symbol):
        def change():
            self.prices[symbol] += 1
            self.deliver.mark(("price", symbol))

        self.now.append(change)

    @rule(symbol=symbols)
    def signal(self, symbol):
        def announce():
            number = len(self.signals)
            self.signals.append(symbol)
            self.deliver.announce(("signal", symbol), lambda topic: f"signal {symbol} {number}".encode())

        self.now.append(announce)

    @rule(who=clients, what=wishes)
    def want(self, who, what):
        self.now.append(lambda: self.clients[who].want(what, len(self.signals)))

    @rule(who=clients)
    def ask(self, who):
        self.now.append(lambda: self.clients[who].ask(len(self.signals)))

    @rule(who=clients, room=st.sampled_from([0, 5]))
    def fill(self, who, room):
        """The next write to this client is taken in part, or not at all."""

        def shrink():
            self.clients[who].was_full = True
            if not self.clients[who].wire.blocked:
                self.clients[who].wire.room = room

        self.now.append(shrink)

    @rule(who=clients)
    def drain(self, who):
        self.now.append(self.clients[who].wire.drain)

    def teardown(self):
        try:
            self.turn()
            for client in self.clients:
                self.now.append(client.wire.drain)
            self.turn()
            while not self.deliver.idle or self.held_back():
                self.turn()
        finally:
            fanout.SLICE, fanout.COHORTS = self.sizes
            self.loop.close()
        for client in self.clients:
            self.check(client)

    def held_back(self):
        cohorts = [client.session.cohort for client in self.clients]
        return [one for one in cohorts if one and one.pace and one.pace.held_back]

    def check(self, client):
        for symbol in SYMBOLS:
            told = client.numbers("price", symbol)
            assert told == sorted(told), "a price went back"
            signals = client.numbers("signal", symbol)
            assert signals == sorted(set(signals)), "a signal came twice or out of its order"
        for place, (kind, _, number) in enumerate(client.heard):
            later = [its for one, _, its in client.heard[place:] if one == "signal"]
            assert kind != "answer" or not any(its < number for its in later), "an answer overtook a signal"
        for symbol, since in client.wanted.items():
            assert client.numbers("price", symbol)[-1] == self.prices[symbol], "the newest price did not come"
            expected = [number for number, its in enumerate(self.signals) if its == symbol and number >= since]
            assert [number for number in client.numbers("signal", symbol) if number >= since] == expected


class BatchedHistory(History):
    """The same where a slice is one call."""

    batched = True


TestHistory = History.TestCase
TestBatchedHistory = BatchedHistory.TestCase
TestHistory.settings = TestBatchedHistory.settings = settings(
    max_examples=400, stateful_step_count=50, deadline=None, derandomize=True
)
