"""The market: venues' events in; one composite price and one merged book per symbol out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Literal

from haunt.clock import Clock
from haunt.market.composite import weighted_median
from haunt.market.events import Event, Quote, Ticker, Trade
from haunt.market.feed import Feed
from haunt.market.merged_book import VenueBook, merge_books
from haunt.market.published import CompositePrice, MergedBook
from haunt.market.signals import Signals
from haunt.market.symbols import Symbol, Symbols

Mark = Callable[[tuple[Literal["price", "orderbook"], str]], None]

USD = "USD"
# A venue's clock is believed within this distance of ours; else its events count as happening when received.
CLOCK_TOLERANCE_MS = 10_000


class Quotation:
    """One symbol: its feeds, the price last published, and what is known of the last 24 hours."""

    __slots__ = ("book_changes", "feeds", "fresh", "price", "price_changes", "seen_at", "symbol", "timestamp")

    def __init__(self, symbol: Symbol) -> None:
        self.symbol = symbol
        self.feeds: list[Feed] = []
        self.fresh: tuple[bool, ...] = ()
        self.price: CompositePrice | None = None
        self.price_changes = 0
        self.book_changes = 0
        self.seen_at: float | None = None
        self.timestamp = 0


class Market:
    """Keeps the state of every symbol. `mark` is told of each (channel, symbol) whose published state changed.

    A symbol's first price waits `first_price_wait` seconds for a venue's 24 hour figures, so that clients do
    not start with zeros.
    """

    def __init__(
        self,
        symbols: Symbols,
        signals: Signals,
        mark: Mark,
        *,
        first_price_wait: float = 5.0,
        clock: Clock | None = None,
    ) -> None:
        self.symbols = symbols
        self._signals = signals
        self._mark = mark
        self._first_price_wait = first_price_wait
        self._clock = clock or Clock()
        self._quotations = {symbol.name: Quotation(symbol) for symbol in symbols}

    # -- from the sources

    def apply(self, feed: Feed, event: Event) -> None:
        """A feed changed because of `event`: publish what follows from it."""
        quotation = self._quotations.get(feed.symbol)
        if quotation is None:
            return
        if feed not in quotation.feeds:
            quotation.feeds.append(feed)
        kind = type(event)
        now = self._clock.milliseconds()
        if kind is Trade:
            if abs(now - event.timestamp) <= CLOCK_TOLERANCE_MS:  # type: ignore[union-attr, operator]
                self._signals.trade(feed.symbol, event.quantity, now)  # type: ignore[union-attr]
        elif kind is not Ticker and kind is not Quote:
            quotation.book_changes += 1
            self._mark(("orderbook", feed.symbol))
        self._note_time(quotation, feed, now)
        self._reprice(quotation, now)

    def tick(self) -> None:
        """About four times a second: venues that fell silent leave, and candles that are due close."""
        now, monotonic = self._clock.milliseconds(), self._clock.monotonic()
        for quotation in self._quotations.values():
            fresh = tuple(feed.fresh(monotonic) for feed in quotation.feeds)
            if fresh != quotation.fresh:
                quotation.fresh = fresh
                quotation.book_changes += 1
                self._mark(("orderbook", quotation.symbol.name))
                self._reprice(quotation, now)
            elif quotation.price is None and any(fresh):
                self._reprice(quotation, now)
        self._signals.tick(now)

    # -- for the clients

    def price(self, symbol: str) -> CompositePrice | None:
        """The price last published; None before the first."""
        return self._quotations[symbol].price

    def book(self, symbol: str, depth: int) -> MergedBook | None:
        """The merged book of the venues whose books are whole and fresh; None when there is none."""
        quotation = self._quotations[symbol]
        now = self._clock.monotonic()
        books = [
            VenueBook(feed.venue, feed.book, rate, now - (feed.received or 0.0))
            for feed, rate in self._voters(quotation, now)
            if feed.book_state == "synced"
        ]
        if not books:
            return None
        bids, asks = merge_books(books, quotation.symbol, depth)
        if not bids and not asks:
            return None
        return MergedBook(
            symbol=symbol,
            bids=bids,
            asks=asks,
            timestamp=quotation.timestamp,
            sequence=quotation.book_changes,
            sources=[book.venue for book in books],
        )

    def feeds(self, symbol: str) -> Iterable[Feed]:
        """Every feed of a symbol, fresh or not."""
        return tuple(self._quotations[symbol].feeds)

    @property
    def symbols_tracked(self) -> int:
        """Symbols with at least one live price."""
        now = self._clock.monotonic()
        return sum(
            any(feed.fresh(now) and feed.price is not None for feed in quotation.feeds)
            for quotation in self._quotations.values()
        )

    # -- the price

    def _reprice(self, quotation: Quotation, now: int) -> None:
        monotonic = self._clock.monotonic()
        votes = [
            (feed, price * rate, rate)
            for feed, rate in self._voters(quotation, monotonic)
            if (price := feed.price) is not None
        ]
        old = quotation.price
        if not votes:
            if old is not None and not old.stale:
                quotation.price = old._replace(stale=True)
            return
        if quotation.seen_at is None:
            quotation.seen_at = monotonic
        symbol = quotation.symbol
        price = symbol.round(weighted_median([(usd, feed.weight) for feed, usd, _ in votes]))
        if old is None and not self._figures_known(votes) and monotonic - quotation.seen_at < self._first_price_wait:
            return
        changed = old is None or price != old.price
        if changed:
            quotation.price_changes += 1
        quotation.price = CompositePrice(
            symbol=symbol.name,
            price=price,
            change_24h=_change_24h(votes),
            volume_24h=_volume_24h(votes),
            timestamp=quotation.timestamp if changed or old is None else old.timestamp,
            sequence=quotation.price_changes,
            sources=[feed.venue for feed, _, _ in votes],
            stale=False,
        )
        if changed:
            self._mark(("price", symbol.name))
            self._signals.price(symbol.name, price, now)

    def _voters(self, quotation: Quotation, now: float) -> Iterator[tuple[Feed, float]]:
        """The feeds that count now with their rates to USD: fresh, one per venue, the USD market preferred."""
        fresh = [feed for feed in quotation.feeds if feed.fresh(now)]
        rates = {feed.quote: self._rate(feed.quote) for feed in fresh}
        # Without a known rate a stablecoin counts as a dollar, but only where nothing better is there.
        assumed = 1.0 if all(rate is None for rate in rates.values()) else None
        venues: set[str] = set()
        for feed in sorted(fresh, key=lambda feed: feed.quote != USD):
            rate = rates[feed.quote] or assumed
            if rate is not None and feed.venue not in venues:
                venues.add(feed.venue)
                yield feed, rate

    def _rate(self, quote: str) -> float | None:
        """What one unit of a quote currency is worth in USD: Haunt's own price of it. None when there is none."""
        if quote == USD:
            return 1.0
        quotation = self._quotations.get(quote.lower())
        price = quotation.price if quotation is not None else None
        return None if price is None or price.stale else price.price

    def _figures_known(self, votes: Iterable[tuple[Feed, float, float]]) -> bool:
        return any(feed.open_24h is not None for feed, _, _ in votes)

    def _note_time(self, quotation: Quotation, feed: Feed, now: int) -> None:
        """The time of the newest venue event; never ahead of our clock, never going back."""
        timestamp = feed.timestamp
        if timestamp is None or abs(now - timestamp) > CLOCK_TOLERANCE_MS:
            timestamp = now
        quotation.timestamp = max(quotation.timestamp, min(timestamp, now))


def _change_24h(votes: Iterable[tuple[Feed, float, float]]) -> float:
    """The weighted median of the venues' changes in percent, each from its own price 24 hours ago; else 0."""
    changes = [
        ((feed.price / feed.open_24h - 1) * 100, feed.weight)
        for feed, _, _ in votes
        if feed.open_24h and feed.price is not None
    ]
    return weighted_median(changes) if changes else 0.0


def _volume_24h(votes: Iterable[tuple[Feed, float, float]]) -> float:
    """The venues' volumes in USD, added up; from base units where a venue says no more."""
    total = 0.0
    for feed, usd, rate in votes:
        if feed.quote_volume_24h is not None:
            total += feed.quote_volume_24h * rate
        elif feed.volume_24h is not None:
            total += feed.volume_24h * usd
    return total
