"""A venue's order book: sorted, in the venue's own digits, never holding what cannot be."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haunt import Book, Level
from haunt.market.book import BookSide

IMPOSSIBLE = [
    ("nan", "1"), ("inf", "1"), ("0", "1"), ("-1", "1"), ("1e300", "1"), ("1e-300", "1"), ("", "1"), ("price", "1"),
    (None, "1"),
    ("1", "nan"), ("1", "inf"), ("1", "-1"), ("1", "1e300"), ("1", "lots"), ("1", None), ("1", []), ("1",), (), 7,
    None, {"price": "1"}, (10**400, "1"), ("0", "0"), ("nan", "0"),
]  # fmt: skip

prices = st.integers(1, 40).map(lambda price: f"{price / 2:.2f}")
quantities = st.sampled_from(["0", "0.000", "0.5", "1", "2.50"])
changes = st.lists(st.lists(st.tuples(prices, quantities), max_size=12), max_size=12)


def bids(*levels: Level) -> BookSide:
    side = BookSide(+1)
    side.update(levels)
    return side


def asks(*levels: Level) -> BookSide:
    side = BookSide(-1)
    side.update(levels)
    return side


def test_bids_are_sorted_from_the_highest_and_asks_from_the_lowest() -> None:
    levels = [("2", "1"), ("10", "1"), ("9.5", "1")]
    assert [price for price, _ in bids(*levels).top(10)] == ["10", "9.5", "2"]
    assert [price for price, _ in asks(*levels).top(10)] == ["2", "9.5", "10"]
    assert (bids(*levels).best, asks(*levels).best) == (10.0, 2.0)


def test_levels_keep_the_venues_digits_and_are_read_as_numbers() -> None:
    side = bids(("10.10", "0.500"), ("9", "1"))
    assert side.top(1) == [("10.10", "0.500")]
    assert list(side) == [(10.1, 0.5), (9.0, 1.0)]


def test_a_new_quantity_replaces_the_old_even_when_the_price_is_written_otherwise() -> None:
    side = bids(("10.10", "1"), ("10.1", "2"))
    assert side.top(5) == [("10.1", "2")]
    assert len(side) == 1


@pytest.mark.parametrize("zero", ["0", "0.00000000", "-0", "0e5"])
def test_a_quantity_of_zero_removes_the_level(zero: str) -> None:
    side = asks(("10", "1"), ("11", "1"), ("10", zero))
    assert side.top(5) == [("11", "1")]


def test_removing_an_unknown_level_changes_nothing() -> None:
    assert bids(("10", "1"), ("12", "0")).top(5) == [("10", "1")]


def test_an_empty_side_has_no_best() -> None:
    assert (bids().best, bids().top(5), list(bids()), len(bids())) == (None, [], [], 0)


def test_replacing_forgets_every_level_before() -> None:
    side = bids(("10", "1"), ("11", "1"))
    side.replace([("3", "1"), ("2", "0"), ("4", "1")])
    assert side.top(5) == [("4", "1"), ("3", "1")]


@pytest.mark.parametrize("level", IMPOSSIBLE, ids=repr)
def test_a_level_that_cannot_be_is_refused(level: Level) -> None:
    for side in (BookSide(+1), BookSide(-1)):
        with pytest.raises(ValueError, match="impossible level"):
            side.update([("5", "1"), level])
        with pytest.raises(ValueError, match="impossible level"):
            side.replace([("5", "1"), level])


@settings(deadline=None)
@given(changes)
def test_a_side_is_a_sorted_dict(batches: Sequence[Sequence[Level]]) -> None:
    high, low = BookSide(+1), BookSide(-1)
    model: dict[float, Level] = {}
    for batch in batches:
        high.update(batch)
        low.update(batch)
        for level in batch:
            if float(level[1]):
                model[float(level[0])] = level
            else:
                model.pop(float(level[0]), None)
    rising = [model[price] for price in sorted(model)]
    assert low.top(1000) == rising
    assert high.top(1000) == rising[::-1]
    assert high.top(3) == rising[::-1][:3]
    assert len(high) == len(low) == len(model)


@settings(deadline=None)
@given(st.lists(st.tuples(prices, quantities), unique_by=lambda level: level[0]))
def test_replacing_is_updating_an_empty_side(levels: Sequence[Level]) -> None:
    replaced, updated = BookSide(+1), BookSide(+1)
    replaced.replace(levels)
    updated.update(levels)
    assert replaced.top(1000) == updated.top(1000)


def test_a_book_is_crossed_when_a_bid_reaches_an_ask() -> None:
    book = Book()
    book.update([("10", "1")], [("10.5", "1")])
    assert not book.crossed
    book.update([("10.5", "1")], [])
    assert book.crossed


def test_a_book_with_one_side_is_not_crossed() -> None:
    book = Book()
    book.update([("10", "1")], [])
    assert not book.crossed


@settings(deadline=None)
@given(changes, st.integers(1, 5))
def test_a_book_of_a_depth_holds_the_best_levels_only(batches: Sequence[Sequence[Level]], depth: int) -> None:
    book = Book(depth)
    highest: dict[float, Level] = {}
    for batch in batches:
        book.update(batch, batch)
        highest |= {float(level[0]): level for level in batch}
        held = sorted((price for price in highest if float(highest[price][1])), reverse=True)
        highest = {price: highest[price] for price in held[:depth]}
        assert book.bids.top(99) == list(highest.values())
        assert len(book.asks) <= depth


def test_levels_that_fell_out_of_the_depth_do_not_come_back() -> None:
    book = Book(depth=2)
    book.replace([("3", "1"), ("2", "1"), ("1", "1")], [])
    book.update([("4", "1")], [])
    book.update([("4", "0"), ("3", "0")], [])
    assert book.bids.top(5) == []


def test_clearing_empties_both_sides() -> None:
    book = Book()
    book.replace([("1", "1")], [("2", "1")])
    book.clear()
    assert (len(book.bids), len(book.asks)) == (0, 0)


# -- what was touched


@pytest.mark.parametrize(
    ("change", "touched"),
    [
        ([("8", "2")], 8),
        ([("9", "0")], 9),
        ([("7", "1"), ("10", "0"), ("8", "1")], 10),
        ([("11", "1")], 11),
        ([("8.5", "0")], 8.5),
        ([], None),
    ],
)
def test_best_level_that_changed_is_remembered(change: list[Level], touched: float | None) -> None:
    book = Book()
    book.replace([("10", "1"), ("9", "1"), ("8", "1")], [("12", "1"), ("13", "1")])
    book.settle()
    book.update(change, [])
    assert book.touches(touched or 0.1, -1e9, 1.0) == (touched is not None)
    assert not book.touches((touched or 0.1) + 0.1, -11.9, 1.0)
    assert touched is None or book.touches(touched * 2, -1e9, 2.0)


@pytest.mark.parametrize(
    ("asks", "touched"),
    [
        ([("12", "1"), ("13", "1"), ("14", "1")], None),
        ([("12", "1"), ("13", "1"), ("14", "2")], 14),
        ([("12", "1"), ("13", "1")], 14),
        ([("12", "1"), ("13", "1"), ("14", "1"), ("15", "1")], 15),
        ([("12", "1"), ("13.5", "1"), ("14", "1")], 13),
        ([], 12),
    ],
)
def test_whole_book_sent_again_touches_what_is_not_the_same(asks: list[Level], touched: float | None) -> None:
    book = Book()
    book.replace([("10", "1")], [("12", "1"), ("13", "1"), ("14", "1")])
    book.settle()
    book.replace([("10", "1")], asks)
    assert book.touches(99, -(touched or 99), 1.0) == (touched is not None)
    assert not book.touches(99, -(touched or 99) + 0.1, 1.0)


def test_levels_that_fall_out_of_a_book_are_touched() -> None:
    book = Book(depth=2)
    book.replace([("10", "1"), ("9", "1"), ("8", "1")], [])
    book.settle()
    book.bids.truncate(1)
    assert book.touches(9, 0, 1.0)
    book.settle()
    book.clear()
    assert book.touches(10, 0, 1.0)
