"""Values are counted by the bounds they are within."""

from __future__ import annotations

from haunt.histogram import BATCH, Histogram


def test_a_value_on_a_bound_is_within_it_and_one_above_all_is_counted_too():
    histogram = Histogram((1.0, 2.0))
    for value in (7.0, 0.5, 1.0, 1.5):
        histogram.observe(value)
    assert (histogram.counts, histogram.total) == ([2, 3, 4], 10.0)


def test_nothing_is_counted_twice_or_forgotten_however_often_it_is_read():
    histogram = Histogram((1.0,))
    for _ in range(BATCH + 1):
        histogram.observe(0.5)
        histogram.observe(2.0)
    assert histogram.counts == histogram.counts == [BATCH + 1, 2 * BATCH + 2]
    assert histogram.total == 2.5 * (BATCH + 1)
