"""What a fresh indicator says of candles that are past."""

from __future__ import annotations

from collections.abc import Mapping

from haunt import Candle, Combination, Indicator, IndicatorOptions, Reading
from haunt.market.readings import replayed

OPTIONS = IndicatorOptions(timeframe="1m")
MINUTE = 60_000


class Count(Indicator):
    """How many candles it saw; it cannot bear a close of 13, and warms up for one."""

    name = "count"
    seen = 0

    def update(self, candle: Candle) -> Reading | None:
        if candle.close == 13:
            raise ValueError("unlucky")
        self.seen += 1
        return Reading(float(self.seen), "buy", 0.5) if self.seen > 1 else None


class Total(Combination):
    name = "total"

    def combine(self, readings: Mapping[str, Reading]) -> Reading | None:
        return Reading(sum(reading.value for reading in readings.values()), "neutral", 0.0) if readings else None


def candles(*closes: float, start: int = 0) -> list[Candle]:
    return [Candle(start + number * MINUTE, close, close, close, close, 1.0) for number, close in enumerate(closes)]


def values(instances: list[tuple[str, type[Indicator], IndicatorOptions]], name: str, given: list[Candle]):
    return [reading and reading.value for _, reading in replayed(instances, name, given)]


def test_it_says_nothing_while_it_warms_up_and_where_it_fails():
    assert values([("one", Count, OPTIONS)], "one", candles(1, 1, 13, 1)) == [None, 2.0, None, 3.0]


def test_it_begins_anew_after_a_hole():
    given = candles(1, 1) + candles(1, 1, start=5 * MINUTE)
    assert values([("one", Count, OPTIONS)], "one", given) == [None, 2.0, None, 2.0]


def test_one_that_combines_others_reads_them_all_but_no_other_of_its_kind():
    instances = [("sum", Total, OPTIONS), ("one", Count, OPTIONS), ("two", Count, OPTIONS), ("more", Total, OPTIONS)]
    assert values(instances, "sum", candles(1, 1, 1)) == [None, 4.0, 6.0]
    assert values(instances, "two", candles(1, 1, 1)) == [None, 2.0, 3.0]
