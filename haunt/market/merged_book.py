"""One order book from many: levels in USD, summed by price, never crossed. No I/O, no state."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from heapq import merge
from itertools import dropwhile
from math import ceil, floor, inf
from typing import NamedTuple

from haunt.market.book import Book, BookSide
from haunt.market.symbols import Symbol

Levels = list[tuple[float, float]]


class VenueBook(NamedTuple):
    """One venue's book: `rate` turns its prices into USD, `age` is the seconds since it last changed."""

    venue: str
    book: Book
    rate: float
    age: float


class Crossing(NamedTuple):
    """Levels left out of the merged book: `venue`'s bids from `price` up, or its asks from `price` down."""

    venue: str
    side: str
    price: float


def merge_books(books: Sequence[VenueBook], symbol: Symbol, depth: int) -> tuple[Levels, Levels]:
    """The best `depth` bids and asks over all venues, as (price, quantity), best first.

    Prices are put on the symbol's steps, bids rounded down and asks up, so rounding never narrows the spread.
    Where one venue's bid reaches another's ask, the crossing levels of the staler of the two are left out.
    """
    highest = {one.venue: one.price for one in crossings(books) if one.side == "bids"}
    lowest = {one.venue: one.price for one in crossings(books) if one.side == "asks"}
    bids = merge(
        *(
            dropwhile(partial(_reaches_up, highest.get(one.venue, inf)), _in_usd(one.book.bids, one.rate))
            for one in books
        ),
        key=lambda level: -level[0],
    )
    asks = merge(
        *(
            dropwhile(partial(_reaches_down, lowest.get(one.venue, 0.0)), _in_usd(one.book.asks, one.rate))
            for one in books
        )
    )
    best_bids, best_asks = _side(bids, symbol, depth, up=False), _side(asks, symbol, depth, up=True)
    while best_bids and best_asks and best_bids[0][0] >= best_asks[0][0]:
        del best_bids[0]  # two prices closer than a double can tell apart
    return best_bids, best_asks


def crossings(books: Iterable[VenueBook]) -> list[Crossing]:
    """What has to be left out so that the merged book is not crossed, the stalest venue's levels first."""
    bids = {one.venue: (best * one.rate, one.age) for one in books if (best := one.book.bids.best) is not None}
    asks = {one.venue: (best * one.rate, one.age) for one in books if (best := one.book.asks.best) is not None}
    found: list[Crossing] = []
    while bids and asks:
        bidder = max(bids, key=lambda venue: bids[venue][0])
        asker = min(asks, key=lambda venue: asks[venue][0])
        (bid, bid_age), (ask, ask_age) = bids[bidder], asks[asker]
        if bid < ask:
            break
        if bid_age >= ask_age:
            found.append(Crossing(bidder, "bids", ask))
            del bids[bidder]
        else:
            found.append(Crossing(asker, "asks", bid))
            del asks[asker]
    return found


def _in_usd(side: BookSide, rate: float) -> Iterator[tuple[float, float]]:
    """(price in USD, quantity), best first."""
    return ((price * rate, quantity) for price, quantity in side)


def _reaches_up(limit: float, level: tuple[float, float]) -> bool:
    return level[0] >= limit


def _reaches_down(limit: float, level: tuple[float, float]) -> bool:
    return level[0] <= limit


def _side(levels: Iterator[tuple[float, float]], symbol: Symbol, depth: int, *, up: bool) -> Levels:
    side: Levels = []
    for price, quantity in levels:
        step = symbol.step(price)
        # Prices that stand on a step already must stay there, whatever floats make of the division.
        steps = ceil(price / step - 1e-6) if up else floor(price / step + 1e-6)
        bucket = symbol.round(steps * step)
        if side and side[-1][0] == bucket:
            side[-1] = (bucket, side[-1][1] + quantity)
        elif len(side) == depth:
            break
        elif steps > 0:
            side.append((bucket, quantity))
    return [(price, float(f"{quantity:.10g}")) for price, quantity in side]
