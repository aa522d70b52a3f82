"""Who has a say in one symbol's price, and who has none for what reason. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from math import sqrt
from statistics import median
from typing import Literal, NamedTuple, TypeAlias

from haunt.market.composite import Ballot, PriceRules, shares
from haunt.market.feed import Feed
from haunt.market.published import Doubt, Flag

WhyNot: TypeAlias = Literal["disconnected", "stale", "no weight", "no price", "no rate", "other market", "outlier"]
Outcome: TypeAlias = Literal["nothing", "moved", "elected"]
"""Every vote is what it was; one is another; others count, or at other rates."""

USD = "USD"
LEAVES_AFTER = 5.0  # seconds farther off than `outlier`
RETURNS_AFTER = 10.0  # seconds within half of it
# USD a day: the world produces a tenth of it in a year. Percent a day: nothing moves so far.
LARGEST_VOLUME = LARGEST_CHANGE = 1e15
# The median of fewer is moved by a single venue that lies.
LEAST_VENUES = 3


class Vote:
    """One market's say: `price` is what it `quoted`, at `rate` in USD, and `weight` its part of all the weight.

    `why_not` is None while it counts. `turning`: since when it has been so far off that it will leave or, as an
    outlier, so near that it will return.
    """

    __slots__ = ("feed", "fresh", "outlier", "price", "quoted", "rate", "turning", "weight", "why_not")

    def __init__(self, feed: Feed) -> None:
        self.feed = feed
        self.fresh = self.outlier = False
        self.why_not: WhyNot | None = "disconnected"
        self.quoted: float | None = None
        self.price = self.weight = 0.0
        self.rate = 1.0
        self.turning: float | None = None

    def believe(self, fresh: bool) -> None:
        """Whether its market is fresh."""
        if fresh is self.fresh:
            return
        self.fresh = fresh
        if fresh:
            self.feed.gaps.end(self.feed, "data")
        else:
            self.feed.gaps.begin(self.feed, "data", "it fell silent", self.feed.received)

    @property
    def change(self) -> float | None:
        """Of 24 hours, in percent points; None where the venue does not say."""
        opened = self.feed.open_24h
        if not opened or self.quoted is None:
            return None
        change = (self.quoted / opened - 1) * 100
        return change if change <= LARGEST_CHANGE else None

    @property
    def volume(self) -> float:
        """Of 24 hours, in USD; 0 where the venue does not say, an estimate where it tells the base volume alone."""
        feed = self.feed
        if feed.quote_volume_24h is not None:
            volume = feed.quote_volume_24h * self.rate
        else:
            volume = (feed.volume_24h or 0.0) * self.price
        return volume if volume < LARGEST_VOLUME else 0.0


class Figures(NamedTuple):
    """What is published beside the price. `change_24h` is None while no venue tells."""

    change_24h: float | None
    volume_24h: float
    venues: Sequence[str]


class Electorate:
    """The markets of one symbol. `counted` are those with a vote, one for each venue, `ballot` is how they vote.

    `rates` say what one unit of each quote currency is worth in USD, as far as anyone knows; they change as they
    like, and `_rates_then` are those of the last count. `assumed`: not one is known, so a unit counts as a dollar.
    `in_dollars`: a market in USD counts; coins priced in each other alone would carry each other away from it.
    """

    __slots__ = (
        "_last_figures", "_now", "_rates", "_rates_then", "_venues", "assumed", "ballot", "counted", "in_dollars",
        "latest", "rules", "votes",
    )  # fmt: skip

    def __init__(self, rules: PriceRules, rates: Mapping[str, float], now: Callable[[], float]) -> None:
        self.rules = rules
        self.votes: dict[Feed, Vote] = {}
        self.counted: list[Vote] = []
        self.ballot: Ballot | None = None
        self.latest: Vote | None = None
        self.assumed = self.in_dollars = False
        self._last_figures = Figures(None, 0.0, ())
        self._venues: Sequence[str] = ()
        self._rates = rates
        self._rates_then: dict[str, float | None] = {}
        self._now = now

    # -- what happens

    def hear(self, feed: Feed) -> Outcome:
        """A market said something."""
        vote = self.votes.get(feed)
        price = feed.price
        if vote is None:
            if feed.received is None:
                return "nothing"
            vote = self.votes[feed] = Vote(feed)
        elif vote.why_not is None:
            if price == vote.quoted:
                return "nothing"
            if price is not None and (usd := price * vote.rate):
                self.latest = vote
                vote.quoted = price
                if self._rates.get(feed.quote) != self._rates_then.get(feed.quote):
                    self._follow_rates()
                    return "elected"
                assert self.ballot is not None
                self.ballot.move(vote.price, usd, vote.weight)
                vote.price = usd
                return "moved"
        elif vote.fresh and feed.received is not None and (price is None) == (vote.why_not == "no price"):
            return "nothing"
        self.latest = vote
        self.elect()
        return "elected"

    def review(self) -> Outcome:
        """Look at the clock, the rates and the outliers; call it some times a second."""
        now = self._now()
        if (
            self._judge(now)
            or any(self._is_fresh(vote.feed, now) is not vote.fresh for vote in self.votes.values())
            or self.rules.weigh_by == "volume"
        ):
            self.elect()
        elif any(self._rates.get(quote) != rate for quote, rate in self._rates_then.items()):
            self._follow_rates()
        else:
            return "nothing"
        return "elected"

    def elect(self) -> None:
        """Decide anew who counts: of each venue the first fresh market with a price, those in USD before others."""
        now = self._now()
        self._last_figures = self.figures
        for vote in self.votes.values():
            vote.believe(self._is_fresh(vote.feed, now))
            vote.quoted = vote.feed.price
            vote.why_not = self._absence(vote)
        priced = [vote for vote in self.votes.values() if vote.why_not is None]
        candidates = self._one_per_venue(priced)
        rates = self._rates_then = {vote.feed.quote: self._rates.get(vote.feed.quote) for vote in priced}
        self.assumed = bool(priced) and not any(rates.values())
        for vote in priced:
            if vote in candidates:
                vote.rate = candidates[vote]
            else:
                vote.why_not = "other market" if self.assumed or rates[vote.feed.quote] else "no rate"
        self._keep_outliers_few(candidates)
        for vote in candidates:
            if vote.outlier:
                vote.why_not = "outlier"
        self.counted = [vote for vote in candidates if vote.why_not is None]
        self._venues = [vote.feed.venue for vote in self.counted]
        self.in_dollars = any(vote.feed.quote == USD for vote in self.counted)
        self._count()

    def forget(self, feeds: Iterable[Feed]) -> Outcome:
        """These markets are no longer asked."""
        gone = [self.votes.pop(feed) for feed in feeds if feed in self.votes]
        if not gone:
            return "nothing"
        for vote in gone:
            vote.why_not = "disconnected"
        self.elect()
        return "elected"

    # -- what follows from it

    def price(self, held: float | None) -> float | None:
        """In USD; None when nobody counts. `held` is the price last published."""
        if self.ballot is None:
            return None
        if self.rules.method == "last":
            assert self.latest is not None
            return self.latest.price
        return self.ballot.price(self.rules, held)

    @property
    def figures(self) -> Figures:
        """Of those who count; when nobody does any more, of those who did last."""
        counted = self.counted
        if not counted:
            return self._last_figures
        changes = [(change, vote.weight) for vote in counted if (change := vote.change) is not None]
        change = Ballot(changes).quantile(0.5) if changes else None
        return Figures(change, sum([vote.volume for vote in counted]), self._venues)

    @property
    def doubt(self) -> Doubt:
        """How far those who count are apart, and whether they are too few or too far apart to be believed."""
        if self.ballot is None:
            return Doubt(0.0, "low", ())
        dispersion, wide = self.ballot.dispersion(self.rules)
        flags: list[Flag] = []
        if self.assumed:
            flags.append("quote_assumed")
        if wide and len(self.counted) == 2:
            flags.append("disputed")
        sure = not wide and not flags and len(self.counted) >= LEAST_VENUES
        return Doubt(dispersion, "high" if sure else "low", flags)

    def rate_of(self, vote: Vote) -> float | None:
        """What its quote currency is worth in USD, or is taken for; None when nobody knows."""
        if vote.why_not is None:
            return vote.rate
        return self._rates.get(vote.feed.quote, 1.0 if self.assumed else None)

    def implied_rates(self) -> dict[str, float]:
        """What the quote currencies are worth in USD, by the prices of this symbol in USD and in them, where enough
        venues quote it in both."""
        quoted: dict[str, dict[str, float]] = {}
        for vote in self.votes.values():
            price = vote.feed.price
            if price and vote.why_not in (None, "no rate", "other market"):
                quoted.setdefault(vote.feed.quote, {})[vote.feed.venue] = price
        medians = {quote: median(prices.values()) for quote, prices in quoted.items() if len(prices) >= LEAST_VENUES}
        dollars = medians.pop(USD, None)
        return {quote: dollars / price for quote, price in medians.items()} if dollars else {}

    def with_books(self) -> dict[Vote, float]:
        """One market of each venue whose book is whole, with its rate to USD."""
        return self._one_per_venue(
            vote
            for vote in self.votes.values()
            if vote.fresh and vote.feed.book_state == "synced" and vote.why_not not in ("outlier", "no weight")
        )

    # -- who counts

    def _is_fresh(self, feed: Feed, now: float) -> bool:
        limit = self.rules.stale_after
        if limit is None:
            return feed.fresh(now)
        return feed.received is not None and now - feed.received <= limit

    def _absence(self, vote: Vote) -> WhyNot | None:
        """Why this market can have no vote, whatever the others do."""
        if not vote.fresh:
            vote.turning = None
            return "disconnected" if vote.feed.received is None else "stale"
        if not self._given_weight(vote):
            return "no weight"
        if not vote.quoted or not vote.quoted * self._rates.get(vote.feed.quote, 1.0):
            return "no price"
        return None

    def _one_per_venue(self, votes: Iterable[Vote]) -> dict[Vote, float]:
        """Without any known rate a unit counts as a dollar; where one is known, markets without are left out."""
        ordered = sorted(votes, key=lambda vote: vote.feed.quote != USD)
        rates = {vote.feed.quote: self._rates.get(vote.feed.quote) for vote in ordered}
        assumed = None if any(rates.values()) else 1.0
        chosen: dict[str, tuple[Vote, float]] = {}
        for vote in ordered:
            rate = rates[vote.feed.quote] or assumed
            if rate is not None:
                chosen.setdefault(vote.feed.venue, (vote, rate))
        return dict(chosen.values())

    def _judge(self, now: float) -> bool:
        """Whether a venue was far from the median for long enough to leave, or near it to return."""
        if self.ballot is None:
            return False
        centre = self.ballot.quantile(0.5)
        limit = self.rules.outlier * centre
        turned = False
        for vote in self.votes.values():
            if vote.why_not is not None and vote.why_not != "outlier":
                continue
            price = vote.price if vote.why_not is None else (vote.feed.price or 0.0) * vote.rate
            off = abs(price - centre)
            if not (off < limit / 2 if vote.outlier else off > limit):
                vote.turning = None
            elif vote.turning is None:
                vote.turning = now
            elif now - vote.turning > (RETURNS_AFTER if vote.outlier else LEAVES_AFTER):
                vote.outlier = not vote.outlier
                vote.turning = None
                turned = True
        return turned

    def _keep_outliers_few(self, candidates: Iterable[Vote]) -> None:
        """Where half of the venues or more would be outliers, nobody knows which half is right."""
        outliers = [vote.outlier for vote in candidates]
        if 2 * sum(outliers) >= len(outliers):
            for vote in candidates:
                vote.outlier = False

    # -- the ballot

    def _follow_rates(self) -> None:
        """Convert at the rates of now. Where one has become known or unknown, others may count."""
        rates = {quote: self._rates.get(quote) for quote in self._rates_then}
        if [*map(bool, rates.values())] != [*map(bool, self._rates_then.values())]:
            self.elect()
            return
        self._rates_then = rates
        for vote in self.votes.values():
            vote.rate = rates.get(vote.feed.quote) or vote.rate
        self._count()

    def _count(self) -> None:
        counted = self.counted
        for vote in counted:
            assert vote.quoted is not None
            vote.price = vote.quoted * vote.rate
        for vote, share in zip(counted, shares(self._weights()), strict=True):
            vote.weight = share
        self.ballot = Ballot((vote.price, vote.weight) for vote in counted) if counted else None
        if self.latest is None or self.latest.why_not is not None:
            self.latest = max(counted, key=lambda vote: vote.feed.received or 0.0, default=None)

    def _given_weight(self, vote: Vote) -> float:
        return self.rules.weights.get(vote.feed.venue, vote.feed.weight)

    def _weights(self) -> list[float]:
        given = [self._given_weight(vote) for vote in self.counted]
        if self.rules.weigh_by == "source":
            return given
        roots = [sqrt(vote.volume) for vote in self.counted]
        # A venue that does not tell its volume is taken for the smallest of those that do.
        least = min([root for root in roots if root], default=1.0)
        return [weight * (root or least) for weight, root in zip(given, roots, strict=True)]
