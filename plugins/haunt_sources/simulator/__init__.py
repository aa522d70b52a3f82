"""Simulator: invented venues for trying Haunt out without a network."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Annotated, ClassVar

from pydantic import Field, field_validator

from haunt import Candle, Clock, Relay, Source, SourceLost, SourceOptions, hookimpl
from haunt_sources.simulator.fair import Scenario
from haunt_sources.simulator.market import Simulation

# Seconds: the simulator gives other tasks their turn this often, …
LONGEST_TURN = 0.004
# … wakes no more often than this where it need not, …
SHORTEST_PAUSE = 0.002
# … and leaves out what it could not say in time rather than running after it.
LATEST = 0.1


class SimulatorOptions(SourceOptions):
    seed: int = Field(1, ge=0, description="Another seed, another course of events; the same seed, the same one.")
    scenario: Scenario = Field(
        "calm",
        description="calm; trend: up and down 3 % in ten minutes; crash: a fall of 20 % and recovery every four "
        "minutes; outage: every minute one venue is silent or has lost its books for 20 seconds.",
    )
    updates_per_second: float = Field(50.0, gt=0, le=1_000_000, description="Over all symbols and venues together.")
    venues: tuple[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$")], ...] = Field(
        ("alpha", "bravo", "charlie"), min_length=1, description="The names of the invented venues."
    )
    depth: int = Field(25, ge=1, le=1_000, description="Order-book levels per side.")
    volatility: float = Field(0.6, ge=0, le=10, description="Of the prices, a year: 0.6 is 60 %.")

    @field_validator("venues")
    @classmethod
    def _no_venue_twice(cls, venues: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(venues)) < len(venues):
            raise ValueError("must not name a venue twice")
        return venues


class Schedule:
    """Which updates are due, by number: `rate` a second from the first on. `next` is the first not yet made."""

    def __init__(self, rate: float, first: int = 0) -> None:
        self.next = first
        self._rate = rate
        self._first = first

    def due(self, elapsed: float) -> range:
        """The updates due `elapsed` seconds after the start, without those that are late beyond use."""
        end = self._first + int(elapsed * self._rate)
        return range(max(self.next, end - max(1, int(self._rate * LATEST))), end)

    def pause(self, elapsed: float) -> float:
        """How long to sleep; zero when updates are due already."""
        wait = (self.next + 1 - self._first) / self._rate - elapsed
        return max(wait, SHORTEST_PAUSE) if wait > 0 else 0.0


class Simulator(Source):
    """Invented venues. Prices, books and trades follow from the options alone; only their times are real."""

    name = "simulator"
    simulated: ClassVar[bool] = True
    options: SimulatorOptions

    def __init__(self, options: SimulatorOptions, relay: Relay) -> None:
        super().__init__(options, relay)
        self._clock = Clock()
        self._began = self._clock.milliseconds()
        self._updates = 0
        # Kept from run to run: a market that came back with its first trade ids would repeat itself.
        self._simulation = Simulation(
            [symbol.name for symbol in relay.wanted],
            venues=options.venues,
            quote=options.quotes[0].upper(),
            seed=options.seed,
            scenario=options.scenario,
            depth=options.depth,
            volatility=options.volatility,
        )

    async def candles(self, venue_symbol: str, start: int, end: int) -> Sequence[Candle]:
        """A past that leads to where its prices begin: none after that."""
        markets = {market.instrument.venue_symbol: market for market in self._simulation.markets}
        return markets[venue_symbol].candles(self._began, start, end)

    async def run(self) -> None:
        if not self.relay.choose(self._simulation.instruments):
            raise SourceLost("the simulator is asked for no symbol", retry_after=60)
        self.relay.open()
        for event in self._simulation.opening(self._seconds(), self._clock.milliseconds()):
            self.relay.publish(event)
        time = asyncio.get_running_loop().time
        schedule = Schedule(self.options.updates_per_second, self._updates)
        began = time()
        while True:
            self._publish_due(schedule, began, time)
            self.relay.lost.clear()
            await asyncio.sleep(schedule.pause(time() - began))

    def _publish_due(self, schedule: Schedule, began: float, time: Callable[[], float]) -> None:
        """One turn: what is due, as far as it can be said in time."""
        turn, timestamp = time(), self._clock.milliseconds()
        for number in schedule.due(turn - began):
            self._updates = schedule.next = number + 1
            event = self._simulation.event(self._seconds(), timestamp)
            if event is not None:
                self.relay.publish(event)
            if time() - turn > LONGEST_TURN:
                return

    def _seconds(self) -> float:
        return self._updates / self.options.updates_per_second


@hookimpl
def register_sources(register: Callable[[type[Source]], None]) -> None:
    register(Simulator)
