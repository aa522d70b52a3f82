"""The market: venues' events in; one composite price and one merged book per symbol out."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from math import inf
from typing import Literal, NamedTuple, TypeAlias

from haunt.clock import Clock
from haunt.market.electorate import USD, Electorate, Vote
from haunt.market.events import BookSnapshot, Event, Quote, Ticker, Trade
from haunt.market.explain import Explanation, explain
from haunt.market.feed import Feed
from haunt.market.merged_book import VenueBook, crossings, merge_books
from haunt.market.published import CompositePrice, Doubt, MergedBook
from haunt.market.signals import Signals
from haunt.market.symbols import Symbol, Symbols

logger = logging.getLogger(__name__)

State: TypeAlias = tuple[Literal["price", "orderbook"], str]
Mark = Callable[[State], None]

# A venue's clock is believed within this distance of ours; else its events count as happening when received.
CLOCK_TOLERANCE_MS = 10_000
# The market that most venues have in dollars and in the coins that stand for dollars.
REFERENCE = "btc"
# Implied rates are renewed four times a second; one that is not is gone.
IMPLIED_STALE_AFTER = 1.0


class Shown(NamedTuple):
    """What is published of a merged book: the keys (see BookSide) of its worst prices, and at which rate whose levels
    are in it."""

    worst_bid: float
    worst_ask: float
    rates: Mapping[Feed, float]


NOTHING_SHOWN = Shown(inf, inf, {})


class Quotation:
    """One symbol: who has a say in its price, and what was published of it last.

    `coin` is its name as a quote currency, `heard_at` the time of the newest event, `timestamp` that of the price.
    `shown` is None while the book is marked as changed and nobody has asked for it since.
    """

    __slots__ = (
        "book_changes", "book_state", "coin", "electorate", "heard_at", "price", "price_changes", "price_state",
        "seen_at", "shown", "symbol", "timestamp",
    )  # fmt: skip

    def __init__(self, symbol: Symbol, electorate: Electorate) -> None:
        self.symbol = symbol
        self.electorate = electorate
        self.coin = symbol.name.upper()
        self.price: float | None = None
        self.price_state: State = ("price", symbol.name)
        self.price_changes = 0
        self.timestamp = 0
        self.book_state: State = ("orderbook", symbol.name)
        self.book_changes = 0
        self.heard_at = 0
        self.shown: Shown | None = None
        self.seen_at: float | None = None


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
        self.first_price_wait = first_price_wait
        self._clock = clock or Clock()
        self._rates = {USD: 1.0}
        self._implied: dict[str, Feed] = {}
        self._quotations: dict[str, Quotation] = {}
        for symbol in symbols:
            self.track(symbol)

    # -- what it keeps

    def track(self, symbol: Symbol) -> None:
        """Keep the state of this symbol; of one that is known by that name, go on by its new rules."""
        quotation = self._quotations.get(symbol.name)
        if quotation is None:
            electorate = Electorate(symbol.rules, self._rates, self._clock.monotonic)
            self._quotations[symbol.name] = Quotation(symbol, electorate)
            return
        quotation.symbol, quotation.electorate.rules = symbol, symbol.rules
        quotation.electorate.elect()
        self._change_book(quotation)
        self._reprice(quotation, self._clock.milliseconds())

    def drop(self, symbol: str) -> None:
        """Keep nothing of this symbol; its markets say it in vain. Nobody may ask for it any more."""
        quotation = self._quotations.pop(symbol)
        self._rates.pop(quotation.coin, None)
        self._implied.pop(symbol, None)

    def forget(self, feeds: Iterable[Feed]) -> None:
        """These markets are no longer asked."""
        for feed in feeds:
            quotation = self._quotations.get(feed.symbol)
            if quotation is not None and quotation.electorate.forget([feed]) == "elected":
                self._change_book(quotation)
                self._reprice(quotation, self._clock.milliseconds())

    # -- from the sources

    def apply(self, feed: Feed, event: Event) -> None:
        """A feed changed because of `event`: publish what follows from it."""
        quotation = self._quotations.get(feed.symbol)
        if quotation is None:
            return
        electorate = quotation.electorate
        outcome = electorate.hear(feed)
        kind = type(event)
        if outcome == "elected":
            self._change_book(quotation)
        elif kind is not Trade and kind is not Ticker and kind is not Quote:
            self._look_at_book(quotation, feed, kind)
        now = self._clock.milliseconds()
        vote = electorate.votes.get(feed)
        if vote is not None and vote.why_not is None:
            # The time of the newest venue event; never ahead of our clock, never going back.
            heard_at = feed.timestamp
            if heard_at is None or not 0 <= now - heard_at <= CLOCK_TOLERANCE_MS:
                heard_at = now
            if heard_at > quotation.heard_at:
                quotation.heard_at = heard_at
            if isinstance(event, Trade):
                self._count_trade(feed, event, vote.rate, now)
        # Most deltas change nothing at the top of the book, so most votes are what they were.
        if outcome != "nothing" or quotation.price is None:
            self._reprice(quotation, now)

    def tick(self) -> None:
        """About four times a second: venues that fell silent leave, and candles that are due close."""
        now = self._clock.milliseconds()
        self._imply_rates(now)
        for quotation in self._quotations.values():
            outcome = quotation.electorate.review()
            if outcome == "elected":
                self._change_book(quotation)
            if outcome != "nothing" or quotation.price is None:
                self._reprice(quotation, now)
        self._signals.tick(now)

    # -- for the clients

    def price(self, symbol: str) -> CompositePrice | None:
        """The price last published, with the figures of now; None before the first."""
        quotation = self._quotations[symbol]
        electorate = quotation.electorate
        if quotation.price is None:
            return None
        change, volume, venues = electorate.figures
        return CompositePrice(
            symbol,
            quotation.price,
            change or 0.0,
            volume,
            quotation.timestamp,
            quotation.price_changes,
            venues,
            stale=electorate.ballot is None,
        )

    def doubt(self, symbol: str) -> Doubt:
        """How sure its price is."""
        return self._quotations[symbol].electorate.doubt

    def voters(self, symbol: str) -> list[Vote]:
        """The markets that count in its price now, one for each venue."""
        return list(self._quotations[symbol].electorate.counted)

    def heard(self, symbol: str) -> list[Feed]:
        """The markets that ever said anything of it."""
        return list(self._quotations[symbol].electorate.votes)

    def explain(self, symbol: str) -> Explanation:
        """How its price came about."""
        quotation = self._quotations[symbol]
        left_out = crossings(self._books(quotation.electorate.with_books()))
        return explain(quotation.symbol, quotation.electorate, self.price(symbol), left_out, self._clock.monotonic())

    def book(self, symbol: str, depth: int, *, attributed: bool = False) -> MergedBook | None:
        """The merged book of the venues whose books are whole and fresh; None when there is none.

        It counts as published: until the next mark a change that is in none of the books asked for is no change.
        """
        quotation = self._quotations[symbol]
        voices = quotation.electorate.with_books()
        books = self._books(voices)
        bids, asks = merge_books(books, quotation.symbol, depth, attributed)
        shown = quotation.shown or NOTHING_SHOWN
        quotation.shown = Shown(
            min(shown.worst_bid, bids.worst),
            min(shown.worst_ask, asks.worst),
            {vote.feed: rate for vote, rate in voices.items()},
        )
        for book in books:
            book.book.settle()
        if not bids.levels and not asks.levels:
            return None
        return MergedBook(
            symbol=symbol,
            bids=bids.levels,
            asks=asks.levels,
            timestamp=quotation.heard_at or self._clock.milliseconds(),
            sequence=quotation.book_changes,
            sources=[book.venue for book in books],
            bid_venues=bids.venues,
            ask_venues=asks.venues,
        )

    def is_tracked(self, symbol: str) -> bool:
        """Whether it has a live price."""
        quotation = self._quotations[symbol]
        return quotation.price is not None and quotation.electorate.ballot is not None

    def votes(self, symbol: str) -> int:
        """How many venues its price is made of."""
        return len(self._quotations[symbol].electorate.counted)

    def age(self, symbol: str) -> float | None:
        """Seconds since a venue with a vote said something of it; None before the first did."""
        heard_at = self._quotations[symbol].heard_at
        return max(0, self._clock.milliseconds() - heard_at) / 1000 if heard_at else None

    @property
    def symbols_tracked(self) -> int:
        """Symbols with a live price."""
        return sum(map(self.is_tracked, self._quotations))

    # -- what currencies are worth

    def _imply_rates(self, now: int) -> None:
        """Let the market of many venues say what a coin is worth, beside the few that sell the coin for dollars."""
        reference = self._quotations.get(REFERENCE)
        for quote, rate in reference.electorate.implied_rates().items() if reference else ():
            coin = quote.lower()
            if coin not in self._quotations:
                continue
            feed = self._implied.get(coin)
            if feed is None:
                name = f"{REFERENCE}-usd/{REFERENCE}-{coin}"
                feed = self._implied[coin] = Feed(
                    source="haunt", venue=name, venue_symbol=name, symbol=coin, quote=USD,
                    stale_after=IMPLIED_STALE_AFTER,
                )  # fmt: skip
            ticker = Ticker(feed.venue_symbol, rate, None, None, None, now)
            feed.apply_ticker(ticker, self._clock.monotonic())
            self.apply(feed, ticker)

    # -- what is published

    def _count_trade(self, feed: Feed, trade: Trade, rate: float, now: int) -> None:
        if abs(now - trade.timestamp) > CLOCK_TOLERANCE_MS:
            feed.late_trades += 1
            return
        quantity = float(trade.quantity)
        self._signals.trade(feed.symbol, quantity, now, quantity * float(trade.price) * rate, trade.timestamp)

    def _reprice(self, quotation: Quotation, now: int) -> None:
        electorate = quotation.electorate
        value = electorate.price(quotation.price)
        if quotation.coin != USD:
            if value is None or not electorate.in_dollars:
                self._rates.pop(quotation.coin, None)
            else:
                self._rates[quotation.coin] = value
        if value is None:
            return
        if quotation.price is None and not self._may_begin(quotation):
            return
        price = quotation.symbol.round(value)
        if price == quotation.price:
            return
        quotation.price = price
        quotation.price_changes += 1
        quotation.timestamp = quotation.heard_at
        self._mark(quotation.price_state)
        self._signals.price(quotation.symbol.name, price, now)

    def _may_begin(self, quotation: Quotation) -> bool:
        """Whether the first price has waited long enough for 24 hour figures."""
        now = self._clock.monotonic()
        if quotation.seen_at is None:
            quotation.seen_at = now
        if quotation.electorate.figures.change_24h is not None:
            return True
        if now - quotation.seen_at < self.first_price_wait:
            return False
        logger.warning("No venue gives 24 hour figures of %s: its change_24h begins at 0", quotation.symbol.name)
        return True

    def _books(self, voices: Mapping[Vote, float]) -> list[VenueBook]:
        now = self._clock.monotonic()
        return [
            VenueBook(vote.feed.venue, vote.feed.book, rate, now - (vote.feed.received or 0.0))
            for vote, rate in voices.items()
        ]

    def _look_at_book(self, quotation: Quotation, feed: Feed, kind: type[Event]) -> None:
        """Mark the book if a level changed that is published, or a venue's book came or was lost."""
        shown = quotation.shown
        rate = shown.rates.get(feed) if shown else None
        if shown is None:
            self._change_book(quotation)
        elif rate is not None:
            if feed.book_state != "synced" or feed.book.touches(shown.worst_bid, shown.worst_ask, rate):
                self._change_book(quotation)
        elif kind is BookSnapshot and feed in [vote.feed for vote in quotation.electorate.with_books()]:
            self._change_book(quotation)

    def _change_book(self, quotation: Quotation) -> None:
        quotation.shown = None
        quotation.book_changes += 1
        self._mark(quotation.book_state)
