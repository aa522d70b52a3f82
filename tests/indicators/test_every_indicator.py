"""What holds for every indicator, whatever it computes."""

from __future__ import annotations

import json
import re
from math import isfinite
from sys import getsizeof

import pytest
from definitions import NAMES, made
from hypothesis import given, settings
from hypothesis import strategies as st
from series import GENERATED, START, candles, walk

from haunt import Candle
from haunt.plugin.registry import Registry, options_class

PRICES = st.floats(1e-9, 1e9)
VOLUMES = st.just(0.0) | st.floats(1e-9, 1e9)
BARS = st.lists(st.tuples(PRICES, PRICES, st.floats(1, 10), st.floats(1e-3, 1), VOLUMES), min_size=1, max_size=80)
EVERY = pytest.mark.parametrize("name", NAMES)


def series(bars: list[tuple[float, float, float, float, float]]) -> list[Candle]:
    return [
        Candle(START + position * 60_000, first, max(first, last) * up, min(first, last) * down, last, volume)
        for position, (first, last, up, down, volume) in enumerate(bars)
    ]


def test_all_sixteen_are_installed_and_have_one_definition_each():
    installed = {
        name
        for name in Registry().installed_names()
        if (record := Registry().load(name)).distribution == "haunt" and record.indicator
    }
    assert installed == {*NAMES, "consensus"}
    assert len(NAMES) == 16


def test_every_reading_is_finite_and_confident_only_in_a_signal(name, generated):
    indicator = made(name)
    for candle in generated:
        if reading := indicator.update(candle):
            assert isfinite(reading.value)
            assert all(isfinite(value) for value in reading.values.values())
            assert 0.0 <= reading.confidence <= 1.0
            assert (reading.confidence == 0.0) == (reading.signal == "neutral")


@pytest.mark.parametrize("kind", ["flat", "flat, tiny", "flat, huge"])
def test_a_flat_market_is_neutral(name, kind):
    indicator = made(name)
    assert {reading.signal for candle in GENERATED[kind] if (reading := indicator.update(candle))} == {"neutral"}


@EVERY
@settings(deadline=None, max_examples=15)
@given(bars=BARS)
def test_any_candles_give_finite_readings(name, bars):
    indicator = made(name)
    for candle in series(bars):
        if reading := indicator.update(candle):
            assert all(isfinite(value) for value in (reading.value, *reading.values.values()))
            assert 0.0 <= reading.confidence <= 1.0


@EVERY
@settings(deadline=None, max_examples=15)
@given(bars=BARS, running=BARS)
def test_a_peek_says_what_closing_that_candle_would_say_and_changes_nothing(name, bars, running):
    peeking, plain = made(name), made(name)
    for candle in series(bars):
        for guess in series(running)[:3]:
            peeking.peek(guess._replace(start=candle.start))
        before = peeking.save()
        peeked = peeking.peek(candle)
        assert peeking.save() == before
        assert repr(peeked) == repr(peeking.update(candle)) == repr(plain.update(candle))


@EVERY
@settings(deadline=None, max_examples=15)
@given(bars=BARS, place=st.integers(0, 80))
def test_a_restart_in_the_middle_changes_not_one_digit(name, bars, place):
    through, until = made(name), made(name)
    candles = series(bars)
    for candle in candles[:place]:
        until.update(candle)
    data = json.loads(json.dumps(until.save(), allow_nan=False))
    since = made(name)
    since.restore(data)
    said = [repr(through.update(candle)) for candle in candles][place:]
    assert [repr(since.update(candle)) for candle in candles[place:]] == said
    assert since.save() == through.save()


def test_ten_thousand_candles_later_it_remembers_no_more(name):
    """Of numbers. How many digits they have changes."""

    def count(data: object) -> int:
        if isinstance(data, dict | list):
            return sum(count(one) for one in (data.values() if isinstance(data, dict) else data))
        return 1

    indicator, walked = made(name), candles(walk(100.0, 1_000, seed=1))
    sizes = []
    for _ in range(11):
        for candle in walked:
            indicator.update(candle)
        sizes.append((count(indicator.save()), getsizeof(indicator)))
    assert max(sizes[1:]) <= sizes[0]


def test_two_of_them_share_nothing(name):
    alone, one, other = made(name), made(name), made(name)
    disturbing = iter(candles(walk(7.0, 2_000, seed=9)))
    for candle in GENERATED["a walk"][:300]:
        said = alone.update(candle)
        assert one.update(candle) == said
        other.update(next(disturbing))


def test_confidence_and_signal_are_the_same_at_any_scale_of_prices(name):
    """By a power of two, which rounds nothing."""
    usual, tiny = made(name), made(name)
    for candle in GENERATED["a walk"][:500]:
        scaled = candle._replace(
            **{part: getattr(candle, part) * 2.0**-30 for part in ("open", "high", "low", "close")}
        )
        said, again = usual.update(candle), tiny.update(scaled)
        assert (said and said[1:3]) == (again and again[1:3])


def test_the_docstring_has_formula_source_warm_up_rules_and_confidence(name):
    text = Registry().indicator(name).__doc__ or ""
    labels = [line.split(":")[0].strip() for line in text.splitlines() if line.startswith("    ") and ":" in line]
    assert [label for label in labels if label in ("Warm-up", "Level", "Confirmed", "Confidence")] == [
        "Warm-up", "Level", "Confirmed", "Confidence",
    ]  # fmt: skip
    assert re.search(r", (in the )?(19|20)\d\ds?\b[^:]*:\n\n        ", text)


def test_every_option_has_a_default_a_description_and_bounds(name):
    options = options_class(Registry().indicator(name))
    assert options()
    for option, field in options.model_fields.items():
        assert re.fullmatch(r"[A-Z].{10,110}[.…]", field.description or ""), option
        if field.annotation in (int, float):
            assert len(field.metadata) == 2, option
