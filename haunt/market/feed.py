"""What one venue says of one symbol, and whether it can be trusted."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from haunt.market.book import LARGEST, SMALLEST, Book
from haunt.market.events import BookDelta, BookSnapshot, Quote, Ticker, Trade
from haunt.market.gaps import Gaps
from haunt.market.rhythm import Rhythm

BookState = Literal["empty", "synced", "lost"]
Stream = Literal["data", "book", "quote", "trade", "ticker"]
"""What a market says: anything at all, or one kind of it."""
Checksum = Callable[[Book], int]

# A book whose mid would be further off than this is no price (price-index rule: spread above 2 %).
WIDEST_SPREAD = 0.02
# Deltas held back while a snapshot is fetched: Binance sends ten a second, a slow snapshot takes half a minute.
MOST_PENDING = 5_000
# A venue that repeats itself this often without a new delta has begun to number anew without saying so.
MOST_REPEATED = 100
# Enough to see a book that drifted from the venue's.
REVIEWED_LEVELS = 10
# Venues repeat the last 50 to 100 trades after every reconnect.
TRADE_IDS = 1_024
# Seconds of silence that mean nothing, even of a stream that never paused before. Trades and the figures made from
# them come when somebody trades.
SHORTEST_SILENCE: Mapping[Stream, float] = {"data": 5.0, "book": 5.0, "quote": 5.0, "trade": 60.0, "ticker": 60.0}
# A stream that was silent for so many times its patience is subscribed again.
OVERDUE = 2.0
# Milliseconds of the years 2001 and 5138: a time in seconds, microseconds or nanoseconds is not between them.
EARLIEST, LATEST = 10**12, 10**14
# What traded in 24 hours cost so many times the last price, or a part of it; else base and quote are mixed up.
MOST_TIMES_LAST = 100.0


@dataclass(slots=True)
class Integrity:
    """How often a venue's own proof of completeness held, and how often it did not."""

    links: int = 0
    gaps: int = 0
    checksums_ok: int = 0
    checksums_bad: int = 0


class Feed:
    """One venue symbol: its book with the venue's integrity rule, best bid and ask, last trade, 24 h figures.

    The `apply_*` methods return whether anything changed, and raise ValueError for values that cannot be.
    `received` is the monotonic time of the last one that was accepted, None before the first and after `lose`.
    """

    __slots__ = (
        "_books",
        "_from_quote",
        "_last_delta",
        "_last_trade",
        "_older_trade_ids",
        "_patience",
        "_pending",
        "_quote_sequence",
        "_quotes",
        "_repeated",
        "_tickers",
        "_trade_ids",
        "_trades",
        "ask",
        "bid",
        "book",
        "book_state",
        "checksum",
        "gaps",
        "integrity",
        "last",
        "late_trades",
        "lost_because",
        "open_24h",
        "quote",
        "quote_volume_24h",
        "received",
        "sequence",
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
        self.integrity = integrity or Integrity()
        self.gaps = gaps or Gaps()
        self.checksum = checksum
        self.book = Book()
        self.book_state: BookState = "empty"
        self.lost_because = "nothing received yet"
        self.sequence: int | None = None
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
        self._last_delta: int | None = None
        self._repeated = 0
        self._pending: deque[BookDelta] = deque(maxlen=MOST_PENDING)
        self._last_trade = 0
        self._trade_ids: set[str] = set()
        self._older_trade_ids: set[str] = set()
        self.streams: dict[Stream, Rhythm] = {
            stream: Rhythm(least=least, patience=stale_after) for stream, least in SHORTEST_SILENCE.items()
        }
        self._books, self._quotes = self.streams["book"], self.streams["quote"]
        self._trades, self._tickers = self.streams["trade"], self.streams["ticker"]
        self._patience = stale_after

    # -- what the market reads

    def fresh(self, now: float) -> bool:
        """Whether it said anything lately at the monotonic time `now`: by its own rhythm, as far as `look` knows it,
        and within `stale_after` seconds."""
        return self.received is not None and now - self.received <= self._patience

    @property
    def price(self) -> float | None:
        """The middle of the best bid and ask where they are sane, else the last trade; in the quote currency."""
        bid, ask = self.bid, self.ask
        if bid and ask:
            mid = (bid + ask) / 2
            if ask - bid <= WIDEST_SPREAD * mid:
                return mid
        return self.last

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
        others go on. Whether anything changed."""
        data = self.streams["data"]
        data.heard = self.received
        for rhythm in self.streams.values():
            rhythm.look()
        self._patience = min(self.stale_after, data.patience)
        if data.silent(now, OVERDUE) and (self._from_quote or self.book_state == "synced"):
            # It is subscribed again, and what speaks first need not be the book.
            self._from_quote = False
            self.bid = self.ask = None
            if self.book_state == "synced":
                self.lose_book("it fell silent")
            return True
        if data.silent(now):
            return False
        changed = False
        if self._from_quote and self._quotes.silent(now):
            self._from_quote = False
            self.bid, self.ask = self.book.bids.best, self.book.asks.best
            changed = True
        if self.book_state != "lost" and self._books.known and self._books.silent(now):
            self.lose_book("it stands still while the market goes on")
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
            if self.book_state == "synced" and self.sequence is not None and sequence < self.sequence:
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
        if not ticker.apart or self.last is None:
            self.last = float(ticker.last)
        self.open_24h, self.volume_24h, self.quote_volume_24h = figures
        return True

    def apply_snapshot(self, snapshot: BookSnapshot, now: float) -> bool:
        """Hold this book. A snapshot fetched apart takes the deltas held back for it, if they meet it.

        A snapshot that cannot be loses the book.
        """
        stood = self.book_state == "synced"
        try:
            changed = self._take_snapshot(snapshot, now)
        except (ValueError, TypeError) as error:
            self._refuse(error)
            raise
        if not stood and self.book_state == "synced":
            self.gaps.end(self, "book")
        return changed

    def apply_delta(self, delta: BookDelta, now: float) -> bool:
        """Change the book, hold the delta back while a snapshot is on its way, or lose the book on a gap.

        A delta that cannot be leaves a hole, so it loses the book too.
        """
        try:
            return self._take_delta(delta, now)
        except (ValueError, TypeError) as error:
            self._refuse(error)
            raise

    def review_book(self) -> None:
        """A snapshot is about to be fetched of a book that stands: keep the deltas from now on, to apply them to it.

        For venues whose deltas carry no proof of completeness. A book that the snapshot proves wrong counts as a gap.
        """
        if self.book_state == "synced" and self.sequence is not None:
            self._pending.clear()
            self._pending.append(BookDelta(self.venue_symbol, (), (), None, self.sequence, None, None))

    def lose_book(self, reason: str) -> None:
        """The book can no longer be trusted: it is empty until a new snapshot."""
        if self.book_state == "synced":
            self.gaps.begin(self, "book", reason)
        self.book.clear()
        self.book_state = "lost"
        self.lost_because = reason
        self.sequence = None
        if not self._from_quote:
            self.bid = self.ask = None

    def lose(self, reason: str) -> None:
        """The connection is gone: nothing said so far counts, but trade ids and 24 h figures are remembered."""
        self.gaps.begin(self, "data", reason)
        self._from_quote = False
        self.lose_book(reason)
        self.book_state = "empty"
        self._pending.clear()
        self._quote_sequence = self._last_delta = None
        self._last_trade = 0
        self.last = self.timestamp = self.received = None
        for rhythm in self.streams.values():
            rhythm.begin()

    def has_taken(self, delta: BookDelta) -> bool:
        """Whether this delta, or one after it, was taken before."""
        last, number = self._last_delta, delta.sequence
        return last is not None and number is not None and number <= last

    # -- the book and its integrity rule

    def _take_snapshot(self, snapshot: BookSnapshot, now: float) -> bool:
        if snapshot.apart and self._is_newer_than(snapshot):
            self._pending.clear()
            return False
        reviewed = _best_levels(self.book) if self._pending and self.book_state == "synced" else None
        self._replace(snapshot)
        if snapshot.apart:
            self._catch_up()
        elif snapshot.sequence is not None:
            self._last_delta = snapshot.sequence
        if self.book_state == "synced":
            self._pending.clear()
            self._verify(snapshot.checksum)
            if reviewed is not None and reviewed != _best_levels(self.book):
                self.integrity.gaps += 1
        if not snapshot.apart:
            self._books.heard = now
        self._receive(snapshot.timestamp, now)
        return True

    def _catch_up(self) -> None:
        """Apply the deltas held back; keep them for another snapshot if this one does not reach them."""
        for delta in self._pending:
            if self._is_old(delta):
                continue
            # Of a delta without a link it is not known what came before it.
            if not self._meets(delta) or (delta.previous is None and delta is self._pending[0]):
                self.lose_book(f"the snapshot {self.sequence} is older than the first delta held back")
                return
            self._update(delta)
            if self.book_state != "synced":
                return

    def _take_delta(self, delta: BookDelta, now: float) -> bool:
        was_synced = self.book_state == "synced"
        if delta.sequence is not None and not self._follows(delta, delta.sequence):
            return False
        self._books.heard = now
        self._receive(delta.timestamp, now)
        if self.book_state != "synced":
            if delta.sequence is not None:
                self._pending.append(delta)
                if self.book_state == "empty":
                    self.lose_book("deltas arrived before a snapshot")
            return was_synced
        if self._is_old(delta):
            return False
        if not self._meets(delta):
            self.lose_book(f"the first delta ({delta.previous}) leaves a gap after the snapshot ({self.sequence})")
            self._pending.append(delta)
            return True
        if self._pending:
            self._pending.append(delta)
        before = (self.bid, self.ask)
        self._update(delta)
        self._verify(delta.checksum)
        return bool(delta.bids or delta.asks) or before != (self.bid, self.ask)

    def _refuse(self, error: Exception) -> None:
        self._pending.clear()
        self._last_delta = None
        self.lose_book(str(error))

    def _follows(self, delta: BookDelta, sequence: int) -> bool:
        """Count the link from the delta before; a missing one loses the book. False for an old delta.

        A delta that begins where the one before it ended follows it, whatever its own number: OKX repeats the
        number to say that nothing changed, and goes back to a lower one after maintenance.
        Raises ValueError for an old delta that is only ordered: nobody knows what else it overtook.
        """
        last, previous = self._last_delta, delta.previous
        if last is not None and sequence <= last and previous != last:
            if previous is None and sequence < last:
                self.integrity.gaps += 1
                raise ValueError(f"delta {sequence} came after {last}")
            self._repeated += 1
            if self._repeated < MOST_REPEATED:
                return False
        self._repeated = 0
        self._last_delta = sequence
        if last is None:
            return True
        if previous is not None and sequence < previous:
            self._pending.clear()
        if previous is None or previous <= last < sequence or previous == last:
            self.integrity.links += 1
            return True
        self.integrity.gaps += 1
        if self.book_state == "synced":
            self.lose_book(f"gap: delta {sequence} follows {previous}, not {last}")
        return True

    def _is_newer_than(self, snapshot: BookSnapshot) -> bool:
        mine, its = self._pending[0].sequence if self._pending else self.sequence, snapshot.sequence
        return self.book_state == "synced" and mine is not None and its is not None and its < mine

    def _is_old(self, delta: BookDelta) -> bool:
        mine, its = self.sequence, delta.sequence
        return mine is not None and its is not None and its <= mine and delta.previous != mine

    def _meets(self, delta: BookDelta) -> bool:
        return delta.previous is None or self.sequence is None or delta.previous <= self.sequence

    def _replace(self, snapshot: BookSnapshot) -> None:
        self.book.replace(snapshot.bids, snapshot.asks)
        self.book_state = "synced"
        self.lost_because = ""
        self.sequence = snapshot.sequence
        self._look_at_top()

    def _update(self, delta: BookDelta) -> None:
        self.book.update(delta.bids, delta.asks)
        if delta.sequence is not None:
            self.sequence = delta.sequence
        self._look_at_top()

    def _look_at_top(self) -> None:
        bid, ask = self.book.bids.best, self.book.asks.best
        if bid is not None and ask is not None and bid >= ask:
            self.lose_book(f"crossed: bid {bid} is not below ask {ask}")
            return
        if self._from_quote and (self._quote_sequence or 0) > (self.sequence or 0):
            return
        self.bid, self.ask = bid, ask
        self._from_quote = False

    def _verify(self, checksum: int | None) -> None:
        if checksum is None or self.checksum is None or self.book_state != "synced":
            return
        if self.checksum(self.book) == checksum:
            self.integrity.checksums_ok += 1
            return
        self.integrity.checksums_bad += 1
        self.lose_book(f"checksum: the venue says {checksum}, the book gives another")

    def _receive(self, timestamp: int | None, now: float) -> None:
        if timestamp is not None and (self.timestamp or EARLIEST) < timestamp < LATEST:
            self.timestamp = timestamp
        self.received = now


def _best_levels(book: Book) -> list[tuple[float, float]]:
    return [*islice(book.bids, REVIEWED_LEVELS), *islice(book.asks, REVIEWED_LEVELS)]


def _possible(value: float | None) -> float | None:
    return float(value) if value is not None and 0.0 <= value < LARGEST else None
