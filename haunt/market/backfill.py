"""Candles that Haunt did not hear itself, asked of the sources' venues."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import TypeVar

from haunt.clock import Clock
from haunt.errors import SourceLost
from haunt.market.candles import Candle, candle_start, timeframe_milliseconds
from haunt.market.electorate import USD, Vote
from haunt.market.history import History
from haunt.market.market import Market
from haunt.market.merged_candles import MINUTE, merged, possible, whole
from haunt.market.signals import Signals
from haunt.market.symbols import Symbol
from haunt.plugin.relay import NONSENSE, REPEAT_AFTER
from haunt.plugin.source import Source

logger = logging.getLogger(__name__)

T = TypeVar("T")

# The median of three venues is moved by no single one.
VENUES = 3
# Those in dollars need no rate, which is known for today alone; others have so many symbols less to carry.
DOLLAR_PREFERRED = 2
# The strictest venue, Bitfinex, allows 30 a minute; some want a pause between two.
MOST_A_MINUTE = 25
PAUSE = 0.5
# Of one market: the shortest answers hold 100 candles, so more would be asked of a venue that gives no end.
MOST_REQUESTS = 10
SHORTEST_ANSWER = 100
REQUEST_TIMEOUT = 15.0
MOST_FAILURES = 3  # in a row, before a source is left alone for the minute
# Seconds: until venues have the candle of the last minute, until most venues of a symbol have joined, until the
# indicators wait no longer for older candles, until a symbol without a price is given up.
SETTLED = 3.0
JOINED = 3.0
LONGEST_HOLD = 30.0
UNPRICED = 60.0
LOOK_EVERY = 0.2
LONGEST_SLICE = 0.004


@dataclass(slots=True)
class Seeding:
    """How far the start has come. `failed`: the symbols nothing came for, and why."""

    symbols: int
    done: int = 0
    candles: int = 0
    requests: int = 0
    failed: dict[str, str] = field(default_factory=dict)


class Desk:
    """The requests to one source: one at a time, and no more than any venue bears."""

    def __init__(self) -> None:
        self.load = 0
        self.failures = 0
        self.quiet_until = 0.0
        self.logged_at = -REPEAT_AFTER
        self.turn = asyncio.Lock()
        self._asked: deque[float] = deque(maxlen=MOST_A_MINUTE)

    async def wait(self, source: Source) -> None:
        """Until it may be asked."""
        if len(self._asked) == MOST_A_MINUTE:
            await asyncio.sleep(max(0.0, self._asked[0] + 60.0 - monotonic()))
        if self._asked:
            await asyncio.sleep(max(0.0, self._asked[-1] + PAUSE - monotonic()))
        while True:
            if source.spare:
                self._asked.append(monotonic())
                return
            await asyncio.sleep(LOOK_EVERY)


class Backfill:
    """Fills the last `minutes` before the start of each symbol, and lets the indicators have them."""

    def __init__(
        self,
        *,
        market: Market,
        signals: Signals,
        history: History,
        symbols: Iterable[Symbol],
        find_source: Callable[[str], Source | None],
        minutes: int,
        clock: Clock,
    ) -> None:
        """`find_source`: that of this name while it is connected."""
        self._market = market
        self._signals = signals
        self._history = history
        self._symbols = {symbol.name: symbol for symbol in symbols}
        self._find_source = find_source
        self._minutes = minutes
        self._clock = clock
        self._desks: dict[str, Desk] = {}
        self._held = set(self._symbols) if minutes else set()
        self._released = asyncio.Event()
        self.seeding = Seeding(len(self._held))

    async def run(self) -> None:
        """Until all symbols are done. Nothing it started outlives it."""
        if not self._held:
            return
        began = monotonic()
        async with asyncio.TaskGroup() as tasks:
            for name in self._symbols:
                tasks.create_task(self._seed(name))
            tasks.create_task(self._release())
        seeding, failed = self.seeding, self.seeding.failed
        logger.info(
            "Back-filled %s candles of %d symbols in %.1f s with %d requests%s",
            f"{seeding.candles:,}", seeding.symbols - len(failed), monotonic() - began, seeding.requests,
            "".join(f"; none of {name}: {reason}" for name, reason in failed.items()),
        )  # fmt: skip

    async def release(self) -> None:
        """The indicators wait no longer. To be called when it runs no more."""
        for name in self._signals.waiting:
            await self._give(name)

    # -- one symbol

    async def _seed(self, name: str) -> None:
        try:
            if await self._lacks(name):
                await self._joined(name)
                await self._fill(name)
        except SourceLost as error:
            self.seeding.failed[name] = str(error)
        await self._give(name)
        self.seeding.done += 1

    async def _release(self) -> None:
        """The indicators wait for so long at most."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LONGEST_HOLD):
                await self._released.wait()
        for name in sorted(self._held):
            await self._give(name)

    async def _joined(self, name: str) -> None:
        """Until there is a price, and time has passed for venues to join. Raises SourceLost when that does not come."""
        began, priced = monotonic(), None
        while True:
            now = monotonic()
            if self._market.price(name) is not None:
                priced = priced or now
                if len(self._asked_first(name)) >= VENUES or now - priced >= JOINED:
                    return
            elif now - began > UNPRICED:
                raise SourceLost("there is no price of it")
            await asyncio.sleep(LOOK_EVERY)

    async def _lacks(self, name: str) -> bool:
        """Whether the history lacks a candle of the time that is to be filled."""
        end = self._end(name)
        for timeframe in self._signals.lives_since(name):
            length = timeframe_milliseconds(timeframe)
            first = candle_start(end - self._minutes * MINUTE + length - 1, length)
            lacking = range(first, candle_start(end, length), length)
            if lacking and len(await self._history.candles(name, timeframe, len(lacking), first)) < len(lacking):
                return True
        return False

    async def _fill(self, name: str) -> None:
        end = self._end(name)
        start = end - self._minutes * MINUTE
        await asyncio.sleep(max(0.0, end / 1000 + SETTLED - self._clock.milliseconds() / 1000))
        timeframes = self._signals.lives_since(name)
        heard = await self._history.candles(name, "1m", self._minutes, start) if "1m" in timeframes else []
        known = {candle.start: candle for candle in heard if candle.start < end}
        missing = [minute for minute in range(start, end, MINUTE) if minute not in known]
        if missing:
            for candle in await self.fetch(name, missing[0], missing[-1] + MINUTE):
                if candle.start not in known:
                    known[candle.start] = candle
                    self._keep(name, "1m", candle, timeframes)
        minutes = [known[minute] for minute in sorted(known)]
        for timeframe in timeframes:
            length = timeframe_milliseconds(timeframe)
            if length > MINUTE:
                there = {one.start for one in await self._history.candles(name, timeframe, self._minutes, start)}
                for candle in whole(minutes, length):
                    if candle.start not in there:
                        self._keep(name, timeframe, candle, timeframes)

    def _keep(self, name: str, timeframe: str, candle: Candle, timeframes: Iterable[str]) -> None:
        if timeframe in timeframes:
            self._history.keep(name, timeframe, candle)
            self.seeding.candles += 1

    async def _give(self, name: str) -> None:
        """Let the indicators have what the history has now."""
        self._held.discard(name)
        if not self._held:
            self._released.set()
        await self._history.flush()
        candles = {
            timeframe: await self._history.candles(name, timeframe, 1_000)
            for timeframe in self._signals.lives_since(name)
        }
        await unhurried(self._signals.seed(name, candles, self._clock.milliseconds()))

    def _end(self, name: str) -> int:
        """The first minute that Haunt hears itself."""
        first = self._signals.lives_since(name).get("1m")
        return first or candle_start(self._clock.milliseconds(), MINUTE)

    # -- its venues

    async def fetch(self, name: str, start: int, end: int) -> list[Candle]:
        """The candles of the minutes of [start, end) that venues know, oldest first. Raises SourceLost for none."""
        price = self._market.price(name)
        voters = self._asked_first(name)
        if price is None or not voters:
            raise SourceLost("no source that gives candles is connected")
        for voter in voters[:VENUES]:
            self._desk(voter).load += 1
        asked = await asyncio.gather(*(self._ask(voter, start, end) for voter in voters[:VENUES]))
        answers = [answer for answer in asked if answer]
        for voter in voters[VENUES:]:
            if len(answers) >= VENUES:
                break
            self._desk(voter).load += 1
            answers += filter(None, [await self._ask(voter, start, end)])
        if not answers:
            raise SourceLost("no venue answered with candles")
        rounded = self._symbols[name].round
        return (await unhurried(merged(answers, start, end, price.price, rounded)))[::-1]

    def _asked_first(self, name: str) -> list[Vote]:
        """The markets that count in its price and give candles, those first that have less to do or are in dollars."""
        now = monotonic()
        able = []
        for voter in self._market.voters(name):
            source = self._find_source(voter.feed.source)
            if (
                source is not None
                and type(source).candles is not Source.candles
                and self._desk(voter).quiet_until < now
            ):
                able.append(voter)
        return sorted(able, key=lambda one: self._desk(one).load + DOLLAR_PREFERRED * (one.feed.quote != USD))

    def _desk(self, voter: Vote) -> Desk:
        return self._desks.setdefault(voter.feed.source, Desk())

    async def _ask(self, voter: Vote, start: int, end: int) -> list[Candle]:
        """What one venue knows; nothing where it fails."""
        desk, feed, found = self._desk(voter), voter.feed, []
        try:
            ranges = [(start, end)]
            for _ in range(MOST_REQUESTS):
                if not ranges:
                    break
                begin, until = ranges.pop()
                got = possible(
                    await self._request(desk, feed.source, feed.venue_symbol, begin, until), begin, until, voter.rate
                )
                found += got
                if len(got) >= SHORTEST_ANSWER:
                    ranges += [(begin, got[0].start), (got[-1].start + MINUTE, until)]
                    ranges = [one for one in ranges if one[0] < one[1]]
            desk.failures = 0
        except SourceLost as error:
            self._complain(desk, feed.source, feed.symbol, error)
        except NONSENSE as error:
            self._complain(desk, feed.source, feed.symbol, SourceLost(f"they make no sense: {error}"))
        except Exception:
            desk.quiet_until = monotonic() + REPEAT_AFTER
            logger.exception("Source %s: no candles of %s: a bug in its plugin", feed.source, feed.symbol)
        return sorted(found)

    async def _request(self, desk: Desk, name: str, venue_symbol: str, start: int, end: int) -> Sequence[Candle]:
        async with desk.turn:
            if monotonic() < desk.quiet_until:
                raise SourceLost("it is left alone for a while")
            source = self._find_source(name)
            if source is None:
                raise SourceLost("it is not connected")
            await desk.wait(source)
            self.seeding.requests += 1
            try:
                async with asyncio.timeout(REQUEST_TIMEOUT):
                    return await source.candles(venue_symbol, start, end)
            except TimeoutError:
                raise SourceLost(f"no answer within {REQUEST_TIMEOUT:.0f} s") from None

    def _complain(self, desk: Desk, source: str, symbol: str, error: SourceLost) -> None:
        now = monotonic()
        desk.failures += 1
        wait = error.retry_after if desk.failures < MOST_FAILURES else max(error.retry_after, REPEAT_AFTER)
        desk.quiet_until = max(desk.quiet_until, now + wait)
        if now - desk.logged_at >= REPEAT_AFTER:
            desk.logged_at = now
            logger.warning("Source %s: no candles of %s: %s", source, symbol, str(error))


async def unhurried(items: Iterable[T]) -> list[T]:
    """All of them, made while others have their turns."""
    made, began = [], monotonic()
    for item in items:
        made.append(item)
        if monotonic() - began > LONGEST_SLICE:
            await asyncio.sleep(0)
            began = monotonic()
    return made
