"""What one venue says of one symbol, and when it is not believed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from haunt import Ticker
from haunt.market.feed import TRADE_IDS, Feed
from tests.market.said import NOW, delta, make_feed, numbered, quote, snapshot, ticker, trade

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


def test_a_trade_stands_in_for_a_wide_spread_only_while_it_is_fresh_itself() -> None:
    feed = make_feed(stale_after=30.0)
    feed.apply_trade(trade(1, 99.2), 0.0)
    feed.apply_quote(quote(99.0, 101.5), 30.0)
    assert not feed.look(30.0)
    assert feed.price == 99.2
    feed.apply_quote(quote(99.0, 101.6), 31.0)
    assert (feed.price, feed.fresh(31.0)) == (None, True)


def test_a_lost_book_leaves_the_price_at_once_where_the_last_trade_is_older_than_a_few_seconds() -> None:
    feed = numbered(10)
    feed.apply_trade(trade(1, 99.2), 1.0)
    feed.apply_delta(delta([("98.5", "1")], link=(10, 11)), 6.1)
    assert feed.price == 100.0
    feed.apply_delta(delta(link=(12, 13)), 6.1)
    assert (feed.book_state, feed.price) == ("lost", None)


def test_a_trade_stands_in_for_a_lost_book_for_a_few_seconds() -> None:
    feed = numbered(10)
    feed.apply_trade(trade(1, 99.2), 1.0)
    feed.proven.lose("for a reason")
    assert not feed.look(6.0)
    assert feed.price == 99.2
    assert feed.look(6.1)
    assert feed.price is None
    feed.apply_trade(trade(2, 99.3), 6.5)
    assert feed.price == 99.3


def test_a_ticker_that_repeats_the_last_trade_does_not_renew_it() -> None:
    feed = numbered(10)
    feed.apply_ticker(ticker(99.2), 1.0)
    feed.proven.lose("for a reason")
    feed.apply_ticker(ticker(99.2), 6.5)
    assert feed.price is None
    feed.apply_ticker(ticker(99.3), 7.0)
    assert feed.price == 99.3


def test_a_market_that_only_has_tickers_has_the_last_price_for_as_long_as_it_is_fresh() -> None:
    feed = make_feed()
    for second in range(200):
        feed.apply_ticker(ticker(97.0), float(second))
        assert not feed.look(float(second))
    assert (feed.price, feed.fresh(199.0)) == (97.0, True)


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
    feed.proven.lose("for a reason")
    assert (feed.bid, feed.ask, len(feed.book.bids)) == (99.5, 100.5, 0)
    feed.lose("gone")
    assert (feed.bid, feed.ask, feed.price, feed.received) == (None, None, None, None)


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
