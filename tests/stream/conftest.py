"""A running Haunt whose market the test makes, and clients for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from typing import Any, TypeAlias

import pytest
from tornado.ioloop import IOLoop

from haunt.app import Haunt
from haunt.testing import eventually

from .stage import Desk, configured, show, tell
from .wire import RawClient

Serve: TypeAlias = Callable[..., Awaitable["Stage"]]
Connect: TypeAlias = Callable[..., Awaitable[RawClient]]


class Stage:
    """A running Haunt; `price` and `book` are what its venue says."""

    def __init__(self, haunt: Haunt) -> None:
        self.haunt = haunt

    def price(self, symbol: str, last: float, *, at: int | None = None, **figures: float) -> None:
        tell(
            self.haunt.relays["alpha"],
            symbol,
            last,
            at=self.haunt.clock.milliseconds() if at is None else at,
            **figures,
        )

    def most_waiting(self) -> int:
        """Bytes that wait for the subscriber of btc for whom most of them wait."""
        cohorts = [one for topic in self.haunt.subscriptions.listeners(("price", "btc")).values() for one in topic]
        sessions = [session for cohort in cohorts for session in (*cohort.ready, *cohort.behind)]
        return max((one.waiting_bytes + one.wire.transport.waiting for one in sessions), default=0)

    def book(self, symbol: str, bids: Any, asks: Any) -> None:
        show(self.haunt.relays["alpha"], symbol, bids, asks, at=self.haunt.clock.milliseconds())


@pytest.fixture
def serve(io_loop: IOLoop) -> Iterator[Serve]:
    """`await serve(limits=…, stream=…, …)`: a Haunt that listens on a free port, stopped when the test ends."""
    running: list[Haunt] = []

    async def start(**settings: Any) -> Stage:
        haunt = Haunt(configured(**settings))
        await haunt.start()
        running.append(haunt)
        await eventually(lambda: all(relay.connected for relay in haunt.relays.values()))
        return Stage(haunt)

    yield start
    for haunt in running:
        io_loop.run_sync(haunt.stop)


@pytest.fixture
def connect(io_loop: IOLoop, serve: Serve) -> Iterator[Connect]:
    """`await connect(stage)`: a client that has shaken hands, or was refused."""
    clients: list[RawClient] = []

    async def open_one(stage: Stage, *args: Any, dial: bool = False, **kwargs: Any) -> RawClient:
        client = await (RawClient.dial if dial else RawClient.connect)(stage.haunt.port, *args, **kwargs)
        clients.append(client)
        return client

    async def hang_up() -> None:
        for client in clients:
            client.hang_up()
        for client in clients:
            with suppress(OSError, TimeoutError):
                await asyncio.wait_for(client.writer.wait_closed(), 1)

    yield open_one
    io_loop.run_sync(hang_up)


@pytest.fixture
def desk() -> Desk:
    """Haunt without sockets, on a clock that stands."""
    return Desk()
