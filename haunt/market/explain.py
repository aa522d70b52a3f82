"""How a price came about: what each market said, and what it counted for or why not. No I/O, no clock."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias

from haunt.market.composite import Band, Method
from haunt.market.electorate import Electorate, Vote, WhyNot
from haunt.market.merged_book import Crossing
from haunt.market.published import CompositePrice, Confidence, Flag
from haunt.market.symbols import Symbol

WhyNoVote: TypeAlias = WhyNot | Literal["disputed", "not the last"]


class Say(NamedTuple):
    """One market of the symbol: it said `price` in `quote`, which is `usd` at `rate`, `age` seconds ago.

    `deviation` is how far `usd` is from the median, as a part of it. `vote` is what it counts as, in USD, with
    `weight`, its part of all the weight; where it does not count, `vote` is None and `why_not` says why.
    """

    venue: str
    market: str
    source: str
    quote: str
    price: float | None
    rate: float | None
    usd: float | None
    age: float | None
    deviation: float | None
    weight: float
    vote: float | None
    why_not: WhyNoVote | None


class Explanation(NamedTuple):
    """The published `price` is `unrounded` put on the symbol's steps, and that is, by `method`, the mean of the votes
    by their weights, or (`median`) their weighted median. `low` and `high` are the clamp around the median.

    `unrounded` and the clamp are None while nobody counts: a price there was stays, and is `stale`. `left_out` are
    the levels that would cross the order book.
    """

    symbol: str
    price: float | None
    unrounded: float | None
    stale: bool
    method: Method
    median: float | None
    low: float | None
    high: float | None
    dispersion: float
    confidence: Confidence
    flags: Sequence[Flag]
    change_24h: float | None
    volume_24h: float
    timestamp: int | None
    markets: Sequence[Say]
    left_out: Sequence[Crossing]


def explain(
    symbol: Symbol,
    electorate: Electorate,
    published: CompositePrice | None,
    left_out: Sequence[Crossing],
    now: float,
) -> Explanation:
    """`published` is the price as clients have it, `now` the monotonic time."""
    ballot, rules, doubt, figures = electorate.ballot, electorate.rules, electorate.doubt, electorate.figures
    held = published.price if published else None
    unrounded = electorate.price(held)
    band = ballot.band(rules) if ballot else None
    # One of two that contradict each other is the price; before the first price both are.
    chosen = unrounded if "disputed" in doubt.flags and held is not None else None
    reasons = [_why_not(vote, electorate, chosen) for vote in electorate.votes.values()]
    return Explanation(
        symbol=symbol.name,
        price=held,
        unrounded=unrounded,
        stale=published is not None and published.stale,
        method=rules.method,
        median=band.median if band else None,
        low=band.low if band else None,
        high=band.high if band else None,
        dispersion=doubt.dispersion,
        confidence=doubt.confidence,
        flags=doubt.flags,
        change_24h=figures.change_24h,
        volume_24h=figures.volume_24h,
        timestamp=published.timestamp if published else None,
        markets=[
            _say(vote, reason, electorate, band, now)
            for vote, reason in zip(electorate.votes.values(), reasons, strict=True)
        ],
        left_out=left_out,
    )


def _why_not(vote: Vote, electorate: Electorate, chosen: float | None) -> WhyNoVote | None:
    if vote.why_not is not None:
        return vote.why_not
    if electorate.rules.method == "last":
        return None if vote is electorate.latest else "not the last"
    return "disputed" if chosen is not None and vote.price != chosen else None


def _say(vote: Vote, why_not: WhyNoVote | None, electorate: Electorate, band: Band | None, now: float) -> Say:
    feed = vote.feed
    rate = electorate.rate_of(vote)
    usd = None if rate is None or feed.price is None else feed.price * rate
    counts = vote.price
    if band and electorate.rules.method == "hcp" and len(electorate.counted) > 2:
        counts = min(max(counts, band.low), band.high)
    return Say(
        venue=feed.venue,
        market=feed.venue_symbol,
        source=feed.source,
        quote=feed.quote,
        price=feed.price,
        rate=rate,
        usd=usd,
        age=None if feed.received is None else round(now - feed.received, 3),
        deviation=None if usd is None or band is None else usd / band.median - 1,
        weight=vote.weight if why_not is None else 0.0,
        vote=counts if why_not is None else None,
        why_not=why_not,
    )
