"""Candles, signals and indicators' state on disk: a thread of its own writes and reads, so the event loop never waits.

One transaction holds what came since the one before it. Whatever ends the process loses what was not flushed yet, and
nothing else. While the disk does not take it, what is new waits in memory, and the newest of it is kept.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from datetime import UTC, datetime
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeAlias, TypeVar

from haunt.clock import Clock
from haunt.errors import HauntError
from haunt.market.candles import Candle, timeframe_milliseconds
from haunt.market.published import Signal
from haunt.market.scores import MOST_SIGNALS

logger = logging.getLogger(__name__)

T = TypeVar("T")
Row: TypeAlias = tuple[str, str, Candle]
"""Symbol, timeframe and a closed candle."""
States: TypeAlias = dict[tuple[str, str], Any]
"""JSON data by symbol and timeframe."""

MOST_WAITING = 100_000  # candles; some 30 MB
MOST_WAITING_SIGNALS = 100_000
MOST_IN_MEMORY = 1_000  # candles of each symbol and timeframe
PATIENCE = 2.0  # seconds a stop waits for the disk
NEVER = 2**53  # later than any candle
PRUNE_EVERY = 3_600_000  # milliseconds
# The last is said of tables that are not those of Haunt.
DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR}

MIGRATIONS = (
    """
    CREATE TABLE candles (
        symbol TEXT NOT NULL, timeframe TEXT NOT NULL, start INTEGER NOT NULL,
        open REAL NOT NULL, high REAL NOT NULL, low REAL NOT NULL, close REAL NOT NULL,
        volume REAL NOT NULL, filled INTEGER NOT NULL, gap INTEGER NOT NULL, volume_usd REAL NOT NULL,
        PRIMARY KEY (symbol, timeframe, start),
        CHECK (0 <= low AND open BETWEEN low AND high AND close BETWEEN low AND high AND volume >= 0)
    ) STRICT, WITHOUT ROWID;
    """,
    """
    CREATE TABLE states (
        symbol TEXT NOT NULL, timeframe TEXT NOT NULL, state TEXT NOT NULL, PRIMARY KEY (symbol, timeframe)
    ) STRICT, WITHOUT ROWID;
    """,
    """
    CREATE TABLE signals (
        number INTEGER PRIMARY KEY, symbol TEXT NOT NULL, indicator TEXT NOT NULL, timeframe TEXT NOT NULL,
        signal TEXT NOT NULL, value REAL NOT NULL, confidence REAL NOT NULL, timestamp INTEGER NOT NULL,
        "values" TEXT NOT NULL, UNIQUE (symbol, indicator, timestamp)
    ) STRICT;
    """,
    """
    CREATE INDEX signals_of_symbol ON signals (symbol, number);
    """,
    """
    ALTER TABLE candles ADD COLUMN backfilled INTEGER NOT NULL DEFAULT 0;
    """,
)
"""What each version of the schema adds to the one before."""


class Store:
    """The file, or memory where the path is None. Blocks, and belongs to one thread.

    `keep` is how long the candles of a timeframe are kept, in milliseconds; None = for ever. Of a timeframe it does not
    name, and of all in memory, it is MOST_IN_MEMORY candles.
    """

    def __init__(self, path: str | None, keep: Mapping[str, int | None], clock: Clock) -> None:
        self._path = path
        self._keep = keep
        self._clock = clock
        self._database: sqlite3.Connection | None = None
        self._pruned: int | None = None

    def keep_for(self, ages: Mapping[str, int | None]) -> None:
        """May be called by any thread."""
        self._keep, self._pruned = ages, None

    def write(self, rows: Sequence[Row], states: States, signals: Sequence[Signal] = ()) -> None:
        """All of it or nothing. What is there already of the same interval is replaced.

        Raises sqlite3.Error; HauntError for a file of a newer Haunt.
        """
        self._mending(lambda database: self._write(database, rows, states, signals))

    def candles(self, symbol: str, timeframe: str, most: int, since: int, before: int = NEVER) -> list[Candle]:
        """The newest of those that begin at `since` or later, and before `before`, oldest first. Raises as `write`
        does."""
        query = (
            "SELECT start, open, high, low, close, volume, filled, gap, volume_usd, backfilled FROM candles"
            " WHERE symbol = ? AND timeframe = ? AND start >= ? AND start < ? ORDER BY start DESC LIMIT ?"
        )
        asked = (symbol, timeframe, since, before, most)
        rows = self._mending(lambda database: database.execute(query, asked).fetchall())
        return [Candle._make((*row[:6], bool(row[6]), bool(row[7]), row[8], bool(row[9]))) for row in reversed(rows)]

    def signals(self, symbol: str | None, most: int, indicator: str | None = None) -> list[Signal]:
        """The newest of this symbol and this indicator, or of all, newest first. Raises as `states` does."""
        asked = {name: value for name, value in (("symbol", symbol), ("indicator", indicator)) if value is not None}
        where = "WHERE " + " AND ".join(f"{name} = ?" for name in asked) if asked else ""
        query = (
            'SELECT symbol, indicator, timeframe, signal, value, confidence, timestamp, "values" FROM signals'
            f" {where} ORDER BY number DESC LIMIT ?"
        )
        rows = self._mending(lambda database: database.execute(query, (*asked.values(), most)).fetchall())
        return [Signal._make((*row[:-1], json.loads(row[-1]))) for row in rows]

    def states(self) -> States:
        """What was written last of each. Raises as `write` does; ValueError for what is no JSON."""
        query = "SELECT symbol, timeframe, state FROM states"
        rows = self._mending(lambda database: database.execute(query).fetchall())
        return {(symbol, timeframe): json.loads(state) for symbol, timeframe, state in rows}

    def close(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None

    def _mending(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do it in the file, or in a new one where that is damaged."""
        try:
            return work(self._opened())
        except sqlite3.DatabaseError as error:
            if not _is_damage(error):
                raise
            self._move_aside(error)
            return work(self._opened())

    def _write(
        self, database: sqlite3.Connection, rows: Sequence[Row], states: States, signals: Sequence[Signal]
    ) -> None:
        with database:
            database.execute("BEGIN IMMEDIATE")
            database.executemany(
                "INSERT OR REPLACE INTO candles VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [(symbol, timeframe, *candle) for symbol, timeframe, candle in rows],
            )
            database.executemany(
                "INSERT OR REPLACE INTO states VALUES (?, ?, ?)",
                [(*key, json.dumps(state, allow_nan=False)) for key, state in states.items()],
            )
            database.executemany(
                "INSERT OR REPLACE INTO signals VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?)",
                [(*signal[:-1], json.dumps(signal.values)) for signal in signals],
            )
            self._prune(database)

    def _opened(self) -> sqlite3.Connection:
        if self._database is None:
            self._database = self._open()
        return self._database

    def _open(self) -> sqlite3.Connection:
        database = sqlite3.connect(self._path or ":memory:", isolation_level=None, timeout=0.0)
        # A name that a damaged disk made no text is nobody's, and no reason to write nothing more.
        database.text_factory = lambda name: name.decode(errors="replace")
        try:
            # Nobody else writes to it, and WAL needs no memory shared with others then.
            database.execute("PRAGMA locking_mode = EXCLUSIVE")
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = NORMAL")
            (found,) = database.execute("PRAGMA quick_check(1)").fetchone()
            if found != "ok":
                raise _damage(found.rpartition("\n")[2])
            self._migrate(database)
        except BaseException:
            database.close()
            raise
        return database

    def _migrate(self, database: sqlite3.Connection) -> None:
        (version,) = database.execute("PRAGMA user_version").fetchone()
        if version > len(MIGRATIONS):
            raise HauntError(
                f"{self._path} was written by a newer Haunt; update Haunt, or name another file in history.path"
            )
        for number, migration in enumerate(MIGRATIONS[version:], version + 1):
            with database:
                database.execute("BEGIN IMMEDIATE")
                database.execute(migration)
                database.execute(f"PRAGMA user_version = {number}")

    def _prune(self, database: sqlite3.Connection) -> None:
        now = self._clock.milliseconds()
        if self._pruned is not None and now - self._pruned < PRUNE_EVERY:
            return
        self._pruned = now
        database.execute(
            "DELETE FROM signals WHERE number IN (SELECT number FROM (SELECT number, row_number() OVER"
            " (PARTITION BY symbol, indicator ORDER BY number DESC) AS place FROM signals) WHERE place > ?)",
            (MOST_SIGNALS,),
        )
        for symbol, timeframe in database.execute("SELECT DISTINCT symbol, timeframe FROM candles").fetchall():
            age = self._longest(timeframe)
            if age is not None:
                database.execute(
                    "DELETE FROM candles WHERE symbol = ? AND timeframe = ? AND start < ?",
                    (symbol, timeframe, now - age),
                )

    def _longest(self, timeframe: str) -> int | None:
        try:
            in_memory = MOST_IN_MEMORY * timeframe_milliseconds(timeframe)
        except ValueError:  # a name that a damaged disk wrote
            return None
        kept = self._keep.get(timeframe, in_memory)
        if self._path is None:
            return in_memory if kept is None else min(in_memory, kept)
        return kept

    def _move_aside(self, error: sqlite3.DatabaseError) -> None:
        self.close()
        if self._path is None:
            raise error
        moment = datetime.fromtimestamp(self._clock.milliseconds() / 1000, UTC).strftime("%Y%m%dT%H%M%S.%f")[:-3]
        aside = f"{self._path}.corrupt-{moment}"
        for ending in ("", "-wal", "-shm"):
            file = Path(self._path + ending)
            if file.exists():
                file.rename(aside + ending)
        logger.error(
            "The history %s is damaged (%s): it is now %s, and a new one begins; what the old one holds is not used",
            self._path, error, aside,
        )  # fmt: skip


class History:
    """What waits for the store, and the thread that works on it. What begins with `keep` never waits."""

    def __init__(self, path: str | None, keep: Mapping[str, int | None], clock: Clock | None = None) -> None:
        self.path = path
        self.trouble = ""
        """Why nothing can be written now; empty while it can."""
        self.dropped = 0
        """Candles that will never be written, since too many waited."""
        self._store = Store(path, keep, clock or Clock())
        self._rows: deque[Row] = deque(maxlen=MOST_WAITING)
        self._states: States = {}
        self._signals: dict[tuple[str, str, int], Signal] = {}
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread = Thread(target=self._work, name="history", daemon=True)
        self._writing = asyncio.Lock()

    @property
    def waiting(self) -> int:
        """Candles not written yet."""
        return len(self._rows)

    async def start(self) -> States:
        """Open the file; what was kept of the states. Raises HauntError for a file of a newer Haunt."""
        self._thread.start()
        try:
            return await self._do(self._store.states)
        except (sqlite3.Error, OSError, ValueError) as error:
            self._fail(error)
            return {}

    def keep_for(self, ages: Mapping[str, int | None]) -> None:
        """How long candles are kept from now on; what is too old goes with the next writing."""
        self._store.keep_for(ages)

    def keep(self, symbol: str, timeframe: str, candle: Candle) -> None:
        """A candle that closed."""
        if len(self._rows) == MOST_WAITING:
            self.dropped += 1
        self._rows.append((symbol, timeframe, candle))

    def keep_signal(self, signal: Signal) -> None:
        """A signal that was published. Of too many that wait the oldest is forgotten."""
        self._signals[_key(signal)] = signal
        if len(self._signals) > MOST_WAITING_SIGNALS:
            del self._signals[next(iter(self._signals))]

    def keep_state(self, symbol: str, timeframe: str, state: Any) -> None:
        """JSON data, in place of what was kept before. Nothing may change it any more."""
        if self.path is not None:
            self._states[symbol, timeframe] = state

    async def flush(self) -> None:
        """Write what waits, in one transaction; after a failure it goes on waiting. Returns when that is done."""
        async with self._writing:
            rows, states, signals = list(self._rows), self._states, list(self._signals.values())
            if not rows and not states and not signals:
                return
            self._states = {}
            dropped = self.dropped
            try:
                await self._do(lambda: self._store.write(rows, states, signals))
            except (sqlite3.Error, OSError, HauntError) as error:
                self._states = states | self._states
                self._fail(error)
                return
            for signal in signals:
                self._signals.pop(_key(signal), None)
            # What fell out meanwhile fell out of these.
            fallen = min(self.dropped - dropped, len(rows))
            self.dropped -= fallen
            for _ in range(len(rows) - fallen):
                self._rows.popleft()
            if self.trouble:
                logger.info("The history %s is written again; %d candles waited", self.path, len(rows))
                self.trouble = ""

    async def candles(
        self, symbol: str, timeframe: str, most: int, since: int = 0, before: int = NEVER
    ) -> list[Candle]:
        """The newest that closed and begin at `since` or later, and before `before`, oldest first, written or not."""
        try:
            written = await self._do(lambda: self._store.candles(symbol, timeframe, most, since, before))
        except (sqlite3.Error, OSError) as error:
            self._fail(error)
            written = []
        waiting = [
            row[2] for row in self._rows if row[0] == symbol and row[1] == timeframe and since <= row[2].start < before
        ]
        known = {candle.start: candle for candle in (*written, *waiting)}
        return [known[start] for start in sorted(known)][-most:]

    async def signals(self, symbol: str | None, most: int, indicator: str | None = None) -> list[Signal]:
        """The newest of this symbol and this indicator, or of all, newest first, written or not."""
        try:
            written = await self._do(lambda: self._store.signals(symbol, most, indicator))
        except (sqlite3.Error, OSError, ValueError) as error:
            self._fail(error)
            written = []
        waiting = [
            signal
            for signal in reversed(self._signals.values())
            if symbol in (None, signal.symbol) and indicator in (None, signal.indicator)
        ]
        return list({_key(signal): signal for signal in (*waiting, *written)}.values())[:most]

    async def stop(self) -> None:
        """Write what waits and close the file, or give up after PATIENCE seconds."""
        try:
            async with asyncio.timeout(PATIENCE):
                await self.flush()
                await self._do(self._store.close)
        except TimeoutError:
            self._fail(TimeoutError(f"no answer within {PATIENCE:.0f} s"))
        if self._rows:
            logger.error("The history %s ends without its last %d candles: they are lost", self.path, len(self._rows))
        self._jobs.put(None)

    def _fail(self, error: Exception) -> None:
        if not self.trouble:
            logger.error(
                "The history %s cannot be used: %s; prices go on, and candles wait in memory until it can",
                self.path, error,
            )  # fmt: skip
        self.trouble = str(error)

    async def _do(self, job: Callable[[], T]) -> T:
        done: Future[T] = Future()

        def work() -> None:
            if not done.set_running_or_notify_cancel():
                return
            try:
                done.set_result(job())
            except Exception as error:
                done.set_exception(error)

        self._jobs.put(work)
        return await asyncio.wrap_future(done)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()


def _key(signal: Signal) -> tuple[str, str, int]:
    return signal.symbol, signal.indicator, signal.timestamp


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    return (getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF in DAMAGED


def _damage(found: str) -> sqlite3.DatabaseError:
    error = sqlite3.DatabaseError(found)
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return error
