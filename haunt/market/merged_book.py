"""One order book from many: levels in USD, summed by price, never crossed. No I/O, no state."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from math import inf
from sys import float_info
from typing import Literal, NamedTuple, TypeAlias

from haunt.market.book import Book, BookSide
from haunt.market.symbols import Symbol

EVERYTHING = -float_info.max  # worse than any price
READ_AT_ONCE = 8  # levels of a venue at first; four times as many each time that was too few


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


class MergedSide(NamedTuple):
    """The best levels, best first, as (price, quantity); what each venue has of each, where that was asked for; and
    the key (see BookSide) of the worst price that matters: what changes beyond it changes nothing here."""

    levels: Sequence[tuple[float, float]]
    venues: Sequence[Mapping[str, float]]
    worst: float


class Part(NamedTuple):
    """The best levels of one side of one venue's book: their keys (see BookSide), the best last, and these in USD
    as far as they are not left out."""

    venue: str
    side: BookSide
    keys: Sequence[float]
    priced: Sequence[float]


Side: TypeAlias = tuple[str, BookSide, float, float]
"""(venue, side, rate, limit): only what is worse than the limit, a key in USD, is not left out."""


def merge_books(
    books: Sequence[VenueBook], symbol: Symbol, depth: int, attributed: bool = False
) -> tuple[MergedSide, MergedSide]:
    """The best `depth` bids and asks over all venues, one book each.

    Prices are put on the symbol's steps, bids rounded down and asks up, so rounding never narrows the spread.
    Where one venue's bid reaches another's ask, the crossing levels of the staler of the two are left out.
    `attributed`: also say what each venue has of each level.
    """
    left_out = crossings(books)
    below = {one.venue: one.price for one in left_out if one.side == "bids"}
    above = {one.venue: -one.price for one in left_out if one.side == "asks"}
    bids = [(one.venue, one.book.bids, one.rate, below.get(one.venue, inf)) for one in books]
    asks = [(one.venue, one.book.asks, one.rate, above.get(one.venue, inf)) for one in books]
    return (
        _merged(bids, symbol.round_down, +1, depth, attributed),
        _merged(asks, symbol.round_up, -1, depth, attributed),
    )


def crossings(books: Sequence[VenueBook]) -> list[Crossing]:
    """What has to be left out so that the merged book is not crossed."""
    bids = sorted(
        [(best * one.rate, one.age, one.venue) for one in books if (best := one.book.bids.best) is not None],
        reverse=True,
    )
    asks = sorted([(best * one.rate, one.age, one.venue) for one in books if (best := one.book.asks.best) is not None])
    found: list[Crossing] = []
    first_bid = first_ask = 0
    while first_bid < len(bids) and first_ask < len(asks):
        (bid, bid_age, bidder), (ask, ask_age, asker) = bids[first_bid], asks[first_ask]
        if bid < ask:
            break
        # What is left of the bids is below every ask, and the other way round: neither can cross again.
        if bid_age >= ask_age:
            found.append(Crossing(bidder, "bids", ask))
            first_bid += 1
        else:
            found.append(Crossing(asker, "asks", bid))
            first_ask += 1
    return found


def _merged(
    sides: Sequence[Side], rounded: Callable[[float], float], sign: int, depth: int, attributed: bool
) -> MergedSide:
    """The best `depth` prices, and the quantities that belong to each."""
    count, prices = READ_AT_ONCE, None
    while prices is None:
        parts, complete_to = _read(sides, count)
        prices = _prices(parts, complete_to, rounded, sign, depth)
        count *= 4
    worst = prices[-1] * sign if prices else inf
    quantities = [0.0] * len(prices)
    venues: list[dict[str, float]] = [{} for _ in prices] if attributed else []
    for venue, side, keys, priced in parts:
        start = bisect_left(priced, worst)
        place = 0
        levels = side.quantities(keys[start : len(priced)])
        for usd, quantity in zip(reversed(priced[start:]), reversed(levels), strict=True):
            while usd < prices[place] * sign:
                place += 1
            quantities[place] += quantity
            if attributed:
                venues[place][venue] = venues[place].get(venue, 0.0) + quantity
    return MergedSide(
        [(price, _tidy(quantity)) for price, quantity in zip(prices, quantities, strict=True)],
        [{venue: _tidy(quantity) for venue, quantity in parts.items()} for parts in venues],
        worst if len(prices) == depth else EVERYTHING,
    )


def _read(sides: Sequence[Side], count: int) -> tuple[list[Part], float]:
    """The best `count` levels of each venue, and down to which price nothing is missing."""
    parts: list[Part] = []
    complete_to = -inf
    for venue, side, rate, limit in sides:
        keys = side.best_keys(count)
        priced = keys if rate == 1.0 else [key * rate for key in keys]
        if len(keys) == count:
            complete_to = max(complete_to, priced[0])
        if limit != inf:
            priced = priced[: bisect_left(priced, limit)]
        parts.append(Part(venue, side, keys, priced))
    return parts, complete_to


def _prices(
    parts: Sequence[Part], complete_to: float, rounded: Callable[[float], float], sign: int, depth: int
) -> list[float] | None:
    """The published prices, the best first; None where the levels are too few to tell."""
    keys: list[float] = []
    for part in parts:
        keys += part.priced
    keys.sort()
    prices: list[float] = []
    left = len(keys)
    while left and len(prices) < depth:
        price = rounded(keys[left - 1] * sign)
        if price * sign < complete_to:
            return None
        if not price:
            break
        prices.append(price)
        left = bisect_left(keys, price * sign, 0, left)
    return prices if len(prices) == depth or complete_to == -inf else None


def _tidy(quantity: float) -> float:
    """Without what adding up decimal fractions as binary ones leaves in the last digits."""
    return float(f"{quantity:.14g}")
