"""The market: venues' events in; one composite price and one merged book per symbol out."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Literal, NamedTuple

from haunt.clock import Clock
from haunt.market.composite import weighted_median
from haunt.market.events import Event, Quote, Ticker, Trade
from haunt.market.feed import Feed
from haunt.market.merged_book import VenueBook, merge_books
from haunt.market.published import CompositePrice, MergedBook
from haunt.market.signals import Signals
from haunt.market.symbols import Symbol, Symbols

logger = logging.getLogger(__name__)

Mark = Callable[[tuple[Literal["price", "orderbook"], str]], None]

USD = "USD"
# A venue's clock is believed within this distance of ours; else its events count as happening when received.
CLOCK_TOLERANCE_MS = 10_000
# USD a day: the world produces a tenth of it in a year. Percent a day: nothing moves so far.
LARGEST_VOLUME = LARGEST_CHANGE = 1e15


class Vote(NamedTuple):
    """What one feed adds to the price: in USD, with the rate that made it so; `change` in percent, if known."""

    price: float
    weight: float
    rate: float
    change: float | None
    volume: float


class Quotation:
    """One symbol: its feeds, those of them that count and their votes, and the price last published.

    `rates` is what the quote currencies of its fresh feeds were worth when it was decided who counts.
    """

    __slots__ = (
        "book_changes", "feeds", "fresh", "price", "price_changes", "rates", "seen_at", "sources", "symbol",
        "timestamp", "votes",
    )  # fmt: skip

    def __init__(self, symbol: Symbol) -> None:
        self.symbol = symbol
        self.feeds: list[Feed] = []
        self.fresh: list[Feed] = []
        self.votes: dict[Feed, Vote] = {}
        self.rates: dict[str, float | None] = {}
        self.sources: list[str] = []
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
        now = self._clock.milliseconds()
        kind = type(event)
        if kind is not Trade and kind is not Ticker and kind is not Quote:
            self._change_book(quotation)
        before = quotation.votes.get(feed)
        if not self._vote_again(quotation, feed):
            self._elect(quotation, feed)
            before = None
        if feed in quotation.votes:
            _note_time(quotation, feed, now)
            if kind is Trade and abs(now - event.timestamp) <= CLOCK_TOLERANCE_MS:  # type: ignore[union-attr, operator]
                self._signals.trade(feed.symbol, float(event.quantity), now)  # type: ignore[union-attr]
        # Most deltas change nothing at the top of the book, so most votes are what they were.
        if before is None or quotation.votes[feed] != before or quotation.price is None:
            self._reprice(quotation, now)

    def tick(self) -> None:
        """About four times a second: venues that fell silent leave, and candles that are due close."""
        now, monotonic = self._clock.milliseconds(), self._clock.monotonic()
        for quotation in self._quotations.values():
            if quotation.fresh != [feed for feed in quotation.feeds if feed.fresh(monotonic)] or any(
                rate != self._rate(quote) for quote, rate in quotation.rates.items()
            ):
                self._elect(quotation)
                self._reprice(quotation, now)
            elif quotation.price is None:
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
        whole = [feed for feed in quotation.feeds if feed.fresh(now) and feed.book_state == "synced"]
        books = [
            VenueBook(feed.venue, feed.book, rate, now - (feed.received or 0.0))
            for feed, rate in self._one_per_venue(whole)
        ]
        bids, asks = merge_books(books, quotation.symbol, depth)
        if not bids and not asks:
            return None
        return MergedBook(
            symbol=symbol,
            bids=bids,
            asks=asks,
            timestamp=quotation.timestamp or self._clock.milliseconds(),
            sequence=quotation.book_changes,
            sources=[book.venue for book in books],
        )

    @property
    def symbols_tracked(self) -> int:
        """Symbols with a live price."""
        prices = [quotation.price for quotation in self._quotations.values()]
        return sum(price is not None and not price.stale for price in prices)

    # -- who counts

    def _vote_again(self, quotation: Quotation, feed: Feed) -> bool:
        """Renew the vote of a feed that counts. False where it has to be decided anew who does."""
        old = quotation.votes.get(feed)
        if old is None or quotation.rates[feed.quote] != self._rate(feed.quote):
            return False
        vote = _vote(feed, old.rate)
        if vote is None:
            return False
        quotation.votes[feed] = vote
        return True

    def _elect(self, quotation: Quotation, feed: Feed | None = None) -> None:
        """Decide anew who counts: the fresh feeds with a price, one per venue. `feed` may be a new one."""
        feeds = [one for one in quotation.feeds if one.received is not None]
        if feed is not None and feed.received is not None and feed not in feeds:
            feeds.append(feed)
        now = self._clock.monotonic()
        fresh = [one for one in feeds if one.fresh(now)]
        if fresh != quotation.fresh:
            self._change_book(quotation)
        priced = [one for one in fresh if one.price is not None]
        quotation.feeds = feeds
        quotation.fresh = fresh
        quotation.rates = {one.quote: self._rate(one.quote) for one in priced}
        quotation.votes = {
            one: vote for one, rate in self._one_per_venue(priced) if (vote := _vote(one, rate)) is not None
        }
        quotation.sources = [one.venue for one in quotation.votes]

    def _one_per_venue(self, feeds: Iterable[Feed]) -> Iterable[tuple[Feed, float]]:
        """One feed of each venue with its rate to USD, the USD market preferred.

        Without a known rate a stablecoin counts as a dollar, but only where nothing better is there.
        """
        ordered = sorted(feeds, key=lambda feed: feed.quote != USD)
        rates = {feed.quote: self._rate(feed.quote) for feed in ordered}
        assumed = 1.0 if all(rate is None for rate in rates.values()) else None
        chosen: dict[str, tuple[Feed, float]] = {}
        for feed in ordered:
            rate = rates[feed.quote] or assumed
            if rate is not None:
                chosen.setdefault(feed.venue, (feed, rate))
        return chosen.values()

    def _rate(self, quote: str) -> float | None:
        """What one unit of a quote currency is worth in USD: Haunt's own price of it. None when there is none."""
        if quote == USD:
            return 1.0
        quotation = self._quotations.get(quote.lower())
        # Two coins priced in each other alone would carry each other away from the dollar.
        if quotation is None or quotation.price is None or USD not in quotation.rates:
            return None
        return quotation.price.price

    # -- what is published

    def _reprice(self, quotation: Quotation, now: int) -> None:
        votes, old = quotation.votes.values(), quotation.price
        if not votes:
            if old is not None and not old.stale:
                quotation.price = old._replace(stale=True)
            return
        if old is None and not self._may_begin(quotation):
            return
        price = quotation.symbol.round(weighted_median([(vote.price, vote.weight) for vote in votes]))
        changes = [(vote.change, vote.weight) for vote in votes if vote.change is not None]
        changed = old is None or price != old.price
        if changed:
            quotation.price_changes += 1
        quotation.price = CompositePrice(
            symbol=quotation.symbol.name,
            price=price,
            change_24h=weighted_median(changes) if changes else 0.0,
            volume_24h=sum([vote.volume for vote in votes]),
            timestamp=quotation.timestamp if changed or old is None else old.timestamp,
            sequence=quotation.price_changes,
            sources=quotation.sources,
            stale=False,
        )
        if changed:
            self._mark(("price", quotation.symbol.name))
            self._signals.price(quotation.symbol.name, price, now)

    def _may_begin(self, quotation: Quotation) -> bool:
        """Whether the first price has waited long enough for 24 hour figures."""
        now = self._clock.monotonic()
        if quotation.seen_at is None:
            quotation.seen_at = now
        if any(vote.change is not None for vote in quotation.votes.values()):
            return True
        if now - quotation.seen_at < self._first_price_wait:
            return False
        logger.warning("No venue gives 24 hour figures of %s: its change_24h begins at 0", quotation.symbol.name)
        return True

    def _change_book(self, quotation: Quotation) -> None:
        quotation.book_changes += 1
        self._mark(("orderbook", quotation.symbol.name))


def _vote(feed: Feed, rate: float) -> Vote | None:
    """None for a feed without a price."""
    price = feed.price
    if price is None or not (usd := price * rate):
        return None
    change = (price / feed.open_24h - 1) * 100 if feed.open_24h else None
    if change is not None and change > LARGEST_CHANGE:
        change = None
    volume = 0.0
    if feed.quote_volume_24h is not None:
        volume = feed.quote_volume_24h * rate
    elif feed.volume_24h is not None:
        volume = feed.volume_24h * usd
    return Vote(usd, feed.weight, rate, change, volume if volume < LARGEST_VOLUME else 0.0)


def _note_time(quotation: Quotation, feed: Feed, now: int) -> None:
    """The time of the newest venue event; never ahead of our clock, never going back."""
    timestamp = feed.timestamp
    if timestamp is None or abs(now - timestamp) > CLOCK_TOLERANCE_MS:
        timestamp = now
    quotation.timestamp = max(quotation.timestamp, min(int(timestamp), now))
