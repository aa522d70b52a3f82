"""A venue's order book, held for as long as the venue's own numbers prove it whole."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from haunt.market.book import Book
from haunt.market.events import BookDelta, BookSnapshot

BookState = Literal["empty", "synced", "lost"]
Checksum = Callable[[Book], int]

# Deltas held back while a snapshot is fetched: Binance sends ten a second, a slow snapshot takes half a minute.
MOST_PENDING = 5_000
# A venue that repeats itself this often without a new delta has begun to number anew without saying so.
MOST_REPEATED = 100
# Enough to see a book that drifted from the venue's.
REVIEWED_LEVELS = 10


@dataclass(slots=True)
class Integrity:
    """How often a venue's own proof of completeness held, and how often it did not."""

    links: int = 0
    gaps: int = 0
    checksums_ok: int = 0
    checksums_bad: int = 0


class ProvenBook:
    """The levels in `book`, and whether they are all there: `state`, and `lost_because` while it is not "synced".

    `sequence` is the venue's number of the newest change in it. `fell(reason)` is called when a book that stood is
    lost, after `state` says so. Without a `checksum` those of the venue are passed over.
    """

    __slots__ = (
        "_fell",
        "_last_delta",
        "_pending",
        "_repeated",
        "book",
        "checksum",
        "integrity",
        "lost_because",
        "sequence",
        "state",
    )

    def __init__(self, integrity: Integrity, checksum: Checksum | None, fell: Callable[[str], None]) -> None:
        self.book = Book()
        self.state: BookState = "empty"
        self.lost_because = "nothing received yet"
        self.sequence: int | None = None
        self.integrity = integrity
        self.checksum = checksum
        self._fell = fell
        self._last_delta: int | None = None
        self._repeated = 0
        self._pending: deque[BookDelta] = deque(maxlen=MOST_PENDING)

    # -- what the venue sends

    def take_snapshot(self, snapshot: BookSnapshot) -> bool:
        """Hold this book. A snapshot fetched apart takes the deltas held back for it, if they meet it; False for one
        that is older than the book.

        Raises ValueError or TypeError for levels or numbers that cannot be; `refuse` it then.
        """
        if snapshot.apart and self._is_newer_than(snapshot):
            self._pending.clear()
            return False
        reviewed = _best_levels(self.book) if self._pending and self.state == "synced" else None
        self._replace(snapshot)
        if snapshot.apart:
            self._catch_up()
        elif snapshot.sequence is not None:
            self._last_delta = snapshot.sequence
        if self.state == "synced":
            self._pending.clear()
            self._verify(snapshot.checksum)
            if reviewed is not None and reviewed != _best_levels(self.book):
                self.integrity.gaps += 1
        return True

    def follows(self, delta: BookDelta) -> bool:
        """Count the link from the delta before; a missing one loses the book. False for an old delta.

        A delta that begins where the one before it ended follows it, whatever its own number: OKX repeats the
        number to say that nothing changed, and goes back to a lower one after maintenance.
        Raises ValueError for an old delta that is only ordered: nobody knows what else it overtook.
        """
        sequence = delta.sequence
        if sequence is None:
            return True
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
        if self.state == "synced":
            self.lose(f"gap: delta {sequence} follows {previous}, not {last}")
        return True

    def take_delta(self, delta: BookDelta) -> bool:
        """Change the book, or hold the delta back while a snapshot is on its way. Whether the book has it now, and not
        already had it; ask `follows` first.

        Raises ValueError or TypeError for levels or numbers that cannot be; `refuse` it then.
        """
        if self.state != "synced":
            if delta.sequence is not None:
                self._pending.append(delta)
                if self.state == "empty":
                    self.lose("deltas arrived before a snapshot")
            return False
        if self._is_old(delta):
            return False
        if not self._meets(delta):
            self.lose(f"the first delta ({delta.previous}) leaves a gap after the snapshot ({self.sequence})")
            self._pending.append(delta)
            return False
        if self._pending:
            self._pending.append(delta)
        self._update(delta)
        self._verify(delta.checksum)
        return True

    def refuse(self, error: Exception) -> None:
        """What could not be taken leaves a hole."""
        self._pending.clear()
        self._last_delta = None
        self.lose(str(error))

    def lose(self, reason: str) -> None:
        """It can no longer be trusted: it is empty until a new snapshot."""
        stood = self.state == "synced"
        self.book.clear()
        self.state = "lost"
        self.lost_because = reason
        self.sequence = None
        if stood:
            self._fell(reason)

    def begin(self, reason: str) -> None:
        """The connection is gone: the next one sends a book of its own, and numbers it as it likes."""
        self.lose(reason)
        self.state = "empty"
        self._pending.clear()
        self._last_delta = None

    # -- what the source asks

    def has_taken(self, delta: BookDelta) -> bool:
        """Whether this delta, or one after it, was taken before."""
        last, number = self._last_delta, delta.sequence
        return last is not None and number is not None and number <= last

    def review(self) -> None:
        """A snapshot is about to be fetched of a book that stands: keep the deltas from now on, to apply them to it.

        For venues whose deltas carry no proof of completeness. A book that the snapshot proves wrong counts as a gap.
        """
        if self.state == "synced" and self.sequence is not None:
            self._pending.clear()
            self._pending.append(BookDelta("", (), (), None, self.sequence, None, None))

    # -- the venue's rule

    def _catch_up(self) -> None:
        """Apply the deltas held back; keep them for another snapshot if this one does not reach them."""
        for delta in self._pending:
            if self._is_old(delta):
                continue
            # Of a delta without a link it is not known what came before it.
            if not self._meets(delta) or (delta.previous is None and delta is self._pending[0]):
                self.lose(f"the snapshot {self.sequence} is older than the first delta held back")
                return
            self._update(delta)
            if self.state != "synced":
                return

    def _is_newer_than(self, snapshot: BookSnapshot) -> bool:
        mine, its = self._pending[0].sequence if self._pending else self.sequence, snapshot.sequence
        return self.state == "synced" and mine is not None and its is not None and its < mine

    def _is_old(self, delta: BookDelta) -> bool:
        mine, its = self.sequence, delta.sequence
        return mine is not None and its is not None and its <= mine and delta.previous != mine

    def _meets(self, delta: BookDelta) -> bool:
        return delta.previous is None or self.sequence is None or delta.previous <= self.sequence

    def _replace(self, snapshot: BookSnapshot) -> None:
        self.book.replace(snapshot.bids, snapshot.asks)
        self.state = "synced"
        self.lost_because = ""
        self.sequence = snapshot.sequence
        self._refuse_crossed()

    def _update(self, delta: BookDelta) -> None:
        self.book.update(delta.bids, delta.asks)
        if delta.sequence is not None:
            self.sequence = delta.sequence
        self._refuse_crossed()

    def _refuse_crossed(self) -> None:
        bid, ask = self.book.bids.best, self.book.asks.best
        if bid is not None and ask is not None and bid >= ask:
            self.lose(f"crossed: bid {bid} is not below ask {ask}")

    def _verify(self, checksum: int | None) -> None:
        if checksum is None or self.checksum is None or self.state != "synced":
            return
        if self.checksum(self.book) == checksum:
            self.integrity.checksums_ok += 1
            return
        self.integrity.checksums_bad += 1
        self.lose(f"checksum: the venue says {checksum}, the book gives another")


def _best_levels(book: Book) -> list[tuple[float, float]]:
    return [*islice(book.bids, REVIEWED_LEVELS), *islice(book.asks, REVIEWED_LEVELS)]
