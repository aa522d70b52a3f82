"""What one venue says of one symbol, and when it is not believed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haunt import Book, BookDelta, BookSnapshot, Level, Quote, Ticker, Trade
from haunt.market.feed import MOST_PENDING, MOST_REPEATED, TRADE_IDS, Feed

NOW = 1_700_000_000_000
BIDS, ASKS = [("99", "1"), ("98", "2")], [("101", "1"), ("102", "2")]


def make_feed(**options: Any) -> Feed:
    return Feed(source="acme", venue="acme", venue_symbol="BTC-USD", symbol="btc", quote="USD", **options)


def trade(number: int, price: float = 100.0, *, quantity: float = 1.0, timestamp: int = NOW) -> Trade:
    return Trade("BTC-USD", str(number), price, quantity, "buy", timestamp)


def quote(bid: float, ask: float, sequence: int | None = None) -> Quote:
    return Quote("BTC-USD", bid, ask, sequence, None)


def ticker(last: float = 100.0, open_24h: float | None = 90.0, volume: float | None = 5.0) -> Ticker:
    return Ticker("BTC-USD", last, open_24h, volume, None, NOW)


def snapshot(
    bids: Sequence[Level] = BIDS,
    asks: Sequence[Level] = ASKS,
    *,
    sequence: int | None = None,
    checksum: int | None = None,
    apart: bool = False,
) -> BookSnapshot:
    return BookSnapshot("BTC-USD", bids, asks, sequence, checksum, None if apart else NOW, apart)


def delta(
    bids: Sequence[Level] = (),
    asks: Sequence[Level] = (),
    *,
    link: tuple[int, int] | None = None,
    checksum: int | None = None,
) -> BookDelta:
    previous, sequence = link or (None, None)
    return BookDelta("BTC-USD", bids, asks, previous, sequence, checksum, NOW)


def numbered(sequence: int = 10) -> Feed:
    feed = make_feed()
    feed.apply_snapshot(snapshot(sequence=sequence), 1.0)
    return feed


# -- trades


def test_a_trade_moves_the_last_price_and_is_counted_once() -> None:
    feed = make_feed()
    assert feed.apply_trade(trade(1, 100.0), 1.0)
    assert not feed.apply_trade(trade(1, 50.0), 2.0)
    assert (feed.last, feed.price, feed.timestamp, feed.received) == (100.0, 100.0, NOW, 1.0)


def test_an_older_trade_is_counted_but_does_not_move_the_last_price() -> None:
    feed = make_feed()
    feed.apply_trade(trade(2, 100.0, timestamp=NOW), 1.0)
    assert feed.apply_trade(trade(1, 50.0, timestamp=NOW - 1), 1.0)
    assert feed.last == 100.0


def test_a_book_newer_than_a_trade_does_not_hold_the_last_price_back() -> None:
    feed = make_feed()
    feed.apply_trade(trade(1, 100.0, timestamp=NOW - 10), 1.0)
    feed.apply_snapshot(snapshot(), 1.0)
    feed.apply_trade(trade(2, 100.5, timestamp=NOW - 5), 1.0)
    assert (feed.last, feed.timestamp) == (100.5, NOW)


def test_the_latest_trades_are_remembered_even_through_a_lost_connection() -> None:
    feed = make_feed()
    numbers = range(TRADE_IDS * 3)
    assert all(feed.apply_trade(trade(number), 1.0) for number in numbers)
    feed.lose("gone")
    assert not any(feed.apply_trade(trade(number), 1.0) for number in numbers[-TRADE_IDS:])
    assert feed.apply_trade(trade(0), 1.0), "memory is bounded"


@pytest.mark.parametrize("number", [float("nan"), float("inf"), 0.0, -1.0, 1e300, 1e-300])
def test_a_trade_that_cannot_be_changes_nothing(number: float) -> None:
    feed = make_feed()
    for wrong in (trade(1, number), trade(1, quantity=number), trade(1, timestamp=-5), trade(1, timestamp=10**18)):
        with pytest.raises(ValueError, match="impossible trade"):
            feed.apply_trade(wrong, 1.0)
    assert (feed.last, feed.received, feed.timestamp) == (None, None, None)
    assert feed.apply_trade(trade(1), 1.0)


# -- price


@pytest.mark.parametrize("timestamp", [NOW // 1_000, NOW * 1_000, NOW * 1_000_000, 0, -1])
def test_a_time_that_is_not_in_milliseconds_is_refused(timestamp: int) -> None:
    feed = make_feed()
    for refused in (
        lambda: feed.apply_trade(trade(1, timestamp=timestamp), 1.0),
        lambda: feed.apply_quote(quote(99.0, 101.0)._replace(timestamp=timestamp), 1.0),
        lambda: feed.apply_ticker(ticker()._replace(timestamp=timestamp), 1.0),
    ):
        with pytest.raises(ValueError, match="impossible"):
            refused()
    feed.apply_snapshot(snapshot()._replace(timestamp=timestamp), 1.0)
    assert (feed.last, feed.timestamp, feed.book_state) == (None, None, "synced"), "a book is proved by other means"


@pytest.mark.parametrize("side", ["BUY", "", None, "ask"])
def test_a_trade_without_a_taker_is_refused(side: Any) -> None:
    with pytest.raises(ValueError, match="impossible trade"):
        make_feed().apply_trade(trade(1)._replace(side=side), 1.0)


@pytest.mark.parametrize(("last", "volume", "turnover"), [(60_000.0, 3e8, 5e3), (0.00002, 5e3, 3e8)])
def test_volumes_that_contradict_the_price_are_unknown(last: float, volume: float, turnover: float) -> None:
    feed = make_feed()
    feed.apply_ticker(Ticker("BTC-USD", last, 1.0, volume, turnover, NOW), 1.0)
    assert (feed.last, feed.volume_24h, feed.quote_volume_24h) == (last, None, None)
    feed.apply_ticker(Ticker("BTC-USD", last, 1.0, volume, volume * last, NOW), 1.0)
    assert (feed.volume_24h, feed.quote_volume_24h) == (volume, volume * last)


def test_the_price_is_the_middle_of_the_best_bid_and_ask() -> None:
    feed = make_feed()
    feed.apply_trade(trade(1, 99.2), 1.0)
    feed.apply_quote(quote(99.0, 100.0), 1.0)
    assert feed.price == 99.5


def test_a_spread_above_two_percent_leaves_the_last_price() -> None:
    feed = make_feed()
    feed.apply_trade(trade(1, 99.2), 1.0)
    feed.apply_quote(quote(99.0, 101.5), 1.0)
    assert feed.price == 99.2


def test_a_book_with_one_side_leaves_the_last_price() -> None:
    feed = make_feed()
    feed.apply_ticker(ticker(97.0), 1.0)
    feed.apply_snapshot(snapshot(asks=[]), 1.0)
    assert feed.price == 97.0


def test_nothing_said_is_no_price() -> None:
    assert make_feed().price is None


def test_a_feed_is_fresh_for_as_long_as_it_is_told() -> None:
    feed = make_feed(stale_after=5.0)
    assert not feed.fresh(0.0)
    feed.apply_ticker(ticker(), 10.0)
    assert feed.fresh(15.0)
    assert not feed.fresh(15.1)


# -- tickers and quotes


def test_a_ticker_fetched_apart_brings_figures_but_no_freshness() -> None:
    feed = make_feed()
    feed.apply_ticker(ticker(97.0)._replace(apart=True), 1.0)
    assert (feed.last, feed.open_24h, feed.volume_24h, feed.received, feed.timestamp) == (97.0, 90.0, 5.0, None, None)
    feed.apply_trade(trade(1, 100.0), 2.0)
    feed.apply_ticker(ticker(97.0, 91.0)._replace(apart=True), 3.0)
    assert (feed.last, feed.open_24h, feed.received) == (100.0, 91.0, 2.0)


@pytest.mark.parametrize("figure", [None, float("nan"), float("inf"), -1.0])
def test_figures_of_a_ticker_that_cannot_be_are_unknown(figure: float | None) -> None:
    feed = make_feed()
    feed.apply_ticker(ticker(100.0, figure, figure), 1.0)
    assert (feed.last, feed.open_24h, feed.volume_24h) == (100.0, None, None)


def test_a_market_without_trades_today_has_a_volume_of_zero_and_an_open_of_zero_is_unknown() -> None:
    feed = make_feed()
    feed.apply_ticker(ticker(100.0, 0.0, 0.0), 1.0)
    assert (feed.open_24h, feed.volume_24h) == (None, 0.0)


def test_a_ticker_without_a_possible_price_changes_nothing() -> None:
    feed = make_feed()
    for last in (float("nan"), 1e-300):
        with pytest.raises(ValueError, match="impossible last price"):
            feed.apply_ticker(ticker(last), 1.0)
    assert (feed.last, feed.open_24h, feed.received) == (None, None, None)


@pytest.mark.parametrize(
    ("bid", "ask"), [(100.0, 100.0), (101.0, 100.0), (0.0, 1.0), (1e-300, 1.0), (1.0, float("inf"))]
)
def test_a_quote_that_cannot_be_changes_nothing(bid: float, ask: float) -> None:
    feed = make_feed()
    with pytest.raises(ValueError, match="impossible quote"):
        feed.apply_quote(quote(bid, ask), 1.0)
    assert (feed.bid, feed.ask, feed.received) == (None, None, None)


def test_the_newer_of_quote_and_book_is_shown() -> None:
    feed = numbered(10)
    assert not feed.apply_quote(quote(90.0, 91.0, sequence=9), 1.0), "older than the book"
    assert (feed.bid, feed.ask) == (99.0, 101.0)
    assert feed.apply_quote(quote(99.5, 100.5, sequence=15), 1.0)
    feed.apply_delta(delta([("99.1", "1")], link=(10, 14)), 1.0)
    assert (feed.bid, feed.ask) == (99.5, 100.5), "newer than the book"
    feed.apply_delta(delta([("99.2", "1")], link=(14, 16)), 1.0)
    assert (feed.bid, feed.ask) == (99.2, 101.0)


def test_a_quote_outlives_a_lost_book_but_not_the_connection() -> None:
    feed = numbered(10)
    feed.apply_quote(quote(99.5, 100.5, sequence=15), 1.0)
    feed.lose_book("for a reason")
    assert (feed.bid, feed.ask, len(feed.book.bids)) == (99.5, 100.5, 0)
    feed.lose("gone")
    assert (feed.bid, feed.ask, feed.price, feed.received) == (None, None, None, None)


# -- the book


def test_a_delta_changes_the_book_and_the_best_prices() -> None:
    feed = make_feed()
    feed.apply_snapshot(snapshot(), 1.0)
    assert feed.apply_delta(delta([("99", "0")], [("100", "1")]), 2.0)
    assert (feed.bid, feed.ask, feed.received) == (98.0, 100.0, 2.0)


def test_an_empty_delta_changes_nothing() -> None:
    feed = numbered(10)
    assert not feed.apply_delta(delta(link=(10, 11)), 1.0)
    assert feed.sequence == 11


def test_a_delta_without_number_before_the_first_snapshot_is_ignored() -> None:
    feed = make_feed()
    assert not feed.apply_delta(delta([("99", "1")]), 1.0)
    assert (feed.book_state, len(feed.book.bids)) == ("empty", 0)


def test_a_crossed_book_is_lost_at_once() -> None:
    feed = make_feed()
    feed.apply_snapshot(snapshot(), 1.0)
    assert feed.apply_delta(delta([("101", "1")]), 1.0)
    assert (feed.book_state, feed.bid, feed.ask, len(feed.book.asks)) == ("lost", None, None, 0)
    assert "crossed" in feed.lost_because


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
    assert (feed.book_state, feed.sequence) == ("synced", 13)


@pytest.mark.parametrize("number", [3, 11, 50])
def test_a_new_connection_numbers_its_deltas_anew(number: int) -> None:
    feed = numbered(10)
    feed.apply_delta(delta(link=(10, 11)), 1.0)
    feed.lose("gone")
    feed.apply_delta(delta([("99.5", "1")], link=(number, number + 1)), 1.0)
    feed.apply_snapshot(snapshot(sequence=number, apart=True), 1.0)
    assert (feed.book_state, feed.sequence, feed.bid, feed.integrity.gaps) == ("synced", number + 1, 99.5, 0)


def test_a_snapshot_nobody_asked_for_replaces_the_book() -> None:
    feed = numbered(10)
    feed.apply_snapshot(snapshot([("98", "1")], [("99", "1")], sequence=1), 2.0)
    assert (feed.book_state, feed.price, feed.sequence) == ("synced", 98.5, 1)
    feed.apply_delta(delta([("98.2", "1")], link=(1, 2)), 3.0)
    assert (feed.book_state, feed.bid, feed.integrity.gaps) == ("synced", 98.2, 0)


def test_a_snapshot_that_comes_late_is_found_out_by_the_next_delta() -> None:
    feed = numbered(10)
    feed.apply_snapshot(snapshot(sequence=8), 2.0)
    feed.apply_delta(delta([("99.5", "1")], link=(10, 11)), 3.0)
    assert (feed.book_state, feed.bid, feed.integrity.gaps) == ("lost", None, 1)


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
    assert (feed.book_state, feed.integrity.links, feed.integrity.gaps) == ("lost", 1, 1)
    assert feed.lost_because == "gap: delta 13 follows 12, not 11"


def test_a_repeated_delta_is_ignored() -> None:
    feed = numbered(10)
    feed.apply_delta(delta([("98", "5")], link=(10, 11)), 1.0)
    assert not feed.apply_delta(delta([("98", "7")], link=(10, 11)), 2.0)
    assert (feed.book.bids.top(2)[1], feed.book_state) == (("98", "5"), "synced")


def test_a_delta_that_repeats_the_number_before_it_says_that_the_book_is_alive() -> None:
    feed = numbered(10)
    assert not feed.apply_delta(delta(link=(10, 10)), 9.0)
    assert (feed.received, feed.integrity.links, feed.integrity.gaps) == (9.0, 1, 0)


def test_a_delta_that_begins_where_the_last_ended_may_start_the_numbers_anew() -> None:
    feed = numbered(10)
    feed.apply_delta(delta([("99.5", "1")], link=(10, 3)), 1.0)
    feed.apply_delta(delta([("99.7", "1")], link=(3, 5)), 1.0)
    assert (feed.bid, feed.sequence, feed.integrity.links, feed.integrity.gaps) == (99.7, 5, 2, 0)
    feed.apply_delta(delta(link=(6, 7)), 1.0)
    assert (feed.book_state, feed.integrity.gaps) == ("lost", 1)


def test_numbers_started_anew_while_a_snapshot_is_fetched_make_those_before_worthless() -> None:
    feed = make_feed()
    for link in [(10, 15), (15, 3), (3, 5), (5, 8)]:
        feed.apply_delta(delta([(str(link[1]), "1")], link=link), 1.0)
    feed.apply_snapshot(snapshot(sequence=5, apart=True), 1.0)
    assert (feed.book_state, feed.sequence, len(feed.book.bids)) == ("synced", 8, 3)


def test_numbers_started_anew_without_a_word_are_not_taken_for_old_deltas_for_ever() -> None:
    feed = numbered(1_000)
    for number in range(MOST_REPEATED):
        assert feed.book_state == "synced"
        feed.apply_delta(delta(link=(number, number + 1)), 1.0)
    assert (feed.book_state, feed.integrity.gaps) == ("lost", 1)


def test_a_first_delta_beyond_the_fetched_snapshot_loses_the_book() -> None:
    feed = make_feed()
    feed.apply_snapshot(snapshot(sequence=10, apart=True), 1.0)
    feed.apply_delta(delta(link=(12, 13)), 1.0)
    assert feed.book_state == "lost"
    feed.apply_snapshot(snapshot(sequence=12, apart=True), 1.0)
    assert (feed.book_state, feed.sequence) == ("synced", 13)


def test_a_fetched_snapshot_older_than_the_book_is_ignored() -> None:
    feed = numbered(10)
    assert not feed.apply_snapshot(snapshot([], [], sequence=9, apart=True), 1.0)
    assert (feed.book_state, feed.sequence, feed.bid) == ("synced", 10, 99.0)


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
    assert (feed.book_state, feed.sequence) == ("synced", MOST_PENDING + 10)


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
    assert (feed.book_state, feed.sequence, feed.bid) == ("synced", 30, 99.6)


def test_a_delta_that_another_overtook_loses_the_book() -> None:
    feed = make_feed()
    feed.apply_snapshot(snapshot(sequence=10, apart=True), 1.0)
    feed.apply_delta(ordered(30), 1.0)
    assert not feed.apply_delta(ordered(30), 1.0)
    with pytest.raises(ValueError, match="delta 20 came after 30"):
        feed.apply_delta(ordered(20), 1.0)
    assert (feed.book_state, feed.integrity.gaps) == ("lost", 1)


def test_a_review_that_finds_the_same_book_changes_nothing() -> None:
    feed = make_feed()
    feed.apply_snapshot(snapshot(sequence=10, apart=True), 1.0)
    feed.review_book()
    feed.apply_delta(ordered(20, [("99.5", "1")]), 1.0)
    assert not feed.apply_snapshot(snapshot([("50", "1")], sequence=9, apart=True), 1.0), "older than the review"
    feed.review_book()
    feed.apply_delta(ordered(30, [("99.6", "1.0")]), 1.0)
    assert feed.apply_snapshot(snapshot([("99.5", "1.00"), *BIDS], sequence=25, apart=True), 1.0)
    assert (feed.book_state, feed.bid, feed.integrity.gaps) == ("synced", 99.6, 0)


def test_a_review_puts_a_book_right_that_missed_a_change() -> None:
    feed = make_feed()
    feed.apply_snapshot(snapshot(sequence=10, apart=True), 1.0)
    feed.review_book()
    feed.apply_delta(ordered(30, [("99.6", "1")]), 1.0)
    feed.apply_snapshot(snapshot([("99.5", "1"), *BIDS], sequence=25, apart=True), 1.0)
    assert (feed.book.bids.top(2), feed.integrity.gaps) == ([("99.6", "1"), ("99.5", "1")], 1)


def test_a_book_lost_during_its_review_is_rebuilt_from_that_snapshot() -> None:
    feed = make_feed()
    feed.apply_snapshot(snapshot(sequence=10, apart=True), 1.0)
    feed.review_book()
    feed.apply_delta(ordered(20, [("150", "1")]), 1.0)
    feed.apply_delta(ordered(30, [("150", "0")]), 1.0)
    assert feed.book_state == "lost"
    feed.review_book()
    feed.apply_snapshot(snapshot(sequence=25, apart=True), 1.0)
    assert (feed.book_state, feed.sequence, feed.bid) == ("synced", 30, 99.0)


def test_checksums_are_counted_and_a_wrong_one_loses_the_book() -> None:
    feed = make_feed(checksum=lambda book: len(book.bids))
    feed.apply_snapshot(snapshot(checksum=2), 1.0)
    feed.apply_delta(delta([("97", "1")], checksum=3), 1.0)
    feed.apply_delta(delta([("96", "1")]), 1.0)
    assert (feed.book_state, feed.integrity.checksums_ok, feed.integrity.checksums_bad) == ("synced", 2, 0)
    feed.apply_delta(delta([("95", "1")], checksum=2), 1.0)
    assert (feed.book_state, feed.integrity.checksums_ok, feed.integrity.checksums_bad) == ("lost", 2, 1)


def test_a_checksum_may_come_alone() -> None:
    feed = make_feed(checksum=lambda book: len(book.bids))
    feed.apply_snapshot(snapshot(), 1.0)
    assert not feed.apply_delta(delta(checksum=2), 1.0)
    assert feed.integrity.checksums_ok == 1
    assert feed.apply_delta(delta(checksum=3), 1.0), "the book left"
    assert (feed.book_state, feed.bid) == ("lost", None)


def test_a_checksum_is_ignored_where_the_source_computes_none() -> None:
    feed = make_feed()
    feed.apply_snapshot(snapshot(checksum=1), 1.0)
    assert (feed.book_state, feed.integrity.checksums_ok, feed.integrity.checksums_bad) == ("synced", 0, 0)


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
    assert (feed.book_state, feed.sequence, feed.integrity.gaps) == ("synced", number, 1)


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
    assert feed.integrity.gaps == 0


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


# -- its streams


def hear(feed: Feed, *said: Callable[[float], object], seconds: int, start: float = 0.0) -> float:
    """Let it say these things every second and be looked at. The time of the last."""
    for second in range(seconds):
        for say in said:
            say(start + second)
        feed.look(start + second)
    return start + seconds - 1


def quote_of(feed: Feed) -> Callable[[float], object]:
    return lambda now: feed.apply_quote(quote(99.0, 101.0), now)


def trade_of(feed: Feed) -> Callable[[float], object]:
    return lambda now: feed.apply_trade(trade(int(now)), now)


def delta_of(feed: Feed) -> Callable[[float], object]:
    return lambda now: feed.apply_delta(delta([("99", f"{now + 1}")]), now)


def test_a_market_that_stops_is_stale_long_before_the_longest_time_allowed() -> None:
    feed = make_feed(stale_after=30.0)
    last = hear(feed, quote_of(feed), seconds=900)
    assert feed.fresh(last + 5.0)
    assert not feed.fresh(last + 6.0)


def test_a_quiet_market_is_stale_after_the_longest_time_allowed_and_is_left_in_peace_by_then() -> None:
    feed = make_feed(stale_after=30.0)
    for number in range(20):
        hear(feed, quote_of(feed), seconds=1, start=number * 40.0)
        assert feed.fresh(number * 40.0 + 30.0)
        assert not feed.fresh(number * 40.0 + 31.0)
    assert not feed.look(19 * 40.0 + 150.0)
    assert feed.overdue(19 * 40.0 + 150.0) == []


def test_a_book_that_stands_still_while_its_market_trades_is_lost() -> None:
    feed = make_feed()
    feed.apply_snapshot(snapshot(), 0.0)
    last = hear(feed, delta_of(feed), trade_of(feed), seconds=900)
    last = hear(feed, trade_of(feed), seconds=5, start=last + 1)
    assert feed.book_state == "synced"
    trade_of(feed)(last + 1)
    assert feed.look(last + 1)
    assert (feed.book_state, feed.bid) == ("lost", None)


def test_a_whole_market_that_pauses_keeps_its_book() -> None:
    feed = make_feed()
    feed.apply_snapshot(snapshot(), 0.0)
    last = hear(feed, delta_of(feed), trade_of(feed), seconds=900)
    assert not feed.look(last + 8.0)
    assert (feed.fresh(last + 8.0), feed.book_state) == (False, "synced")


def test_a_market_silent_for_so_long_that_it_is_subscribed_again_has_no_book_until_the_venue_sends_it() -> None:
    feed = make_feed()
    feed.apply_snapshot(snapshot(), 0.0)
    last = hear(feed, delta_of(feed), quote_of(feed), trade_of(feed), seconds=900)
    assert feed.look(last + 11.0)
    trade_of(feed)(last + 12.0)
    assert (feed.book_state, feed.bid, feed.price) == ("lost", None, 100.0)


def test_a_quote_that_stands_still_gives_way_to_the_book_or_to_the_last_trade() -> None:
    feed = make_feed()
    last = hear(feed, quote_of(feed), trade_of(feed), seconds=900)
    for second in range(1, 8):
        trade_of(feed)(last + second)
        assert feed.look(last + second) == (second == 6)
    assert (feed.bid, feed.price) == (None, 100.0)


def test_what_should_be_subscribed_again_is_named() -> None:
    feed = make_feed()
    feed.expect(["book", "ticker"], 0.0, within=30.0)
    assert feed.overdue(30.0) == []
    assert feed.overdue(30.1) == ["data"]
    last = hear(feed, trade_of(feed), seconds=900)
    assert feed.overdue(last) == ["book", "ticker"]
    assert feed.overdue(last + 11.0) == ["data"]


def test_what_was_said_on_the_connection_before_is_expected_on_the_next() -> None:
    feed = make_feed()
    last = hear(feed, quote_of(feed), trade_of(feed), seconds=900)
    feed.lose("cut")
    feed.expect([], last, within=30.0)
    hear(feed, quote_of(feed), seconds=1, start=last + 59.0)
    assert feed.overdue(last + 60.0) == []
    assert feed.overdue(last + 60.1) == ["trade"], "a minute without a trade is nothing"
