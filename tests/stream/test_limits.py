"""How much a client may ask, on a clock that is passed in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haunt.stream.limits import Abuse, TokenBucket
from haunt.testing import FakeClock


def test_a_burst_of_the_rate_passes_and_one_more_does_not():
    bucket = TokenBucket(10, FakeClock())
    assert [bucket.take() for _ in range(11)] == [True] * 10 + [False]


@pytest.mark.parametrize("rate", [3, 7, 10, 50])
def test_a_steady_stream_at_the_rate_always_passes(rate):
    clock = FakeClock()
    bucket = TokenBucket(rate, clock)
    for _ in range(10_000):
        assert bucket.take()
        clock.advance(1 / rate)


def test_an_empty_bucket_fills_with_time_but_not_beyond_its_size():
    clock = FakeClock()
    bucket = TokenBucket(10, clock)
    while bucket.take():
        pass
    clock.advance(0.35)
    assert [bucket.take() for _ in range(4)] == [True, True, True, False]
    clock.advance(3_600)
    assert [bucket.take() for _ in range(11)] == [True] * 10 + [False]


@given(st.lists(st.floats(0, 2), max_size=200))
def test_never_more_than_the_rate_and_one_burst(pauses):
    clock = FakeClock()
    bucket = TokenBucket(10, clock)
    begun = clock.monotonic()
    taken = 0
    for pause in pauses:
        clock.advance(pause)
        taken += bucket.take()
    assert taken <= 10 + (clock.monotonic() - begun) * 10 + 1e-3


def test_the_last_of_so_many_refusals_within_ten_seconds_is_one_too_many():
    abuse = Abuse(100)
    assert [abuse.refuse(1_000 + number / 10) for number in range(100)] == [False] * 99 + [True]


def test_as_many_in_more_time_are_none():
    abuse = Abuse(100)
    assert not any(abuse.refuse(1_000 + number * 0.102) for number in range(500))


def test_after_a_pause_refusals_count_anew():
    abuse = Abuse(3)
    assert [abuse.refuse(now) for now in (0, 1, 12, 13, 14)] == [False, False, False, False, True]


def test_one_refusal_may_be_too_many():
    assert Abuse(1).refuse(0)
