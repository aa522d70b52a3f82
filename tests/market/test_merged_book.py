"""Many venues' books as one: summed, in USD, and never crossed."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from haunt.market.book import Book
from haunt.market.merged_book import Crossing, VenueBook, crossings
from haunt.market.merged_book import merge_books as merge_sides
from haunt.market.symbols import Symbol

Levels = list[tuple[float, float]]

BTC = Symbol("btc", tick=0.01)
TICKS = st.sampled_from([None, 0.01, 0.5, 7.0, 1000.0])
DEPTHS = st.integers(1, 30)


def merge_books(books: Sequence[VenueBook], symbol: Symbol, depth: int) -> tuple[Levels, Levels]:
    bids, asks = merge_sides(books, symbol, depth)
    return list(bids.levels), list(asks.levels)


def book(bids: Sequence[tuple[str, str]], asks: Sequence[tuple[str, str]]) -> Book:
    made = Book()
    made.replace(bids, asks)
    return made


def venue(
    name: str, bids: dict[float, float], asks: dict[float, float], *, rate: float = 1.0, age: float = 0.0
) -> VenueBook:
    def levels(side: dict[float, float]) -> list[tuple[str, str]]:
        return [(str(price), str(quantity)) for price, quantity in side.items()]

    return VenueBook(name, book(levels(bids), levels(asks)), rate, age)


@st.composite
def levels(draw: st.DrawFn, prices: st.SearchStrategy[float], most: int) -> list[tuple[str, str]]:
    quantities = st.floats(1e-8, 1e6)
    return [(repr(price), repr(draw(quantities))) for price in draw(st.lists(prices, max_size=most, unique=True))]


@st.composite
def venue_books(draw: st.DrawFn, *, tiny: bool = False, most: int = 8) -> list[VenueBook]:
    """Venues around one price, so that many cross, or anywhere between the smallest and the largest."""
    around = draw(st.floats(1e-8, 1e9))
    prices = st.floats(1e-23, 1e23) if tiny else st.floats(around * 0.99, around * 1.01)
    count = draw(st.integers(0, 6))
    rates = st.one_of(st.just(1.0), st.floats(0.9, 1.1))
    return [
        VenueBook(
            f"venue{number}",
            book(draw(levels(prices, most)), draw(levels(prices, most))),
            draw(rates),
            draw(st.sampled_from([0.0, 0.5, 3.0, 29.0])),
        )
        for number in range(count)
    ]


def check(bids: Levels, asks: Levels, depth: int) -> None:
    """What holds for every order book that is published."""
    assert len(bids) <= depth
    assert len(asks) <= depth
    assert all(price > 0 and quantity > 0 for price, quantity in bids + asks)
    assert all(better > worse for (better, _), (worse, _) in pairwise(bids))
    assert all(better < worse for (better, _), (worse, _) in pairwise(asks))
    assert not bids or not asks or bids[0][0] < asks[0][0]


@given(venue_books(), TICKS, DEPTHS)
def test_merged_book_is_sorted_within_its_depth_and_never_crossed(
    books: list[VenueBook], tick: float | None, depth: int
):
    check(*merge_books(books, Symbol("btc", tick=tick), depth), depth)


@given(venue_books(tiny=True), TICKS, DEPTHS)
def test_the_same_holds_for_the_smallest_and_the_largest_prices(books: list[VenueBook], tick: float | None, depth: int):
    check(*merge_books(books, Symbol("btc", tick=tick), depth), depth)


@given(venue_books(), TICKS)
def test_all_that_is_not_left_out_is_in_the_book_once(books: list[VenueBook], tick: float | None):
    bids, asks = merge_books(books, Symbol("btc", tick=tick), 1_000)
    left_out = {(one.venue, one.side): one.price for one in crossings(books)}
    most = [(left_out.get((one.venue, "bids"), 1e99), one) for one in books]
    least = [(left_out.get((one.venue, "asks"), 0.0), one) for one in books]
    bid_quantity = sum(size for limit, one in most for price, size in one.book.bids if price * one.rate < limit)
    ask_quantity = sum(size for limit, one in least for price, size in one.book.asks if price * one.rate > limit)
    assert sum(quantity for _, quantity in bids) == pytest.approx(bid_quantity, rel=1e-9)
    assert sum(quantity for _, quantity in asks) == pytest.approx(ask_quantity, rel=1e-9)


@given(venue_books(), TICKS)
def test_rounding_moves_levels_away_from_the_middle_only(books: list[VenueBook], tick: float | None):
    assume(not crossings(books))
    bids, asks = merge_books(books, Symbol("btc", tick=tick), 30)
    if bids:
        assert bids[0][0] <= max(best * one.rate for one in books if (best := one.book.bids.best) is not None)
    if asks:
        assert asks[0][0] >= min(best * one.rate for one in books if (best := one.book.asks.best) is not None)


@given(
    st.lists(st.decimals(1, 99, places=4), min_size=1, max_size=8, unique=True),
    st.lists(st.decimals(100, 999, places=4), min_size=1, max_size=8, unique=True),
    st.decimals("0.00000001", 9999, places=8),
)
def test_levels_of_one_venue_alone_are_as_it_wrote_them(bids, asks, quantity):
    alone = VenueBook(
        "acme", book([(str(p), str(quantity)) for p in bids], [(str(p), str(quantity)) for p in asks]), 1.0, 0.0
    )
    merged = merge_books([alone], Symbol("btc"), 8)
    assert merged == (
        [(float(price), float(quantity)) for price in sorted(bids, reverse=True)],
        [(float(price), float(quantity)) for price in sorted(asks)],
    )


def plainly_merged(books: list[VenueBook], symbol: Symbol, side: str, depth: int) -> Levels:
    """The best levels of one side, by reading everything."""
    limits = {one.venue: one.price for one in crossings(books) if one.side == side}
    rounded, sign = (symbol.round_down, 1) if side == "bids" else (symbol.round_up, -1)
    found: list[list[float]] = []
    levels = [
        (price * one.rate * sign, quantity)
        for one in books
        for price, quantity in getattr(one.book, side)
        if one.venue not in limits or price * one.rate * sign < limits[one.venue] * sign
    ]
    for price, quantity in sorted(levels, reverse=True):
        if found and price >= found[-1][0] * sign:
            found[-1][1] += quantity
        elif published := rounded(price * sign):
            found.append([published, quantity])
    return [(price, pytest.approx(quantity)) for price, quantity in found[:depth]]


@settings(max_examples=300)
@given(venue_books(most=40), TICKS, DEPTHS)
def test_reading_only_what_is_needed_gives_what_reading_everything_gives(
    books: list[VenueBook], tick: float | None, depth: int
):
    symbol = Symbol("btc", tick=tick)
    bids, asks = merge_books(books, symbol, depth)
    assert bids == plainly_merged(books, symbol, "bids", depth)
    assert asks == plainly_merged(books, symbol, "asks", depth)


@given(venue_books(), TICKS, DEPTHS)
def test_parts_of_the_venues_are_the_whole_quantity(books: list[VenueBook], tick: float | None, depth: int):
    for side in merge_sides(books, Symbol("btc", tick=tick), depth, attributed=True):
        assert [sum(parts.values()) for parts in side.venues] == pytest.approx([size for _, size in side.levels])


def test_parts_are_named_by_venue():
    books = [venue("acme", {99.004: 1, 99.001: 0.1}, {101.0: 1}), venue("zeta", {99.0: 0.5, 97.0: 4}, {102.0: 1})]
    bids, asks = merge_sides(books, BTC, 20, attributed=True)
    assert bids.venues == [{"acme": 1.1, "zeta": 0.5}, {"zeta": 4.0}]
    assert asks.venues == [{"acme": 1.0}, {"zeta": 1.0}]


def test_quantities_at_one_price_are_added_up():
    books = [
        venue("acme", {99.0: 1, 98.0: 2}, {101.0: 1}),
        venue("zeta", {99.0: 0.1, 97.0: 4}, {101.0: 0.2, 102.0: 1}),
    ]
    assert merge_books(books, BTC, 20) == (
        [(99.0, 1.1), (98.0, 2.0), (97.0, 4.0)],
        [(101.0, 1.2), (102.0, 1.0)],
    )


def test_levels_within_one_tick_are_added_up_and_rounded_away_from_the_middle():
    fine = venue("acme", {99.99: 1, 99.01: 2, 98.99: 4}, {100.01: 1, 100.99: 2, 101.01: 4})
    assert merge_books([fine], Symbol("btc", tick=1.0), 20) == (
        [(99.0, 3.0), (98.0, 4.0)],
        [(101.0, 3.0), (102.0, 4.0)],
    )


def test_last_level_within_the_depth_holds_all_of_its_quantity():
    fine = venue("acme", {99.9: 1, 99.2: 2, 98.9: 4, 98.1: 8, 97.9: 16}, {101.0: 1})
    bids, _ = merge_books([fine], Symbol("btc", tick=1.0), 2)
    assert bids == [(99.0, 3.0), (98.0, 12.0)]


def test_prices_are_converted_to_usd():
    bids, asks = merge_books([venue("acme", {100.0: 1}, {101.0: 1}, rate=0.95)], BTC, 20)
    assert (bids, asks) == ([(95.0, 1.0)], [(95.95, 1.0)])


def test_crossing_bids_of_the_staler_venue_are_left_out():
    stale = venue("stale", {103.0: 1, 102.0: 1, 101.0: 1, 99.5: 1}, {104.0: 1}, age=5.0)
    live = venue("live", {99.0: 1}, {101.0: 1}, age=0.1)
    assert crossings([stale, live]) == [Crossing("stale", "bids", 101.0)]
    assert merge_books([stale, live], BTC, 20) == ([(99.5, 1.0), (99.0, 1.0)], [(101.0, 1.0), (104.0, 1.0)])


def test_crossing_asks_of_the_staler_venue_are_left_out():
    live = venue("live", {103.0: 1}, {104.0: 1}, age=0.1)
    stale = venue("stale", {99.0: 1}, {101.0: 1, 103.0: 1, 105.0: 1}, age=5.0)
    assert crossings([stale, live]) == [Crossing("stale", "asks", 103.0)]
    assert merge_books([live, stale], BTC, 20) == ([(103.0, 1.0), (99.0, 1.0)], [(104.0, 1.0), (105.0, 1.0)])


def test_venues_that_touch_count_as_crossing():
    books = [venue("acme", {100.0: 1}, {101.0: 1}, age=1.0), venue("zeta", {99.0: 1}, {100.0: 1})]
    assert merge_books(books, BTC, 20) == ([(99.0, 1.0)], [(100.0, 1.0), (101.0, 1.0)])


def test_venue_that_crosses_with_two_gives_way_to_both():
    books = [
        venue("old", {105.0: 1, 98.0: 1}, {106.0: 1}, age=9.0),
        venue("acme", {99.0: 1}, {101.0: 1}),
        venue("zeta", {99.5: 1}, {102.0: 1}),
    ]
    bids, asks = merge_books(books, BTC, 20)
    assert bids == [(99.5, 1.0), (99.0, 1.0), (98.0, 1.0)]
    assert asks == [(101.0, 1.0), (102.0, 1.0), (106.0, 1.0)]


def test_empty_side_stays_empty():
    assert merge_books([], BTC, 20) == ([], [])
    assert merge_books([venue("acme", {}, {101.0: 1})], BTC, 20) == ([], [(101.0, 1.0)])
    assert merge_books([venue("acme", {99.0: 1}, {}), venue("zeta", {}, {})], BTC, 20) == ([(99.0, 1.0)], [])


def test_tiny_prices_keep_their_digits():
    tiny = venue("acme", {1.2345e-8: 1e9}, {1.2346e-8: 2e9})
    assert merge_books([tiny], BTC, 20) == ([(1.2345e-8, 1e9)], [(1.2346e-8, 2e9)])
