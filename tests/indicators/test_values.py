"""Every output of every indicator is TA-Lib's, from the first on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from math import isnan
from pathlib import Path

import pytest
from definitions import NAMES, difference, made, outputs, said
from hypothesis import given, settings
from hypothesis import strategies as st
from series import candles

from haunt import Candle

LONG = {"session": "9999w"}  # all candles are of one session, as in TA-Lib
OTHER: dict[str, list[dict[str, object]]] = {
    "sma": [{"period": 2}, {"period": 200}],
    "ema": [{"period": 2}, {"period": 200}],
    "rsi": [{"period": 2}, {"period": 50}],
    "macd": [{"fast": 2, "slow": 3, "signal": 1}, {"fast": 5, "slow": 35, "signal": 5}],
    "bollinger": [{"period": 2}, {"period": 50, "width": 2.5}],
    "stochastic": [{"period": 5}, {"period": 2, "smooth": 1, "signal": 1}, {"smooth": 5, "signal": 4}],
    "atr": [{"period": 2}, {"period": 50}],
    "adx": [{"period": 2}, {"period": 40}],
    "cci": [{"period": 2}, {"period": 50}],
    "mfi": [{"period": 2}, {"period": 50}],
    "williams_r": [{"period": 2}, {"period": 50}],
    "donchian": [{"period": 2}, {"period": 50}],
    "keltner": [{"period": 2, "atr_period": 20}, {"period": 50, "width": 1.0}, {"period": 11, "atr_period": 10}],
    "supertrend": [{"period": 2, "width": 0.5}, {"period": 50}],
}
EVERY = [(name, options) for name, several in OTHER.items() for options in [{}, *several]]
EVERY += [("obv", {}), ("vwap", LONG)]


def assert_talibs(name: str, options: dict[str, object], series: Sequence[Candle]) -> None:
    indicator = made(name, **options)
    expected, found = said(name, indicator.options, series), outputs(indicator, series)
    assert found.keys() == expected.values.keys()
    for output in found:
        assert difference(found[output], expected, output) <= 1e-9, output


@pytest.mark.parametrize(("name", "options"), EVERY)
def test_every_value_of_an_invented_series_is_talibs(name, options, generated):
    assert_talibs(name, options, generated)


def test_every_value_of_a_recorded_series_is_talibs(name, recording):
    assert_talibs(name, LONG if name == "vwap" else {}, recording[1])


def bar(numbers: tuple[float, float, float, float]) -> Candle:
    up, down, close, volume = numbers
    return Candle(0, close, close * (1 + up), close * (1 - down), close, volume)


@pytest.mark.parametrize("name", NAMES)
@settings(deadline=None, max_examples=25)
@given(
    numbers=st.lists(
        st.tuples(st.floats(0, 1), st.floats(0, 0.9), st.floats(1e-2, 1e2), st.floats(1, 100)), min_size=60, max_size=90
    )
)
def test_any_series_gives_what_talib_gives(name, numbers):
    assert_talibs(name, LONG if name == "vwap" else {}, [bar(four) for four in numbers])


KEPT = {
    "SMA20": ("sma", "sma"), "EMA20": ("ema", "ema"), "RSI14": ("rsi", "rsi"), "MACD_12_26_9": ("macd", "macd"),
    "MACD_signal": ("macd", "signal"), "MACD_hist": ("macd", "histogram"), "BB20_2_upper": ("bollinger", "upper"),
    "BB20_2_mid": ("bollinger", "middle"), "BB20_2_lower": ("bollinger", "lower"), "ATR14": ("atr", "atr"),
    "ADX14": ("adx", "adx"), "PLUS_DI14": ("adx", "plus_di"), "MINUS_DI14": ("adx", "minus_di"),
    "STOCH_slowk_14_3_3": ("stochastic", "k"), "STOCH_slowd": ("stochastic", "d"), "CCI20": ("cci", "cci"),
    "MFI14": ("mfi", "mfi"), "OBV": ("obv", "obv"), "WILLR14": ("williams_r", "williams_r"),
}  # fmt: skip
DI = {"PLUS_DI14", "MINUS_DI14"}  # known to TA-Lib before its ADX is; a reading has all three


@pytest.mark.parametrize("kept", KEPT)
def test_values_kept_beside_the_recordings_are_met(kept: str, recording, shared: Path) -> None:
    series, (indicator, output) = recording[1], KEPT[kept]
    expected = json.loads((shared / f"data/expected/talib_{recording[0]}.json").read_text())
    values = outputs(made(indicator), series)[output]
    for index, value in zip(expected["index"], expected["values"][kept], strict=True):
        if value is None or (kept in DI and isnan(values[index])):
            assert isnan(values[index])
        else:
            assert values[index] == pytest.approx(value, rel=1e-9, abs=1e-12)


def test_rounding_is_smaller_than_talibs_after_a_gap():
    """TA-Lib's running sum keeps what 1e12 rounded away: its average of prices of 1e-10 is below zero."""
    series = candles([1e12] * 30 + [1e-10 + 1e-12 * n for n in range(60)])
    assert (outputs(made("sma"), series)["sma"][60:] > 0).all()
    assert (outputs(made("bollinger"), series)["middle"][60:] > 0).all()
