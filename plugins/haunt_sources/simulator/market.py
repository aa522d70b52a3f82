"""Invented markets: what they say, one event at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import cycle
from math import ceil, floor, log10
from random import Random
from typing import Literal

from haunt import BookDelta, BookSnapshot, Candle, Event, Instrument, Level, Ticker, Trade
from haunt_sources.simulator.fair import FairPrice, Scenario

Trouble = Literal["silent", "lost"]

MINUTE = 60_000
OUTAGE_EVERY = 60.0
OUTAGE_BEGINS, OUTAGE_ENDS = 20.0, 40.0


def outage(seconds: float, venues: int) -> tuple[int, Trouble] | None:
    """Which venue is in trouble `seconds` after the start, and how: `silent` it says nothing, `lost` it left
    out a change of its books. Venues take turns."""
    number, moment = divmod(seconds, OUTAGE_EVERY)
    if not OUTAGE_BEGINS <= moment < OUTAGE_ENDS:
        return None
    return int(number) % venues, "lost" if number % 2 else "silent"


class Market:
    """One symbol on one venue.

    Prices lie on a ladder of rungs, about 0.01 % apart, the higher the number the higher the price. Bids take
    `depth` rungs downwards, asks `depth` rungs upwards from a rung above: the book cannot be crossed.
    """

    def __init__(self, instrument: Instrument, fair: FairPrice, *, seed: int, depth: int, events: int) -> None:
        self.instrument = instrument
        self.trouble: Trouble | None = None
        self._fair = fair
        self._depth = depth
        self._events = events
        self._random = random = Random(f"{seed} {instrument.venue_symbol}")
        magnitude = floor(log10(fair.base))
        self._decimals = max(2, 4 - magnitude)
        self._quantity_decimals = max(0, min(8, ceil(log10(fair.base))))
        self._tick = 10.0**-self._decimals
        self._rung = max(1, round(fair.base * 1e-4 / self._tick))
        self._salt = random.randrange(1_000_000)
        self._offset = 1 + random.uniform(-2e-4, 2e-4)
        self._gap = random.randint(1, 3)
        self._quantity = random.uniform(10_000, 40_000) / fair.base
        self._volume_24h = 10 ** random.uniform(7.5, 8.5) / fair.base
        self._sequence = random.randrange(1_000_000)
        self._trade_id = random.randrange(1_000_000)
        self._top = 0
        self._move(0.0)
        self._last = float(self._price(self._top))

    def event(self, seconds: float, timestamp: int) -> Event:
        """The next thing this market says: mostly changes of its book, now and then a trade or a ticker."""
        self._events += 1
        if self._events % 20 == 0:
            return self.ticker(timestamp)
        if self._events % 4 == 0:
            return self._trade(timestamp)
        return self._delta(seconds, timestamp)

    def ticker(self, timestamp: int) -> Ticker:
        volume, opened = self._volume_24h, self._fair.open_24h
        return Ticker(self.instrument.venue_symbol, self._last, opened, volume, volume * self._last, timestamp)

    def snapshot(self, seconds: float, timestamp: int) -> BookSnapshot:
        self._move(seconds)
        bids, asks = self._levels(reversed(self._bids())), self._levels(self._asks())
        return BookSnapshot(self.instrument.venue_symbol, bids, asks, self._sequence, None, timestamp)

    def candles(self, began: int, start: int, end: int) -> list[Candle]:
        """The minutes of [start, end) before the one in which the market `began`, oldest first; all in milliseconds."""
        newest = began - began % MINUTE
        prices = [price * self._offset for price in self._fair.before(max(0, newest - start) // MINUTE)]
        found = []
        for number in range(len(prices) - 1, 0, -1):
            opened, close, moment = prices[number], prices[number - 1], newest - number * MINUTE
            if start <= moment < end:
                chance = Random(f"{self.instrument.venue_symbol} {number}")
                wick = abs(opened - close) * chance.random() / 2
                volume = self._volume_24h / 1_440 * chance.uniform(0.2, 1.8)
                low = min(opened, close) - wick
                found.append(Candle(moment, opened, max(opened, close) + wick, low, close, volume))
        return found

    def skip_change(self) -> None:
        """A change of the book that is never sent, so that the next one leaves a gap."""
        self._sequence += 1

    def _delta(self, seconds: float, timestamp: int) -> BookDelta:
        old_bids, old_asks = self._bids(), self._asks()
        self._move(seconds)
        previous, self._sequence = self._sequence, self._sequence + 1
        return BookDelta(
            self.instrument.venue_symbol,
            self._changes(old_bids, self._bids(), nearest=self._top),
            self._changes(old_asks, self._asks(), nearest=self._top + 1 + self._gap),
            previous,
            self._sequence,
            None,
            timestamp,
        )

    def _trade(self, timestamp: int) -> Trade:
        """A taker sells to the best bid or buys from the best ask."""
        buys = self._random.random() < 0.5
        self._last = float(self._price(self._top + 1 + self._gap if buys else self._top))
        self._trade_id += 1
        quantity = float(self._quantity_text(self._quantity * self._random.random() ** 2))
        side: Literal["buy", "sell"] = "buy" if buys else "sell"
        return Trade(self.instrument.venue_symbol, str(self._trade_id), self._last, quantity, side, timestamp)

    def _move(self, seconds: float) -> None:
        middle = floor(self._fair.at(seconds) * self._offset / (self._tick * self._rung))
        self._top = middle - (self._gap + 1) // 2

    def _bids(self) -> range:
        return range(self._top - self._depth + 1, self._top + 1)

    def _asks(self) -> range:
        lowest = self._top + 1 + self._gap
        return range(lowest, lowest + self._depth)

    def _changes(self, old: range, new: range, *, nearest: int) -> list[Level]:
        """The levels that left the book and those that came, and one whose quantity changed."""
        away = int(self._random.random() ** 2 * self._depth)
        touched = nearest + away if nearest == new.start else nearest - away
        changed = self._levels([touched])
        if old != new:
            changed += self._levels([rung for rung in new if rung not in old and rung != touched])
            changed += [(self._price(rung), "0") for rung in old if rung not in new]
        return changed

    def _levels(self, rungs: Iterable[int]) -> list[Level]:
        random, quantity = self._random.random, self._quantity
        return [(self._price(rung), self._quantity_text(quantity * (0.05 + random() ** 2))) for rung in rungs]

    def _price(self, rung: int) -> str:
        ticks = rung * self._rung + (rung * 7_919 + self._salt) % self._rung
        return f"{ticks * self._tick:.{self._decimals}f}"

    def _quantity_text(self, quantity: float) -> str:
        smallest = 10.0**-self._quantity_decimals
        return f"{max(quantity, smallest):.{self._quantity_decimals}f}"


class Simulation:
    """All markets of all venues. The same arguments give the same events."""

    def __init__(
        self,
        names: Sequence[str],
        *,
        venues: Sequence[str],
        quote: str,
        seed: int,
        scenario: Scenario,
        depth: int,
        volatility: float,
    ) -> None:
        self._scenario: Scenario = scenario
        self._venues = list(venues)
        fairs = {
            name: FairPrice(name, seed=seed, scenario=scenario, volatility=volatility)
            for name in names
            if name.upper() != quote
        }
        self.markets = [
            Market(_instrument(venue, name, quote), fair, seed=seed, depth=depth, events=number)
            for number, (venue, (name, fair)) in enumerate((venue, one) for venue in venues for one in fairs.items())
        ]
        self._turns = cycle(self.markets)

    @property
    def instruments(self) -> list[Instrument]:
        return [market.instrument for market in self.markets]

    def opening(self, seconds: float, timestamp: int) -> Iterator[Event]:
        """The ticker of every market, then every book."""
        for market in self.markets:
            yield market.ticker(timestamp)
        for market in self.markets:
            yield market.snapshot(seconds, timestamp)

    def event(self, seconds: float, timestamp: int) -> Event | None:
        """What the next market in turn says `seconds` after the start; None when all are silent."""
        for _ in self.markets:
            market = next(self._turns)
            before, market.trouble = market.trouble, self._trouble(market, seconds)
            if market.trouble == "silent":
                continue
            if market.trouble == "lost" and before is None:
                market.skip_change()
            if before is not None and market.trouble is None:
                return market.snapshot(seconds, timestamp)
            return market.event(seconds, timestamp)
        return None

    def _trouble(self, market: Market, seconds: float) -> Trouble | None:
        found = outage(seconds, len(self._venues)) if self._scenario == "outage" else None
        return found[1] if found is not None and self._venues[found[0]] == market.instrument.venue else None


def _instrument(venue: str, name: str, quote: str) -> Instrument:
    return Instrument(f"{venue}:{name.upper()}-{quote}", name.upper(), quote, venue)
