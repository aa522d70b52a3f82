"""Whatever an indicator's author keeps in attributes can be copied, saved and restored."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haunt import Candle, Indicator, IndicatorOptions, Instrument, Reading

CANDLE = Candle(60_000, 1.0, 3.0, 0.5, 2.0, 7.0)
NEXT = Candle(120_000, 2.0, 4.0, 1.5, 3.0, 8.0)


class Sum:
    __slots__ = ("__last", "total")

    def __init__(self) -> None:
        self.total = 0.0
        self.__last: float | None = None

    def add(self, number: float) -> None:
        self.total += number
        self.__last = number


class Hoarder(Indicator):
    """Keeps something of every kind."""

    name = "hoarder"

    def __init__(self, options: IndicatorOptions) -> None:
        super().__init__(options)
        self._previous: Candle | None = None
        self._pair: tuple[int, float] | None = None
        self._word = "none"
        self._closes: list[float] = []
        self._newest: deque[tuple[int, float]] = deque(maxlen=3)
        self._sum = Sum()
        self._sums = (self._sum, Sum())
        self._lists = [deque([0.0], maxlen=2), deque([0.0], maxlen=3)]

    def update(self, candle: Candle) -> Reading | None:
        self._previous, self._pair, self._word = candle, (candle.start, candle.close), "some"
        self._closes.append(candle.close)
        self._newest.append((candle.start, candle.high))
        for one in self._sums:
            one.add(candle.close)
        for newest in self._lists:
            newest.append(candle.low)
        if candle.volume > 1e6:
            raise ZeroDivisionError
        kept = [*self._closes, *(high for _, high in self._newest), *self._lists[0], *self._lists[1]]
        return Reading(sum(kept) + self._sum.total, "neutral", 0.0, {"again": self._sums[0].total})


def hoarder(*candles: Candle) -> Hoarder:
    made = Hoarder(IndicatorOptions())
    for candle in candles:
        made.update(candle)
    return made


def through_json(made: Hoarder) -> Hoarder:
    other = hoarder()
    other.restore(json.loads(json.dumps(made.save(), allow_nan=False)))
    return other


def test_a_peek_is_what_the_update_would_say_and_changes_nothing() -> None:
    made = hoarder(CANDLE)
    before = made.save()
    peeked = made.peek(NEXT)
    assert made.save() == before
    assert peeked == made.update(NEXT)


def test_a_peek_that_fails_changes_nothing() -> None:
    made = hoarder(CANDLE)
    before = made.save()
    with pytest.raises(ZeroDivisionError):
        made.peek(CANDLE._replace(volume=1e7))
    assert made.save() == before


def test_a_restored_one_goes_on_as_the_saved_one_does() -> None:
    made = hoarder(CANDLE, NEXT)
    other = through_json(made)
    assert [other.update(CANDLE) for _ in range(5)] == [made.update(CANDLE) for _ in range(5)]
    assert other.save() == made.save()


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_number_is_restored_to_the_last_bit(number: float) -> None:
    made = hoarder(CANDLE._replace(close=number))
    other = through_json(made)
    assert repr(other._sum.total) == repr(made._sum.total)
    assert repr(other._previous) == repr(made._previous)


def test_state_kept_since_the_first_candle_may_be_restored_before_it() -> None:
    assert through_json(hoarder())._previous is None
    assert through_json(hoarder(CANDLE))._previous == CANDLE


def test_what_is_not_json_is_not_saved() -> None:
    with pytest.raises(ValueError, match="inf is not JSON"):
        hoarder(CANDLE._replace(close=float("inf"))).save()


@pytest.mark.parametrize("thing", [{1}, {"a": 1}, iter([]), len, lambda: None, Instrument("BTC-USD", "BTC", "USD")])
def test_what_cannot_be_state_is_named(thing: object) -> None:
    made = hoarder()
    made._word = thing
    with pytest.raises(TypeError, match=f"a {type(thing).__name__} cannot be part of an indicator's state"):
        made.save()
    with pytest.raises(TypeError, match=f"a {type(thing).__name__} cannot be part of an indicator's state"):
        made.peek(CANDLE)


class Renamed(Hoarder):
    name = "other"


class Newer(Hoarder):
    version = 2


class Grown(Hoarder):
    def __init__(self, options: IndicatorOptions) -> None:
        super().__init__(options)
        self._more = 0.0


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: Renamed(IndicatorOptions()), "indicator was 'hoarder', now it is 'other'"),
        (lambda: Newer(IndicatorOptions()), "version was 1, now it is 2"),
        (lambda: Hoarder(IndicatorOptions(timeframe="5m")), "options was .*'1m'.*, now it is .*'5m'"),
        (lambda: Grown(IndicatorOptions()), "a Grown consists of .*_more, not of"),
    ],
)
def test_what_another_plugin_version_or_configuration_saved_is_refused(
    make: Callable[[], Hoarder], complaint: str
) -> None:
    other = make()
    before = other.save()
    with pytest.raises(ValueError, match=complaint):
        other.restore(hoarder(CANDLE).save())
    assert other.save() == before


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("_word", float("nan"), "nan is not JSON"),
        ("_word", [], r"a number, a text or null, not \[\]"),
        ("_previous", {"Candle": [1.0]}, "a number, a text or null, not {'Candle'"),
        ("_closes", 1.0, "a list, not 1.0"),
        ("_sum", 1.0, "a Sum consists of _Sum__last, total, not of 1.0"),
        ("_sums", {"tuple": []}, "2 in a list, not 0"),
    ],
)
def test_data_that_does_not_fit_is_refused_and_changes_nothing(name: str, value: object, complaint: str) -> None:
    made = hoarder(CANDLE)
    data = json.loads(json.dumps(made.save()))
    data["state"][name] = value
    other = hoarder(NEXT)
    before = other.save()
    with pytest.raises(ValueError, match=complaint):
        other.restore(data)
    assert other.save() == before
