"""The history: whole after whatever happens to the process, the file or the disk."""

from __future__ import annotations

import logging
import os
import resource
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from random import Random

import pytest

from haunt import Candle
from haunt.errors import HauntError
from haunt.market.history import MIGRATIONS, MOST_IN_MEMORY, MOST_WAITING, PRUNE_EVERY, History
from haunt.market.published import Signal
from haunt.testing import FakeClock

MINUTE = 60_000
KEEP: dict[str, int | None] = {"1m": None, "1d": None}
KILLS = 60
# Writes a flush of ten candles after the other, and says what was acknowledged.
WRITER = """
import asyncio, sys
from haunt import Candle
from haunt.market.history import History
async def main():
    history = History(sys.argv[1], {"1m": None})
    await history.start()
    begin = int(sys.argv[2])
    while True:
        for start in range(begin, begin + 10):
            history.keep("btc", "1m", Candle(start * 60_000, 1.0, 1.0, 1.0, 1.0, float(start)))
            history.keep_state("btc", "1m", start)
        await history.flush()
        begin += 10
        print(begin, flush=True)
asyncio.run(main())
"""
V1 = """
CREATE TABLE candles (
    symbol TEXT NOT NULL, timeframe TEXT NOT NULL, start INTEGER NOT NULL,
    open REAL NOT NULL, high REAL NOT NULL, low REAL NOT NULL, close REAL NOT NULL,
    volume REAL NOT NULL, filled INTEGER NOT NULL, gap INTEGER NOT NULL, volume_usd REAL NOT NULL,
    PRIMARY KEY (symbol, timeframe, start)
) STRICT, WITHOUT ROWID;
INSERT INTO candles VALUES ('btc', '1m', 0, 1, 3, 0.5, 2, 4, 0, 1, 8);
PRAGMA user_version = 1;
"""


def candle(minute: int, close: float = 1.0) -> Candle:
    return Candle(minute * MINUTE, close, close, close, close, 2.0, volume_usd=3.0)


@asynccontextmanager
async def opened(
    path: Path | None, clock: FakeClock | None = None, keep: Mapping[str, int | None] = KEEP
) -> AsyncIterator[History]:
    history = History(path and str(path), keep, clock or FakeClock())
    await history.start()
    try:
        yield history
    finally:
        await history.stop()


async def filled(path: Path, minutes: int = 10) -> list[Candle]:
    """A file with so many candles of btc."""
    candles = [candle(minute) for minute in range(minutes)]
    async with opened(path) as history:
        for one in candles:
            history.keep("btc", "1m", one)
    return candles


def asides(file: Path) -> list[Path]:
    return [*file.parent.glob(f"{file.name}.corrupt-*")]


@contextmanager
def no_space(path: Path) -> Iterator[None]:
    """No file of this process may grow beyond what this one is now."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    largest = max(Path(f"{path}{ending}").stat().st_size for ending in ("", "-wal") if Path(f"{path}{ending}").exists())
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)


# -- what is kept


@pytest.mark.gen_test
@pytest.mark.parametrize("timeframe", ["1m", "1d"])
async def test_what_was_kept_is_there_again_in_the_order_of_time(tmp_path: Path, timeframe: str):
    candles = [Candle(one * MINUTE, 2.0, 4.0, 1.0, 3.0, 5.0, one == 1, one == 2, 9.0) for one in range(5)]
    async with opened(tmp_path / "h.db") as history:
        for one in (4, 1, 0, 3, 2):
            history.keep("btc", timeframe, candles[one])
            history.keep("eth", timeframe, candle(one))
        assert await history.candles("btc", timeframe, 3) == candles[2:]
    async with opened(tmp_path / "h.db") as history:
        assert await history.candles("btc", timeframe, 3) == candles[2:]
        assert await history.candles("btc", timeframe, 9, since=MINUTE) == candles[1:]
        assert await history.candles("btc", "5m", 9) == []


@pytest.mark.gen_test
async def test_of_one_interval_the_newest_counts_written_or_not(tmp_path: Path):
    async with opened(tmp_path / "h.db") as history:
        for close in (1.0, 2.0):
            history.keep("btc", "1m", candle(0, close))
            await history.flush()
        history.keep("btc", "1m", candle(0, 3.0))
        assert await history.candles("btc", "1m", 9) == [candle(0, 3.0)]
        await history.flush()
        assert (history.waiting, await history.candles("btc", "1m", 9)) == (0, [candle(0, 3.0)])


@pytest.mark.gen_test
async def test_a_state_is_the_one_kept_last(tmp_path: Path):
    async with opened(tmp_path / "h.db") as history:
        for state in ({"seen": 1}, {"seen": 2}):
            history.keep_state("btc", "1m", state)
            await history.flush()
    history = History(str(tmp_path / "h.db"), KEEP)
    assert await history.start() == {("btc", "1m"): {"seen": 2}}
    await history.stop()


@pytest.mark.gen_test
async def test_candles_older_than_their_timeframe_is_kept_for_go(tmp_path: Path):
    clock = FakeClock()
    now = clock.milliseconds() // MINUTE
    async with opened(tmp_path / "h.db", clock, {"1m": 100 * MINUTE, "1d": None}) as history:
        for timeframe in ("1m", "1d", "7m"):
            for age in (1, 99, 101, 7 * MOST_IN_MEMORY + 1):
                history.keep("btc", timeframe, candle(now - age))
        await history.flush()
        ages = {
            timeframe: [now - one.start // MINUTE for one in await history.candles("btc", timeframe, 9)]
            for timeframe in ("1m", "1d", "7m")
        }
        assert ages == {"1m": [99, 1], "1d": [7_001, 101, 99, 1], "7m": [101, 99, 1]}
        clock.advance(PRUNE_EVERY / 1000)
        history.keep("btc", "1m", candle(now))
        await history.flush()
        assert [now - one.start // MINUTE for one in await history.candles("btc", "1m", 9)] == [1, 0]


@pytest.mark.gen_test
async def test_without_a_file_the_newest_are_in_memory_and_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    clock = FakeClock()
    async with opened(None, clock) as history:
        for age in (MOST_IN_MEMORY * 1_440 + 1, 1):
            history.keep("btc", "1d", candle(clock.milliseconds() // MINUTE - age))
        history.keep_state("btc", "1d", {})
        await history.flush()
        assert len(await history.candles("btc", "1d", 9)) == 1
    assert os.listdir(tmp_path) == []


# -- the schema


@pytest.mark.gen_test
async def test_a_file_of_the_first_version_is_taken_over(tmp_path: Path):
    database = sqlite3.connect(tmp_path / "h.db")
    database.executescript(V1)
    database.close()
    async with opened(tmp_path / "h.db") as history:
        assert await history.candles("btc", "1m", 9) == [Candle(0, 1.0, 3.0, 0.5, 2.0, 4.0, gap=True, volume_usd=8.0)]
        history.keep_state("btc", "1m", 1)
        await history.flush()
        assert history.trouble == ""


@pytest.mark.gen_test
async def test_a_file_of_a_newer_haunt_is_refused_and_left_as_it_is(tmp_path: Path):
    file = tmp_path / "h.db"
    database = sqlite3.connect(file)
    database.executescript(f"CREATE TABLE future (x); PRAGMA user_version = {len(MIGRATIONS) + 1};")
    database.close()
    before = file.read_bytes()
    with pytest.raises(HauntError, match=r"h\.db was written by a newer Haunt; update Haunt, or name another file"):
        await History(str(file), KEEP).start()
    assert file.read_bytes()[100:] == before[100:]


# -- signals


def said(symbol: str, minute: int, value: float = 28.5) -> Signal:
    return Signal(symbol, "rsi", "1m", "buy", value, 0.85, minute * MINUTE, {"rsi": value})


@pytest.mark.gen_test
async def test_signals_are_there_again_the_newest_first_and_none_twice(tmp_path: Path):
    async with opened(tmp_path / "h.db") as history:
        for minute, symbol in enumerate(("btc", "eth", "btc")):
            history.keep_signal(said(symbol, minute))
    async with opened(tmp_path / "h.db") as history:
        history.keep_signal(said("btc", 2))
        history.keep_signal(said("eth", 3))
        waiting = await history.signals(None, 9)
        await history.flush()
        assert sorted(await history.signals(None, 9)) == sorted(waiting)
        assert await history.signals("btc", 9) == [said("btc", 2), said("btc", 0)]
        assert await history.signals("btc", 1) == [said("btc", 2)]
    assert waiting == [said("eth", 3), said("btc", 2), said("eth", 1), said("btc", 0)]


@pytest.mark.gen_test
async def test_of_too_many_signals_that_wait_the_newest_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("haunt.market.history.MOST_WAITING_SIGNALS", 3)
    async with opened(tmp_path / "h.db") as history:
        for minute in range(5):
            history.keep_signal(said("btc", minute))
        assert await history.signals(None, 9) == [said("btc", minute) for minute in (4, 3, 2)]


@pytest.mark.gen_test
async def test_a_busy_indicator_does_not_drive_out_the_signals_of_a_calm_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("haunt.market.history.MOST_SIGNALS", 2)
    calm, elsewhere = said("btc", 0)._replace(indicator="macd"), said("eth", 0)
    async with opened(tmp_path / "h.db", clock := FakeClock()) as history:
        for signal in (calm, elsewhere, *(said("btc", minute) for minute in range(5))):
            history.keep_signal(signal)
        await history.flush()
        clock.advance(PRUNE_EVERY / 1000)
        history.keep_signal(said("btc", 5))
        await history.flush()
        assert await history.signals(None, 9) == [said("btc", 5), said("btc", 4), elsewhere, calm]
        assert await history.signals("btc", 9, "macd") == [calm]


@pytest.mark.gen_test
async def test_signals_that_cannot_be_written_wait(tmp_path: Path):
    file = tmp_path / "h.db"
    await filled(file)
    async with opened(file) as history:
        with no_space(file):
            for minute in range(2_000):
                history.keep_signal(said("btc", minute))
            await history.flush()
            assert history.trouble
        await history.flush()
        assert (history.trouble, len(await history.signals("btc", 9_999))) == ("", 2_000)


# -- what happens to the process, the file and the disk


def test_whenever_it_is_killed_the_file_is_whole_and_nothing_acknowledged_is_lost(tmp_path: Path):
    file, chance, acknowledged = tmp_path / "h.db", Random(1), 0
    for _ in range(KILLS):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, file, str(acknowledged)], stdout=subprocess.PIPE, text=True
        ) as writer:
            assert writer.stdout is not None
            for _ in range(chance.randrange(1, 30)):
                acknowledged = int(writer.stdout.readline())
            writer.kill()
            acknowledged = max([acknowledged, *map(int, writer.stdout.read().split("\n")[:-1])])
        database = sqlite3.connect(file)
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        starts = [start // MINUTE for (start,) in database.execute("SELECT start FROM candles ORDER BY start")]
        ((state,),) = database.execute("SELECT state FROM states")
        database.close()
        assert starts == list(range(len(starts)))
        assert len(starts) in (acknowledged, acknowledged + 10)
        assert int(state) == len(starts) - 1
    assert asides(file) == []


@pytest.mark.gen_test
@pytest.mark.parametrize("damage", ["no database", "flipped", "cut"])
async def test_a_damaged_file_is_moved_aside_and_said_so(tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: str):
    file = tmp_path / "h.db"
    await filled(file, 2_000)
    content = bytearray(file.read_bytes())
    if damage == "no database":
        content = bytearray(b"symbols: [btc]\n" * 1_000)
    elif damage == "flipped":
        content[4096 * 3 : 4096 * 3 + 8] = bytes(255 - one for one in content[4096 * 3 : 4096 * 3 + 8])
    else:
        del content[len(content) // 2 :]
    file.write_bytes(content)
    async with opened(file) as history:
        assert await history.candles("btc", "1m", 9) == []
        history.keep("btc", "1m", candle(1))
        await history.flush()
        assert (await history.candles("btc", "1m", 9), history.trouble) == ([candle(1)], "")
    (aside,) = asides(file)
    assert aside.read_bytes() == content
    (record,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert f"it is now {aside}" in record.getMessage()


@pytest.mark.gen_test
async def test_whichever_byte_is_flipped_it_starts_and_what_it_tells_is_in_order(tmp_path: Path):
    file, chance, clock = tmp_path / "h.db", Random(2), FakeClock()
    await filled(file, 300)
    whole = file.read_bytes()
    for _ in range(50):
        content = bytearray(whole)
        content[chance.choice([chance.randrange(60), chance.randrange(64, len(whole))])] ^= 1 << chance.randrange(8)
        file.write_bytes(content)
        clock.advance(1)
        async with opened(file, clock) as history:
            history.keep("eth", "1m", candle(0))
            await history.flush()
            assert (history.waiting, history.trouble) == (0, "")
            for one in await history.candles("btc", "1m", 1_000):
                assert 0 <= one.low <= min(one.open, one.close) <= max(one.open, one.close) <= one.high
    assert len(asides(file)) > 10


@pytest.mark.gen_test
@pytest.mark.parametrize("tables", ["CREATE TABLE candles (x)", "PRAGMA user_version = 2"])
async def test_a_database_of_other_tables_is_moved_aside(tmp_path: Path, tables: str):
    file = tmp_path / "h.db"
    database = sqlite3.connect(file)
    database.executescript(tables)
    database.close()
    async with opened(file) as history:
        history.keep("btc", "1m", candle(1))
        await history.flush()
        assert (history.waiting, history.trouble) == (0, "")
    assert len(asides(file)) == 1


@pytest.mark.gen_test
async def test_while_the_disk_is_full_candles_wait_and_then_none_is_missing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    file = tmp_path / "h.db"
    candles = await filled(file)
    caplog.set_level(logging.INFO)
    async with opened(file) as history:
        with no_space(file):
            for minute in range(10, 2_000):
                candles.append(candle(minute))
                history.keep("btc", "1m", candles[-1])
                if minute % 500 == 499:
                    await history.flush()
            assert history.waiting == 1_990
            assert history.trouble
            assert await history.candles("btc", "1m", 3_000) == candles
        await history.flush()
        assert (history.waiting, history.trouble, history.dropped) == (0, "", 0)
    said = [record.getMessage() for record in caplog.records]
    assert [one.split(":")[0] for one in said] == [
        f"The history {file} cannot be used",
        f"The history {file} is written again; 1990 candles waited",
    ]
    async with opened(file) as history:
        assert await history.candles("btc", "1m", 3_000) == candles


@pytest.mark.gen_test
async def test_more_than_may_wait_drops_the_oldest_and_counts_them(tmp_path: Path):
    async with opened(tmp_path / "no such folder" / "h.db") as history:
        for minute in range(MOST_WAITING + 3):
            history.keep("btc", "1m", candle(minute))
        assert (history.waiting, history.dropped) == (MOST_WAITING, 3)
        assert "unable to open" in history.trouble
        assert (await history.candles("btc", "1m", MOST_WAITING))[0] == candle(3)
        (tmp_path / "no such folder").mkdir()
        await history.flush()
        assert (history.waiting, history.trouble) == (0, "")


@pytest.mark.gen_test
async def test_two_servers_do_not_write_to_one_file(tmp_path: Path):
    async with opened(tmp_path / "h.db") as history, opened(tmp_path / "h.db") as other:
        history.keep("btc", "1m", candle(0))
        other.keep("btc", "1m", candle(1))
        await history.flush()
        await other.flush()
        assert (history.waiting, other.waiting) == (0, 1)
        assert other.trouble == "database is locked"
