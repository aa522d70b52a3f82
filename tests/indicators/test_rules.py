"""Signals and confidences follow the documented rules, computed from TA-Lib's values."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from definitions import made, said
from series import GENERATED, candles, flat, following, walk

from haunt import Candle, Reading

SHARP = ["a walk", "prices of 1e-10", "prices of 1e12", "many equal closes", "constant volume", "flat after a walk"]
UP = candles([100.0 * 1.01**n for n in range(60)])
DOWN = candles([100.0 * 0.99**n for n in range(60)])
STATES = {1: "buy", -1: "sell", 0: "neutral"}
# What a long rise is to each: a trend to follow, a height to sell at, or no news.
RISE = {
    "sma": "buy", "ema": "buy", "adx": "buy", "obv": "buy", "vwap": "buy", "donchian": "buy", "supertrend": "buy",
    "rsi": "sell", "stochastic": "sell", "cci": "sell", "mfi": "sell", "williams_r": "sell",
    "bollinger": "neutral", "atr": "neutral",
}  # fmt: skip
OPPOSITE = {"buy": "sell", "sell": "buy", "neutral": "neutral"}


def read(name: str, series: Sequence[Candle], **options: object) -> list[Reading]:
    """The readings, without those of the warm-up."""
    indicator = made(name, **options)
    return [reading for candle in series if (reading := indicator.update(candle))]


@pytest.mark.parametrize("rule", ["level", "confirmed"])
@pytest.mark.parametrize("kind", SHARP)
def test_signal_and_confidence_are_what_the_documentation_says(name, kind, rule):
    options = {"rule": rule} | ({"session": "9999w"} if name == "vwap" else {})
    expected = said(name, made(name, **options).options, GENERATED[kind])
    readings = read(name, GENERATED[kind], **options)
    for reading, strength, turn in zip(
        readings, expected.strength[expected.warm_up :], np.nan_to_num(expected.turn[expected.warm_up :]), strict=True
    ):
        if rule == "confirmed" and not strength * turn > 0:
            strength = 0.0
        if abs(strength) > 1e-9 or reading.confidence > 1e-9:
            assert reading.signal == STATES[int(np.sign(strength))]
            assert reading.confidence == pytest.approx(min(abs(strength), 1.0), rel=1e-5, abs=1e-8)


def test_the_primary_value_is_the_documented_output(name, generated):
    primary = said(name, made(name).options, GENERATED["a walk"]).primary
    for reading in read(name, generated):
        assert reading.value == reading.values[primary]


def test_warm_up_is_talibs_look_back(name):
    options = made(name).options
    silent = said(name, options, GENERATED["a walk"]).warm_up
    assert [made(name).update(GENERATED["a walk"][0]) is None] == [silent > 0]
    assert len(read(name, GENERATED["a walk"])) == len(GENERATED["a walk"]) - silent


def test_both_signals_come_in_a_long_walk_under_both_rules(name):
    for rule in ("level", "confirmed"):
        assert {reading.signal for reading in read(name, GENERATED["a walk"], rule=rule)} >= {"buy", "sell"}


def test_what_is_confirmed_is_past_the_level_too(name, generated):
    for level, confirmed in zip(read(name, generated), read(name, generated, rule="confirmed"), strict=True):
        assert confirmed in (level, Reading(level.value, "neutral", 0.0, level.values))


@pytest.mark.parametrize("name", RISE)
def test_a_long_rise_and_a_long_fall_are_what_the_trade_takes_them_for(name):
    assert read(name, UP)[-1].signal == RISE[name]
    assert read(name, DOWN)[-1].signal == OPPOSITE[RISE[name]]


@pytest.mark.parametrize(("name", "up"), [("macd", "buy"), ("bollinger", "sell"), ("atr", "buy"), ("keltner", "buy")])
def test_a_leap_is_a_signal_to_those_that_watch_for_leaps(name, up):
    quiet = walk(100.0, 60, seed=3, size=1e-3)
    assert read(name, candles([*quiet, 110.0]))[-1].signal == up
    assert read(name, candles([*quiet, 90.0]))[-1].signal == OPPOSITE[up]


@pytest.mark.parametrize("name", ["bollinger", "atr", "keltner", "donchian", "sma", "ema"])
def test_confidence_grows_with_the_distance(name):
    quiet = walk(100.0, 60, seed=3, size=1e-3)
    confidences = [read(name, candles([*quiet, 100.0 + leap]))[-1].confidence for leap in (2.0, 4.0, 8.0, 16.0)]
    assert confidences == sorted(confidences)
    assert confidences[0] < confidences[-1] < 1.0


@pytest.mark.parametrize("name", ["rsi", "mfi", "stochastic", "williams_r"])
def test_the_end_of_the_scale_is_certain_and_a_level_there_is_never_passed(name):
    straight = [candle._replace(high=candle.close, low=candle.open) for candle in UP]
    assert read(name, straight)[-1][1:3] == ("sell", 1.0)
    never = {"buy_below": -100, "sell_above": 0} if name == "williams_r" else {"buy_below": 0, "sell_above": 100}
    assert {reading.signal for reading in read(name, straight, **never)} == {"neutral"}


@pytest.mark.parametrize("name", ["rsi", "mfi", "stochastic", "williams_r"])
def test_levels_must_be_apart(name):
    options = made(name).options
    with pytest.raises(ValueError, match=r"buy_below \(.*\) must be less than sell_above \(.*\)"):
        made(name, buy_below=options.sell_above, sell_above=options.buy_below)


def test_rsi_on_the_level_is_not_past_it():
    closes = candles([100.0, 101.0, 100.0])
    assert read("rsi", closes, period=2, buy_below=10, sell_above=50)[-1].signal == "neutral"
    assert read("rsi", closes, period=2, buy_below=50, sell_above=90)[-1].signal == "neutral"


@pytest.mark.parametrize("fast", [26, 30])
def test_the_fast_average_of_macd_must_be_faster_than_the_slow_one(fast):
    with pytest.raises(ValueError, match=rf"fast \({fast}\) must be less than slow \(26\)"):
        made("macd", fast=fast)


def test_vwap_begins_anew_with_each_session():
    two_days = candles(walk(100.0, 3 * 1440, seed=1))
    for day in (0, 1440, 2880):
        alone = read("vwap", two_days[day : day + 1440])
        assert [reading.value for reading in read("vwap", two_days)[day : day + 1440]] == pytest.approx(
            [reading.value for reading in alone], rel=1e-12
        )


def test_a_session_of_vwap_begins_at_its_boundary_and_not_with_the_first_candle():
    series = candles(walk(100.0, 120, seed=1))[30:]
    value = read("vwap", series, session="1h")[30].value
    assert value == pytest.approx((series[30].high + series[30].low + series[30].close) / 3)


@pytest.mark.parametrize("session", ["1m", "5m"])
def test_a_session_of_vwap_is_longer_than_a_candle(session):
    with pytest.raises(ValueError, match=r"session \(.*\) must be longer than timeframe \(5m\)"):
        made("vwap", session=session, timeframe="5m")


def test_vwap_before_any_trade_is_the_typical_price():
    series = [candle._replace(volume=0.0) for candle in candles([9.0, 10.0, 11.0])]
    assert [reading.value for reading in read("vwap", series)] == [
        (candle.high + candle.low + candle.close) / 3 for candle in series
    ]


@pytest.mark.parametrize(
    "name", ["sma", "ema", "rsi", "macd", "bollinger", "stochastic", "cci", "mfi", "williams_r", "keltner", "donchian"]
)
def test_a_market_that_froze_ends_neutral(name):
    frozen = following(candles(walk(100.0, 100, seed=4)), flat(77.7, 2_000))
    assert {reading.signal for reading in read(name, frozen)[-1_000:]} == {"neutral"}
