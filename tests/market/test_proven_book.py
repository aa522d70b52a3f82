"""A venue's book, and how its own numbers prove it whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haunt import Book, BookDelta, BookSnapshot, Level, Quote
from haunt.market.feed import Feed
from haunt.market.proven_book import MOST_PENDING, MOST_REPEATED
from tests.market.said import ASKS, BIDS, NOW, delta, make_feed, numbered, quote, snapshot


def checksums(feed: Feed) -> tuple[int, int]:
    """Those that were right, and those that were wrong."""
    return feed.proven.integrity.checksums_ok, feed.proven.integrity.checksums_bad


def test_a_delta_changes_the_book_and_the_best_prices() -> None:
    feed = make_feed()
    feed.apply_snapshot(snapshot(), 1.0)
    assert feed.apply_delta(delta([("99", "0")], [("100", "1")]), 2.0)
    assert (feed.bid, feed.ask, feed.received) == (98.0, 100.0, 2.0)


def test_an_empty_delta_changes_nothing() -> None:
    feed = numbered(10)
    assert not feed.apply_delta(delta(link=(10, 11)), 1.0)
    assert feed.proven.sequence == 11


def test_a_delta_without_number_before_the_first_snapshot_is_ignored() -> None:
    feed = make_feed()
    assert not feed.apply_delta(delta([("99", "1")]), 1.0)
    assert (feed.book_state, len(feed.book.bids)) == ("empty", 0)


def test_a_crossed_book_is_lost_at_once() -> None:
    feed = make_feed()
    feed.apply_snapshot(snapshot(), 1.0)
    assert feed.apply_delta(delta([("101", "1")]), 1.0)
    assert (feed.book_state, feed.bid, feed.ask, len(feed.book.asks)) == ("lost", None, None, 0)
    assert "crossed" in feed.proven.lost_because


@pytest.mark.parametrize("level", [("nan", "1"), ("1", "-1"), ("1",), None, ("x", "y")], ids=repr)
def test_a_broken_level_loses_the_book_until_the_next_snapshot(level: Any) -> None:
    feed = numbered(10)
    with pytest.raises(ValueError, match="impossible level"):
        feed.apply_delta(delta([("98.5", "1"), level], link=(10, 11)), 1.0)
    assert (feed.book_state, len(feed.book.bids), feed.price) == ("lost", 0, None)
    with pytest.raises(ValueError, match="impossible level"):
        feed.apply_snapshot(snapshot([level], sequence=12), 1.0)
    assert (feed.book_state, len(feed.book.asks)) == ("lost", 0)
    feed.apply_snapshot(snapshot(sequence=13), 1.0)
    assert (feed.book_state, feed.price) == ("synced", 100.0)


def test_a_number_of_another_kind_loses_the_book_and_is_forgotten() -> None:
    feed = numbered(10)
    with pytest.raises(TypeError):
        feed.apply_delta(delta([("98.5", "1")], link=(10, "eleven")), 1.0)  # type: ignore[arg-type]
    assert feed.book_state == "lost"
    feed.apply_snapshot(snapshot(sequence=12), 1.0)
    assert feed.apply_delta(delta([("98.5", "1")], link=(12, 13)), 1.0)


def test_a_first_number_of_another_kind_does_not_spoil_those_after_the_next() -> None:
    feed = make_feed()
    feed.apply_delta(delta(link=(10, "eleven")), 1.0)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        feed.apply_delta(delta(link=(11, 12)), 1.0)
    feed.apply_delta(delta(link=(12, 13)), 1.0)
    feed.apply_snapshot(snapshot(sequence=12, apart=True), 1.0)
    assert (feed.book_state, feed.proven.sequence) == ("synced", 13)


@pytest.mark.parametrize("number", [3, 11, 50])
def test_a_new_connection_numbers_its_deltas_anew(number: int) -> None:
    feed = numbered(10)
    feed.apply_delta(delta(link=(10, 11)), 1.0)
    feed.lose("gone")
    feed.apply_delta(delta([("99.5", "1")], link=(number, number + 1)), 1.0)
    feed.apply_snapshot(snapshot(sequence=number, apart=True), 1.0)
    assert (feed.book_state, feed.proven.sequence, feed.bid, feed.proven.integrity.gaps) == (
        "synced",
        number + 1,
        99.5,
        0,
    )


def test_a_snapshot_nobody_asked_for_replaces_the_book() -> None:
    feed = numbered(10)
    feed.apply_snapshot(snapshot([("98", "1")], [("99", "1")], sequence=1), 2.0)
    assert (feed.book_state, feed.price, feed.proven.sequence) == ("synced", 98.5, 1)
    feed.apply_delta(delta([("98.2", "1")], link=(1, 2)), 3.0)
    assert (feed.book_state, feed.bid, feed.proven.integrity.gaps) == ("synced", 98.2, 0)


def test_a_snapshot_that_comes_late_is_found_out_by_the_next_delta() -> None:
    feed = numbered(10)
    feed.apply_snapshot(snapshot(sequence=8), 2.0)
    feed.apply_delta(delta([("99.5", "1")], link=(10, 11)), 3.0)
    assert (feed.book_state, feed.bid, feed.proven.integrity.gaps) == ("lost", None, 1)


@pytest.mark.parametrize("crossed", [True, False])
def test_a_snapshot_that_proves_itself_wrong_loses_the_book_it_should_replace(crossed: bool) -> None:
    feed = make_feed(checksum=lambda book: 7)
    feed.apply_snapshot(snapshot(), 1.0)
    asks = [("98.5", "1")] if crossed else ASKS
    assert feed.apply_snapshot(snapshot(BIDS, asks, checksum=None if crossed else 8), 2.0)
    assert (feed.book_state, feed.price, len(feed.book.bids)) == ("lost", None, 0)


def test_a_missing_link_is_counted_and_loses_the_book() -> None:
    feed = numbered(10)
    feed.apply_delta(delta(link=(10, 11)), 1.0)
    feed.apply_delta(delta(link=(12, 13)), 1.0)
    assert (feed.book_state, feed.proven.integrity.links, feed.proven.integrity.gaps) == ("lost", 1, 1)
    assert feed.proven.lost_because == "gap: delta 13 follows 12, not 11"


def test_a_repeated_delta_is_ignored() -> None:
    feed = numbered(10)
    feed.apply_delta(delta([("98", "5")], link=(10, 11)), 1.0)
    assert not feed.apply_delta(delta([("98", "7")], link=(10, 11)), 2.0)
    assert (feed.book.bids.top(2)[1], feed.book_state) == (("98", "5"), "synced")


def test_a_delta_that_repeats_the_number_before_it_says_that_the_book_is_alive() -> None:
    feed = numbered(10)
    assert not feed.apply_delta(delta(link=(10, 10)), 9.0)
    assert (feed.received, feed.proven.integrity.links, feed.proven.integrity.gaps) == (9.0, 1, 0)


def test_a_delta_that_begins_where_the_last_ended_may_start_the_numbers_anew() -> None:
    feed = numbered(10)
    feed.apply_delta(delta([("99.5", "1")], link=(10, 3)), 1.0)
    feed.apply_delta(delta([("99.7", "1")], link=(3, 5)), 1.0)
    assert (feed.bid, feed.proven.sequence, feed.proven.integrity.links, feed.proven.integrity.gaps) == (99.7, 5, 2, 0)
    feed.apply_delta(delta(link=(6, 7)), 1.0)
    assert (feed.book_state, feed.proven.integrity.gaps) == ("lost", 1)


def test_numbers_started_anew_while_a_snapshot_is_fetched_make_those_before_worthless() -> None:
    feed = make_feed()
    for link in [(10, 15), (15, 3), (3, 5), (5, 8)]:
        feed.apply_delta(delta([(str(link[1]), "1")], link=link), 1.0)
    feed.apply_snapshot(snapshot(sequence=5, apart=True), 1.0)
    assert (feed.book_state, feed.proven.sequence, len(feed.book.bids)) == ("synced", 8, 3)


def test_numbers_started_anew_without_a_word_are_not_taken_for_old_deltas_for_ever() -> None:
    feed = numbered(1_000)
    for number in range(MOST_REPEATED):
        assert feed.book_state == "synced"
        feed.apply_delta(delta(link=(number, number + 1)), 1.0)
    assert (feed.book_state, feed.proven.integrity.gaps) == ("lost", 1)


def test_a_first_delta_beyond_the_fetched_snapshot_loses_the_book() -> None:
    feed = make_feed()
    feed.apply_snapshot(snapshot(sequence=10, apart=True), 1.0)
    feed.apply_delta(delta(link=(12, 13)), 1.0)
    assert feed.book_state == "lost"
    feed.apply_snapshot(snapshot(sequence=12, apart=True), 1.0)
    assert (feed.book_state, feed.proven.sequence) == ("synced", 13)


def test_a_fetched_snapshot_older_than_the_book_is_ignored() -> None:
    feed = numbered(10)
    assert not feed.apply_snapshot(snapshot([], [], sequence=9, apart=True), 1.0)
    assert (feed.book_state, feed.proven.sequence, feed.bid) == ("synced", 10, 99.0)


def test_deltas_held_back_that_cross_the_book_lose_it() -> None:
    feed = make_feed()
    feed.apply_delta(delta([("150", "1")], link=(10, 11)), 1.0)
    feed.apply_delta(delta([("90", "1")], link=(11, 12)), 1.0)
    feed.apply_snapshot(snapshot(sequence=10, apart=True), 1.0)
    assert (feed.book_state, len(feed.book.bids), feed.bid) == ("lost", 0, None)


def test_deltas_held_back_are_bounded() -> None:
    feed = make_feed()
    for number in range(MOST_PENDING + 10):
        feed.apply_delta(delta(link=(number, number + 1)), 1.0)
    feed.apply_snapshot(snapshot(sequence=5, apart=True), 1.0)
    assert feed.book_state == "lost", "what fell out is missing"
    feed.apply_snapshot(snapshot(sequence=20, apart=True), 1.0)
    assert (feed.book_state, feed.proven.sequence) == ("synced", MOST_PENDING + 10)


# -- a venue that orders its deltas by their time, and says nothing else of them


def ordered(sequence: int, bids: Sequence[Level] = ()) -> BookDelta:
    return BookDelta("BTC-USD", bids, (), None, sequence, None, NOW)


def test_a_snapshot_must_reach_the_first_delta_held_back_where_nothing_links_them() -> None:
    feed = make_feed()
    feed.apply_delta(ordered(20, [("99.5", "1")]), 1.0)
    feed.apply_delta(ordered(30, [("99.6", "1")]), 1.0)
    feed.apply_snapshot(snapshot(sequence=15, apart=True), 1.0)
    assert (feed.book_state, feed.bid) == ("lost", None), "what happened between 15 and 20?"
    feed.apply_snapshot(snapshot(sequence=25, apart=True), 1.0)
    assert (feed.book_state, feed.proven.sequence, feed.bid) == ("synced", 30, 99.6)


def test_a_delta_that_another_overtook_loses_the_book() -> None:
    feed = make_feed()
    feed.apply_snapshot(snapshot(sequence=10, apart=True), 1.0)
    feed.apply_delta(ordered(30), 1.0)
    assert not feed.apply_delta(ordered(30), 1.0)
    with pytest.raises(ValueError, match="delta 20 came after 30"):
        feed.apply_delta(ordered(20), 1.0)
    assert (feed.book_state, feed.proven.integrity.gaps) == ("lost", 1)


def test_a_review_that_finds_the_same_book_changes_nothing() -> None:
    feed = make_feed()
    feed.apply_snapshot(snapshot(sequence=10, apart=True), 1.0)
    feed.proven.review()
    feed.apply_delta(ordered(20, [("99.5", "1")]), 1.0)
    assert not feed.apply_snapshot(snapshot([("50", "1")], sequence=9, apart=True), 1.0), "older than the review"
    feed.proven.review()
    feed.apply_delta(ordered(30, [("99.6", "1.0")]), 1.0)
    assert feed.apply_snapshot(snapshot([("99.5", "1.00"), *BIDS], sequence=25, apart=True), 1.0)
    assert (feed.book_state, feed.bid, feed.proven.integrity.gaps) == ("synced", 99.6, 0)


def test_a_review_puts_a_book_right_that_missed_a_change() -> None:
    feed = make_feed()
    feed.apply_snapshot(snapshot(sequence=10, apart=True), 1.0)
    feed.proven.review()
    feed.apply_delta(ordered(30, [("99.6", "1")]), 1.0)
    feed.apply_snapshot(snapshot([("99.5", "1"), *BIDS], sequence=25, apart=True), 1.0)
    assert (feed.book.bids.top(2), feed.proven.integrity.gaps) == ([("99.6", "1"), ("99.5", "1")], 1)


def test_a_book_lost_during_its_review_is_rebuilt_from_that_snapshot() -> None:
    feed = make_feed()
    feed.apply_snapshot(snapshot(sequence=10, apart=True), 1.0)
    feed.proven.review()
    feed.apply_delta(ordered(20, [("150", "1")]), 1.0)
    feed.apply_delta(ordered(30, [("150", "0")]), 1.0)
    assert feed.book_state == "lost"
    feed.proven.review()
    feed.apply_snapshot(snapshot(sequence=25, apart=True), 1.0)
    assert (feed.book_state, feed.proven.sequence, feed.bid) == ("synced", 30, 99.0)


def test_checksums_are_counted_and_a_wrong_one_loses_the_book() -> None:
    feed = make_feed(checksum=lambda book: len(book.bids))
    feed.apply_snapshot(snapshot(checksum=2), 1.0)
    feed.apply_delta(delta([("97", "1")], checksum=3), 1.0)
    feed.apply_delta(delta([("96", "1")]), 1.0)
    assert (feed.book_state, checksums(feed)) == ("synced", (2, 0))
    feed.apply_delta(delta([("95", "1")], checksum=2), 1.0)
    assert (feed.book_state, checksums(feed)) == ("lost", (2, 1))


def test_a_checksum_may_come_alone() -> None:
    feed = make_feed(checksum=lambda book: len(book.bids))
    feed.apply_snapshot(snapshot(), 1.0)
    assert not feed.apply_delta(delta(checksum=2), 1.0)
    assert feed.proven.integrity.checksums_ok == 1
    assert feed.apply_delta(delta(checksum=3), 1.0), "the book left"
    assert (feed.book_state, feed.bid) == ("lost", None)


def test_a_checksum_is_ignored_where_the_source_computes_none() -> None:
    feed = make_feed()
    feed.apply_snapshot(snapshot(checksum=1), 1.0)
    assert (feed.book_state, checksums(feed)) == ("synced", (0, 0))


# -- properties

bid_levels = st.lists(st.tuples(st.integers(90, 105).map(str), st.sampled_from(["0", "1", "2.5"])), max_size=4)
events = st.one_of(
    st.builds(lambda bids, asks: snapshot(bids, asks), bid_levels, bid_levels),
    st.builds(lambda bids, asks: delta(bids, asks), bid_levels, bid_levels),
    st.builds(lambda bid, ask: quote(float(bid), float(ask)), st.integers(90, 105), st.integers(90, 105)),
)


@settings(deadline=None)
@given(st.lists(events, max_size=30))
def test_a_feed_never_shows_a_crossed_book(said: list[BookSnapshot | BookDelta | Quote]) -> None:
    feed = make_feed()
    for event in said:
        try:
            apply(feed, event)
        except ValueError:
            assert isinstance(event, Quote)
        assert not feed.book.crossed
        assert feed.bid is None or feed.ask is None or feed.bid < feed.ask
        assert feed.book_state == "synced" or len(feed.book.bids) == len(feed.book.asks) == 0


@settings(deadline=None)
@given(st.integers(1, 8), st.integers(0, 8), st.integers(0, 8), st.integers(1, 3))
def test_a_lost_link_loses_the_book_until_a_new_snapshot(before: int, after: int, more: int, missing: int) -> None:
    feed = numbered(0)
    number = 0
    for _ in range(before):
        feed.apply_delta(delta([("99", "2")], link=(number, number := number + 1)), 1.0)
        assert feed.book_state == "synced"
    number += missing
    for _ in range(after + 1):
        feed.apply_delta(delta([("99", "3")], link=(number, number := number + 1)), 1.0)
        assert (feed.book_state, feed.price, len(feed.book.bids)) == ("lost", None, 0)
    feed.apply_snapshot(snapshot(sequence=number), 1.0)
    for _ in range(more):
        feed.apply_delta(delta([("99", "4")], link=(number, number := number + 1)), 1.0)
    assert (feed.book_state, feed.proven.sequence, feed.proven.integrity.gaps) == ("synced", number, 1)


@settings(deadline=None)
@given(st.data())
def test_a_fetched_snapshot_and_the_deltas_around_it_give_the_same_book_in_any_order(data: st.DataObject) -> None:
    change = st.one_of(
        st.tuples(st.just("bid"), st.integers(90, 99).map(str), st.sampled_from(["0", "1", "2"])),
        st.tuples(st.just("ask"), st.integers(101, 110).map(str), st.sampled_from(["0", "1", "2"])),
    )
    changes = data.draw(st.lists(change, min_size=1, max_size=20), "the changes of the book, numbered from 1")
    ends = sorted(data.draw(st.sets(st.integers(1, len(changes) - 1 or 1)), "ends of deltas") | {len(changes)})
    deltas = [
        delta(*by_side(changes[start:end]), link=(start, end)) for start, end in zip([0, *ends], ends, strict=False)
    ]
    deltas = deltas[data.draw(st.integers(0, len(deltas) - 1), "deltas sent before subscribing") :]
    taken = data.draw(st.integers(0, len(changes)), "changes the snapshot contains")
    place = data.draw(st.integers(0, len(deltas)), "deltas received before the snapshot")

    feed = make_feed()
    for one in (*deltas[:place], fetched(changes[:taken]), *deltas[place:]):
        apply(feed, one)
    reaches = deltas[0].previous is not None and deltas[0].previous <= taken
    assert feed.book_state == ("synced" if reaches else "lost")
    if not reaches:
        apply(feed, fetched(changes))
    whole = book_of(changes)
    assert feed.book.bids.top(99) == whole.bids.top(99)
    assert feed.book.asks.top(99) == whole.asks.top(99)
    assert feed.proven.integrity.gaps == 0


def apply(feed: Feed, event: BookSnapshot | BookDelta | Quote) -> None:
    if isinstance(event, BookSnapshot):
        feed.apply_snapshot(event, 1.0)
    elif isinstance(event, BookDelta):
        feed.apply_delta(event, 1.0)
    else:
        feed.apply_quote(event, 1.0)


def by_side(changes: Sequence[tuple[str, str, str]]) -> tuple[list[Level], list[Level]]:
    bids = [(price, quantity) for side, price, quantity in changes if side == "bid"]
    return bids, [(price, quantity) for side, price, quantity in changes if side == "ask"]


def book_of(changes: Sequence[tuple[str, str, str]]) -> Book:
    book = Book()
    book.update(*by_side(changes))
    return book


def fetched(changes: Sequence[tuple[str, str, str]]) -> BookSnapshot:
    book = book_of(changes)
    return snapshot(book.bids.top(99), book.asks.top(99), sequence=len(changes), apart=True)
