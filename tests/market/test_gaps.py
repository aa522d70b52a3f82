"""The ledger of gaps: what is in it, and what of it a candle is marked with."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise

import pytest
from floor import Floor
from hypothesis import given, settings
from hypothesis import strategies as st

from haunt import Refused
from haunt.market.feed import Feed
from haunt.market.gaps import LONGEST_CAUSE, MOST_CLOSED, Gaps, What
from haunt.testing import FakeClock

START = 1_700_000_000_000
MINUTE = 60_000

steps = st.lists(
    st.tuples(
        st.sampled_from(["begin", "end", "advance", "set back"]),
        st.sampled_from(["BTC-USD", "ETH-USD"]),
        st.sampled_from(["data", "book"]),
        st.integers(0, 90),
    ),
    max_size=60,
)


def make_feed(venue_symbol: str = "BTC-USD", source: str = "acme") -> Feed:
    symbol = venue_symbol.partition("-")[0].lower()
    return Feed(source=source, venue=source, venue_symbol=venue_symbol, symbol=symbol, quote="USD")


def told(gaps: Gaps) -> list[tuple[str, What, str, int, float | None]]:
    """Of btc: (source, what, cause, second it began at, seconds it lasted or None), the oldest first."""
    return [
        (gap.source, gap.what, gap.cause, (gap.began - START) // 1000, None if gap.ended is None else gap.lasted)
        for gap in sorted(gaps.find(symbol="btc"), key=lambda gap: (gap.began, gap.what))
    ]


# -- the ledger


def test_a_gap_has_a_begin_an_end_and_the_cause_it_began_with():
    clock = FakeClock()
    gaps, feed = Gaps(clock), make_feed()
    clock.advance(5)
    gaps.begin(feed, "data", "cut")
    clock.advance(1)
    gaps.begin(feed, "data", "cut again")
    clock.advance(1.5)
    gaps.end(feed, "data")
    gaps.end(feed, "data")
    assert gaps.find() == [("acme", "btc", "BTC-USD", "data", "cut", START + 5_000, START + 7_500, 2.5)]


def test_a_gap_that_is_open_lasts_until_now():
    clock = FakeClock()
    gaps, feed = Gaps(clock), make_feed()
    gaps.begin(feed, "book", "x" * 1_000)
    clock.advance(3)
    [gap] = gaps.find()
    assert (gap.ended, gap.lasted, len(gap.cause)) == (None, 3.0, LONGEST_CAUSE)


def test_gaps_are_found_by_symbol_source_time_and_whether_they_last():
    clock = FakeClock()
    gaps = Gaps(clock)
    acme, ether, other = make_feed(), make_feed("ETH-USD"), make_feed(source="other")
    for feed in (acme, ether, other):
        gaps.begin(feed, "data", "cut")
        clock.advance(1)
    gaps.end(acme, "data")
    clock.advance(1)
    gaps.end(ether, "data")
    assert [gap.market for gap in gaps.find(symbol="btc", source="acme")] == ["BTC-USD"]
    assert [(gap.source, gap.symbol) for gap in gaps.find()] == [("other", "btc"), ("acme", "eth"), ("acme", "btc")]
    assert [gap.source for gap in gaps.find(is_open=True)] == ["other"]
    assert [gap.symbol for gap in gaps.find(is_open=False, since=START + 3_001)] == ["eth"]
    assert len(gaps.find(most=2)) == 2
    assert gaps.counts() == {"other": 1}


def test_the_newest_closed_gaps_are_kept_and_all_that_are_open():
    clock = FakeClock()
    gaps, feed, lost = Gaps(clock), make_feed(), make_feed(source="lost")
    gaps.begin(lost, "data", "cut")
    for _ in range(MOST_CLOSED + 5):
        clock.advance(1)
        gaps.begin(feed, "data", "cut")
        gaps.end(feed, "data")
    kept = gaps.find(most=2 * MOST_CLOSED)
    assert (len(kept), kept[0].source, kept[-1].began) == (MOST_CLOSED + 1, "lost", START + 6_000)


@settings(deadline=None)
@given(steps)
def test_gaps_of_one_thing_never_overlap_and_end_once_whatever_the_clock_does(steps):
    clock = FakeClock()
    gaps = Gaps(clock)
    feeds = {name: make_feed(name) for name in ("BTC-USD", "ETH-USD")}
    standing = {(name, what) for name in feeds for what in ("data", "book")}
    expected = 0
    for step, name, what, seconds in steps:
        if step == "begin":
            expected += (name, what) in standing
            standing.discard((name, what))
            gaps.begin(feeds[name], what, "cut", clock.monotonic() - seconds)
        elif step == "end":
            standing.add((name, what))
            gaps.end(feeds[name], what)
        elif step == "advance":
            clock.advance(seconds)
        else:
            clock.set_back(seconds)
    found = defaultdict(list)
    for gap in reversed(gaps.find()):
        found[gap.market, gap.what].append(gap)
    assert sum(map(len, found.values())) == expected
    for key, of_one in found.items():
        of_one.sort(key=lambda gap: gap.ended is None)
        assert sum(gap.ended is None for gap in of_one) == (key not in standing)
        for earlier, later in pairwise(of_one):
            assert earlier.began <= earlier.ended <= later.began


# -- where they come from


def test_a_market_without_trouble_has_no_gap():
    floor = Floor()
    kraken = floor.venue("kraken")
    kraken.shows("btc", [99], [101])
    floor.pass_time(60, lambda: kraken.trades("btc", 100))
    assert floor.gaps.find() == []


def test_silence_counts_from_the_last_that_was_said():
    floor = Floor()
    kraken = floor.venue("kraken", stale_after=10)
    kraken.quotes("btc", 99, 101)
    floor.pass_time(12)
    kraken.quotes("btc", 99, 102)
    assert told(floor.gaps) == [("kraken", "data", "it fell silent", 0, 12.0)]


def test_a_lost_connection_takes_data_and_book_which_come_back_apart():
    floor = Floor()
    kraken = floor.venue("kraken")
    kraken.shows("btc", [99], [101])
    floor.wait(1)
    kraken.relay.close("hung up")
    floor.wait(2)
    kraken.relay.close("hung up again")
    kraken.trades("btc", 100)
    floor.wait(3)
    kraken.shows("btc", [99], [101])
    assert told(floor.gaps) == [("kraken", "book", "hung up", 1, 5.0), ("kraken", "data", "hung up", 1, 2.0)]


@pytest.mark.parametrize(
    ("how", "cause"),
    [("garbage", "'nan'"), ("gap", "gap: delta 8 follows 7, not 1"), ("frame gap", "gap: frame 3 follows 1")],
)
def test_a_lost_book_is_a_gap_of_the_book_alone(how, cause):
    floor = Floor()
    kraken = floor.venue("kraken")
    kraken.shows("btc", [99], [101])
    kraken.loses_book("btc", how)
    floor.wait(2)
    kraken.shows("btc", [99], [101])
    [(_, what, why, began, lasted)] = told(floor.gaps)
    assert (what, cause in why, began, lasted) == ("book", True, 0, 2.0)


def test_a_market_that_lost_its_connection_without_a_price_has_a_gap_that_ends():
    floor = Floor()
    kraken = floor.venue("kraken")
    kraken.shows("btc", [50], [101])
    assert floor.price() is None
    kraken.relay.close("hung up")
    kraken.shows("btc", [50], [101])
    assert [(what, lasted) for _, what, _, _, lasted in told(floor.gaps)] == [("book", 0.0), ("data", 0.0)]


def test_a_market_that_never_says_anything_has_a_gap_from_when_it_should_have():
    floor = Floor()
    kraken, okx = floor.venue("kraken"), floor.venue("okx")
    kraken.relay.publish(Refused("btc-USD", "book", "no such market"))
    okx.relay.expect(["data"], ["btc-USD"], within=10)
    floor.wait(10)
    assert okx.relay.look() == {}
    floor.wait(1)
    okx.relay.look()
    assert told(floor.gaps) == [
        ("kraken", "data", "the venue refused book: no such market", 0, None),
        ("okx", "data", "nothing received yet", 11, None),
    ]


# -- what a candle says of them


def marks(floor: Floor) -> list[bool]:
    return [candle.gap for candle in floor.candles]


def test_candles_built_over_a_gap_are_marked():
    floor = Floor()
    kraken, okx = floor.venue("kraken"), floor.venue("okx")
    kraken.quotes("btc", 99, 101)
    okx.quotes("btc", 99, 101)
    floor.wait(1)
    floor.clock.advance(0.5)
    okx.relay.close("hung up")
    floor.wait(0.5)
    floor.wait(1)
    floor.clock.advance(0.5)
    okx.quotes("btc", 99, 101)
    floor.wait(0.5)
    floor.wait(1)
    assert marks(floor) == [False, True, True, True, False]
    assert floor.candles[1].filled


def test_a_gap_shorter_than_a_candle_marks_it():
    floor = Floor()
    kraken = floor.venue("kraken")
    kraken.shows("btc", [99], [101])
    floor.clock.advance(0.25)
    kraken.relay.lose_books("gap")
    floor.clock.advance(0.25)
    kraken.shows("btc", [99], [101])
    floor.wait(0.5)
    floor.wait(1)
    assert marks(floor) == [True, False]


def test_a_market_that_never_had_a_part_in_the_price_marks_nothing():
    floor = Floor()
    kraken, okx = floor.venue("kraken"), floor.venue("okx")
    okx.relay.close("cannot be reached")
    kraken.quotes("btc", 99, 101)
    floor.wait(1)
    assert (marks(floor), floor.gaps.counts()) == ([False], {"okx": 4})


def test_a_candle_that_began_before_the_ledger_is_marked():
    gaps = Gaps(FakeClock(START + 30_000))
    assert gaps.interrupted("btc", START, START + MINUTE)
    assert not gaps.interrupted("btc", START + MINUTE, START + 2 * MINUTE)
