"""Values are counted by the bounds they are within."""

from __future__ import annotations

from haunt.histogram import Histogram


def test_a_value_on_a_bound_is_within_it_and_one_above_all_is_counted_too():
    histogram = Histogram((1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 7.0):
        histogram.observe(value)
    assert histogram.cumulated() == [2, 3, 4]
    assert histogram.total == 10.0
