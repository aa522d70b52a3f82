"""A feed, and what a venue says to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from haunt import BookDelta, BookSnapshot, Level, Quote, Ticker, Trade
from haunt.market.feed import Feed

NOW = 1_700_000_000_000
BIDS, ASKS = [("99", "1"), ("98", "2")], [("101", "1"), ("102", "2")]


def make_feed(**options: Any) -> Feed:
    return Feed(source="acme", venue="acme", venue_symbol="BTC-USD", symbol="btc", quote="USD", **options)


def trade(number: int, price: float = 100.0, *, quantity: float = 1.0, timestamp: int = NOW) -> Trade:
    return Trade("BTC-USD", str(number), price, quantity, "buy", timestamp)


def quote(bid: float, ask: float, sequence: int | None = None) -> Quote:
    return Quote("BTC-USD", bid, ask, sequence, None)


def ticker(last: float = 100.0, open_24h: float | None = 90.0, volume: float | None = 5.0) -> Ticker:
    return Ticker("BTC-USD", last, open_24h, volume, None, NOW)


def snapshot(
    bids: Sequence[Level] = BIDS,
    asks: Sequence[Level] = ASKS,
    *,
    sequence: int | None = None,
    checksum: int | None = None,
    apart: bool = False,
) -> BookSnapshot:
    return BookSnapshot("BTC-USD", bids, asks, sequence, checksum, None if apart else NOW, apart)


def delta(
    bids: Sequence[Level] = (),
    asks: Sequence[Level] = (),
    *,
    link: tuple[int, int] | None = None,
    checksum: int | None = None,
) -> BookDelta:
    previous, sequence = link or (None, None)
    return BookDelta("BTC-USD", bids, asks, previous, sequence, checksum, NOW)


def numbered(sequence: int = 10) -> Feed:
    feed = make_feed()
    feed.apply_snapshot(snapshot(sequence=sequence), 1.0)
    return feed
