"""A market that a test makes itself, and Haunt on top of it: served, or on a desk where the clock stands."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from haunt import (
    BookSnapshot,
    Candle,
    Clock,
    Indicator,
    IndicatorOptions,
    Instrument,
    Reading,
    Relay,
    Source,
    SourceOptions,
    Ticker,
    Trade,
)
from haunt.app import Haunt
from haunt.config.model import Config, History, IndicatorConfig, Limits, Log, Reload, Server, SourceConfig, Stream
from haunt.market.symbols import Symbol
from haunt.stream.session import Session
from haunt.stream.subscriptions import Form
from haunt.testing import FakeClock

from .wire import FakeWire, Guest

SYMBOLS = (
    Symbol("btc", aliases=("xbt",), tick=0.01),
    Symbol("eth"),
    Symbol("sol"),
    Symbol("pepe"),
    Symbol("usdt"),
    *(Symbol(f"coin{number}") for number in range(150)),
)


class Staged(Source):
    """Says nothing by itself: the test publishes through its relay."""

    name = "staged"

    async def run(self) -> None:
        source = self.relay.source
        self.relay.choose(Instrument(f"{one.name}-USD", one.name, "USD", source) for one in self.relay.wanted)
        self.relay.open()
        await asyncio.Event().wait()


class Mood(Indicator):
    """Buy below 100, sell above 200, each with confidence 0.85. Its first candle is its warm-up."""

    name = "mood"
    seen = 0

    def update(self, candle: Candle) -> Reading | None:
        self.seen += 1
        if self.seen == 1:
            return None
        signal = "buy" if candle.close < 100 else "sell" if candle.close > 200 else "neutral"
        return Reading(candle.close, signal, 0.85, {"close": candle.close})


def indicator(name: str, cls: type[Indicator] = Mood, options: IndicatorOptions | None = None) -> IndicatorConfig:
    return IndicatorConfig(name, cls.name, cls, options or IndicatorOptions(timeframe="1s"), True)


def configured(
    *,
    server: Mapping[str, Any] | None = None,
    limits: Mapping[str, Any] | None = None,
    stream: Mapping[str, Any] | None = None,
    indicators: Sequence[IndicatorConfig] = (),
    sources: Sequence[str] = ("alpha",),
    symbols: Sequence[Symbol] = SYMBOLS,
) -> Config:
    """Haunt's defaults but for what is given; no server_status, and books as often as can be."""
    return Config(
        server=Server(**{"port": 0} | dict(server or {})),
        limits=Limits(**{"drain": 1} | dict(limits or {})),
        stream=Stream(**{"status_interval": 0, "orderbook_interval": 0.01} | dict(stream or {})),
        log=Log(),
        reload=Reload(),
        history=History(path=None),
        symbols=tuple(symbols),
        sources={name: SourceConfig(name, "staged", Staged, SourceOptions(), True) for name in sources},
        indicators={one.name: one for one in indicators},
        broken=(),
    )


def tell(relay: Relay, symbol: str, last: float, *, at: int, **figures: float) -> None:
    """The venue says its last price; 24 hours ago it was `open`, and 1000 coins were traded, if not said otherwise."""
    cost = figures.get("quote_volume")
    volume = figures.get("volume", 1000.0 if cost is None else cost / last)
    relay.publish(Ticker(f"{symbol}-USD", last, figures.get("open", last), volume, cost, at))


def show(relay: Relay, symbol: str, bids: Sequence[Any], asks: Sequence[Any], *, at: int) -> None:
    """The venue says its whole order book, as (price, quantity) pairs."""
    sides = [[(str(price), str(quantity)) for price, quantity in side] for side in (bids, asks)]
    relay.publish(BookSnapshot(f"{symbol}-USD", sides[0], sides[1], None, None, at))


class Desk:
    """Haunt without sockets: its router, fan-out and market, on a clock that stands until told."""

    def __init__(self, clock: Clock | None = None, **settings: Any) -> None:
        self.clock = clock or FakeClock()
        stream = {"io_uring": False, **settings.pop("stream", {})}
        self.haunt = Haunt(configured(stream=stream, **settings), self.clock)
        self.relays: dict[str, Relay] = {}
        self._trades = 0

    def venue(self, name: str = "alpha") -> Relay:
        relay = self.relays.get(name)
        if relay is None:
            relay = Relay(name, wanted=list(self.haunt.symbols), deliver=self.haunt.market.apply, clock=self.clock)
            relay.choose(Instrument(f"{one.name}-USD", one.name, "USD") for one in self.haunt.symbols)
            relay.open()
            self.relays[name] = relay
        return relay

    def price(self, symbol: str, last: float, *, venue: str = "alpha", at: int | None = None, **figures: float) -> None:
        tell(self.venue(venue), symbol, last, at=self.clock.milliseconds() if at is None else at, **figures)

    def book(
        self, symbol: str, bids: Sequence[Any], asks: Sequence[Any], *, venue: str = "alpha", at: int | None = None
    ) -> None:
        show(self.venue(venue), symbol, bids, asks, at=self.clock.milliseconds() if at is None else at)

    def trade(self, symbol: str, price: float, *, venue: str = "alpha", at: int | None = None) -> None:
        """A trade: a price without the figures of 24 hours."""
        self._trades += 1
        moment = self.clock.milliseconds() if at is None else at
        self.venue(venue).publish(Trade(f"{symbol}-USD", str(self._trades), price, 1.0, "buy", moment))

    def candle(self, symbol: str, close: float) -> None:
        """A second that closes at this price."""
        assert isinstance(self.clock, FakeClock)
        self.price(symbol, close)
        self.clock.advance(1)
        self.haunt.market.tick()

    def guest(self, *, extended: bool = False, deflate: bool = False, **limits: Any) -> Guest:
        """A new client."""
        haunt, wire = self.haunt, FakeWire()
        session = Session(wire, form=Form(extended, deflate), clock=self.clock, **limits)
        wire.on_blocked = session.take_place
        wire.on_drained = lambda: haunt.fanout.drained(session)
        wire.on_closing = lambda: haunt.router.leave(session)
        return Guest(wire, session, haunt.router.receive)

    async def turn(self) -> None:
        """Let the event loop send what changed."""
        for _ in range(100):
            await asyncio.sleep(0)


async def until_some_are_served(guests: Sequence[Guest]) -> None:
    """Let the event loop begin a flush: some of them have been written to."""
    for _ in range(20):
        if any(guest.wire.times for guest in guests):
            return
        await asyncio.sleep(0)


class SlowClock(FakeClock):
    """Every look at it takes five milliseconds, so that a flush takes a turn of the loop for each slice."""

    def monotonic(self) -> float:
        self.advance(0.005)
        return super().monotonic()
