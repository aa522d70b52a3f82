"""Plugins that misbehave, and a Haunt that runs them beside the simulator."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from importlib import metadata
from math import inf, nan
from pathlib import Path

from haunt import BookDelta, BookSnapshot, Instrument, Quote, Relay, Source, SourceOptions, Ticker, Trade, hookimpl
from haunt.app import Haunt
from haunt.config.load import load
from haunt.plugin.hookspecs import GROUP
from haunt.plugin.registry import Registry

SIMULATED = """
server: {port: 0}
limits: {drain: 1}
symbols: [btc, eth, usdt]
sources:
  simulator:
    updates_per_second: 500
    volatility: 10
"""


class WordsOptions(SourceOptions):
    words: str = "it broke"


class Raiser(Source):
    """Connects and fails."""

    name = "raiser"
    options: WordsOptions

    async def run(self) -> None:
        self.relay.open()
        raise RuntimeError(self.options.words)


class Stillborn(Source):
    """Fails as it is made."""

    name = "stillborn"

    def __init__(self, options: SourceOptions, relay: Relay) -> None:
        raise RuntimeError("no")

    async def run(self) -> None: ...


class Babbler(Source):
    """Never says anything that could be."""

    name = "babbler"

    async def run(self) -> None:
        self.relay.choose([Instrument("B", "btc", "USD")])
        self.relay.open()
        while True:
            for number in (nan, inf, -1.0, 0.0, 1e300, Decimal("nan"), None, "x"):
                for event in (
                    Quote("B", number, number, None, number),
                    Trade("B", "1", number, number, "buy", number),
                    Ticker("B", number, number, number, number, number),
                    BookSnapshot("B", [(str(number), "1")], number, None, None, number),
                    BookDelta("B", number, [("1", str(number))], number, number, None, 0),
                    Quote("?", 1.0, 2.0, None, None),
                    number,
                ):
                    self.relay.publish(event)
            self.relay.lost.clear()
            await asyncio.sleep(0.01)


class Quoter(Source):
    """Says one thing."""

    name = "quoter"

    async def run(self) -> None:
        self.relay.choose([Instrument("B", "btc", "USD")])
        self.relay.open()
        self.relay.publish(Quote("B", 99.0, 101.0, None, None))
        await asyncio.Event().wait()


@dataclass(eq=False)
class SourcePlugin:
    cls: type[Source]

    @hookimpl
    def register_sources(self, register: Callable[[type[Source]], None]) -> None:
        register(self.cls)


raiser, stillborn, babbler = SourcePlugin(Raiser), SourcePlugin(Stillborn), SourcePlugin(Babbler)
quoter = SourcePlugin(Quoter)
STRANGERS = [
    metadata.EntryPoint(name, f"strangers:{name}", GROUP)
    for name in ("raiser", "stillborn", "babbler", "quoter", "wreck")
]
"""`wreck` cannot be imported."""


SECRETS = {"SECRET": "secret", "EVERYONE": "everyone", "OPERATOR": "operator"}


@asynccontextmanager
async def running(folder: Path, configuration: str = SIMULATED) -> AsyncIterator[Haunt]:
    """A Haunt on a free port with the installed plugins and the strangers above."""
    file = folder / "haunt.yaml"
    file.write_text(configuration, encoding="utf-8")
    registry = Registry([*metadata.entry_points(group=GROUP), *STRANGERS])
    haunt = Haunt(load(file, registry, SECRETS), read=lambda: load(file, registry, SECRETS))
    await haunt.start()
    try:
        yield haunt
    finally:
        await haunt.stop()
