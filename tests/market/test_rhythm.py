"""When a silence is more than a pause."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from haunt.market.rhythm import Rhythm


def spoken(rhythm: Rhythm, times: list[float]) -> float:
    """Let it speak at these times and be looked at every second. The last of them."""
    second = times[0]
    for time in times:
        while second < time:
            rhythm.look()
            second += 1.0
        rhythm.heard = time
    rhythm.look()
    return times[-1]


def test_an_unknown_stream_is_given_the_patience_it_was_made_with() -> None:
    rhythm = Rhythm(least=5.0, patience=30.0)
    rhythm.heard = 100.0
    assert not rhythm.silent(130.0)
    assert rhythm.silent(130.1)


def test_a_stream_that_never_pauses_is_silent_after_five_seconds() -> None:
    rhythm = Rhythm(least=5.0, patience=30.0)
    last = spoken(rhythm, [100 + number / 10 for number in range(9_000)])
    assert not rhythm.silent(last + 5.0)
    assert rhythm.silent(last + 5.1)


@pytest.mark.parametrize("pause", [3.0, 20.0, 100.0])
def test_four_times_the_longest_pause_is_a_silence(pause: float) -> None:
    rhythm = Rhythm(least=5.0, patience=1.0)
    last = spoken(rhythm, [100 + number * pause for number in range(20)])
    assert not rhythm.silent(last + 4.0 * pause)
    assert rhythm.silent(last + 4.0 * pause + 4.1), "pauses are known to a second"


def test_a_market_that_trades_by_chance_is_never_called_silent() -> None:
    chance, rhythm = random.Random(1), Rhythm(least=5.0, patience=30.0)
    times = [100.0]
    for _ in range(5_000):
        times.append(times[-1] + chance.expovariate(1.0))
    for before, after in pairwise(times):
        assert not rhythm.silent(after)
        spoken(rhythm, [before, after])


def test_a_long_pause_is_forgotten_in_some_minutes() -> None:
    rhythm = Rhythm(least=5.0, patience=30.0)
    last = spoken(rhythm, [100.0, 160.0])
    assert rhythm.patience == 240.0
    spoken(rhythm, [last + number for number in range(900)])
    assert 5.0 < rhythm.patience < 240.0 / 15


def test_the_time_between_two_connections_is_no_pause() -> None:
    rhythm = Rhythm(least=5.0, patience=8.0)
    spoken(rhythm, [100.0, 101.0])
    rhythm.begin()
    spoken(rhythm, [500.0, 501.0])
    assert rhythm.patience < 9.0


def test_a_stream_that_was_expected_and_did_not_begin_is_silent() -> None:
    rhythm = Rhythm(least=5.0, patience=30.0)
    assert not rhythm.silent(1_000.0)
    rhythm.expect(110.0)
    rhythm.expect(150.0)
    assert not rhythm.silent(110.0)
    assert rhythm.silent(110.1)
    rhythm.excuse()
    assert not rhythm.silent(1_000.0)
