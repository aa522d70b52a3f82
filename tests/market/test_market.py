"""The composite price and the merged book: who counts, since when, and what is published of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import pytest
from floor import Floor, Venue
from hypothesis import given, settings
from hypothesis import strategies as st


@pytest.fixture
def floor() -> Floor:
    return Floor()


# -- the price


def test_price_is_the_mean_of_the_middles_of_bid_and_ask_clamped_to_their_median(floor: Floor):
    for name, bid in (("acme", 99.5), ("zeta", 99.6), ("wild", 5_000.0)):
        floor.venue(name).quotes("btc", bid, bid + 1)
    assert floor.price() == round((100 + 100.1 + 100.1 * 1.005) / 3, 2)
    assert floor.composite().sources == ["acme", "zeta", "wild"]


def test_weight_of_a_source_is_its_say_up_to_a_third(floor: Floor):
    floor.venue("heavy", weight=9.0).quotes("btc", 99, 101)
    for name in ("acme", "zeta", "iota"):
        floor.venue(name).quotes("btc", 99.4, 101.4)
    assert floor.price() == round(100 / 3 + 100.4 * 2 / 3, 2)


def test_weights_of_venues_stand_for_those_of_their_sources():
    floor = Floor(weights={"heavy": 1.0, "seoul": 0.0})
    floor.venue("heavy", weight=9.0).quotes("btc", 99, 101)
    seoul = floor.venue("seoul")
    seoul.quotes("btc", 149, 151)
    seoul.shows("btc", [149], [151])
    for name in ("acme", "zeta", "iota"):
        floor.venue(name).quotes("btc", 99.4, 101.4)
    assert (floor.price(), floor.market.book("btc", 20)) == (100.3, None)


def test_volume_may_be_the_weight():
    floor = Floor(weigh_by="volume")
    large = floor.venue("large")
    large.tells("btc", 100.0, quote_volume=400e6)
    for name, price, volume in (("acme", 100.1, 100e6), ("zeta", 100.2, 100e6), ("iota", 100.3, None)):
        floor.venue(name).tells("btc", price, quote_volume=volume)
    assert floor.price() == round(100 / 3 + 300.6 * 2 / 9, 2)
    large.tells("btc", 100.0, quote_volume=100e6)
    floor.wait(0.25)
    assert floor.price() == 100.15


def test_last_price_may_be_the_price():
    floor = Floor(method="last")
    acme, zeta = floor.venue("acme"), floor.venue("zeta")
    acme.trades("btc", 100)
    zeta.trades("btc", 150)
    assert floor.price() == 150
    acme.trades("btc", 101)
    zeta.trades("btc", 150)
    assert floor.price() == 101
    acme.relay.close("gone")
    assert floor.price() == 150


def test_price_is_published_when_its_rounded_value_changes_and_only_then(floor: Floor):
    acme = floor.venue("acme")
    acme.quotes("btc", 99, 101)
    assert (floor.published(), floor.composite().sequence) == (1, 1)
    acme.quotes("btc", 99.001, 101.001)
    acme.quotes("btc", 99.5, 100.5)
    acme.trades("btc", 300.0)
    assert (floor.published(), floor.composite().sequence) == (0, 1)
    acme.quotes("btc", 99.02, 101)
    assert (floor.published(), floor.composite().sequence, floor.price()) == (1, 2, 100.01)


def test_first_price_waits_for_24_hour_figures(floor: Floor):
    floor = Floor(first_price_wait=5)
    acme = floor.venue("acme")
    acme.quotes("btc", 99, 101)
    floor.wait(4.9)
    assert floor.price() is None
    acme.tells("btc", 100, 80, volume=3)
    assert (floor.price(), floor.composite().change_24h, floor.published()) == (100, 25, 1)


def test_first_price_comes_without_figures_when_none_came_in_time():
    floor = Floor(first_price_wait=5)
    floor.venue("acme").quotes("btc", 99, 101)
    floor.wait(4.9)
    assert floor.published() == 0
    floor.wait(0.1)
    assert floor.published() == 1
    assert (floor.price(), floor.composite().change_24h, floor.composite().volume_24h) == (100, 0, 0)


def test_unknown_symbol_and_silence_have_no_price(floor: Floor):
    floor.market.tick()
    assert floor.price("eth") is None
    assert floor.market.book("eth", 20) is None
    assert floor.market.symbols_tracked == 0


# -- who is fresh


def test_stale_venue_leaves_at_the_next_tick(floor: Floor):
    silent, live = floor.venue("silent", stale_after=10), floor.venue("live")
    silent.quotes("btc", 99, 101)
    live.quotes("btc", 99.2, 101.2)
    assert floor.price() == 100.1
    floor.published()
    floor.wait(10)
    assert floor.price() == 100.1
    floor.wait(0.25)
    assert (floor.price(), floor.composite().sources, floor.published()) == (100.2, ["live"], 1)


def test_symbol_may_have_a_staleness_of_its_own():
    floor = Floor(stale_after=60)
    floor.venue("silent", stale_after=10).quotes("btc", 99, 101)
    floor.wait(60)
    assert not floor.composite().stale
    floor.wait(0.25)
    assert floor.composite().stale


def test_last_price_is_kept_and_marked_when_every_venue_is_stale(floor: Floor):
    acme = floor.venue("acme")
    acme.tells("btc", 100, 80, quote_volume=7)
    before = floor.composite()
    floor.published()
    floor.wait(31)
    assert floor.composite() == before._replace(stale=True)
    assert floor.published() == 0
    acme.trades("btc", 100)
    assert (floor.composite().stale, floor.published()) == (False, 0)
    acme.trades("btc", 101)
    assert (floor.price(), floor.published()) == (101, 1)


def test_venue_whose_connection_is_lost_leaves_at_once(floor: Floor):
    lost, live = floor.venue("lost"), floor.venue("live")
    lost.quotes("btc", 99, 101)
    live.quotes("btc", 99.2, 101.2)
    lost.relay.close("the venue closed the connection")
    assert (floor.price(), floor.composite().sources) == (100.2, ["live"])
    lost.relay.open()
    assert (floor.price(), floor.composite().sources) == (100.2, ["live"])
    lost.quotes("btc", 99, 101)
    assert (floor.price(), floor.composite().sources) == (100.1, ["lost", "live"])


def test_symbols_tracked_are_those_with_a_live_price(floor: Floor):
    acme = floor.venue("acme")
    acme.quotes("btc", 99, 101)
    floor.wait(20)
    acme.trades("eth", 10)
    assert floor.market.symbols_tracked == 2
    floor.wait(11)
    assert floor.market.symbols_tracked == 1


# -- what a venue may lack


def test_venue_that_only_trades_counts_with_its_last_trade(floor: Floor):
    floor.venue("acme").trades("btc", 123.0)
    assert floor.price() == 123
    assert floor.market.book("btc", 20) is None


def test_one_sided_book_has_no_price_but_is_in_the_merged_book(floor: Floor):
    floor.venue("acme").shows("btc", [99], [])
    assert floor.price() is None
    book = floor.market.book("btc", 20)
    assert book is not None
    assert (book.bids, book.asks) == ([(99.0, 1.0)], [])
    assert book.timestamp == floor.clock.milliseconds()


def test_crossed_book_counts_neither_as_price_nor_as_book(floor: Floor):
    crossed = floor.venue("crossed")
    floor.venue("acme").shows("btc", [99], [101])
    crossed.shows("btc", [500], [600])
    crossed.shows("btc", [600], [500])
    book = floor.market.book("btc", 20)
    assert book is not None
    assert (floor.price(), book.sources) == (100, ["acme"])


# -- one vote per venue, in USD


def test_two_sources_of_one_venue_have_one_vote(floor: Floor):
    for name in ("acme", "acme_again", "acme_mirror"):
        floor.venue(name, venue="acme").quotes("btc", 99, 101)
    floor.venue("zeta").quotes("btc", 99.2, 101.2)
    assert (floor.price(), floor.composite().sources) == (100.1, ["acme", "zeta"])


def test_usd_market_of_a_venue_is_preferred_to_its_usdt_market(floor: Floor):
    floor.venue("dollar").quotes("usdt", 0.999, 1.001)
    tether = floor.venue("acme_usdt", "USDT", venue="acme")
    tether.quotes("btc", 199, 201)
    assert floor.price() == 200
    floor.venue("acme").quotes("btc", 99, 101)
    tether.quotes("btc", 299, 301)
    assert (floor.price(), floor.composite().sources) == (100, ["acme"])


def test_event_of_a_market_that_does_not_count_changes_nothing(floor: Floor):
    floor.venue("dollar").quotes("usdt", 0.999, 1.001)
    floor.venue("acme").quotes("btc", 99, 101)
    shadow = floor.venue("acme_usdt", "USDT", venue="acme")
    before = floor.composite()
    floor.published()
    floor.clock.advance(1)
    shadow.trades("btc", 55.0, 1_000.0)
    shadow.quotes("btc", 54, 56)
    floor.wait(1)
    assert (floor.composite(), floor.published()) == (before, 0)
    assert [candle.volume for candle in floor.candles] == [0.0, 0.0]


def test_usdt_quotes_are_converted_by_the_price_of_usdt(floor: Floor):
    dollar, tether = floor.venue("dollar"), floor.venue("tether", "USDT")
    dollar.quotes("usdt", 0.985, 0.995)
    tether.quotes("btc", 99, 101)
    assert floor.price() == 99
    dollar.quotes("usdt", 0.975, 0.985)
    tether.quotes("btc", 199, 201)
    assert floor.price() == 196


def test_moved_usdt_reprices_quiet_markets_at_the_next_tick(floor: Floor):
    dollar, tether = floor.venue("dollar"), floor.venue("tether", "USDT")
    dollar.quotes("usdt", 0.985, 0.995)
    tether.quotes("btc", 99, 101)
    dollar.quotes("usdt", 0.975, 0.985)
    floor.published()
    floor.market.tick()
    assert (floor.price(), floor.published()) == (98, 1)


def test_depeg_of_usdt_does_not_move_the_price_in_usd(floor: Floor):
    dollar = floor.venue("dollar")
    tethers = [floor.venue(name, "USDT") for name in ("acme", "zeta", "iota")]
    dollar.quotes("btc", 99.9, 100.1)
    for usdt in (1.0, 0.95, 0.6):
        dollar.quotes("usdt", usdt - 0.001, usdt + 0.001)
        for tether in tethers:
            tether.quotes("btc", 99.9 / usdt, 100.1 / usdt)
        assert floor.price() == pytest.approx(100, abs=0.01)


def test_without_a_price_of_usdt_its_markets_are_left_out_where_there_is_usd(floor: Floor):
    floor.venue("tether", "USDT").quotes("btc", 199, 201)
    floor.venue("dollar").quotes("btc", 99, 101)
    assert (floor.price(), floor.composite().sources) == (100, ["dollar"])


def test_without_a_price_of_usdt_it_counts_as_a_dollar_where_there_is_no_usd(floor: Floor):
    floor.venue("tether", "USDT").quotes("btc", 199, 201)
    floor.venue("dollar").shows("btc", [99], [])
    assert (floor.price(), floor.composite().sources, floor.composite().stale) == (200, ["tether"], False)


def test_stale_price_of_usdt_converts_nothing(floor: Floor):
    dollar, tether = floor.venue("dollar", stale_after=10), floor.venue("tether", "USDT", stale_after=60)
    dollar.quotes("usdt", 0.499, 0.501)
    tether.quotes("btc", 99, 101)
    assert floor.price() == 50
    floor.wait(11)
    floor.market.tick()
    assert floor.price() == 100


def test_coins_quoted_in_each_other_do_not_carry_each_other_away(floor: Floor):
    tether, circle = floor.venue("tether", "USDT"), floor.venue("circle", "USDC")
    for _ in range(1_000):
        tether.quotes("usdc", 0.998, 0.999)
        circle.quotes("usdt", 0.998, 0.999)
    assert floor.price("usdc") == floor.price("usdt") == 0.9985


# -- coins that stand for dollars


def quoted_by_many(floor: Floor, in_usd: Sequence[float], in_usdt: Sequence[float]) -> list[Callable[[], None]]:
    """What venues keep saying that trade bitcoin at these prices in dollars and in USDT."""
    markets = [(floor.venue(f"usd{number}"), price) for number, price in enumerate(in_usd)]
    markets += [(floor.venue(f"usdt{number}", "USDT"), price) for number, price in enumerate(in_usdt)]
    return [partial(venue.trades, "btc", price) for venue, price in markets]


def test_many_venues_say_what_usdt_is_worth_without_a_market_of_usdt(floor: Floor):
    floor.pass_time(1, *quoted_by_many(floor, [94.9, 95.0, 95.1], [99.9, 100.0, 100.1, 100.0]))
    usdt = floor.composite("usdt")
    assert (usdt.price, usdt.sources, floor.market.doubt("usdt").confidence) == (0.95, ["btc-usd/btc-usdt"], "low")
    assert (floor.price(), len(floor.composite().sources)) == (95.0, 7)


def test_too_few_venues_say_nothing_of_usdt(floor: Floor):
    floor.pass_time(1, *quoted_by_many(floor, [95.0, 95.0], [100.0, 100.0, 100.0]))
    assert (floor.price("usdt"), floor.composite().sources) == (None, ["usd0", "usd1"])


def test_implied_rate_is_one_vote_beside_the_markets_of_usdt(floor: Floor):
    saying = quoted_by_many(floor, [95.0, 95.0, 95.0], [100.0, 100.0, 100.0])
    for name, price in (("acme", 0.952), ("zeta", 0.953)):
        saying.append(partial(floor.venue(name).trades, "usdt", price))
    floor.pass_time(1, *saying)
    assert floor.price("usdt") == pytest.approx((0.95 + 0.952 + 0.953) / 3)


def test_implied_rate_is_gone_when_it_is_not_renewed(floor: Floor):
    floor.pass_time(1, *quoted_by_many(floor, [95.0, 95.0, 95.0], [100.0, 100.0, 100.0]))
    floor.wait(31)
    floor.wait(1.25)
    assert floor.composite("usdt").stale


def test_clients_are_told_that_a_coin_is_taken_for_a_dollar(floor: Floor):
    floor.venue("tether", "USDT").quotes("btc", 99, 101)
    assert (floor.market.doubt("btc").flags, floor.market.doubt("btc").confidence) == (["quote_assumed"], "low")
    floor.venue("dollar").quotes("btc", 99, 101)
    assert floor.market.doubt("btc").flags == []


# -- how sure it is


def test_confidence_is_high_where_three_venues_agree(floor: Floor):
    confidences = []
    for name in ("acme", "zeta", "iota"):
        floor.venue(name).quotes("btc", 99, 101)
        confidences.append(floor.market.doubt("btc").confidence)
    assert confidences == ["low", "low", "high"]
    floor.venue("wild").quotes("btc", 199, 201)
    assert (floor.market.doubt("btc").confidence, floor.market.doubt("btc").dispersion) == ("high", pytest.approx(0.25))
    floor.venue("wilder").quotes("btc", 299, 301)
    assert (floor.market.doubt("btc").confidence, floor.market.doubt("btc").dispersion) == ("low", pytest.approx(0.5))


def test_two_venues_that_contradict_each_other_hold_the_price(floor: Floor):
    acme, wild = floor.venue("acme"), floor.venue("wild")
    acme.quotes("btc", 99, 101)
    wild.quotes("btc", 149, 151)
    assert (floor.price(), floor.market.doubt("btc").flags) == (100, ["disputed"])
    acme.quotes("btc", 99.5, 101.5)
    assert (floor.price(), floor.market.doubt("btc").confidence) == (100.5, "low")
    wild.quotes("btc", 99.6, 101.6)
    assert (floor.price(), floor.market.doubt("btc").flags) == (100.55, [])


# -- outliers


def five_venues(floor: Floor, wild_price: float) -> tuple[Venue, list[Callable[[], None]]]:
    """Four that keep saying 100 and a wild one that says another price."""
    saying = [partial(floor.venue(name).quotes, "btc", 99.9, 100.1) for name in ("acme", "zeta", "iota", "kappa")]
    wild = floor.venue("wild")
    wild.trades("btc", wild_price)
    floor.pass_time(0.25, *saying)
    return wild, saying


def test_venue_far_off_for_five_seconds_is_out_until_it_was_near_for_ten(floor: Floor):
    wild, saying = five_venues(floor, 104.0)
    floor.pass_time(5, *saying)
    assert floor.price() == 100.1
    floor.pass_time(0.25, *saying)
    assert (floor.price(), floor.composite().sources) == (100, ["acme", "zeta", "iota", "kappa"])
    wild.trades("btc", 101.6)
    floor.pass_time(11, *saying)
    assert floor.price() == 100
    wild.trades("btc", 101.4)
    floor.pass_time(10, *saying)
    assert floor.price() == 100
    floor.pass_time(0.5, *saying)
    assert (floor.price(), len(floor.composite().sources)) == (100.1, 5)


def test_venue_that_comes_back_in_time_is_no_outlier(floor: Floor):
    wild, saying = five_venues(floor, 104.0)
    floor.pass_time(4, *saying)
    wild.trades("btc", 102.0)
    floor.pass_time(0.25, *saying)
    wild.trades("btc", 104.0)
    floor.pass_time(4, *saying)
    assert len(floor.composite().sources) == 5


def test_outlier_has_no_place_in_the_book(floor: Floor):
    wild, saying = five_venues(floor, 104.0)
    wild.shows("btc", [103.9], [104.1])
    floor.venue("lambda").shows("btc", [99.9], [100.1])
    floor.pass_time(6, *saying)
    book = floor.market.book("btc", 20)
    assert book is not None
    assert book.sources == ["lambda"]


def test_outlier_that_reconnects_is_still_one(floor: Floor):
    wild, saying = five_venues(floor, 104.0)
    floor.pass_time(6, *saying)
    wild.relay.close("gone")
    wild.relay.open()
    wild.trades("btc", 104.0)
    assert len(floor.composite().sources) == 4


def test_of_two_venues_none_is_an_outlier_and_what_was_one_counts_again(floor: Floor):
    wild, saying = five_venues(floor, 104.0)
    floor.pass_time(6, *saying)
    floor.wait(31)
    floor.pass_time(0.25, saying[3], partial(wild.trades, "btc", 104.0))
    assert (floor.price(), floor.market.doubt("btc").flags) == (100, ["disputed"])
    floor.pass_time(30, saying[3], partial(wild.trades, "btc", 104.0))
    assert (floor.price(), len(floor.composite().sources)) == (100, 2)


def test_where_half_of_the_venues_are_far_off_nobody_is_an_outlier(floor: Floor):
    saying = [
        partial(floor.venue(f"v{number}").trades, "btc", price)
        for number, price in enumerate((95.0, 95.0, 95.0, 105.0, 105.0, 105.0))
    ]
    floor.pass_time(12, *saying)
    assert (floor.price(), len(floor.composite().sources), floor.market.doubt("btc").confidence) == (100, 6, "low")


# -- 24 hour figures


def test_change_is_the_median_of_the_venues_own_changes(floor: Floor):
    for name, last, open_24h in (("acme", 110, 100), ("zeta", 105, 100), ("wild", 100, 0.001)):
        floor.venue(name).tells("btc", last, open_24h)
    floor.venue("mute").quotes("btc", 99, 101)
    assert floor.composite().change_24h == pytest.approx(10)


def test_volume_is_the_sum_over_the_venues_in_usd(floor: Floor):
    floor.venue("dollar").quotes("usdt", 0.499, 0.501)
    floor.venue("quoted", "USDT").tells("btc", 200, volume=20.5, quote_volume=4_000)
    floor.venue("based", "USDT").tells("btc", 200, volume=3)
    floor.venue("acme").tells("btc", 100, quote_volume=70)
    floor.venue("acme_again", venue="acme").tells("btc", 100, quote_volume=70)
    assert floor.composite().volume_24h == 4_000 * 0.5 + 3 * 100 + 70


def test_newer_figures_are_shown_though_the_price_stands_still(floor: Floor):
    acme = floor.venue("acme")
    acme.tells("btc", 100, 50, quote_volume=5)
    floor.published()
    acme.tells("btc", 100, 80, quote_volume=6)
    assert (floor.composite().change_24h, floor.composite().volume_24h, floor.published()) == (25, 6, 0)


def test_impossible_figures_of_one_venue_are_passed_over(floor: Floor):
    floor.venue("wild").tells("btc", 1e23, 5e-324, volume=1e23)
    floor.venue("acme").tells("btc", 100, 80, quote_volume=6)
    assert (floor.composite().change_24h, floor.composite().volume_24h) == (25, 6)


# -- timestamps


def test_timestamp_is_the_newest_event_that_entered_the_price(floor: Floor):
    now = floor.clock.milliseconds()
    acme, zeta = floor.venue("acme"), floor.venue("zeta")
    acme.trades("btc", 100, at=now - 300)
    zeta.trades("btc", 100.2, at=now - 700)
    assert floor.composite().timestamp == now - 300
    zeta.trades("btc", 100.4, at=now - 200)
    assert floor.composite().timestamp == now - 200


def test_timestamp_belongs_to_the_price_not_to_later_events(floor: Floor):
    acme = floor.venue("acme")
    acme.trades("btc", 100)
    before = floor.composite().timestamp
    floor.clock.advance(1)
    acme.trades("btc", 100)
    assert floor.composite().timestamp == before


@pytest.mark.parametrize("ahead", [2_000, 9_000_000_000, -11_000, -600_000_000_000])
def test_venue_with_a_wrong_clock_happens_now(floor: Floor, ahead: int):
    floor.venue("acme").trades("btc", 100, at=floor.clock.milliseconds() + ahead)
    assert floor.composite().timestamp == floor.clock.milliseconds()


def test_timestamp_never_goes_back_though_the_clock_does(floor: Floor):
    acme = floor.venue("acme")
    acme.quotes("btc", 99.5, 100.5)
    before = floor.composite().timestamp
    floor.clock.set_back(3_600)
    acme.quotes("btc", 100.5, 101.5)
    assert (floor.price(), floor.composite().timestamp) == (101, before)


# -- the book


def test_merged_book_holds_every_fresh_venue(floor: Floor):
    acme, zeta = floor.venue("acme", stale_after=10), floor.venue("zeta")
    acme.shows("btc", [99, 98], [101])
    zeta.shows("btc", [99, 97], [102])
    book = floor.market.book("btc", 2)
    assert book is not None
    assert (book.bids, book.asks) == ([(99.0, 2.0), (98.0, 1.0)], [(101.0, 1.0), (102.0, 1.0)])
    assert (book.sources, book.timestamp) == (["acme", "zeta"], floor.clock.milliseconds())
    floor.market.tick()
    floor.published()
    floor.wait(11)
    assert floor.published("orderbook") == 1
    assert (book := floor.market.book("btc", 2)) is not None
    assert book.sources == ["zeta"]


def test_merged_book_is_in_usd(floor: Floor):
    floor.venue("dollar").quotes("usdt", 0.499, 0.501)
    floor.venue("tether", "USDT").shows("btc", [198], [202])
    book = floor.market.book("btc", 20)
    assert book is not None
    assert (book.bids, book.asks) == ([(99.0, 1.0)], [(101.0, 1.0)])


def test_usdt_book_of_a_venue_stands_in_while_its_usd_book_is_lost(floor: Floor):
    floor.venue("dollar").quotes("usdt", 0.99, 1.01)
    acme, tether = floor.venue("acme"), floor.venue("acme_usdt", "USDT", venue="acme")
    acme.shows("btc", [99], [101])
    tether.shows("btc", [88], [112])
    assert (book := floor.market.book("btc", 20)) is not None
    assert book.bids == [(99.0, 1.0)]
    acme.shows("btc", [101], [99])
    assert (book := floor.market.book("btc", 20)) is not None
    assert book.bids == [(88.0, 1.0)]


def test_change_beyond_what_is_published_is_no_change(floor: Floor):
    acme, zeta = floor.venue("acme"), floor.venue("zeta")
    acme.shows("btc", [99, 98, 97], [101, 102, 103])
    zeta.shows("btc", [98.5], [101.5])
    assert floor.market.book("btc", 2) is not None
    floor.published()
    acme.changes("btc", {97: 5.0, 96: 1.0}, {103: 0.0})
    acme.shows("btc", [99, 98, 97, 96], [101, 102])
    assert floor.published("orderbook") == 0
    acme.changes("btc", {}, {101.4: 1.0})
    assert floor.published("orderbook") == 1


def test_deepest_book_that_was_asked_for_decides_what_is_published(floor: Floor):
    acme = floor.venue("acme")
    acme.shows("btc", [99, 98, 97, 96], [101, 102, 103])
    floor.market.book("btc", 3)
    floor.market.book("btc", 1)
    floor.published()
    acme.changes("btc", {96: 2.0}, {})
    assert floor.published("orderbook") == 0
    acme.changes("btc", {97: 2.0}, {})
    assert floor.published("orderbook") == 1


def test_change_of_a_book_that_nobody_asked_for_since_the_last_is_told_again(floor: Floor):
    acme = floor.venue("acme")
    acme.shows("btc", [99, 98], [101])
    floor.market.book("btc", 1)
    floor.published()
    acme.changes("btc", {99: 2.0}, {})
    acme.changes("btc", {98: 2.0}, {})
    assert floor.published("orderbook") == 2


def test_market_that_is_not_in_the_book_does_not_change_it(floor: Floor):
    floor.venue("dollar").quotes("usdt", 0.999, 1.001)
    floor.venue("acme").shows("btc", [99], [101])
    tether = floor.venue("acme_usdt", "USDT", venue="acme")
    tether.shows("btc", [98], [102])
    floor.market.book("btc", 20)
    floor.published()
    tether.changes("btc", {99: 1.0}, {})
    tether.shows("btc", [97], [103])
    assert floor.published("orderbook") == 0


def test_venue_whose_book_came_is_in_it(floor: Floor):
    acme, zeta = floor.venue("acme"), floor.venue("zeta")
    acme.shows("btc", [99], [101])
    zeta.quotes("btc", 98, 102)
    floor.market.book("btc", 20)
    floor.published()
    zeta.shows("btc", [98], [102])
    assert floor.published("orderbook") == 1


def test_book_says_which_venue_has_what(floor: Floor):
    acme, zeta = floor.venue("acme"), floor.venue("zeta")
    acme.shows("btc", [99], [101])
    zeta.shows("btc", [99, 98], [102])
    book = floor.market.book("btc", 20, attributed=True)
    assert book is not None
    assert book.bid_venues == [{"acme": 1.0, "zeta": 1.0}, {"zeta": 1.0}]
    assert book.ask_venues == [{"acme": 1.0}, {"zeta": 1.0}]


SIDES = st.dictionaries(st.integers(90, 110).map(float), st.sampled_from([0.0, 1.0, 2.5]), max_size=3)
BOOK_EVENTS = st.tuples(st.sampled_from(["acme", "zeta", "iota"]), st.sampled_from(["shows", "changes", "gap"]))


@settings(max_examples=300, derandomize=True)
@given(st.lists(st.tuples(BOOK_EVENTS, SIDES, SIDES), max_size=25), st.integers(1, 4))
def test_book_is_what_was_published_until_it_is_marked(events, depth: int):
    floor = Floor()
    venues = {name: floor.venue(name) for name in ("acme", "zeta", "iota")}
    published = floor.market.book("btc", depth)
    for (name, kind), bids, asks in events:
        floor.marks.clear()
        if kind == "changes":
            venues[name].changes("btc", bids, asks)
        elif kind == "shows":
            venues[name].shows("btc", [price - 6 for price in bids], [price + 6 for price in asks])
        else:
            venues[name].loses_book("btc", kind)
        book = floor.market.book("btc", depth)
        if ("orderbook", "btc") not in floor.marks:
            assert (book and (book.bids, book.asks)) == (published and (published.bids, published.asks))
        published = book


@pytest.mark.parametrize("how", ["gap", "garbage", "frame gap", "closed"])
def test_lost_book_leaves_at_once_and_says_so(floor: Floor, how: str):
    acme = floor.venue("acme")
    acme.shows("btc", [99], [101])
    before = floor.market.book("btc", 20)
    floor.published()
    acme.loses_book("btc", how)
    assert before is not None
    assert floor.market.book("btc", 20) is None
    assert floor.published("orderbook") >= 1


# -- candles


def test_trades_give_the_candles_their_volume(floor: Floor):
    acme, zeta = floor.venue("acme"), floor.venue("zeta")
    acme.quotes("btc", 99, 101)
    acme.trades("btc", 100, 2.0)
    zeta.trades("btc", 100, 0.5)
    zeta.trades("btc", 100, 7.0, at=floor.clock.milliseconds() - 60_000)
    acme.repeats_last_trade()
    floor.wait(1)
    (candle,) = floor.candles
    assert (candle.close, candle.volume, candle.volume_usd) == (100, 2.5, 250)


def test_trades_of_another_time_count_in_no_candle_and_are_counted_and_repeated_ones_are_not(floor: Floor):
    acme, now = floor.venue("acme"), floor.clock.milliseconds()
    acme.quotes("btc", 99, 101)
    for late in (9_999, 10_001, -10_001):
        acme.trades("btc", 100, at=now - late)
        acme.repeats_last_trade()
    floor.wait(1)
    assert [candle.volume for candle in floor.candles] == [1.0]
    assert acme.relay.feeds["btc-USD"].late_trades == 2


def test_a_candle_s_volume_in_dollars_is_that_of_each_trade_at_its_own_price_and_rate(floor: Floor):
    floor.venue("bank").quotes("usdt", 0.895, 0.905)
    acme, zeta = floor.venue("acme"), floor.venue("zeta", "USDT")
    acme.quotes("btc", 99, 101)
    zeta.quotes("btc", 110, 112)
    acme.trades("btc", 101, 2.0)
    zeta.trades("btc", 110, 3.0)
    floor.wait(1)
    (candle,) = floor.candles
    assert (candle.volume, candle.volume_usd) == (5.0, pytest.approx(2 * 101 + 3 * 110 * 0.9))
