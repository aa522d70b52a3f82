"""A market on a clock that stands, and venues that say what a test tells them to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from haunt import (
    BookDelta,
    BookSnapshot,
    Candle,
    FrameNumber,
    Indicator,
    IndicatorOptions,
    Instrument,
    Quote,
    Reading,
    Relay,
    Ticker,
    Trade,
)
from haunt.market.composite import PriceRules
from haunt.market.gaps import Gaps
from haunt.market.market import Market
from haunt.market.published import CompositePrice
from haunt.market.signals import Signals
from haunt.market.symbols import Symbol, Symbols
from haunt.testing import FakeClock

SYMBOLS = (Symbol("btc", tick=0.01), Symbol("eth"), Symbol("usdt"), Symbol("usdc"))


class Venue:
    """One source's relay, in one quote currency: `Venue.quotes("btc", 99, 101)`."""

    def __init__(self, relay: Relay, clock: FakeClock, quote: str, venue: str | None) -> None:
        self.relay = relay
        self._clock = clock
        self._quote = quote
        self._trades = 0
        relay.choose(
            Instrument(f"{symbol.name}-{quote}", symbol.name, quote, venue)
            for symbol in SYMBOLS
            if symbol.name.upper() != quote
        )
        relay.open()

    def quotes(self, symbol: str, bid: float, ask: float, *, at: int | None = None) -> None:
        self.relay.publish(Quote(self._name(symbol), bid, ask, None, self._time(at)))

    def trades(self, symbol: str, price: float, quantity: float = 1.0, *, at: int | None = None) -> None:
        self._trades += 1
        self._last_trade = Trade(self._name(symbol), str(self._trades), price, quantity, "buy", self._time(at))
        self.relay.publish(self._last_trade)

    def tells(
        self,
        symbol: str,
        last: float,
        open_24h: float | None = None,
        *,
        volume: float | None = None,
        quote_volume: float | None = None,
    ) -> None:
        self.relay.publish(Ticker(self._name(symbol), last, open_24h, volume, quote_volume, self._time(None)))

    def shows(self, symbol: str, bids: Sequence[float], asks: Sequence[float], *, at: int | None = None) -> None:
        """A whole order book with a quantity of 1 at each of these prices."""
        levels = [[(str(price), "1") for price in side] for side in (bids, asks)]
        self.relay.publish(BookSnapshot(self._name(symbol), *levels, 1, None, self._time(at)))

    def changes(self, symbol: str, bids: Mapping[float, float], asks: Mapping[float, float]) -> None:
        """New quantities at these prices of a book that was shown."""
        levels = [[(str(price), str(quantity)) for price, quantity in side.items()] for side in (bids, asks)]
        self.relay.publish(
            BookDelta(self._name(symbol), levels[0], levels[1], None, None, None, self._clock.milliseconds())
        )

    def repeats_last_trade(self) -> None:
        self.relay.publish(self._last_trade)

    def loses_book(self, symbol: str, how: str) -> None:
        """In one of four ways; the book must have been shown."""
        name, now = self._name(symbol), self._clock.milliseconds()
        if how == "gap":
            self.relay.publish(BookDelta(name, [], [], 7, 8, None, now))
        elif how == "garbage":
            self.relay.publish(BookDelta(name, [("nan", "1")], [], 1, 2, None, now))
        elif how == "frame gap":
            self.relay.publish(FrameNumber(1))
            self.relay.publish(FrameNumber(3))
        else:
            self.relay.close(how)

    def babbles(self, symbol: str, kind: str, values: Sequence[Any]) -> None:
        """Publish an event of this kind with whatever values."""
        name = self._name(symbol)
        if kind == "trade":
            self._trades += 1
            price, quantity, timestamp = values
            self.relay.publish(Trade(name, str(self._trades), price, quantity, "buy", timestamp))
        elif kind == "snapshot":
            bids, asks, sequence, timestamp = values
            self.relay.publish(BookSnapshot(name, bids, asks, sequence, None, timestamp))
        elif kind == "delta":
            bids, asks, previous, sequence, timestamp = values
            self.relay.publish(BookDelta(name, bids, asks, previous, sequence, None, timestamp))
        else:
            self.relay.publish({"quote": Quote, "ticker": Ticker}[kind](name, *values))

    def _name(self, symbol: str) -> str:
        return f"{symbol}-{self._quote}"

    def _time(self, at: int | None) -> int:
        return self._clock.milliseconds() if at is None else at


class Floor:
    """A market and what it told: `marks` of changed states, `candles` of one second of btc.

    First prices do not wait for 24 hour figures, if not said otherwise. `rules` are those of the price of btc.
    """

    def __init__(self, *, first_price_wait: float = 0.0, **rules: Any) -> None:
        self.clock = FakeClock()
        self.gaps = Gaps(self.clock)
        self.marks: list[tuple[str, str]] = []
        self.candles: list[Candle] = []
        candles = self.candles

        class Tape(Indicator):
            name = "tape"

            def update(self, candle: Candle) -> Reading | None:
                candles.append(candle)
                return None

        tape = ("tape", Tape, IndicatorOptions(timeframe="1s"))
        signals = Signals([tape], ["btc"], lambda signal: None, interrupted=self.gaps.interrupted, clock=self.clock)
        self.market = Market(
            Symbols([replace(SYMBOLS[0], rules=PriceRules(**rules)), *SYMBOLS[1:]]),
            signals,
            self.marks.append,
            first_price_wait=first_price_wait,
            clock=self.clock,
        )

    def venue(
        self, name: str, quote: str = "USD", *, venue: str | None = None, weight: float = 1.0, stale_after: float = 30.0
    ) -> Venue:
        """A source of that name; `venue` where it speaks for another."""
        relay = Relay(
            name, wanted=SYMBOLS, deliver=self.market.apply, quotes=[quote], weight=weight, stale_after=stale_after,
            clock=self.clock, gaps=self.gaps,
        )  # fmt: skip
        return Venue(relay, self.clock, quote, venue)

    def price(self, symbol: str = "btc") -> float | None:
        found = self.market.price(symbol)
        return found.price if found else None

    def composite(self, symbol: str = "btc") -> CompositePrice:
        found = self.market.price(symbol)
        assert found is not None
        return found

    def wait(self, seconds: float) -> None:
        """Time passes, then the market looks at the clock."""
        self.clock.advance(seconds)
        self.market.tick()

    def pass_time(self, seconds: float, *speaking: Callable[[], None]) -> None:
        """Time passes as it does in a server: four looks at the clock in a second, and these are said before each."""
        for _ in range(round(seconds * 4)):
            for speak in speaking:
                speak()
            self.wait(0.25)

    def published(self, channel: str = "price", symbol: str = "btc") -> int:
        """How often this state was marked as changed since the last look."""
        count = self.marks.count((channel, symbol))
        self.marks.clear()
        return count
