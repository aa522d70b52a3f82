"""What is said over and over is folded; what is new is never left out."""

from __future__ import annotations

import logging

from said import said

from haunt.log.masks import Masks
from haunt.log.repeats import MOST_REMEMBERED, OFTEN, WINDOW, Repeats


def times(repeats: Repeats, record: logging.LogRecord, number: int, now: float = 0.0) -> int:
    """How many of so many were written."""
    return sum(repeats.admits(record, now) for _ in range(number))


def due(repeats: Repeats, now: float) -> list[str]:
    return [record.getMessage() for record in repeats.due(now)]


def test_the_same_is_written_five_times_and_then_counted():
    repeats = Repeats()
    assert times(repeats, said("no route"), OFTEN + 37) == OFTEN
    assert due(repeats, WINDOW - 1) == []
    assert due(repeats, WINDOW) == ["no route … repeated 37 times"]
    assert due(repeats, 10 * WINDOW) == []


def test_a_new_minute_begins_anew():
    repeats = Repeats()
    times(repeats, said("no route"), OFTEN)
    assert due(repeats, WINDOW) == []
    assert times(repeats, said("no route"), OFTEN, WINDOW) == OFTEN


def test_what_differs_in_anything_is_written():
    repeats = Repeats()
    times(repeats, said("no route"), 2 * OFTEN)
    other = said("no route", level=logging.ERROR)
    elsewhere = said("no route")
    elsewhere.name = "haunt.web"
    failed = [Masks().masked(said("no route", error=error)) for error in (KeyError("a"), KeyError("b"))]
    assert [repeats.admits(record, 1.0) for record in (other, elsewhere, *failed)] == [True] * 4


def test_a_flood_of_new_complaints_is_written_and_takes_no_more_memory():
    repeats = Repeats()
    times(repeats, said("no route"), OFTEN + 2)
    assert all(repeats.admits(said(f"complaint {number}"), 0.0) for number in range(3 * MOST_REMEMBERED))
    assert due(repeats, 0.0) == ["no route … repeated 2 times"]
    assert len(repeats._said) == MOST_REMEMBERED


def test_what_was_pushed_out_is_told_once_for_each():
    repeats = Repeats()
    for name in ("one", "two"):
        times(repeats, said(name), OFTEN + 1)
    for number in range(MOST_REMEMBERED):
        repeats.admits(said(f"complaint {number}"), 0.0)
    assert due(repeats, 0.0) == ["one … repeated 1 time", "two … repeated 1 time"]
    assert due(repeats, 0.0) == []
