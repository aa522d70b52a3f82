"""From a strength and a turn to a reading."""

from __future__ import annotations

import pytest

from haunt import LevelOptions, RatedOptions, Reading, Strength, Turn, apart, outside, rated


class Options(LevelOptions):
    buy_below: float = 20.0
    sell_above: float = 80.0


@pytest.mark.parametrize(
    ("strength", "signal", "confidence"),
    [(0.4, "buy", 0.4), (-0.4, "sell", 0.4), (0.0, "neutral", 0.0), (1.5, "buy", 1.0), (-1.5, "sell", 1.0)],
)
def test_the_sign_of_the_strength_is_the_signal_and_its_size_the_confidence(strength, signal, confidence):
    assert rated("level", 7.0, strength, 0.0, {"a": 1.0}) == Reading(7.0, signal, confidence, {"a": 1.0})


@pytest.mark.parametrize(
    ("strength", "turn", "signal"),
    [
        (0.4, 0.1, "buy"), (0.4, 0.0, "neutral"), (0.4, -0.1, "neutral"),
        (-0.4, -0.1, "sell"), (-0.4, 0.0, "neutral"), (-0.4, 0.1, "neutral"), (0.0, 1.0, "neutral"),
    ],
)  # fmt: skip
def test_what_is_confirmed_has_turned_the_way_of_its_strength(strength, turn, signal):
    assert rated("confirmed", 7.0, strength, turn, {}).signal == signal


def test_the_rule_is_level_unless_told():
    assert RatedOptions().rule == "level"
    with pytest.raises(ValueError, match="level"):
        RatedOptions(rule="cross")


@pytest.mark.parametrize(("value", "strength"), [(0, 1), (10, 0.5), (20, 0), (50, 0), (80, 0), (90, -0.5), (100, -1)])
def test_past_a_level_the_strength_is_the_part_of_what_is_possible(value, strength):
    assert Options().strength(value, least=0.0, most=100.0) == strength


def test_a_usual_distance_has_half_the_strength_and_rounding_none():
    strength = Strength(3)
    assert strength.update(2.0, scale=100.0) == (0.5, 0.0)
    assert strength.update(-2.0, scale=100.0) == (-0.5, 0.5)
    assert strength.update(6.0, scale=100.0) == (0.75, -0.5)
    assert strength.update(1e-11, scale=100.0) == (0.0, 0.75)


def test_a_turn_is_the_change_beyond_rounding():
    turn = Turn()
    assert [turn.update(value) for value in (50.0, 51.0, 51.0 + 1e-9, 40.0)] == [0.0, 1.0, 0.0, pytest.approx(-11.0)]
    assert apart(0.0, 0.0) == 0.0


@pytest.mark.parametrize(
    ("price", "strength"), [(100.0, 0.0), (110.0, 0.0), (120.0, 0.5), (80.0, -0.5), (110.0 + 1e-11, 0.0)]
)
def test_outside_a_channel_the_strength_grows_with_the_distance(price, strength):
    assert outside(price, 90.0, 110.0) == strength
