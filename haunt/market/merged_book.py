"""One order book from many: levels in USD, summed by price, never crossed. No I/O, no state."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import merge
from math import inf
from operator import ge, le
from typing import Literal, NamedTuple

from haunt.market.book import Book
from haunt.market.symbols import Symbol

Levels = list[tuple[float, float]]


class VenueBook(NamedTuple):
    """One venue's book: `rate` turns its prices into USD, `age` is the seconds since the venue last spoke."""

    venue: str
    book: Book
    rate: float
    age: float


class Crossing(NamedTuple):
    """Levels left out of the merged book: `venue`'s bids from `price` up, or its asks from `price` down."""

    venue: str
    side: Literal["bids", "asks"]
    price: float


def merge_books(books: Sequence[VenueBook], symbol: Symbol, depth: int) -> tuple[Levels, Levels]:
    """The best `depth` bids and asks over all venues, one book each, as (price, quantity), best first.

    Prices are put on the symbol's steps, bids rounded down and asks up, so rounding never narrows the spread.
    Where one venue's bid reaches another's ask, the crossing levels of the staler of the two are left out.
    """
    left_out = crossings(books)
    bids_below = {one.venue: one.price for one in left_out if one.side == "bids"}
    asks_above = {one.venue: one.price for one in left_out if one.side == "asks"}
    all_bids = merge(*[_bids(one, bids_below.get(one.venue, inf)) for one in books], reverse=True)
    all_asks = merge(*[_asks(one, asks_above.get(one.venue, 0.0)) for one in books])
    return _summed(all_bids, symbol.round_down, ge, depth), _summed(all_asks, symbol.round_up, le, depth)


def crossings(books: Sequence[VenueBook]) -> list[Crossing]:
    """What has to be left out so that the merged book is not crossed."""
    bids = {one.venue: (best * one.rate, one.age) for one in books if (best := one.book.bids.best) is not None}
    asks = {one.venue: (best * one.rate, one.age) for one in books if (best := one.book.asks.best) is not None}
    found: list[Crossing] = []
    while bids and asks:
        bidder = max(bids, key=lambda venue: bids[venue][0])
        asker = min(asks, key=lambda venue: asks[venue][0])
        (bid, bid_age), (ask, ask_age) = bids[bidder], asks[asker]
        if bid < ask:
            break
        # What is left of the bids is below every ask, and the other way round: neither can cross again.
        if bid_age >= ask_age:
            found.append(Crossing(bidder, "bids", ask))
            del bids[bidder]
        else:
            found.append(Crossing(asker, "asks", bid))
            del asks[asker]
    return found


def _bids(one: VenueBook, below: float) -> Iterator[tuple[float, float]]:
    """(price in USD, quantity), best first, and so are `_asks`."""
    return ((usd, quantity) for price, quantity in one.book.bids if (usd := price * one.rate) < below)


def _asks(one: VenueBook, above: float) -> Iterator[tuple[float, float]]:
    return ((usd, quantity) for price, quantity in one.book.asks if (usd := price * one.rate) > above)


def _summed(
    levels: Iterable[tuple[float, float]],
    rounded: Callable[[float], float],
    reaches: Callable[[float, float], bool],
    depth: int,
) -> Levels:
    """The levels, best first, with those of one published price added up."""
    prices: list[float] = []
    quantities: list[float] = []
    for price, quantity in levels:
        if prices and reaches(price, prices[-1]):
            quantities[-1] += quantity
        elif len(prices) == depth:
            break
        elif published := rounded(price):
            prices.append(published)
            quantities.append(quantity)
    return [(price, float(f"{quantity:.14g}")) for price, quantity in zip(prices, quantities, strict=True)]
