"""Closed candles in, changed signals out."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from math import inf
from traceback import format_exception_only
from typing import Any

from haunt.clock import Clock
from haunt.errors import PluginError
from haunt.market.candles import Candle, CandleSeries, candle_start, timeframe_milliseconds
from haunt.market.merged_candles import MINUTE, joined
from haunt.market.published import Signal
from haunt.market.readings import Instance, Said, combined_last, rounded
from haunt.plugin.indicator import Combination, Indicator, IndicatorOptions, Reading
from haunt.plugin.state import copied, restore, saved

logger = logging.getLogger(__name__)

MOST_FAILURES = 10
REPEAT_AFTER = 60_000  # milliseconds before an indicator's next failure is logged
LONGEST_SLICE = 0.004  # seconds of closing candles before prices and clients get their turn


@dataclass(slots=True, eq=False)
class _Line:
    """One indicator instance on one symbol. The indicator is made at the first candle."""

    name: str
    make: type[Indicator]
    options: IndicatorOptions
    indicator: Indicator | None = None
    last: Signal | None = None
    warm: bool = False
    """Whether it ever had something to say."""
    new: bool = False
    """It came while others ran, and has not learned from the candles before it."""

    @property
    def state(self) -> str:
        return self.last.signal if self.last else "neutral"


@dataclass(slots=True)
class _Track:
    """The candles of one symbol in one timeframe, and the indicators that read them."""

    symbol: str
    timeframe: str
    series: CandleSeries
    lines: list[_Line]
    since: int = 0
    """Before it nobody kept these candles: one that had begun is not whole."""
    next_start: int | None = None
    close: float | None = None
    """That of the candle before."""
    held: list[Candle] | None = None
    """Closed candles that the indicators get after older ones; None = there is nothing to wait for."""
    cut: Candle | None = None
    """While older ones are waited for, the candle that the last stop cut."""
    late: bool = False
    """While older ones are waited for: the running candle may have begun before its first price."""


class Lesson:
    """The new indicators of a track learn apart from it; where one combines the others, with fresh ones of those."""

    def __init__(self, track: _Track) -> None:
        combines = any(line.new and issubclass(line.make, Combination) for line in track.lines)
        lines = [_Line(line.name, line.make, line.options) for line in track.lines if line.new or combines]
        self.symbol, self.timeframe = track.symbol, track.timeframe
        self.track = track
        self.study = _Track(track.symbol, track.timeframe, CandleSeries(track.timeframe), lines)


def _arranged(track: _Track, instances: Iterable[Instance], *, new: bool) -> _Track:
    """The track with these indicators, each that it had as it was."""
    known = {(line.name, line.make): line for line in track.lines}
    lines = []
    for name, make, options in instances:
        line = known.get((name, make))
        same = line is not None and line.options == options
        lines.append(line if line is not None and same else _Line(name, make, options, new=new))
    track.lines = lines
    return track


class Signals:
    """Builds candles from prices, hands the closed ones to the indicators, publishes changes of state.

    For every symbol and indicator the state starts neutral. A Signal is published only when a closed candle
    changes it, so a state's end is a `neutral`. Symbols nobody named are passed over.
    An indicator that raises or returns rubbish is skipped for that candle; after ten failures in a row, over
    all symbols, it is stopped and named in `stopped` with the reason. It never disturbs the caller.
    """

    def __init__(
        self,
        indicators: Iterable[Instance],
        symbols: Iterable[str],
        publish: Callable[[Signal], None],
        *,
        interrupted: Callable[[str, int, int], bool] = lambda symbol, start, end: False,
        timeframes: Iterable[str] = (),
        keep: Callable[[str, str, Candle], None] = lambda symbol, timeframe, candle: None,
        clock: Clock | None = None,
    ) -> None:
        """`interrupted`: whether data of a symbol was missing at some time of [start, end), milliseconds UTC.

        `keep` is told of each candle that closed, with its symbol and timeframe: of those that indicators read, and of
        `timeframes`.
        """
        self.stopped: dict[str, str] = {}
        self._interrupted = interrupted
        self._publish = publish
        self._keep = keep
        self._changed: dict[tuple[str, str], _Track] = {}
        self._clock = clock or Clock()
        self._closing: Iterator[None] | None = None
        self._failures: dict[str, int] = {}
        self._logged: dict[str, int] = {}
        self._unsaved: set[str] = set()
        self._by_symbol: dict[str, list[_Track]] = {}
        self._ticked: dict[str, int | None] = {}
        self._arrange(indicators, symbols, timeframes, 0)

    def change(self, indicators: Iterable[Instance], symbols: Iterable[str], timeframes: Iterable[str]) -> None:
        """Go on with these, each known one where it was. Indicators that are new, or have other options, begin anew."""
        self.finish()
        self._arrange(indicators, symbols, timeframes, self._clock.milliseconds())
        running = {line.name for tracks in self._by_symbol.values() for track in tracks for line in track.lines}
        known = {line.name for lesson in self.lessons() for line in lesson.track.lines if line.new}
        for told in (self.stopped, self._failures, self._logged):
            for name in [name for name in told if name not in running or name in known]:
                del told[name]

    def _arrange(
        self, indicators: Iterable[Instance], symbols: Iterable[str], timeframes: Iterable[str], since: int
    ) -> None:
        by_timeframe: dict[str, list[Instance]] = {}
        for instance in combined_last(indicators):
            by_timeframe.setdefault(instance[2].timeframe, []).append(instance)
        for timeframe in timeframes:
            by_timeframe.setdefault(timeframe, [])
        known = {(one.symbol, one.timeframe): one for tracks in self._by_symbol.values() for one in tracks}
        self._by_symbol = {
            symbol: [
                _arranged(
                    known.get((symbol, timeframe)) or _Track(symbol, timeframe, CandleSeries(timeframe), [], since),
                    instances,
                    new=since > 0,
                )
                for timeframe, instances in by_timeframe.items()
            ]
            for symbol in symbols
        }
        self._ticked = {timeframe: self._ticked.get(timeframe) for timeframe in by_timeframe}

    def price(self, symbol: str, price: float, now_ms: int) -> None:
        """The composite price of a symbol."""
        for track in self._by_symbol.get(symbol, ()):
            closed = track.series.price(price, now_ms)
            if closed:
                self._feed(track, closed)

    def trade(self, symbol: str, quantity: float, now_ms: int, usd: float = 0.0, at: int | None = None) -> None:
        """A trade on any venue, in base units and in US dollars. `at`: when it happened by the venue's clock."""
        for track in self._by_symbol.get(symbol, ()):
            closed = track.series.volume(quantity, now_ms, usd, at)
            if closed:
                self._feed(track, closed)

    def tick(self, now_ms: int) -> None:
        """Close what is due on every symbol; call it some times a second. Candles are looked at only once in
        each interval of their timeframe.

        After a slice of time the rest is left to the next turns of the event loop. A price or trade that comes before
        its symbol's turn closes that symbol's candles itself, so each counts in the candle of its time.
        """
        if self._closing is None:
            self._closing = self._close_all(now_ms)
            self._go_on()

    def finish(self) -> None:
        """Close at once what the last tick left to later turns."""
        self._go_on(inf)

    def _go_on(self, longest: float = LONGEST_SLICE) -> None:
        closing, self._closing = self._closing, None
        until = self._clock.monotonic() + longest
        for _ in closing or ():
            if self._clock.monotonic() >= until:
                self._closing = closing
                asyncio.get_running_loop().call_soon(self._go_on)
                return

    def _close_all(self, now_ms: int) -> Iterator[None]:
        """Yields where others may have their turn."""
        for position, (timeframe, ticked) in enumerate(list(self._ticked.items())):
            start = candle_start(now_ms, timeframe_milliseconds(timeframe))
            if start == ticked:
                continue
            for tracks in self._by_symbol.values():
                track = tracks[position]
                closed = track.series.close(now_ms)
                if closed:
                    self._feed(track, closed)
                    yield
            self._ticked[timeframe] = start

    def last(self, symbol: str) -> list[Signal]:
        """The newest signal of each running indicator that has published one for this symbol."""
        return [
            line.last
            for track in self._by_symbol.get(symbol, ())
            for line in track.lines
            if line.last is not None and line.name not in self.stopped
        ]

    @property
    def timeframes(self) -> list[str]:
        """Those of the candles it builds, the shortest first."""
        return sorted(self._ticked, key=timeframe_milliseconds)

    def running(self, symbol: str, timeframe: str) -> Candle | None:
        """The candle of this timeframe as it stands; None before the first price."""
        for track in self._by_symbol.get(symbol, ()):
            if track.timeframe == timeframe and track.series.running is not None:
                return self._marked(track, track.series.running)
        return None

    def peek(self, symbol: str) -> dict[str, Reading]:
        """What each indicator would say if its running candle closed as it is. Changes nothing and is no signal.
        Who warms up, fails or is stopped is left out."""
        readings: dict[str, Reading] = {}
        for track in self._by_symbol.get(symbol, ()):
            running, said = track.series.running, Said()
            candle = running and self._marked(track, running)
            for line in track.lines:
                if candle is None or line.indicator is None or line.name in self.stopped:
                    continue
                with suppress(Exception):
                    reading = said.read(line.name, copied(line.indicator), candle)
                    if reading is not None:
                        readings[line.name] = reading
        return readings

    def save(self, symbol: str) -> dict[str, Any]:
        """Running candles, indicators and last signals of a symbol, as JSON data. What cannot be saved starts anew."""
        return {track.timeframe: self._saved_track(track) for track in self._by_symbol.get(symbol, ())}

    def changed(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """Symbol and timeframe of each whose candle closed since this was asked, and what `save` has of it."""
        while self._changed:
            (symbol, timeframe), track = self._changed.popitem()
            yield symbol, timeframe, self._saved_track(track)

    def restore(self, symbol: str, data: Mapping[str, Any]) -> None:
        """Go on where another one saved this symbol, before its first price. What does not fit starts anew, and is
        logged. Time that has passed since is a time without prices."""
        for track in self._by_symbol.get(symbol, ()):
            try:
                self._restore(track, data.get(track.timeframe))
            except (ValueError, TypeError, KeyError, AttributeError) as error:
                logger.warning("Candles of %s in %s start anew: %s", symbol, track.timeframe, error)

    def expected(self, symbol: str) -> dict[str, int]:
        """The timeframes that indicators read, each with the start of the candle it goes on with; 0 = any."""
        return {track.timeframe: track.next_start or 0 for track in self._by_symbol.get(symbol, ()) if track.lines}

    def resume(self, symbol: str, candles: Mapping[str, Iterable[Candle]], now_ms: int, *, hold: bool = False) -> None:
        """Catch up with the closed candles of each timeframe, oldest first: after `restore`, before the first price.

        Nobody is told what they change. After a hole the indicators begin anew. A candle that was cut and is not among
        them is taken as it is, as one with a gap, where nothing is missing after it.
        With `hold` the indicators of timeframes of whole minutes wait for `seed`, and what closes until then with them.
        """
        for track in self._by_symbol.get(symbol, ()):
            if hold and track.series.length % MINUTE == 0:
                track.held = []
            self._resume(track, candles.get(track.timeframe, ()), candle_start(now_ms, track.series.length))

    def _resume(self, track: _Track, candles: Iterable[Candle], start: int) -> None:
        for candle in candles:
            if (track.next_start or 0) <= candle.start < start:
                self._take(track, candle, _tell_nobody)
        running = track.series.running
        if running is not None and running.start >= start:
            return
        if track.held is not None:
            track.cut, track.late = running, True
            track.series = CandleSeries(track.timeframe)
            return
        if running is not None and running.start + track.series.length == start and track.next_start != start:
            cut = running._replace(gap=True)
            self._keep(track.symbol, track.timeframe, cut)
            self._take(track, cut, _tell_nobody)
        track.series = CandleSeries(track.timeframe)
        if track.close is not None and track.next_start == start:
            track.series.follow(track.close, start)

    def lives_since(self, symbol: str) -> dict[str, int | None]:
        """The timeframes of whole minutes, each with the start of its first live candle; None before a price."""
        return {
            track.timeframe: _first_live(track)
            for track in self._by_symbol.get(symbol, ())
            if track.series.length % MINUTE == 0
        }

    def seed(self, symbol: str, candles: Mapping[str, Sequence[Candle]], now_ms: int) -> Iterator[None]:
        """Give the indicators what closed before the candles they wait with, oldest first. Yields where others may have
        their turn.

        Nobody is told what the past changes. An indicator that never had anything to say begins anew with the oldest;
        the others go on where they stand. Then all get what closed meanwhile, and publish what that changes.
        """
        first = self.lives_since(symbol).get("1m")
        for track in self._by_symbol.get(symbol, ()):
            if track.series.length % MINUTE == 0:
                yield from self._seed(track, candles.get(track.timeframe, ()), now_ms)
                self._begin_earlier(track, candles.get("1m", ()), first)

    def _seed(self, track: _Track, candles: Sequence[Candle], now_ms: int) -> Iterator[None]:
        start = candle_start(now_ms, track.series.length)
        first = _first_live(track) or start
        track.held = track.held or []
        cold = [line for line in track.lines if not line.warm]
        rehearsal = _Track(
            track.symbol,
            track.timeframe,
            track.series,
            [_Line(line.name, line.make, line.options) for line in track.lines] if cold else [],
        )
        for candle in self._with_cut(track, [candle for candle in candles if candle.start < first], first):
            self._take(rehearsal, candle, _tell_nobody)
            if candle.start >= (track.next_start or 0):
                self._take(track, candle, _tell_nobody)
            yield
        for line, rehearsed in zip(track.lines, rehearsal.lines, strict=False):
            if line in cold and rehearsed.indicator is not None:
                line.indicator, line.warm = rehearsed.indicator, rehearsed.warm
                line.last = rehearsed.last or line.last
        if track.series.running is None and track.close is not None and track.next_start == start:
            track.series.follow(track.close, start)
        held, track.held, track.cut = track.held, None, None
        for candle in held:
            self._take(track, candle, self._publish)
        self._changed[track.symbol, track.timeframe] = track

    def _with_cut(self, track: _Track, candles: list[Candle], first: int) -> list[Candle]:
        """With the candle that a stop cut, where nobody has a better one and nothing is missing after it."""
        cut = track.cut
        starts = {candle.start for candle in candles}
        if cut is None or cut.start in starts or cut.start + track.series.length not in {first, *starts}:
            return candles
        cut = cut._replace(gap=True)
        self._keep(track.symbol, track.timeframe, cut)
        return sorted([*candles, cut])

    def _begin_earlier(self, track: _Track, minutes: Sequence[Candle], first: int | None) -> None:
        """Let a running candle that began before its first price have what was before that."""
        running, late, track.late = track.series.running, track.late, False
        if not late or running is None or first is None:
            return
        before = [minute for minute in minutes if running.start <= minute.start < first]
        if before and len(before) * MINUTE == first - running.start:
            track.series.precede(joined(running.start, before))

    @property
    def waiting(self) -> list[str]:
        """The symbols whose indicators wait for older candles."""
        return [name for name, tracks in self._by_symbol.items() if any(one.held is not None for one in tracks)]

    def lessons(self) -> list[Lesson]:
        """For each symbol and timeframe with indicators that are new since a change, what they have to learn."""
        return [
            Lesson(track)
            for tracks in self._by_symbol.values()
            for track in tracks
            if any(one.new for one in track.lines)
        ]

    def learn(self, lesson: Lesson, candle: Candle) -> None:
        """The next candle that closed before the change, oldest first. Nobody is told what it changes."""
        if candle.start >= (lesson.study.next_start or 0):
            self._take(lesson.study, candle, _tell_nobody)

    def conclude(self, lesson: Lesson) -> bool:
        """The new indicators go on with what they learned. False while there is a later candle to learn from."""
        track, study = lesson.track, lesson.study
        if study.next_start is not None and track.next_start is not None and study.next_start < track.next_start:
            return False
        if track.next_start is None:
            track.next_start, track.close = study.next_start, study.close
        learned = {line.name: line for line in study.lines}
        for line in track.lines:
            if line.new:
                student = learned[line.name]
                line.new, line.warm = False, student.warm
                line.indicator, line.last = student.indicator, student.last
        return True

    def _saved_track(self, track: _Track) -> dict[str, Any]:
        return {
            "series": saved(track.series),
            "next_start": track.next_start,
            "close": track.close,
            "indicators": {line.name: self._saved(line) for line in track.lines},
        }

    def _saved(self, line: _Line) -> dict[str, Any]:
        state = None
        try:
            state = line.indicator and line.indicator.save()
        except Exception as error:
            if line.name not in self._unsaved:
                self._unsaved.add(line.name)
                logger.error("Indicator %s cannot be saved, it will start anew: %s", line.name, error)
        last = line.last and {**line.last._asdict(), "values": dict(line.last.values)}
        return {"state": state, "last": last, "warm": line.warm}

    def _restore(self, track: _Track, data: Any) -> None:
        if data is None:
            return
        restore(track.series, data["series"])
        track.next_start, track.close = data["next_start"], data["close"]
        for line in track.lines:
            kept = data["indicators"].get(line.name)
            if kept is None:
                continue
            line.last = kept["last"] and Signal(**kept["last"])
            if kept["state"] is None:
                continue
            try:
                indicator = line.make(line.options)
                indicator.restore(kept["state"])
                line.indicator, line.warm = indicator, kept.get("warm", True)
            except Exception as error:
                logger.warning("Indicator %s starts anew for %s: %s", line.name, track.symbol, error)

    def _feed(self, track: _Track, closed: list[Candle]) -> None:
        for candle in [self._marked(track, candle) for candle in closed]:
            self._changed[track.symbol, track.timeframe] = track
            self._keep(track.symbol, track.timeframe, candle)
            if track.held is not None:
                track.held.append(candle)
            else:
                self._take(track, candle, self._publish)

    def _take(self, track: _Track, candle: Candle, publish: Callable[[Signal], None]) -> None:
        if candle.start != track.next_start:
            # The machine slept through candles nobody has: what came before says nothing of what follows.
            for line in track.lines:
                line.indicator, line.warm = None, False
        track.next_start = candle.start + track.series.length
        track.close = candle.close
        said = Said()
        for line in track.lines:
            if line.name not in self.stopped:
                self._update(track, line, candle, said, publish)

    def _marked(self, track: _Track, candle: Candle) -> Candle:
        gap = candle.start < track.since or self._interrupted(
            track.symbol, candle.start, candle.start + track.series.length
        )
        return candle._replace(gap=True) if gap else candle

    def _update(
        self, track: _Track, line: _Line, candle: Candle, said: Said, publish: Callable[[Signal], None]
    ) -> None:
        closed_at = candle.start + track.series.length
        try:
            if line.indicator is None:
                line.indicator = line.make(line.options)
            reading = said.read(line.name, line.indicator, candle)
        except Exception as error:
            self._fail(line.name, track.symbol, closed_at, error)
            return
        self._failures[line.name] = 0
        line.warm = line.warm or reading is not None
        if reading is None or reading.signal == line.state:
            return
        value, signal, confidence, values = rounded(reading)
        line.last = Signal(
            symbol=track.symbol,
            indicator=line.name,
            timeframe=track.timeframe,
            signal=signal,
            value=value,
            confidence=confidence,
            timestamp=closed_at,
            values=values,
        )
        publish(line.last)

    def _fail(self, name: str, symbol: str, closed_at: int, error: Exception) -> None:
        failures = self._failures[name] = self._failures.get(name, 0) + 1
        bug = None if isinstance(error, PluginError) else error
        reason = format_exception_only(error)[-1].strip() if bug else str(error)
        if failures >= MOST_FAILURES:
            self.stopped[name] = f"{failures} failures in a row, the last on {symbol}: {reason}"
            logger.error(
                "Indicator %s is stopped after %s; repair its plugin, then restart Haunt",
                name,
                self.stopped[name],
                exc_info=bug,
            )
            return
        logged = self._logged.get(name)
        if logged is None or abs(closed_at - logged) >= REPEAT_AFTER:
            self._logged[name] = closed_at
            logger.error("Indicator %s skipped a candle of %s: %s", name, symbol, reason, exc_info=bug)


def _first_live(track: _Track) -> int | None:
    if track.held:
        return track.held[0].start
    return track.series.running and track.series.running.start


def _tell_nobody(signal: Signal) -> None: ...
