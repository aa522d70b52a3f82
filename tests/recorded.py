"""What a market behind a venue's parser sees of a real recording, and what another program saw of it."""

from __future__ import annotations

import gzip
import json
from base64 import b64decode
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from haunt import Book, Event, Instrument, Relay, Trade
from haunt.market.feed import Feed


class Line(NamedTuple):
    """`frame` is bytes where the recording holds bytes, compressed as they came."""

    kind: str
    url: str
    frame: str | bytes

    @property
    def text(self) -> str:
        return self.frame if isinstance(self.frame, str) else self.frame.decode()


class Recording:
    """What a market behind the parser saw of a recording."""

    def __init__(self, *, checksum: Callable[[Book], int] | None = None) -> None:
        self.trades: Counter[str] = Counter()
        self.ever_crossed = False
        self.relay = Relay("venue", wanted=(), deliver=self._deliver, checksum=checksum)

    def publish(self, events: Iterable[Event]) -> None:
        for event in events:
            symbol = getattr(event, "venue_symbol", "")
            if symbol:
                self.relay.add(Instrument(symbol, symbol, "USD"), symbol)
            self.relay.publish(event)

    def _deliver(self, feed: Feed, event: Event) -> None:
        if isinstance(event, Trade):
            self.trades[feed.venue_symbol] += 1
        self.ever_crossed = self.ever_crossed or feed.book.crossed

    def books(self) -> dict[str, dict[str, Any]]:
        return {
            symbol: {
                "bids": [list(level[:2]) for level in feed.book.bids.top(10)],
                "asks": [list(level[:2]) for level in feed.book.asks.top(10)],
                "n_bids": len(feed.book.bids),
                "n_asks": len(feed.book.asks),
                "crossed": feed.book.crossed,
            }
            for symbol, feed in self.relay.feeds.items()
            if feed.book_state == "synced"
        }


def received(shared: Path, name: str) -> Iterator[Line]:
    with gzip.open(shared / "data" / f"{name}.jsonl.gz", "rt") as lines:
        for text in lines:
            line = json.loads(text)
            if "dir" not in line:
                frame = line["raw"] if line["raw"] is not None else b64decode(line["raw_b64"])
                yield Line(line["kind"], line["url_or_channel"], frame)


def expected(shared: Path, name: str) -> dict[str, Any]:
    results = json.loads((shared / "data" / "expected" / f"{name}.json").read_text())
    assert isinstance(results, dict)
    return results
