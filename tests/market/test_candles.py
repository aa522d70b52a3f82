"""Candles: aligned, contiguous, closed by the clock alone."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haunt.market.candles import MOST_FILLED, Candle, CandleSeries, candle_start, timeframe_milliseconds

MINUTE = 60_000
NOON = int(datetime(2026, 3, 4, 12, tzinfo=UTC).timestamp() * 1000)  # a Wednesday

moves = st.tuples(
    st.integers(0, 5 * MINUTE),
    st.one_of(
        st.tuples(st.just("price"), st.floats(1e-9, 1e9)),
        st.tuples(st.just("volume"), st.integers(1, 1_000).map(float)),
    ),
)


def play(series: CandleSeries, steps: list[tuple[int, tuple[str, float]]]) -> list[Candle]:
    """The candles closed by these prices and volumes; each step is (time, (method, argument))."""
    closed = []
    for now, (method, argument) in steps:
        closed += getattr(series, method)(argument, now)
    return closed


def on_the_clock(pauses: list[tuple[int, tuple[str, float]]]) -> list[tuple[int, tuple[str, float]]]:
    steps, now = [], NOON
    for pause, step in pauses:
        now += pause
        steps.append((now, step))
    return steps


def test_a_candle_has_the_first_highest_lowest_and_last_price_and_the_volume():
    series = CandleSeries("1m")
    for second, price in enumerate([100.0, 104.0, 97.0, 101.0]):
        assert series.price(price, NOON + second * 1_000) == []
    series.volume(2.5, NOON + 5_000)
    series.volume(1.5, NOON + 6_000)
    assert series.close(NOON + MINUTE) == [Candle(NOON, 100.0, 104.0, 97.0, 101.0, 4.0)]


def test_a_candle_ends_with_its_last_millisecond():
    series = CandleSeries("1m")
    series.price(100.0, NOON)
    assert series.close(NOON + MINUTE - 1) == []
    assert len(series.close(NOON + MINUTE)) == 1
    assert series.close(NOON + MINUTE) == []


def test_a_late_trade_counts_in_the_candle_of_its_time_while_that_is_not_closed():
    series = CandleSeries("1m")
    series.price(100.0, NOON)
    (first,) = series.volume(2.0, NOON + MINUTE + 50, 200.0, at=NOON + MINUTE - 1)
    assert (first.volume, first.volume_usd) == (2.0, 200.0)
    assert series.volume(3.0, NOON + MINUTE + 60, at=NOON + MINUTE - 1) == []
    assert [candle.volume for candle in series.close(NOON + 2 * MINUTE)] == [3.0]


def test_a_trade_ahead_of_the_clock_counts_in_the_running_candle():
    series = CandleSeries("1m")
    series.price(100.0, NOON)
    assert series.volume(2.0, NOON + MINUTE - 1, at=NOON + MINUTE) == []
    assert [candle.volume for candle in series.close(NOON + MINUTE)] == [2.0]


def test_a_price_on_the_boundary_belongs_to_the_next_candle():
    series = CandleSeries("1m")
    series.price(100.0, NOON)
    assert series.price(105.0, NOON + MINUTE) == [Candle(NOON, 100.0, 100.0, 100.0, 100.0, 0.0)]
    assert series.running == Candle(NOON + MINUTE, 105.0, 105.0, 105.0, 105.0, 0.0)


def test_before_the_first_price_there_is_nothing():
    series = CandleSeries("1m")
    assert series.running is None
    assert series.close(NOON) == []
    assert series.volume(3.0, NOON) == []
    assert series.price(100.0, NOON + 5 * MINUTE) == []
    assert series.running == Candle(NOON + 5 * MINUTE, 100.0, 100.0, 100.0, 100.0, 0.0)


def test_an_interval_without_a_price_repeats_the_close_and_says_so():
    series = CandleSeries("1m")
    series.price(100.0, NOON)
    series.price(103.0, NOON + 1_000)
    assert series.price(99.0, NOON + 3 * MINUTE) == [
        Candle(NOON, 100.0, 103.0, 100.0, 103.0, 0.0),
        Candle(NOON + MINUTE, 103.0, 103.0, 103.0, 103.0, 0.0, filled=True),
        Candle(NOON + 2 * MINUTE, 103.0, 103.0, 103.0, 103.0, 0.0, filled=True),
    ]
    assert series.running == Candle(NOON + 3 * MINUTE, 99.0, 99.0, 99.0, 99.0, 0.0)


def test_trades_without_a_price_count_in_a_filled_candle():
    series = CandleSeries("1m")
    series.price(100.0, NOON)
    series.volume(2.0, NOON + MINUTE)
    assert series.close(NOON + 2 * MINUTE)[-1] == Candle(NOON + MINUTE, 100.0, 100.0, 100.0, 100.0, 2.0, filled=True)


def test_a_clock_set_back_closes_nothing_and_its_prices_join_the_running_candle():
    series = CandleSeries("1m")
    series.price(100.0, NOON)
    assert series.price(90.0, NOON - 10 * MINUTE) == []
    assert series.volume(1.0, NOON - 5 * MINUTE) == []
    assert series.close(NOON - MINUTE) == []
    assert series.close(NOON + MINUTE) == [Candle(NOON, 100.0, 100.0, 90.0, 90.0, 1.0)]


def test_a_long_sleep_fills_at_most_so_many_and_goes_on_at_the_new_time():
    series = CandleSeries("1m")
    series.price(100.0, NOON)
    late = NOON + 3 * MOST_FILLED * MINUTE + 1
    closed = series.close(late)
    assert [candle.start for candle in closed] == [NOON + n * MINUTE for n in range(MOST_FILLED)]
    assert series.running == Candle(late - 1, 100.0, 100.0, 100.0, 100.0, 0.0, filled=True)


def test_a_sleep_just_short_enough_leaves_no_hole():
    series = CandleSeries("1m")
    series.price(100.0, NOON)
    closed = series.close(NOON + MOST_FILLED * MINUTE)
    assert len(closed) == MOST_FILLED
    assert series.running.start == closed[-1].start + MINUTE


@pytest.mark.parametrize(
    ("timeframe", "start"),
    [
        ("1s", datetime(2026, 3, 4, 12, 34, 56, tzinfo=UTC)),
        ("15m", datetime(2026, 3, 4, 12, 30, tzinfo=UTC)),
        ("4h", datetime(2026, 3, 4, 12, tzinfo=UTC)),
        ("1d", datetime(2026, 3, 4, tzinfo=UTC)),
        ("1w", datetime(2026, 3, 2, tzinfo=UTC)),
    ],
)
def test_candles_begin_where_a_calendar_in_utc_says(timeframe, start):
    moment = int(datetime(2026, 3, 4, 12, 34, 56, 789_000, tzinfo=UTC).timestamp() * 1000)
    series = CandleSeries(timeframe)
    series.price(100.0, moment)
    assert datetime.fromtimestamp(series.running.start / 1000, UTC) == start


def test_every_week_begins_on_a_monday():
    for week in range(60):
        start = candle_start(
            NOON + week * timeframe_milliseconds("1w") + week * 3_600_000, timeframe_milliseconds("1w")
        )
        assert datetime.fromtimestamp(start / 1000, UTC).strftime("%A %H:%M:%S") == "Monday 00:00:00"


@pytest.mark.parametrize(
    ("timeframe", "length"), [("1s", 1_000), ("15m", 900_000), ("4h", 14_400_000), ("1d", 86_400_000)]
)
def test_a_timeframe_is_a_number_and_a_unit(timeframe, length):
    assert timeframe_milliseconds(timeframe) == length


@pytest.mark.parametrize("timeframe", ["", "m", "0m", "01m", "-1m", "1.5m", "1M", "1 m", "1m ", "1m\n", "1y", "٣m", "100000s"])  # fmt: skip  # noqa: E501
def test_anything_else_is_refused_with_an_example(timeframe):
    with pytest.raises(ValueError, match="such as 15s, 1m or 4h"):
        timeframe_milliseconds(timeframe)


@settings(deadline=None)
@given(st.lists(moves, min_size=1, max_size=40), st.sampled_from(["15s", "1m", "7m", "1h", "1d"]))
def test_candles_are_contiguous_aligned_and_ordered_inside(pauses, timeframe):
    series = CandleSeries(timeframe)
    closed = play(series, on_the_clock(pauses))
    for earlier, later in pairwise(closed):
        assert later.start == earlier.start + series.length
    for candle in closed:
        assert candle.start % series.length == 0
        assert candle.low <= candle.open <= candle.high
        assert candle.low <= candle.close <= candle.high


@settings(deadline=None)
@given(st.lists(moves, min_size=1, max_size=40))
def test_volume_is_neither_lost_nor_counted_twice(pauses):
    series = CandleSeries("1m")
    series.price(100.0, NOON)
    steps = on_the_clock(pauses)
    closed = [*play(series, steps), series.running]
    assert sum(candle.volume for candle in closed) == sum(step[1] for _, step in steps if step[0] == "volume")


@settings(deadline=None)
@given(st.lists(moves, min_size=1, max_size=30), st.lists(st.integers(0, 150 * MINUTE), max_size=30))
def test_how_often_the_clock_is_looked_at_changes_nothing(pauses, looks):
    steps = on_the_clock(pauses)
    end = steps[-1][0]
    alone, watched = CandleSeries("1m"), CandleSeries("1m")
    expected = play(alone, steps) + alone.close(end)

    looked_at = [(NOON + look, None) for look in looks if NOON + look <= end]
    closed = []
    for now, step in sorted([*steps, *looked_at], key=lambda one: one[0]):
        closed += watched.close(now) if step is None else play(watched, [(now, step)])
    assert closed + watched.close(end) == expected
    assert watched.running == alone.running


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(-20 * MINUTE, 20 * MINUTE), st.floats(1.0, 2.0)), min_size=1, max_size=40))
def test_whatever_the_clock_does_no_candle_comes_twice(jumps):
    series, now, closed = CandleSeries("1m"), NOON, []
    for jump, price in jumps:
        now += jump
        closed += series.price(price, now)
    starts = [candle.start for candle in closed]
    assert starts == [starts[0] + position * MINUTE for position in range(len(starts))]
