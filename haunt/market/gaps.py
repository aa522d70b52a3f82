"""The ledger of gaps: when which market's data, or its book, could not be trusted, and why. No I/O."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from haunt.clock import Clock

if TYPE_CHECKING:
    from haunt.market.feed import Feed

What: TypeAlias = Literal["data", "book"]
"""Nothing fresh comes; the order book is lost, whatever else comes."""
Key: TypeAlias = tuple[str, str, What]
"""Source, market, and what of it: a source that is run with other options goes on where the last one ended."""

MOST_CLOSED = 10_000
MOST_TOLD = 1_000
LONGEST_CAUSE = 200  # characters


class Gap(NamedTuple):
    """One interval. Times are milliseconds UTC, `lasted` is seconds by the clock that is never set.

    `ended` is None while it is open.
    """

    source: str
    symbol: str
    market: str
    what: What
    cause: str
    began: int
    ended: int | None
    lasted: float


@dataclass(slots=True)
class _Open:
    gap: Gap
    since: float
    """Monotonic."""
    feeds: bool
    """Whether its market ever had a part in the price of its symbol."""


@dataclass(slots=True)
class _Interruption:
    """Whether the price of a symbol lacks any of those that have a part in it: how many are missing, since when one
    is, and until when one was."""

    until: int
    missing: int = 0
    since: int = 0


class Gaps:
    """Begun and ended by those who see it happen: a feed its book and its connection, the electorate its silence.

    All that are open are kept, and the newest MOST_CLOSED of the others. Of one market and thing no two overlap.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or Clock()
        self._open: dict[Key, _Open] = {}
        self._closed: deque[Gap] = deque(maxlen=MOST_CLOSED)
        self._trusted: dict[Key, int] = {}
        started = self._clock.milliseconds()
        self._interruptions: Mapping[str, _Interruption] = defaultdict(lambda: _Interruption(started))

    def begin(self, feed: Feed, what: What, cause: str, since: float | None = None) -> None:
        """It can no longer be trusted, from the monotonic time `since` or from now on. Nothing if that is known."""
        key = (feed.source, feed.venue_symbol, what)
        if key in self._open:
            return
        now = self._clock.monotonic()
        since = now if since is None else since
        # A clock that was set back must not let it begin before the last one ended.
        began = max(self._clock.milliseconds() - round((now - since) * 1000), self._trusted.get(key, 0))
        gap = Gap(feed.source, feed.symbol, feed.venue_symbol, what, cause[:LONGEST_CAUSE], began, None, 0.0)
        opened = self._open[key] = _Open(gap, since, key in self._trusted)
        if opened.feeds:
            interruption = self._interruptions[feed.symbol]
            interruption.since = min(began, interruption.since) if interruption.missing else began
            interruption.missing += 1

    def end(self, feed: Feed, what: What) -> None:
        """It can be trusted from now on. Nothing more happens if it could before."""
        key = (feed.source, feed.venue_symbol, what)
        if key in self._open:
            self._close(key)
        else:
            self._trusted.setdefault(key, self._clock.milliseconds())

    def forget(self, source: str, but: Collection[str] = ()) -> None:
        """Of this source there are no other markets than these any more: their gaps are at an end."""
        gone = [key for key in {**self._trusted, **self._open} if key[0] == source and key[1] not in but]
        for key in gone:
            if key in self._open:
                self._close(key)
            self._trusted.pop(key, None)

    def _close(self, key: Key) -> None:
        opened = self._open.pop(key)
        lasted = self._lasted(opened)
        ended = self._trusted[key] = opened.gap.began + round(lasted * 1000)
        self._closed.append(opened.gap._replace(ended=ended, lasted=lasted))
        if opened.feeds:
            interruption = self._interruptions[opened.gap.symbol]
            interruption.missing -= 1
            interruption.until = max(interruption.until, ended)

    # -- what is read of it

    def find(
        self,
        *,
        symbol: str | None = None,
        source: str | None = None,
        since: int = 0,
        is_open: bool | None = None,
        most: int = MOST_TOLD,
    ) -> list[Gap]:
        """Those that last, the newest first, then those that ended; what began or lasted after `since`."""
        found = (
            gap
            for gap in self._all()
            if symbol in (None, gap.symbol)
            and source in (None, gap.source)
            and (gap.ended is None or gap.ended >= since)
            and is_open in (None, gap.ended is None)
        )
        return list(islice(found, most))

    def counts(self) -> Counter[str]:
        """How many are open, by source."""
        return Counter(opened.gap.source for opened in self._open.values())

    def interrupted(self, symbol: str, start: int, end: int) -> bool:
        """Whether one who has a part in the price of this symbol was missing at some time of [start, end), or nobody
        kept the ledger yet. `end` is about now: what was before is remembered by its latest end alone."""
        interruption = self._interruptions[symbol]
        return interruption.until > start or (interruption.missing > 0 and interruption.since < end)

    def _all(self) -> Iterator[Gap]:
        for opened in reversed(self._open.values()):
            yield opened.gap._replace(lasted=self._lasted(opened))
        yield from reversed(self._closed)

    def _lasted(self, opened: _Open) -> float:
        return round(self._clock.monotonic() - opened.since, 3)
