"""MACD against TA-Lib, and what it says at the edges."""

from __future__ import annotations

import pickle
from math import isfinite, isnan

import numpy as np
import pytest
import talib
from haunt_indicators.macd import Macd, MacdOptions
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from haunt import Candle

NAMES = ("macd", "signal", "histogram")


def macd(**options: object) -> Macd:
    return Macd(MacdOptions.model_validate(options))


def assert_talibs(values: list[float], expected: np.ndarray, closes: list[float], slow: int) -> None:
    """Equal to a part in 1e9. Outputs are differences of prices and pass through zero: there, equal to within
    what rounding leaves of the price."""
    values, level = np.array(values), talib.EMA(np.array(closes), slow)
    np.testing.assert_array_equal(np.isnan(values), np.isnan(expected))
    known = ~np.isnan(expected)
    allowed = 1e-9 * np.abs(expected[known]) + 1e-14 * level[known]
    assert (np.abs(values - expected)[known] <= allowed).all()


@pytest.mark.parametrize("periods", [(12, 26, 9), (2, 3, 1), (5, 35, 5)])
def test_every_value_of_an_invented_series_is_talibs(generated, column, periods):
    fast, slow, signal = periods
    for name, expected in zip(NAMES, talib.MACD(np.array(generated), fast, slow, signal), strict=True):
        values = column(macd(fast=fast, slow=slow, signal=signal), generated, name)
        assert_talibs(values, expected, generated, slow)


def test_every_value_of_a_recorded_series_is_talibs(recorded, column):
    closes, _ = recorded
    for name, expected in zip(NAMES, talib.MACD(np.array(closes)), strict=True):
        np.testing.assert_allclose(column(macd(), closes, name), expected, rtol=1e-9, atol=0)


def test_values_kept_beside_the_recordings_are_met(recorded, column):
    closes, expected = recorded
    for name, kept in zip(NAMES, ("MACD_12_26_9", "MACD_signal", "MACD_hist"), strict=True):
        values = column(macd(), closes, name)
        for index, value in expected[kept].items():
            assert (isnan(values[index]) and value is None) or values[index] == pytest.approx(value, rel=1e-9)


@settings(deadline=None)
@given(
    st.lists(st.floats(1e-6, 1e6), min_size=40, max_size=80),
    st.integers(2, 9),
    st.integers(1, 12),
    st.integers(1, 9),
)
def test_any_series_gives_what_talib_gives(closes, fast, apart, signal):
    slow = fast + apart
    indicator = macd(fast=fast, slow=slow, signal=signal)
    readings = [indicator.update(Candle(0, close, close, close, close, 0.0)) for close in closes]
    for name, expected in zip(NAMES, talib.MACD(np.array(closes), fast, slow, signal), strict=True):
        values = np.array([reading.values[name] if reading else float("nan") for reading in readings])
        np.testing.assert_allclose(values, expected, rtol=1e-9, atol=1e-14 * max(closes))


@pytest.mark.parametrize("periods", [(12, 26, 9), (2, 3, 1), (2, 1000, 1000)])
def test_slow_and_signal_less_two_candles_say_nothing_and_the_next_speaks(read, periods):
    fast, slow, signal = periods
    silent = slow + signal - 2
    readings = read(macd(fast=fast, slow=slow, signal=signal), [100.0 + n % 7 for n in range(silent + 1)])
    assert readings[:-1] == [None] * silent
    assert readings[-1] is not None


def test_the_primary_value_is_the_histogram_and_all_three_are_told(generated, read):
    for reading in read(macd(), generated)[33:]:
        assert set(reading.values) == set(NAMES)
        assert reading.value == reading.values["histogram"] == reading.values["macd"] - reading.values["signal"]


def test_every_reading_is_finite_and_confident_only_in_a_signal(generated, read):
    for reading in read(macd(), generated)[33:]:
        assert all(isfinite(value) for value in reading.values.values())
        assert 0.0 <= reading.confidence <= 1.0
        assert (reading.confidence == 0.0) == (reading.signal == "neutral")


def test_the_sign_of_the_histogram_is_the_signal(generated, read):
    for reading in read(macd(), generated)[33:]:
        if reading.signal != "neutral":
            assert reading.signal == ("buy" if reading.value > 0 else "sell")


def test_a_rise_that_quickens_is_a_buy_and_a_fall_that_quickens_a_sell(read):
    assert read(macd(), [100.0 + n * n for n in range(60)])[-1].signal == "buy"
    assert read(macd(), [1e6 - n * n for n in range(60)])[-1].signal == "sell"


def test_confidence_is_the_same_at_any_scale_of_prices(read):
    closes = [100.0 + n % 7 + n % 13 for n in range(200)]
    usual = read(macd(), closes)[33:]
    tiny = read(macd(), [close * 2.0**-40 for close in closes])[33:]
    assert [reading.confidence for reading in tiny] == [reading.confidence for reading in usual]


def test_confidence_starts_at_a_half_and_grows_with_an_unusual_histogram(read):
    readings = read(macd(), [100.0 + n % 7 for n in range(200)] + [150.0])
    assert readings[33].confidence == 0.5
    assert readings[-1].confidence == max(reading.confidence for reading in readings[33:]) > 0.9


def test_confidence_compares_the_histogram_with_its_average_before(generated, read):
    readings = read(macd(), generated)[33:]
    usual = abs(readings[0].value)
    for reading in readings:
        size = abs(reading.value)
        if reading.signal != "neutral":
            assert reading.confidence == pytest.approx(size / (size + usual))
        usual += (size - usual) * 2 / 27


def test_a_flat_market_is_neutral(read):
    for reading in read(macd(), [0.1] * 200)[33:]:
        assert (reading.signal, reading.confidence) == ("neutral", 0.0)
        assert abs(reading.value) < 1e-15


def test_a_market_that_froze_ends_neutral(read):
    readings = read(macd(), [100.0 + n * n for n in range(60)] + [77.7] * 2_000)
    assert {reading.signal for reading in readings[600:]} == {"neutral"}


def test_two_of_them_share_nothing(generated, read):
    alone = read(macd(), generated)
    one, other = macd(), macd()
    together = []
    for close in generated:
        together.append(one.update(Candle(0, close, close, close, close, 0.0)))
        other.update(Candle(0, 1.0, 1.0, 1.0, 1.0, 0.0))
    assert together == alone


def test_ten_thousand_candles_later_it_holds_no_more(read):
    indicator = macd()
    read(indicator, [100.0 + n % 7 for n in range(100)])
    before = len(pickle.dumps(indicator))
    read(indicator, [100.0 + n % 11 for n in range(10_000)])
    assert len(pickle.dumps(indicator)) == before


@pytest.mark.parametrize("fast", [26, 30])
def test_the_fast_average_must_be_faster_than_the_slow_one(fast):
    with pytest.raises(ValidationError, match=rf"fast \({fast}\) must be less than slow \(26\)"):
        macd(fast=fast)


@pytest.mark.parametrize("options", [{"fast": 1}, {"slow": 1001}, {"signal": 0}, {"signal": 1001}])
def test_options_out_of_range_are_refused(options):
    with pytest.raises(ValidationError, match=next(iter(options))):
        macd(**options)
