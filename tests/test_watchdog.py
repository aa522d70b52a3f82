"""Code that holds everything up is named, once, with where it stands; nothing else is."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from haunt import Candle, Indicator, IndicatorOptions, Reading, Relay, Source, SourceOptions
from haunt.market.symbols import Symbol
from haunt.testing import eventually
from haunt.watchdog import BEAT, PATIENCE, Watchdog

LONG = BEAT * (PATIENCE + 4)


def hold_up() -> None:
    time.sleep(LONG)


class Hog(Source):
    """Waits in the wrong way."""

    name = "hog"

    async def run(self) -> None:
        hold_up()


class Brooder(Indicator):
    """Waits as well."""

    name = "brooder"

    def update(self, candle: Candle) -> Reading | None:
        time.sleep(LONG)
        return None


def parse(frame: str | bytes) -> list[None]:
    """A parser that is a function."""
    time.sleep(LONG)
    return []


@asynccontextmanager
async def watched() -> AsyncIterator[Watchdog]:
    watchdog = Watchdog()
    watchdog.start()
    try:
        yield watchdog
    finally:
        watchdog.stop()


def relay(source: str) -> Relay:
    return Relay(source, wanted=[Symbol("btc")], deliver=lambda feed, event: None)


@pytest.mark.gen_test
async def test_a_source_that_blocks_is_named_with_its_line_and_for_how_long(caplog):
    async with watched() as watchdog:
        await Hog(SourceOptions(), relay("hog_euro")).run()
        await eventually(lambda: len(caplog.records) == 2)
        stuck, over = caplog.records
        assert watchdog.stalls == 1
    assert (stuck.levelno, stuck.threadName, over.levelno) == (logging.ERROR, "watchdog", logging.WARNING)
    assert stuck.getMessage().startswith("Source hog_euro holds everything up: ")
    assert f"it stands in {__file__}, line " in stuck.getMessage()
    assert "in run\n    hold_up()\n" in (stuck.stack_info or "")
    assert (stuck.stack_info or "").endswith("time.sleep(LONG)")
    assert over.getMessage().startswith("Source hog_euro held everything up for 0.")


@pytest.mark.gen_test
async def test_a_source_is_found_by_its_relay_where_its_parser_is_a_function(caplog):
    async with watched():
        relay("hog_frames").receive("frame", parse)
        await eventually(lambda: len(caplog.records) == 2)
    assert caplog.records[0].getMessage().startswith("Source hog_frames holds everything up: ")


@pytest.mark.gen_test
async def test_an_indicator_that_blocks_is_named_by_its_plugin(caplog):
    async with watched():
        Brooder(IndicatorOptions(timeframe="1m")).update(Candle(0, 1.0, 1.0, 1.0, 1.0, 0.0))
        await eventually(lambda: len(caplog.records) == 2)
    assert caplog.records[0].getMessage().startswith("The plugin brooder holds everything up: ")


@pytest.mark.gen_test
async def test_the_same_culprit_is_counted_each_time_and_named_once_a_minute(caplog):
    async with watched() as watchdog:
        hold_up()
        await eventually(lambda: len(caplog.records) == 2)
        beats = watchdog.lag.counts[-1]
        hold_up()
        await eventually(lambda: watchdog.lag.counts[-1] > beats + 1)
        assert watchdog.stalls == 2
    assert [record.getMessage().partition(" h")[0] for record in caplog.records] == ["Haunt itself"] * 2


@pytest.mark.gen_test
async def test_a_loop_that_turns_is_left_in_peace_and_its_lag_is_measured(caplog):
    async with watched() as watchdog:
        await eventually(lambda: watchdog.lag.counts[-1] > PATIENCE + 2)
        assert watchdog.stalls == 0
    assert caplog.records == []


@pytest.mark.gen_test
async def test_nothing_of_it_outlives_its_stop():
    async with watched() as watchdog:
        assert "watchdog" in [thread.name for thread in threading.enumerate()]
    assert "watchdog" not in [thread.name for thread in threading.enumerate()]
    beats = watchdog.lag.counts[-1]
    await asyncio.sleep(2 * BEAT)
    assert watchdog.lag.counts[-1] == beats
