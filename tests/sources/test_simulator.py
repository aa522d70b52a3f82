"""The simulated venues: repeatable, plausible, and polite to the event loop."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
from haunt_sources.simulator import Schedule, Simulator, SimulatorOptions
from haunt_sources.simulator.fair import base_price, drift
from haunt_sources.simulator.market import Simulation, outage
from pydantic import ValidationError

from haunt import BookDelta, BookSnapshot, Event, Relay, SourceLost, Ticker, Trade
from haunt.market.feed import Feed
from haunt.market.symbols import Symbol

NAMES = ("btc", "eth", "usdt", "wobble")
VENUES = ("alpha", "bravo", "charlie")
NOW = 1_700_000_000_000
RATE = 40


def simulation(
    scenario: str = "calm", *, seed: int = 1, names: tuple[str, ...] = NAMES, **changes: object
) -> Simulation:
    options = SimulatorOptions(seed=seed, scenario=scenario, **changes)
    return Simulation(
        names,
        venues=options.venues,
        quote="USD",
        seed=options.seed,
        scenario=options.scenario,
        depth=options.depth,
        volatility=options.volatility,
    )


def course(simulation: Simulation, *, seconds: float, rate: float = RATE) -> Iterator[tuple[float, Event]]:
    """What is said from the start on, with the moment it is said at."""
    for event in simulation.opening(0.0, NOW):
        yield 0.0, event
    for number in range(int(seconds * rate)):
        event = simulation.event(number / rate, NOW + int(number / rate * 1_000))
        if event is not None:
            yield number / rate, event


def relay(names: tuple[str, ...] = NAMES, deliver: Callable[[Feed, Event], None] = lambda feed, event: None) -> Relay:
    return Relay("simulator", wanted=[Symbol(name) for name in names], deliver=deliver)


def prices(scenario: str, *, seconds: float) -> list[tuple[float, float]]:
    """The price of alpha's bitcoin and when it was that."""
    simulated, heard = simulation(scenario), relay()
    heard.choose(simulated.instruments)
    found = []
    for moment, event in course(simulated, seconds=seconds):
        heard.publish(event)
        price = heard.feeds["alpha:BTC-USD"].price
        assert price is not None
        found.append((moment, price))
    return found


# -- what is said


def test_same_seed_and_options_give_the_same_events():
    first, second = (list(course(simulation("crash"), seconds=60)) for _ in range(2))
    assert first == second
    assert len(first) > 60 * RATE


def test_the_past_leads_to_where_the_prices_begin_and_is_the_same_for_the_same_seed():
    simulated = simulation()
    (market,) = [one for one in simulated.markets if one.instrument.venue_symbol == "alpha:BTC-USD"]
    minute = NOW - NOW % 60_000
    whole = market.candles(NOW, minute - 3_600_000, NOW)
    assert [one.start for one in whole] == list(range(minute - 3_600_000, minute, 60_000))
    assert all(one.low <= min(one.open, one.close) <= max(one.open, one.close) <= one.high for one in whole)
    assert [one.close for one in whole[:-1]] == [one.open for one in whole[1:]]
    assert whole[-1].close == pytest.approx(prices("calm", seconds=1)[0][1], rel=1e-3)
    assert market.candles(NOW, minute - 600_000, NOW) == whole[-10:]
    assert simulation(seed=2).markets[0].candles(NOW, minute - 600_000, NOW) != whole[-10:]
    assert market.candles(NOW, NOW, NOW + 3_600_000) == []


def test_another_process_gives_the_same_events():
    script = (
        "from haunt_sources.simulator.market import Simulation\n"
        "s = Simulation(['btc', 'wobble'], venues=['a', 'b'], quote='USD', seed=7, scenario='calm', depth=5,"
        " volatility=0.6)\n"
        "print([*s.opening(0.0, 0), *(s.event(n / 10, n) for n in range(200))])"
    )
    first, second = (
        subprocess.run(
            [sys.executable, "-c", script], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("1", "2")
    )
    assert first == second != ""


def test_another_seed_gives_other_events():
    one, other = (list(course(simulation(seed=seed), seconds=5)) for seed in (1, 2))
    assert one != other


@pytest.mark.parametrize("scenario", ["calm", "trend", "crash"])
def test_books_stay_whole_and_uncrossed(scenario):
    simulated, heard = simulation(scenario), relay()
    heard.choose(simulated.instruments)
    for _, event in course(simulated, seconds=150):
        heard.publish(event)
        feed = heard.feeds[event.venue_symbol]
        assert isinstance(event, Ticker) or feed.book_state == "synced", feed.proven.lost_because
    assert heard.rejected == heard.integrity.gaps == 0
    assert heard.integrity.links > 2_000
    assert {len(feed.book.bids) for feed in heard.feeds.values()} == {25}
    assert {len(feed.book.asks) for feed in heard.feeds.values()} == {25}


@pytest.mark.parametrize("volatility", [0.0, 10.0])
@pytest.mark.parametrize("depth", [1, 1000])
def test_no_depth_or_volatility_breaks_a_book(depth, volatility):
    names = ("btc", "shib")
    simulated, heard = simulation("crash", depth=depth, volatility=volatility, names=names), relay(names)
    heard.choose(simulated.instruments)
    for _, event in course(simulated, seconds=70, rate=8):
        heard.publish(event)
    assert heard.rejected == heard.integrity.gaps == 0
    assert {len(feed.book.bids) for feed in heard.feeds.values()} == {depth}
    assert {feed.book_state for feed in heard.feeds.values()} == {"synced"}


def test_every_symbol_has_a_feed_of_each_venue():
    simulated, heard = simulation(), relay()
    heard.choose(simulated.instruments)
    venues = {name: {feed.venue for feed in heard.feeds.values() if feed.symbol == name} for name in NAMES}
    assert venues == {name: set(VENUES) for name in NAMES}
    assert "alpha:BTC-USD" in heard.feeds


def test_venues_agree_within_a_thousandth_but_not_exactly():
    simulated, heard = simulation(), relay()
    heard.choose(simulated.instruments)
    for _, event in course(simulated, seconds=30):
        heard.publish(event)
    quoted = [feed.price for feed in heard.feeds.values() if feed.symbol == "btc"]
    assert len(set(quoted)) == 3
    assert max(quoted) / min(quoted) < 1.001


def test_tickers_of_everything_come_first_then_all_books():
    opening = list(simulation().opening(0.0, 0))
    markets = len(NAMES) * len(VENUES)
    assert [type(event) for event in opening] == [Ticker] * markets + [BookSnapshot] * markets
    for ticker in opening[:markets]:
        assert 0.9 < ticker.open_24h / ticker.last < 1.1
        assert ticker.quote_volume_24h == pytest.approx(ticker.volume_24h * ticker.last)


def test_markets_take_turns():
    simulated = simulation()
    told = [simulated.event(1.0, 0) for _ in simulated.markets]
    assert len({event.venue_symbol for event in told}) == len(simulated.markets)


def test_changes_trades_and_tickers_are_mixed():
    kinds = [type(event) for _, event in course(simulation(), seconds=100)]
    assert kinds.count(BookDelta) > kinds.count(Trade) > kinds.count(Ticker) > len(NAMES) * len(VENUES)


def test_trades_are_made_at_the_best_price_and_have_ids_of_their_own():
    simulated, heard, seen = simulation(), relay(), set()
    heard.choose(simulated.instruments)
    for _, event in course(simulated, seconds=30):
        if isinstance(event, Trade):
            feed = heard.feeds[event.venue_symbol]
            assert event.price == (feed.ask if event.side == "buy" else feed.bid)
            assert (event.venue_symbol, event.id) not in seen
            seen.add((event.venue_symbol, event.id))
        heard.publish(event)
    assert len(seen) > 100


def test_prices_have_decimals_that_suit_them():
    snapshots = {event.venue_symbol: event for event in simulation(names=("btc", "usdt", "shib")).opening(0.0, 0)}
    decimals = {name: len(book.bids[0][0].partition(".")[2]) for name, book in snapshots.items()}
    assert decimals["alpha:BTC-USD"] == 2
    assert decimals["alpha:USDT-USD"] == 4
    assert decimals["alpha:SHIB-USD"] == 9


def test_well_known_prices_are_about_right_and_others_are_invented_from_the_name():
    assert (base_price("btc"), base_price("usdt")) == (67_000.0, 1.0)
    assert base_price("wobble") == base_price("wobble") != base_price("wobbly")
    assert all(0.001 <= base_price(f"coin{number}") <= 1_000 for number in range(1_000))


def test_quote_currency_itself_has_no_market():
    assert simulation(names=("btc", "usd")).instruments == simulation(names=("btc",)).instruments


# -- scenarios


def test_crash_takes_a_fifth_of_the_price_within_seconds_and_gives_it_back():
    course = prices("crash", seconds=235)
    calm = [price for moment, price in course if moment < 45]
    lowest, when = min((price, moment) for moment, price in course)
    recovered = [price for moment, price in course if moment > 132]
    assert min(calm) > 66_000
    assert 0.78 < lowest / calm[0] < 0.82
    assert 59 < when < 72
    assert min(recovered) > 66_000


def test_crash_comes_again_every_four_minutes():
    assert drift("crash", 65.0) == drift("crash", 65.0 + 240.0) == pytest.approx(-0.2231, abs=1e-3)


def test_trend_goes_up_and_comes_down():
    course = dict(prices("trend", seconds=460))
    assert course[150.0] / course[0.0] > 1.02
    assert course[450.0] / course[150.0] < 0.96


def test_a_stable_coin_does_not_join_a_crash():
    simulated = simulation("crash", names=("usdc",))
    books = [event for _, event in course(simulated, seconds=70) if isinstance(event, BookDelta)]
    assert all(0.995 < float(level[0]) < 1.005 for book in books for level in (*book.bids, *book.asks))


def test_in_an_outage_one_venue_is_silent_for_twenty_seconds_and_comes_back_with_its_books():
    told = [(moment, event) for moment, event in course(simulation("outage"), seconds=59) if moment]
    silent = [event for moment, event in told if event.venue_symbol.startswith("alpha:") and 20 <= moment < 40]
    others = [event for moment, event in told if event.venue_symbol.startswith("bravo:") and 20 <= moment < 40]
    back = [event for moment, event in told if event.venue_symbol.startswith("alpha:") and moment >= 40]
    assert silent == []
    assert len(others) > 100
    assert {type(event) for event in back[: len(NAMES)]} == {BookSnapshot}


def test_in_an_outage_books_are_lost_and_found_again():
    simulated, heard = simulation("outage"), relay()
    heard.choose(simulated.instruments)
    states = {}
    for moment, event in course(simulated, seconds=119):
        heard.publish(event)
        states[int(moment)] = {name for name, feed in heard.feeds.items() if feed.book_state != "synced"}
    assert states[79] == states[118] == set()
    assert states[95] == {f"bravo:{name.upper()}-USD" for name in NAMES}
    assert heard.integrity.gaps == len(NAMES)


def test_venues_take_turns_in_trouble():
    assert [outage(60.0 * number + 30, 3) for number in range(4)] == [
        (0, "silent"),
        (1, "lost"),
        (2, "silent"),
        (0, "lost"),
    ]
    assert outage(10.0, 3) is None


# -- when it is said


@pytest.mark.parametrize("rate", [0.5, 50, 3_333.3, 1_000_000])
def test_updates_come_at_the_rate_asked_for(rate):
    schedule, made = Schedule(rate), 0
    for turn in range(1, 2_001):
        due = schedule.due(turn * 0.005)
        made += len(due)
        schedule.next = due.stop
    assert made == pytest.approx(rate * 10, rel=0.1)


def test_what_a_stall_delayed_beyond_use_is_left_out():
    schedule = Schedule(rate=1_000)
    assert schedule.due(5.0) == range(4_900, 5_000)


def test_it_sleeps_until_the_next_update_and_not_at_all_when_behind():
    schedule = Schedule(rate=10, first=70)
    assert schedule.pause(0.04) == pytest.approx(0.06)
    assert schedule.pause(0.0999) == pytest.approx(0.002)
    assert schedule.pause(0.1) == 0.0


# -- the source


@pytest.mark.gen_test
async def test_every_symbol_has_a_price_after_one_turn_of_the_loop():
    heard = relay()
    running = asyncio.create_task(Simulator(SimulatorOptions(), heard).run())
    await asyncio.sleep(0)
    running.cancel()
    assert heard.connected
    assert len(heard.feeds) == len(NAMES) * len(VENUES)
    assert all(feed.price and feed.open_24h and feed.book_state == "synced" for feed in heard.feeds.values())


@pytest.mark.gen_test
async def test_a_rate_beyond_the_machine_leaves_other_tasks_their_turns():
    heard = relay()
    running = asyncio.create_task(Simulator(SimulatorOptions(updates_per_second=1_000_000), heard).run())
    for _ in range(30):
        await asyncio.sleep(0.001)
    assert not running.done()
    running.cancel()
    assert heard.events > 1_000


@pytest.mark.gen_test
async def test_what_it_says_after_a_new_start_still_counts():
    traded = asyncio.Event()

    def deliver(feed: Feed, event: Event) -> None:
        if isinstance(event, Trade):
            traded.set()

    heard = relay(deliver=deliver)
    source = Simulator(SimulatorOptions(updates_per_second=50_000), heard)
    for _ in range(2):
        traded.clear()
        running = asyncio.create_task(source.run())
        await traded.wait()
        running.cancel()
        heard.close("stopped")
    assert heard.rejected == heard.integrity.gaps == 0


@pytest.mark.gen_test
async def test_asked_for_no_symbol_it_says_so():
    with pytest.raises(SourceLost, match="no symbol"):
        await Simulator(SimulatorOptions(), relay(())).run()


def test_it_says_that_it_is_simulated():
    assert Simulator.simulated


def test_first_quote_currency_is_the_one_quoted():
    source = Simulator(SimulatorOptions(quotes=("usdt", "USD")), relay())
    assert next(iter(source.relay.choose(source._simulation.instruments))) == "alpha:BTC-USDT"


@pytest.mark.parametrize(
    "options",
    [
        {"venues": ["alpha", "alpha"]},
        {"venues": []},
        {"venues": ["Not A Name"]},
        {"scenario": "boom"},
        {"updates_per_second": 0},
        {"updates_per_second": 2_000_000},
        {"depth": 0},
        {"seed": -1},
    ],
)
def test_options_that_cannot_be_are_refused(options):
    with pytest.raises(ValidationError):
        SimulatorOptions(**options)
