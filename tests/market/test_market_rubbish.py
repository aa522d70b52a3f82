"""What a plugin may publish by mistake, and what must never come of it."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from floor import Floor
from hypothesis import given, settings
from hypothesis import strategies as st

from haunt.market.feed import LARGEST


@pytest.fixture
def floor() -> Floor:
    return Floor()


@pytest.mark.parametrize("number", [int, Decimal, Fraction])
def test_numbers_of_another_kind_count_as_floats(floor: Floor, number: type):
    floor.venue("dollar").quotes("usdt", number(1), number(1) + number(1) / 1_000)
    tether, acme = floor.venue("tether", "USDT"), floor.venue("acme")
    acme.tells("btc", number(100), number(80), quote_volume=number(7))
    tether.tells("btc", number(100), number(80), volume=number(7))
    acme.trades("btc", number(100), number(2))
    floor.wait(1)
    assert (floor.price(), floor.composite().volume_24h, floor.candles[0].volume) == (100.02, 707.35, 2.0)


def test_price_too_small_for_a_double_is_none(floor: Floor):
    floor.venue("dollar").trades("usdt", 1e-300)
    floor.venue("tether", "USDT").trades("btc", 1e-300)
    assert floor.price() is None


NUMBERS = st.one_of(
    st.floats(90, 110),
    st.floats(),
    st.floats(1e-320, 1e-300),
    st.floats(1e20, 1e25),
    st.integers(-(10**30), 10**30),
    st.none(),
    st.sampled_from(["", "x", "100", True, (), {}, 1j, Decimal(100), Decimal("nan"), Fraction(100)]),
)
WHOLE = st.one_of(st.integers(1_699_999_980_000, 1_700_000_020_000), st.integers(-(2**70), 2**70), NUMBERS)
TEXTS = st.one_of(
    st.sampled_from(["nan", "-1", "0", "1e400", "1e-320", "99", "101", "inf", "", "0x1", "\uff11"]),
    st.floats().map(repr),
    st.text(max_size=4),
)
LEVELS = st.one_of(
    st.lists(st.tuples(TEXTS, TEXTS), max_size=4),
    st.lists(st.lists(TEXTS, max_size=2), max_size=2),
    NUMBERS,
)
SAID = st.one_of(
    st.tuples(st.just("quote"), NUMBERS, NUMBERS, WHOLE, WHOLE),
    st.tuples(st.just("trade"), NUMBERS, NUMBERS, WHOLE),
    st.tuples(st.just("ticker"), NUMBERS, NUMBERS, NUMBERS, NUMBERS, WHOLE),
    st.tuples(st.just("snapshot"), LEVELS, LEVELS, WHOLE, WHOLE),
    st.tuples(st.just("delta"), LEVELS, LEVELS, WHOLE, WHOLE, WHOLE),
    st.tuples(st.just("wait"), st.floats(0, 40)),
)


@settings(max_examples=300)
@given(st.lists(st.tuples(st.sampled_from(["usd", "usdt", "of_usdt"]), SAID), max_size=20))
def test_rubbish_never_reaches_a_price_a_book_or_another_venue(said):
    floor = Floor()
    honest = floor.venue("honest")
    venues = {
        "usd": (floor.venue("usd"), "btc"),
        "usdt": (floor.venue("usdt", "USDT"), "btc"),
        "of_usdt": (floor.venue("of_usdt"), "usdt"),
    }
    newest = 0
    for name, (kind, *values) in said:
        if kind == "wait":
            floor.wait(values[0])
        else:
            venue, symbol = venues[name]
            venue.babbles(symbol, kind, values)
        for symbol in ("btc", "usdt"):
            composite, book = floor.market.price(symbol), floor.market.book(symbol, 20)
            if composite is not None:
                assert 0 < composite.price < LARGEST**2
                assert abs(composite.change_24h) <= 1e15
                assert 0 <= composite.volume_24h < 1e17
                assert type(composite.timestamp) is int
                assert composite.timestamp <= floor.clock.milliseconds()
            if book is not None:
                assert all(0 < price < LARGEST**2 and size > 0 for price, size in [*book.bids, *book.asks])
        btc = floor.market.price("btc")
        assert btc is None or btc.timestamp >= newest
        newest = btc.timestamp if btc else newest
    floor.wait(100)
    honest.quotes("btc", 99, 101)
    assert (floor.price(), floor.composite().stale) == (100, False)
