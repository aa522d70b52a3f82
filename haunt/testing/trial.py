"""One source against a fake of its venue, run as Haunt runs it, and watched all along."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import islice
from math import isclose
from types import TracebackType

from haunt.clock import Clock
from haunt.market.events import Event, Trade
from haunt.market.feed import Feed
from haunt.market.market import Market
from haunt.market.signals import Signals
from haunt.market.supervisor import Supervisor
from haunt.market.symbols import Symbol, Symbols
from haunt.plugin.registry import options_class
from haunt.plugin.relay import Relay
from haunt.plugin.source import Source, SourceOptions
from haunt.testing.clock import eventually
from haunt.testing.dialect import Dialect
from haunt.testing.exchange import FakeExchange
from haunt.testing.market import SHOWN, FakeMarket, Moment

LOOK_EVERY = 0.02
PATIENCE = 15.0
CLOCKS_APART = 10_000
STALE_AFTER = 1.0
# What was so may be published for that long; a loop that is busy with twenty trials is late by a second.
TOLERANCE = STALE_AFTER + 1.0
# A frame takes as long as the loop is busy.
IN_FLIGHT = 0.3
OPTIONS = {
    "stale_after": STALE_AFTER,
    "connect_timeout": 2.0,
    "silence_timeout": 1.5,
    "first_data_timeout": 1.0,
    "resync_interval": 0.5,
}
"""What a trial sets of the options that sources inherit, so that it takes seconds."""


class _Log(logging.Handler):
    def __init__(self, level: int) -> None:
        super().__init__(level)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


class Trial:
    """A source, its venue, and the market that hears of it.

    What is absent is never wrong. A price or a book is right when it was so within the last `stale_after` seconds.
    """

    def __init__(self, cls: type[Source], dialect: type[Dialect]) -> None:
        self.exchange = FakeExchange(dialect)
        self.trades: dict[str, list[Trade]] = {symbol: [] for symbol in self.exchange.markets}
        self.wrong: list[str] = []
        """What was published and never true."""
        self.symbols = Symbols([Symbol(market.base.lower()) for market in self.exchange.markets.values()])
        signals = Signals([], [symbol.name for symbol in self.symbols], lambda signal: None)
        self.market = Market(self.symbols, signals, lambda changed: None, first_price_wait=0.0)
        # Up to a second would pass before the first attempt to connect again.
        self.supervisor = Supervisor(random=lambda low, high: 0.1)
        self.relay: Relay
        self.source: Source
        self._cls = cls
        # Its own, so that what the log says of this trial can be told from what it says of others.
        self._name = f"{cls.name}-{id(self)}"
        self._log = _Log(logging.WARNING)
        self._clock = Clock()
        self._watching: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Trial:
        self.exchange.start()
        logging.getLogger("haunt").addHandler(self._log)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        if self._watching is not None:
            self._watching.cancel()
        await self.supervisor.stop_all()
        await self.exchange.stop()
        logging.getLogger("haunt").removeHandler(self._log)

    async def deepen(self, levels: int) -> None:
        """Before `start`: have books of so many levels a side."""
        await self.exchange.stop()
        self.exchange = FakeExchange(self.exchange.dialect, levels=levels)
        self.exchange.start()

    def start(self) -> None:
        """Run the source."""
        dialect, cls = self.exchange.dialect, options_class(self._cls)
        assert issubclass(cls, SourceOptions)
        given = dialect.options(self.exchange.url.rstrip("/"), self.exchange.rest_url)
        hurried = {name: value for name, value in OPTIONS.items() if name in cls.model_fields}
        options = cls.model_validate({**hurried, **given})
        self.relay = Relay(
            self._name,
            wanted=list(self.symbols),
            deliver=self._deliver,
            quotes=options.quotes,
            checksum=self._cls.checksum,
            stale_after=options.stale_after,
        )
        self.source = self._cls(options, self.relay)
        self.supervisor.start(self._name, self.source, self.relay)
        self._watching = asyncio.create_task(self._watch())

    # -- what an operator wants

    async def until(self, condition: Callable[[], object], *, within: float = PATIENCE) -> None:
        """Wait for a condition. AssertionError when it does not come."""
        await eventually(condition, within=within)

    async def right(self, *symbols: str, within: float = PATIENCE) -> None:
        """Wait until these markets, all by default, are published as they are. AssertionError where they are not."""
        wanted = symbols or tuple(self.exchange.markets)
        deadline = self._clock.monotonic() + within
        # What was right before something happened still looks right for a moment.
        await asyncio.sleep(IN_FLIGHT)
        while unlike := [f"{symbol} {why}" for symbol in wanted if (why := self._unlike(symbol))]:
            assert self._clock.monotonic() < deadline, f"after {within:g} s still: {'; '.join(unlike)}"
            await asyncio.sleep(LOOK_EVERY)

    async def absent(self, *symbols: str, within: float = PATIENCE) -> None:
        """Wait until nothing is published of these markets, all by default."""
        wanted = symbols or tuple(self.exchange.markets)
        deadline = self._clock.monotonic() + within
        while published := [symbol for symbol in wanted if self._is_published(symbol)]:
            assert self._clock.monotonic() < deadline, f"after {within:g} s {published[0]} is still published"
            await asyncio.sleep(LOOK_EVERY)

    def complaints(self, symbol: str) -> list[str]:
        """What the operator was told of a market."""
        return [line for line in self._log.lines if self._name in line and symbol in line]

    def check(self) -> None:
        """Nothing was wrong so far, and each trade was counted once and as it was."""
        assert not self.wrong, "; ".join(self.wrong[:3])
        for symbol, trades in self.trades.items():
            deals = {str(deal.id): deal for deal in self.exchange.told[symbol]}
            for trade in trades:
                deal = deals.get(trade.id)
                if deal is None:
                    continue  # it happened before the source subscribed
                assert trade.side == deal.side, f"{symbol}: a taker's {deal.side} counted as a {trade.side}"
                assert _same(trade.price, deal.price), f"{symbol}: a trade at {deal.price} counted at {trade.price}"
                assert _same(trade.quantity, deal.quantity), f"{symbol}: {deal.quantity} counted as {trade.quantity}"
                assert trade.timestamp == deal.time, f"{symbol}: a trade of {deal.time} counted at {trade.timestamp}"
            counts = Counter(trade.id for trade in trades)
            twice = [number for number, count in counts.items() if count > 1]
            assert not twice, f"{symbol}: trade {twice[0]} counted twice"

    # -- what is published

    def _deliver(self, feed: Feed, event: Event) -> None:
        self.market.apply(feed, event)
        if isinstance(event, Trade):
            self.trades[feed.venue_symbol].append(event)
        elif feed.book_state == "synced" and not was(feed, self.exchange.markets[feed.venue_symbol].lately(TOLERANCE)):
            self.wrong.append(f"{feed.venue_symbol}: a book that never was, after {event!r:.80}")

    async def _watch(self) -> None:
        while True:
            self.market.tick()
            for market in self.exchange.markets.values():
                price = self.market.price(market.base.lower())
                if price is not None and not price.stale:
                    moments = list(market.lately(TOLERANCE))
                    low, high = min(one.bids[0][0] for one in moments), max(one.asks[0][0] for one in moments)
                    # Prices are published with ten significant digits.
                    if not low * (1 - 1e-9) <= price.price <= high * (1 + 1e-9):
                        self.wrong.append(f"{market.symbol}: a price of {price.price}, not {low} to {high}")
                    if abs(price.timestamp - self._clock.milliseconds()) > CLOCKS_APART:
                        self.wrong.append(f"{market.symbol}: a price of the time {price.timestamp}")
            await asyncio.sleep(LOOK_EVERY)

    def _is_published(self, symbol: str) -> bool:
        feed = self.relay.feeds.get(symbol)
        return feed is not None and feed.fresh(self._clock.monotonic())

    def _unlike(self, symbol: str) -> str:
        """How what is published differs from what is, or nothing."""
        market, feed = self.exchange.markets[symbol], self.relay.feeds.get(symbol)
        if feed is None:
            return "is not subscribed"
        if not self._is_published(symbol):
            return "has no data"
        if feed.book_state != "synced":
            return f"has no book ({feed.proven.lost_because})"
        if not was(feed, market.lately(IN_FLIGHT)):
            return "has another book"
        price = self.market.price(market.base.lower())
        if price is None or price.stale:
            return "has no price"
        if not self.trades[symbol]:
            return "has no trades"
        return _unlike_figures(market, feed, price.change_24h)


def _unlike_figures(market: FakeMarket, feed: Feed, change: float) -> str:
    figures = market.figures()
    if feed.open_24h is None:
        return "has no price of a day ago"
    if not isclose(feed.open_24h, float(figures.open), rel_tol=1e-3):
        return f"opened at {feed.open_24h}, not {figures.open}"
    true = (market.moments[-1].middle / market.open - 1) * 100
    if not isclose(change, true, abs_tol=0.2):
        return f"changed by {change} %, not {true:.2f}"
    base, quote = feed.volume_24h, feed.quote_volume_24h
    if base is not None and not isclose(base, float(figures.volume), rel_tol=0.1):
        return f"has a volume of {base}, not {figures.volume}"
    if quote is not None and not isclose(quote, float(figures.quote_volume), rel_tol=0.1):
        return f"has a volume of {quote} {market.quote}, not {figures.quote_volume}"
    return "" if base is not None or quote is not None else "has no volume"


def was(feed: Feed, moments: Iterable[Moment]) -> bool:
    """Whether the book of a feed is that of one of these moments, level for level; the best SHOWN of each side."""
    depth, bids, asks = feed.book.depth, *(list(islice(side, SHOWN)) for side in (feed.book.bids, feed.book.asks))
    return any(bids == moment.bids[:depth] and asks == moment.asks[:depth] for moment in moments)


def _same(value: float, text: str) -> bool:
    return isclose(value, float(text), rel_tol=1e-12)
