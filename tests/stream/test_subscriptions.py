"""The index: who listens to what, and that nothing stays of who left."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from haunt.stream.session import Session
from haunt.stream.subscriptions import Form, Subscription, Subscriptions, narrowed, subscription, widened
from haunt.testing import FakeClock

from .wire import FakeWire

PRICE = subscription(frozenset({"price"}), 0.0, 20)
BOTH = subscription(frozenset({"price", "orderbook"}), 0.0, 20)


def client(**form):
    wire = FakeWire()
    session = Session(wire, form=Form(**form), clock=FakeClock())
    wire.on_blocked = session.take_place
    return session


def listeners(index, state):
    """The clients that listen to a state, by what they are sent."""
    return {
        topic: [session for cohort in cohorts for session in (*cohort.ready, *cohort.behind)]
        for topic, cohorts in index.listeners(state).items()
    }


def test_a_client_listens_to_each_of_its_channels():
    index, session = Subscriptions(), client()
    index.move(session, {"btc": BOTH, "eth": PRICE})
    for state in (("price", "btc"), ("orderbook", "btc"), ("price", "eth")):
        assert state in index
        assert list(listeners(index, state).values()) == [[session]]
    assert ("orderbook", "eth") not in index
    assert session.subscriptions == {"btc": BOTH, "eth": PRICE}


def test_clients_who_want_the_same_are_one_cohort_in_whatever_order_they_said_it():
    index, one, other = Subscriptions(), client(), client()
    index.move(one, {"btc": PRICE, "eth": PRICE})
    index.move(other, {"eth": PRICE, "btc": PRICE})
    assert one.cohort is other.cohort


@pytest.mark.parametrize("form", [{"extended": True}, {"deflate": True}])
def test_another_form_is_another_topic(form):
    index, one, other = Subscriptions(), client(), client(**form)
    index.move(one, {"btc": PRICE})
    index.move(other, {"btc": PRICE})
    assert list(listeners(index, ("price", "btc")).values()) == [[one], [other]]


def test_another_depth_is_another_book_but_the_same_price():
    index, one, other = Subscriptions(), client(), client()
    index.move(one, {"btc": BOTH})
    index.move(other, {"btc": BOTH._replace(depth=5)})
    assert len(index.listeners(("orderbook", "btc"))) == 2
    assert len(index.listeners(("price", "btc"))) == 1


def test_a_throttle_is_no_other_topic():
    index, one, other = Subscriptions(), client(), client()
    index.move(one, {"btc": PRICE})
    index.move(other, {"btc": PRICE._replace(throttle=1.0)})
    assert list(listeners(index, ("price", "btc")).values()) == [[one, other]]


def test_who_is_blocked_is_behind_from_the_start():
    index, session = Subscriptions(), client()
    session.wire.block()
    index.move(session, {"btc": PRICE})
    assert (list(session.cohort.ready), list(session.cohort.behind)) == ([], [session])
    session.wire.blocked = False
    session.take_place()
    assert (list(session.cohort.ready), list(session.cohort.behind)) == ([session], [])


def test_removing_a_client_twice_does_no_harm():
    index, session = Subscriptions(), client()
    index.move(session, {"btc": PRICE})
    index.remove(session)
    index.remove(session)
    assert (index.sessions, ("price", "btc") in index) == (0, False)


def test_the_same_wishes_are_the_same_object():
    assert subscription(frozenset({"price"}), 0.0, 20) is PRICE


# -- wishes


def test_what_is_asked_for_is_added_to_what_was_there():
    first = widened(None, ["price"], None, None, 20)
    assert first == Subscription(frozenset({"price"}), 0.0, 20)
    assert widened(first, ["orderbook"], 0.5, 5, 20) == Subscription(frozenset({"price", "orderbook"}), 0.5, 5)


def test_a_wish_left_out_stays_as_it_was():
    first = widened(None, ["orderbook"], 0.5, 5, 20)
    assert widened(first, ["orderbook"], None, None, 20) == first
    assert widened(first, ["orderbook"], 0.0, None, 20).throttle == 0.0


def test_what_is_left_after_unsubscribing():
    assert narrowed(BOTH, ["orderbook"]) == PRICE
    assert narrowed(BOTH, []) == BOTH
    assert narrowed(BOTH, None) is None
    assert narrowed(PRICE, ["price", "signal"]) is None


# -- any history


SYMBOLS = ["btc", "eth", "sol"]
wishes = st.dictionaries(st.sampled_from(SYMBOLS), st.sampled_from([PRICE, BOTH, BOTH._replace(throttle=1.0)]))


class History(RuleBasedStateMachine):
    """Clients come, change their minds, fall behind and leave; the index agrees with a plain list of them."""

    def __init__(self) -> None:
        super().__init__()
        self.index = Subscriptions()
        self.clients = [client(), client(), client(extended=True)]
        self.wanted = [{}, {}, {}]

    @rule(who=st.integers(0, 2), what=wishes)
    def want(self, who, what):
        self.index.move(self.clients[who], what)
        self.wanted[who] = what

    @rule(who=st.integers(0, 2))
    def leave(self, who):
        self.index.remove(self.clients[who])
        self.wanted[who] = {}

    @rule(who=st.integers(0, 2), blocked=st.booleans())
    def turn(self, who, blocked):
        self.clients[who].wire.blocked = blocked
        self.clients[who].take_place()

    @invariant()
    def everyone_is_where_they_belong(self):
        for session, wanted in zip(self.clients, self.wanted, strict=True):
            assert session.subscriptions == wanted
            if session.cohort is not None:
                assert (session in session.cohort.ready) == (not session.blocked) == session.ready
        for symbol in SYMBOLS:
            for channel in ("price", "orderbook", "signal"):
                expected = {
                    session
                    for session, wanted in zip(self.clients, self.wanted, strict=True)
                    if symbol in wanted and channel in wanted[symbol].channels
                }
                found = [one for several in listeners(self.index, (channel, symbol)).values() for one in several]
                assert (set(found), len(found)) == (expected, len(expected))
                assert ((channel, symbol) in self.index) == bool(expected)
        assert self.index.sessions == sum(map(bool, self.wanted))


TestHistory = History.TestCase
TestHistory.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
