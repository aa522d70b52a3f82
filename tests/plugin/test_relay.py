"""What a source says, on its way to the market."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, isfinite, nan
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haunt import (
    BookDelta,
    BookSnapshot,
    Event,
    FrameNumber,
    Instrument,
    Quote,
    Refused,
    Relay,
    Subscribed,
    Ticker,
    Trade,
)
from haunt.market.feed import Feed
from haunt.market.symbols import Symbol
from haunt.testing import FakeClock

NOW = 1_700_000_000_000
TRADE = Trade("BTC-USD", "1", 100.0, 1.0, "buy", NOW)
SNAPSHOT = BookSnapshot("BTC-USD", [("99", "1")], [("101", "1")], None, None, NOW)


class Delivery:
    """Remembers what the market is told."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def __call__(self, feed: Feed, event: Event) -> None:
        self.events.append(event)


def make_relay(*symbols: Symbol, deliver: Any = lambda feed, event: None, **options: Any) -> Relay:
    return Relay("acme", wanted=symbols, deliver=deliver, **options)


def make_open_relay(*venue_symbols: str, **options: Any) -> Relay:
    relay = make_relay(**options)
    for venue_symbol in venue_symbols or ("BTC-USD",):
        base, quote = venue_symbol.split("-")
        relay.add(Instrument(venue_symbol, base, quote), base.lower())
    relay.open()
    return relay


def markets(*names: str) -> list[Instrument]:
    return [Instrument(name, *name.split("-")) for name in names]


# -- choosing markets


@pytest.mark.parametrize(
    ("quotes", "chosen"),
    [(("USD", "USDT"), "BTC-USD"), (("usdt", "usd"), "BTC-USDT"), (("EUR", "USDT"), "BTC-USDT")],
)
def test_the_market_in_the_preferred_quote_is_chosen(quotes: Sequence[str], chosen: str) -> None:
    relay = make_relay(Symbol("btc"), quotes=quotes)
    assert relay.choose(markets("BTC-USDT", "ETH-USD", "BTC-USD", "BTC-JPY")) == [chosen]
    assert [(feed.symbol, feed.quote) for feed in relay.feeds.values()] == [("btc", chosen.split("-")[1])]


def test_a_symbol_is_found_by_its_other_names_the_first_preferred() -> None:
    relay = make_relay(Symbol("render", aliases=("rndr", "rend")))
    assert relay.choose(markets("RNDR-USD")) == ["RNDR-USD"]
    relay = make_relay(Symbol("render", aliases=("rndr", "rend")))
    assert relay.choose(markets("REND-USD", "RNDR-USD", "RENDER-USDT")) == ["RNDR-USD"]
    relay = make_relay(Symbol("render", aliases=("rndr", "rend")))
    assert relay.choose(markets("REND-USD", "RNDR-USD", "render-usd")) == ["render-usd"]


def test_a_source_of_several_venues_gets_one_market_of_each() -> None:
    relay = make_relay(Symbol("btc"))
    offered = [
        Instrument("one:BTC/USDT", "BTC", "USDT", venue="one"),
        Instrument("two:BTC/USD", "BTC", "USD", venue="two"),
        Instrument("two:BTC/USDT", "BTC", "USDT", venue="two"),
        Instrument("three:ETH/USD", "ETH", "USD", venue="three"),
    ]
    assert relay.choose(offered) == ["one:BTC/USDT", "two:BTC/USD"]
    assert [feed.venue for feed in relay.feeds.values()] == ["one", "two"]


def test_a_symbol_that_is_not_offered_is_named_and_the_others_are_chosen(caplog: pytest.LogCaptureFixture) -> None:
    relay = make_relay(Symbol("btc"), Symbol("doge"))
    assert relay.choose(markets("BTC-USD", "DOGE-EUR")) == ["BTC-USD"]
    assert "doge is not offered in USD, USDT, USDC" in caplog.text
    assert "btc" not in caplog.text


def test_choosing_again_keeps_what_is_known_of_a_market() -> None:
    relay = make_relay(Symbol("btc"))
    relay.choose(markets("BTC-USD"))
    relay.publish(TRADE)
    relay.choose(markets("BTC-USD"))
    assert relay.feeds["BTC-USD"].last == 100.0


# -- events


def test_a_change_is_delivered_and_a_repetition_is_not() -> None:
    deliver = Delivery()
    relay = make_open_relay(deliver=deliver)
    for _ in range(2):
        relay.publish(TRADE)
    assert deliver.events == [TRADE]
    assert (relay.events, relay.rejected) == (2, 0)


@pytest.mark.parametrize("symbol", ["ETH-USD", "", None, [], {}, 7], ids=repr)
def test_a_symbol_that_was_not_asked_for_is_dropped_and_counted(symbol: Any) -> None:
    deliver = Delivery()
    relay = make_open_relay(deliver=deliver)
    relay.publish(TRADE._replace(venue_symbol=symbol))
    relay.publish(SNAPSHOT._replace(venue_symbol=symbol))
    assert (deliver.events, relay.rejected, relay.lost) == ([], 2, set())


@pytest.mark.parametrize(
    "rubbish",
    [
        TRADE._replace(price=nan),
        TRADE._replace(quantity=-1.0),
        TRADE._replace(price="100"),
        TRADE._replace(id=[]),
        TRADE._replace(timestamp=None),
        Quote("BTC-USD", 2.0, 1.0, None, None),
        Quote("BTC-USD", None, 1.0, None, None),  # type: ignore[arg-type]
        Ticker("BTC-USD", inf, 1.0, 1.0, 1.0, NOW),
        Ticker("BTC-USD", 1.0, "1", 1.0, 1.0, NOW),  # type: ignore[arg-type]
    ],
    ids=repr,
)
def test_rubbish_is_dropped_and_counted_and_never_delivered(rubbish: Event) -> None:
    deliver = Delivery()
    relay = make_open_relay(deliver=deliver)
    relay.publish(rubbish)
    assert (deliver.events, relay.rejected) == ([], 1)
    assert relay.last_rejection.startswith("BTC-USD: ")
    relay.publish(TRADE)
    assert deliver.events == [TRADE]


def test_rubbish_is_logged_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    clock = FakeClock()
    relay = make_open_relay(clock=clock)
    for _ in range(100):
        relay.publish(TRADE._replace(price=nan))
    assert len(caplog.records) == 1
    clock.advance(60)
    relay.reject_frame("x" * 500, ValueError("no frame"))
    assert len(caplog.records) == 2
    assert "ValueError: no frame (101 so far)" in caplog.records[1].getMessage()
    assert len(caplog.records[1].getMessage()) < 300


def test_a_broken_level_loses_the_book_and_the_market_is_told() -> None:
    deliver = Delivery()
    relay = make_open_relay(deliver=deliver)
    relay.publish(SNAPSHOT)
    broken = BookDelta("BTC-USD", [("x", "1")], [], None, None, None, NOW)
    relay.publish(broken)
    assert deliver.events == [SNAPSHOT, broken]
    assert (relay.feeds["BTC-USD"].book_state, relay.lost, relay.rejected) == ("lost", {"BTC-USD"}, 1)


def test_a_book_stays_among_the_lost_until_it_is_whole() -> None:
    relay = make_open_relay()
    relay.publish(BookDelta("BTC-USD", [("99", "1")], [], 1, 2, None, NOW))
    assert relay.lost == {"BTC-USD"}
    relay.lost.clear()
    relay.publish(TRADE)
    assert relay.lost == {"BTC-USD"}
    relay.lost.clear()
    relay.publish(SNAPSHOT._replace(sequence=5, apart=True))
    assert relay.lost == set()


def test_a_missing_frame_loses_every_book_and_the_market_is_told() -> None:
    deliver = Delivery()
    relay = make_open_relay("BTC-USD", "ETH-USD", "SOL-USD", deliver=deliver)
    relay.publish(FrameNumber(7))
    relay.publish(SNAPSHOT)
    relay.publish(SNAPSHOT._replace(venue_symbol="ETH-USD"))
    relay.publish(FrameNumber(8))
    assert (relay.integrity.links, relay.integrity.gaps, relay.lost) == (1, 0, set())
    relay.publish(FrameNumber(10))
    assert (relay.integrity.links, relay.integrity.gaps, relay.lost) == (1, 1, {"BTC-USD", "ETH-USD"})
    assert [feed.book_state for feed in relay.feeds.values()] == ["lost", "lost", "empty"]
    assert [type(event) for event in deliver.events[2:]] == [Refused, Refused]


def test_a_new_connection_counts_its_frames_anew() -> None:
    relay = make_open_relay()
    relay.publish(FrameNumber(7))
    relay.open()
    relay.publish(FrameNumber(0))
    relay.publish(FrameNumber("x"))  # type: ignore[arg-type]
    assert (relay.integrity.gaps, relay.rejected) == (1, 0)


def test_one_connection_of_several_opens_numbers_and_closes_its_own_markets() -> None:
    deliver = Delivery()
    relay = make_open_relay("BTC-USD", "ETH-USD", deliver=deliver)
    first, second = relay.open(["BTC-USD"]), relay.open(["ETH-USD"])
    relay.publish(FrameNumber(7), first)
    relay.publish(FrameNumber(20), second)
    relay.publish(SNAPSHOT, first)
    relay.publish(SNAPSHOT._replace(venue_symbol="ETH-USD"), second)
    relay.publish(FrameNumber(8), first)
    relay.publish(FrameNumber(25), second)
    assert (relay.integrity.links, relay.integrity.gaps, relay.lost) == (1, 1, {"ETH-USD"})
    relay.publish(Refused("BTC-USD", "book", "no"), first)
    relay.close("cut", ["ETH-USD"])
    assert (relay.connected, relay.lost, relay.feeds["BTC-USD"].book_state) == (True, set(), "synced")
    relay.open(["ETH-USD"])
    assert relay.refused == {"BTC-USD": "no"}


def test_a_confirmed_depth_is_the_books_depth() -> None:
    relay = make_open_relay()
    relay.publish(Subscribed("BTC-USD", "book", depth=1))
    relay.publish(SNAPSHOT._replace(bids=[("99", "1"), ("98", "1")]))
    assert len(relay.feeds["BTC-USD"].book.bids) == 1
    relay.publish(Subscribed("ETH-USD", "book", depth=1))
    assert relay.rejected == 0


def test_a_refusal_is_remembered_until_it_is_confirmed(caplog: pytest.LogCaptureFixture) -> None:
    relay = make_open_relay()
    relay.publish(Refused("BTC-USD", "book", "too many"))
    relay.publish(Refused("", "book", "slow down"))
    assert relay.refused == {"BTC-USD": "too many", "book": "slow down"}
    assert "the venue refused book of BTC-USD: too many" in caplog.text
    relay.publish(Subscribed("BTC-USD", "book"))
    assert relay.refused == {"book": "slow down"}
    relay.open()
    assert relay.refused == {}


# -- the connection


def test_closing_empties_every_feed_and_tells_the_market() -> None:
    deliver = Delivery()
    relay = make_open_relay("BTC-USD", "ETH-USD", "SOL-USD", deliver=deliver)
    relay.publish(SNAPSHOT)
    relay.publish(TRADE._replace(venue_symbol="ETH-USD"))
    relay.close("the line was cut")
    assert not relay.connected
    assert [(feed.price, feed.received, feed.book_state) for feed in relay.feeds.values()] == [
        (None, None, "empty")
    ] * 3
    assert deliver.events[2:] == [
        Refused("BTC-USD", "", "the line was cut"),
        Refused("ETH-USD", "", "the line was cut"),
    ]


def test_closing_twice_says_it_once() -> None:
    deliver = Delivery()
    relay = make_open_relay(deliver=deliver)
    relay.publish(TRADE)
    relay.close("gone")
    relay.close("gone")
    assert deliver.events == [TRADE, Refused("BTC-USD", "", "gone")]


def test_trades_repeated_after_a_reconnect_are_not_counted_twice() -> None:
    deliver = Delivery()
    relay = make_open_relay(deliver=deliver)
    relay.publish(TRADE)
    relay.close("gone")
    relay.open()
    relay.publish(TRADE)
    relay.publish(TRADE._replace(id="2"))
    assert [event.id for event in deliver.events if isinstance(event, Trade)] == ["1", "2"]


# -- its streams


def test_looking_tells_the_market_of_a_book_that_stands_still_and_names_what_is_missing() -> None:
    deliver, clock = Delivery(), FakeClock()
    relay = make_open_relay("BTC-USD", "ETH-USD", deliver=deliver, clock=clock)
    relay.publish(SNAPSHOT)
    assert relay.look() == {}
    clock.advance(61)
    relay.publish(TRADE)
    assert relay.look() == {"BTC-USD": ["book"]}
    assert (relay.lost, relay.feeds["BTC-USD"].book_state) == ({"BTC-USD"}, "lost")
    assert [type(event) for event in deliver.events] == [BookSnapshot, Trade, Refused]
    assert relay.look(["ETH-USD"]) == {}


def test_nothing_is_expected_of_a_market_the_venue_refused() -> None:
    clock = FakeClock()
    relay = make_open_relay("BTC-USD", "ETH-USD", clock=clock)
    relay.expect(["book"], ["BTC-USD", "ETH-USD"], within=10.0)
    relay.publish(Refused("BTC-USD", "book", "it is halted"))
    clock.advance(11)
    assert relay.look() == {"ETH-USD": ["data"]}


def test_confirmed_channels_are_kept_until_the_next_connection() -> None:
    relay = make_open_relay()
    relay.publish(Subscribed("BTC-USD", "book"))
    relay.publish(Subscribed("BTC-USD", "trade"))
    assert relay.confirmed == {"BTC-USD": {"book", "trade"}}
    relay.open()
    assert relay.confirmed == {}


# -- properties

numbers = st.one_of(st.floats(), st.floats(90, 110), st.sampled_from([0.0, -0.0, 5e-324, 1e-300, 1e23, 1e24, -1.0]))
timestamps = st.one_of(st.integers(), st.just(NOW))
sequences = st.one_of(st.none(), st.integers(0, 20))
levels = st.lists(st.tuples(numbers.map(repr), numbers.map(repr)), max_size=4)
anything = st.one_of(
    st.builds(Trade, st.just("BTC-USD"), st.text(max_size=2), numbers, numbers, st.just("buy"), timestamps),
    st.builds(Quote, st.just("BTC-USD"), numbers, numbers, sequences, timestamps),
    st.builds(Ticker, st.just("BTC-USD"), numbers, numbers, numbers, numbers, timestamps),
    st.builds(BookSnapshot, st.just("BTC-USD"), levels, levels, sequences, sequences, timestamps, apart=st.booleans()),
    st.builds(BookDelta, st.just("BTC-USD"), levels, levels, sequences, sequences, sequences, timestamps),
    st.builds(FrameNumber, st.integers(0, 3)),
)


@settings(deadline=None)
@given(st.lists(anything, max_size=20))
def test_no_numbers_ever_make_an_impossible_price(said: list[Event]) -> None:
    deliver = Delivery()
    relay = make_open_relay(deliver=deliver, checksum=lambda book: len(book.bids))
    feed = relay.feeds["BTC-USD"]
    for event in said:
        relay.publish(event)
        assert feed.price is None or (isfinite(feed.price) and feed.price > 0)
        assert feed.bid is None or feed.ask is None or 0 < feed.bid < feed.ask < inf
        assert feed.open_24h is None or 0 < feed.open_24h < inf
        assert feed.volume_24h is None or 0 <= feed.volume_24h < inf
        assert feed.timestamp is None or 0 < feed.timestamp < 10**14
        assert all(isfinite(price) and isfinite(quantity) for price, quantity in (*feed.book.bids, *feed.book.asks))
    assert relay.events == len(said)
    for event in deliver.events:
        assert not isinstance(event, Trade) or (0 < event.price < inf and 0 < event.quantity < inf)
