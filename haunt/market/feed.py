"""What one venue says of one symbol, and whether it can be trusted."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Literal

from haunt.market.book import LARGEST, SMALLEST
from haunt.market.events import BookDelta, BookSnapshot, Quote, Ticker, Trade
from haunt.market.gaps import Gaps
from haunt.market.proven_book import BookState, Checksum, Integrity, ProvenBook
from haunt.market.rhythm import Rhythm

Stream = Literal["data", "book", "quote", "trade", "ticker"]
"""What a market says: anything at all, or one kind of it."""

# A book whose mid would be further off than this is no price (price-index rule: spread above 2 %).
WIDEST_SPREAD = 0.02
# Venues repeat the last 50 to 100 trades after every reconnect.
TRADE_IDS = 1_024
# Seconds of silence that mean nothing, even of a stream that never paused before. Trades and the figures made from
# them come when somebody trades.
SHORTEST_SILENCE: Mapping[Stream, float] = {"data": 5.0, "book": 5.0, "quote": 5.0, "trade": 60.0, "ticker": 60.0}
# A stream that was silent for so many times its patience is subscribed again.
OVERDUE = 2.0
# Milliseconds of the years 2001 and 5138: a time in seconds, microseconds or nanoseconds is not between them.
EARLIEST, LATEST = 10**12, 10**14
# Seconds after which a trade no longer stands in for a book that is lost.
STANDS_IN = 5.0
# What traded in 24 hours cost so many times the last price, or a part of it; else base and quote are mixed up.
MOST_TIMES_LAST = 100.0


class Feed:
    """One venue symbol: its book while that is proven whole, best bid and ask, last trade, 24 h figures.

    The `apply_*` methods return whether anything changed, and raise ValueError for values that cannot be.
    `received` is the monotonic time of the last one that was accepted, None before the first and after `lose`.
    """

    __slots__ = (
        "_books",
        "_from_quote",
        "_last_trade",
        "_looked",
        "_older_trade_ids",
        "_patience",
        "_quote_sequence",
        "_quotes",
        "_tickers",
        "_trade_ids",
        "_traded",
        "_trades",
        "ask",
        "bid",
        "book",
        "gaps",
        "last",
        "late_trades",
        "open_24h",
        "proven",
        "quote",
        "quote_volume_24h",
        "received",
        "source",
        "stale_after",
        "streams",
        "symbol",
        "timestamp",
        "venue",
        "venue_symbol",
        "volume_24h",
        "weight",
    )

    def __init__(
        self,
        *,
        source: str,
        venue: str,
        venue_symbol: str,
        symbol: str,
        quote: str,
        integrity: Integrity | None = None,
        gaps: Gaps | None = None,
        checksum: Checksum | None = None,
        weight: float = 1.0,
        stale_after: float = 30.0,
    ) -> None:
        self.source = source
        self.venue = venue
        self.venue_symbol = venue_symbol
        self.symbol = symbol
        self.quote = quote
        self.weight = weight
        self.stale_after = stale_after
        self.gaps = gaps or Gaps()
        self.proven = ProvenBook(integrity or Integrity(), checksum, self._book_fell)
        self.book = self.proven.book
        self.bid: float | None = None
        self.ask: float | None = None
        self.last: float | None = None
        self.late_trades = 0
        self.open_24h: float | None = None
        self.volume_24h: float | None = None
        self.quote_volume_24h: float | None = None
        self.timestamp: int | None = None
        self.received: float | None = None
        self._from_quote = False
        self._quote_sequence: int | None = None
        self._last_trade = 0
        self._looked = 0.0
        self._traded: float | None = None
        self._trade_ids: set[str] = set()
        self._older_trade_ids: set[str] = set()
        self.streams: dict[Stream, Rhythm] = {
            stream: Rhythm(least=least, patience=stale_after) for stream, least in SHORTEST_SILENCE.items()
        }
        self._books, self._quotes = self.streams["book"], self.streams["quote"]
        self._trades, self._tickers = self.streams["trade"], self.streams["ticker"]
        self._patience = stale_after

    # -- what the market reads

    @property
    def book_state(self) -> BookState:
        return self.proven.state

    def fresh(self, now: float) -> bool:
        """Whether it said anything lately at the monotonic time `now`: by its own rhythm, as far as `look` knows it,
        and within `stale_after` seconds."""
        return self.received is not None and now - self.received <= self._patience

    @property
    def price(self) -> float | None:
        """The middle of the best bid and ask where they are sane, else the last trade while that is fresh itself; in
        the quote currency. What fetched figures tell of the last trade is as old as it may be.
        """
        bid, ask = self.bid, self.ask
        if bid and ask:
            mid = (bid + ask) / 2
            if ask - bid <= WIDEST_SPREAD * mid:
                return mid
        return self.last if self._trade_stands_in() else None

    # -- its streams

    def expect(self, streams: Collection[Stream], now: float, *, within: float) -> None:
        """It is subscribed: it must say something within so many seconds, each of these, and what it said on an
        earlier connection. Where it is known to pause for longer, it may."""
        for stream, rhythm in self.streams.items():
            if rhythm.known:
                rhythm.expect(now + max(within, rhythm.patience))
            elif stream == "data" or stream in streams:
                rhythm.expect(now + within)

    def look(self, now: float) -> bool:
        """About once a second: learn how often each stream speaks, and let go of a book or a quote that stopped while
        others go on, and of a last trade that is too old for a price. Whether anything changed."""
        shown = self.price
        self._looked = now
        return self._let_go(now) or self.price != shown

    def _let_go(self, now: float) -> bool:
        data = self.streams["data"]
        data.heard = self.received
        for rhythm in self.streams.values():
            rhythm.look()
        self._patience = min(self.stale_after, data.patience)
        if data.silent(now, OVERDUE) and (self._from_quote or self.proven.state == "synced"):
            # It is subscribed again, and what speaks first need not be the book.
            self._from_quote = False
            self.bid = self.ask = None
            if self.proven.state == "synced":
                self.proven.lose("it fell silent")
            return True
        if data.silent(now):
            return False
        changed = False
        if self._from_quote and self._quotes.silent(now):
            self._from_quote = False
            self.bid, self.ask = self.book.bids.best, self.book.asks.best
            changed = True
        if self.proven.state != "lost" and self._books.known and self._books.silent(now):
            self.proven.lose("it stands still while the market goes on")
            changed = True
        return changed

    def overdue(self, now: float) -> list[Stream]:
        """The streams that should be subscribed again; "data" stands for all."""
        overdue = [stream for stream, rhythm in self.streams.items() if rhythm.silent(now, OVERDUE)]
        return overdue[:1] if "data" in overdue else overdue

    # -- what the venue says

    def apply_trade(self, trade: Trade, now: float) -> bool:
        """False for a trade seen before: venues repeat the latest ones after a reconnect."""
        _, trade_id, price, quantity, side, timestamp = trade
        if not (
            SMALLEST < price < LARGEST
            and SMALLEST < quantity < LARGEST
            and EARLIEST < timestamp < LATEST
            and (side == "buy" or side == "sell")
        ):
            raise ValueError(f"impossible trade {trade!r:.160}")
        if trade_id in self._trade_ids or trade_id in self._older_trade_ids:
            return False
        self._trade_ids.add(trade_id)
        if len(self._trade_ids) >= TRADE_IDS:
            self._older_trade_ids, self._trade_ids = self._trade_ids, set()
        if timestamp >= self._last_trade:
            self._last_trade = timestamp
            self.last = float(price)
            self._traded = now
        self._trades.heard = now
        self._receive(timestamp, now)
        return True

    def apply_quote(self, quote: Quote, now: float) -> bool:
        """False for a quote older than the book, or equal to the one before."""
        _, bid, ask, sequence, timestamp = quote
        if not SMALLEST < bid < ask < LARGEST:
            raise ValueError(f"impossible quote {bid!r} / {ask!r}")
        if timestamp is not None and not EARLIEST < timestamp < LATEST:
            raise ValueError(f"impossible time {timestamp!r:.40}")
        self._quotes.heard = now
        self._receive(timestamp, now)
        if sequence is not None:
            if self.proven.state == "synced" and self.proven.sequence is not None and sequence < self.proven.sequence:
                return False
            self._quote_sequence = sequence
        self._from_quote = True
        if bid == self.bid and ask == self.ask:
            return False
        self.bid, self.ask = float(bid), float(ask)
        return True

    def apply_ticker(self, ticker: Ticker, now: float) -> bool:
        """Figures that cannot be are None, such as volumes that contradict the price; a last price or a time that
        cannot be refuses the ticker.

        One fetched apart gives a last price only where there is none, and does not make the feed fresh.
        """
        if not SMALLEST < ticker.last < LARGEST:
            raise ValueError(f"impossible last price {ticker.last!r}")
        if ticker.timestamp is not None and not EARLIEST < ticker.timestamp < LATEST:
            raise ValueError(f"impossible time {ticker.timestamp!r:.40}")
        volume, turnover = _possible(ticker.volume_24h), _possible(ticker.quote_volume_24h)
        if volume and turnover and not 1 / MOST_TIMES_LAST < turnover / volume / ticker.last < MOST_TIMES_LAST:
            volume = turnover = None
        figures = (_possible(ticker.open_24h) or None, volume, turnover)
        if not ticker.apart:
            self._tickers.heard = now
            self._receive(ticker.timestamp, now)
            if ticker.last != self.last:
                self._traded = now
        if not ticker.apart or self.last is None:
            self.last = float(ticker.last)
        self.open_24h, self.volume_24h, self.quote_volume_24h = figures
        return True

    def apply_snapshot(self, snapshot: BookSnapshot, now: float) -> bool:
        """A snapshot that cannot be loses the book, and so does one that proves itself wrong."""
        proven = self.proven
        stood = proven.state == "synced"
        try:
            changed = proven.take_snapshot(snapshot)
        except (ValueError, TypeError) as error:
            proven.refuse(error)
            raise
        if changed:
            self._look_at_top()
            if not snapshot.apart:
                self._books.heard = now
            self._receive(snapshot.timestamp, now)
        if not stood and proven.state == "synced":
            self.gaps.end(self, "book")
        return changed

    def apply_delta(self, delta: BookDelta, now: float) -> bool:
        """A gap loses the book, and so does a delta that cannot be: it leaves a hole."""
        proven = self.proven
        stood, bid, ask = proven.state == "synced", self.bid, self.ask
        try:
            if not proven.follows(delta):
                return False
            self._books.heard = now
            self._receive(delta.timestamp, now)
            taken = proven.take_delta(delta)
        except (ValueError, TypeError) as error:
            proven.refuse(error)
            raise
        if not taken:
            return stood and proven.state != "synced"
        self._look_at_top()
        return bool(delta.bids or delta.asks) or bid != self.bid or ask != self.ask

    def lose(self, reason: str) -> None:
        """The connection is gone: nothing said so far counts, but trade ids and 24 h figures are remembered."""
        self.gaps.begin(self, "data", reason)
        self._from_quote = False
        self.proven.begin(reason)
        self._quote_sequence = None
        self._last_trade = 0
        self.bid = self.ask = self.last = self.timestamp = self.received = self._traded = None
        for rhythm in self.streams.values():
            rhythm.begin()

    def _trade_stands_in(self) -> bool:
        """A market that says nothing of its book has no better price, so its last trade is as fresh as it is itself.
        A ticker may come every second and repeat the trade of an hour ago, so it tells of one when that is another."""
        if self.proven.state == "lost":
            patience = STANDS_IN
        elif self._books.heard is None and self._quotes.heard is None:
            return True
        else:
            patience = min(self.stale_after, self._trades.patience)
        return self._traded is not None and max(self.received or 0.0, self._looked) - self._traded <= patience

    def _book_fell(self, reason: str) -> None:
        self.gaps.begin(self, "book", reason)
        if not self._from_quote:
            self.bid = self.ask = None

    def _look_at_top(self) -> None:
        """Show the book's best bid and ask, unless the quote is newer."""
        proven = self.proven
        if proven.state != "synced" or (self._from_quote and (self._quote_sequence or 0) > (proven.sequence or 0)):
            return
        self.bid, self.ask = proven.book.bids.best, proven.book.asks.best
        self._from_quote = False

    def _receive(self, timestamp: int | None, now: float) -> None:
        if timestamp is not None and (self.timestamp or EARLIEST) < timestamp < LATEST:
            self.timestamp = timestamp
        self.received = now


def _possible(value: float | None) -> float | None:
    return float(value) if value is not None and 0.0 <= value < LARGEST else None
