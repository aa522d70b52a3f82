"""RSI against TA-Lib, and what it says at the edges."""

from __future__ import annotations

import pickle
from math import isfinite, isnan

import numpy as np
import pytest
import talib
from haunt_indicators.rsi import Rsi, RsiOptions
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from haunt import Candle


def rsi(**options: object) -> Rsi:
    return Rsi(RsiOptions.model_validate(options))


@pytest.mark.parametrize("period", [2, 14, 50])
def test_every_value_of_an_invented_series_is_talibs(generated, column, period):
    np.testing.assert_allclose(
        column(rsi(period=period), generated, "rsi"), talib.RSI(np.array(generated), period), rtol=1e-9, atol=0
    )


def test_every_value_of_a_recorded_series_is_talibs(recorded, column):
    closes, _ = recorded
    np.testing.assert_allclose(column(rsi(), closes, "rsi"), talib.RSI(np.array(closes), 14), rtol=1e-9, atol=0)


def test_values_kept_beside_the_recordings_are_met(recorded, column):
    closes, expected = recorded
    values = column(rsi(), closes, "rsi")
    for index, value in expected["RSI14"].items():
        assert (isnan(values[index]) and value is None) or values[index] == pytest.approx(value, rel=1e-9)


@settings(deadline=None)
@given(st.lists(st.floats(1e-6, 1e6), min_size=20, max_size=60), st.integers(2, 18))
def test_any_series_gives_what_talib_gives(closes, period):
    indicator = rsi(period=period)
    readings = [indicator.update(Candle(0, close, close, close, close, 0.0)) for close in closes]
    values = [reading.value if reading else float("nan") for reading in readings]
    np.testing.assert_allclose(values, talib.RSI(np.array(closes), period), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("period", [2, 14, 1000])
def test_as_many_candles_as_the_period_say_nothing_and_the_next_speaks(read, period):
    readings = read(rsi(period=period), [100.0 + candle % 7 for candle in range(period + 1)])
    assert readings[:-1] == [None] * period
    assert readings[-1] is not None


def test_the_primary_value_is_the_rsi(generated, read):
    for reading in read(rsi(), generated)[14:]:
        assert reading.values == {"rsi": reading.value}


def test_every_reading_is_finite_within_bounds_and_confident_only_in_a_signal(generated, read):
    for reading in read(rsi(), generated)[14:]:
        assert isfinite(reading.value)
        assert 0.0 <= reading.value <= 100.0
        assert 0.0 <= reading.confidence <= 1.0
        assert (reading.confidence == 0.0) == (reading.signal == "neutral")


def test_signal_and_confidence_follow_the_distance_past_the_level(generated, read):
    for reading in read(rsi(buy_below=40, sell_above=55), generated)[14:]:
        if reading.signal == "buy":
            assert reading.confidence == pytest.approx((40 - reading.value) / 40)
        elif reading.signal == "sell":
            assert reading.confidence == pytest.approx((reading.value - 55) / 45)


def test_a_rise_without_a_fall_is_a_certain_sell(read):
    reading = read(rsi(), [100.0 + candle for candle in range(20)])[-1]
    assert (reading.value, reading.signal, reading.confidence) == (100.0, "sell", 1.0)


def test_a_fall_without_a_rise_is_a_certain_buy(read):
    reading = read(rsi(), [100.0 - candle for candle in range(20)])[-1]
    assert (reading.value, reading.signal, reading.confidence) == (0.0, "buy", 1.0)


def test_on_the_level_is_not_past_it(read):
    closes = [100.0, 101.0, 100.0]
    assert read(rsi(period=2, buy_below=10, sell_above=50), closes)[-1].signal == "neutral"
    assert read(rsi(period=2, buy_below=50, sell_above=90), closes)[-1].signal == "neutral"


def test_a_flat_market_is_neutral_at_talibs_zero(read):
    for reading in read(rsi(), [0.1] * 100)[14:]:
        assert (reading.value, reading.signal, reading.confidence) == (0.0, "neutral", 0.0)


def test_a_market_that_froze_after_a_rise_ends_neutral(read):
    readings = read(rsi(), [100.0 + candle for candle in range(20)] + [120.0] * 20_000)
    assert readings[100].signal == "sell"
    assert {reading.signal for reading in readings[500:]} == {"neutral"}


def test_a_level_at_the_end_of_the_scale_is_never_passed(read):
    up, down = [100.0 + candle for candle in range(20)], [100.0 - candle for candle in range(20)]
    assert read(rsi(buy_below=0, sell_above=100), up)[-1].signal == "neutral"
    assert read(rsi(buy_below=0, sell_above=100), down)[-1].signal == "neutral"


def test_two_of_them_share_nothing(generated, read):
    alone = read(rsi(), generated)
    one, other = rsi(), rsi()
    together = []
    for close in generated:
        together.append(one.update(Candle(0, close, close, close, close, 0.0)))
        other.update(Candle(0, 1.0, 1.0, 1.0, 1.0, 0.0))
    assert together == alone


def test_ten_thousand_candles_later_it_holds_no_more(read):
    indicator = rsi()
    read(indicator, [100.0 + candle % 7 for candle in range(100)])
    before = len(pickle.dumps(indicator))
    read(indicator, [100.0 + candle % 11 for candle in range(10_000)])
    assert len(pickle.dumps(indicator)) == before


@pytest.mark.parametrize("levels", [(70, 30), (50, 50), (71, 70)])
def test_a_buy_level_must_be_below_the_sell_level(levels):
    buy_below, sell_above = levels
    with pytest.raises(ValidationError, match=rf"buy_below \({buy_below}\) must be less than sell_above"):
        rsi(buy_below=buy_below, sell_above=sell_above)


@pytest.mark.parametrize("options", [{"period": 1}, {"period": 1001}, {"buy_below": -1}, {"sell_above": 101}])
def test_options_out_of_range_are_refused(options):
    with pytest.raises(ValidationError, match=next(iter(options))):
        rsi(**options)
