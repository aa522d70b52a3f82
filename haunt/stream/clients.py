"""Everyone who is connected: counted, pinged, told the server's status, and shown out when they must go."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from contextlib import suppress
from itertools import count, islice
from typing import NamedTuple

from haunt.clock import Clock
from haunt.stream.connection import Connection
from haunt.stream.frames import text_frame
from haunt.stream.session import Session

logger = logging.getLogger(__name__)

UNFINISHED_TIMEOUT = 10.0  # seconds for the rest of a message
SLOW_GRACE = 1.0  # seconds for a slow client to see why it is closed
WHY = {1002: "violation", 1007: "violation", 1009: "too large", 1013: "slow", 4000: "idle"}
FAREWELL_WINDOW = 1.0  # seconds over which many clients are told to go, so that they do not all come back at once
FAREWELL_BURST = 50
FAREWELL_RATE = 500  # clients told in a second
SLICE = 256  # clients told before others get their turn: some 9 µs each


class Timing(NamedTuple):
    """When a client is pinged and when it must go; seconds and bytes."""

    idle_timeout: float = 300.0
    ping_interval: float = 30.0
    slow_timeout: float = 10.0
    pending_bytes: int = 1_048_576


class Client:
    """A connection and its session, and what the sweep remembers of them."""

    __slots__ = ("agent", "connection", "peer", "pinged_at", "progress", "progress_at", "session", "since")

    def __init__(self, connection: Connection, session: Session, peer: str, agent: str, now: float) -> None:
        self.connection = connection
        self.session = session
        self.peer = peer
        self.agent = agent
        self.since = now
        self.pinged_at = now
        self.progress = 0
        self.progress_at = now


class Clients:
    """`joined` counts those who came, `refused` those who were not let in, by the code they were told, and `closed`
    why single clients were shown out, by a word of `WHY` or the reason they were given. `leaving`: all must go."""

    def __init__(self, timing: Timing, clock: Clock) -> None:
        self.joined = 0
        self.refused: Counter[str] = Counter()
        self.closed: Counter[str] = Counter()
        self.leaving = False
        self.timing = timing
        self._clock = clock
        self._clients: dict[Connection, Client] = {}
        self._of_peer: Counter[str] = Counter()
        self._numbers = count(1)
        self._empty: asyncio.Event | None = None

    def __len__(self) -> int:
        return len(self._clients)

    def longest(self, most: int) -> list[Client]:
        """Those who have been here longest, they first."""
        return list(islice(self._clients.values(), most))

    def of_peer(self, peer: str) -> int:
        return self._of_peer[peer]

    def name(self, peer: str) -> str:
        """What the next client from this address is called in the log."""
        return f"client {next(self._numbers)} ({peer})"

    def join(self, connection: Connection, session: Session, peer: str, agent: str = "") -> None:
        """`agent` is what its program calls itself."""
        self._clients[connection] = Client(connection, session, peer, agent, self._clock.monotonic())
        self._of_peer[peer] += 1
        self.joined += 1

    def closing(self, connection: Connection) -> None:
        """Nothing more is said to this client."""
        client = self._clients.get(connection)
        if client is None or not connection.shown_out or connection.close_code == 1001:
            return
        self.closed[WHY.get(connection.close_code or 0, connection.close_reason)] += 1
        logger.info("Closed %s: %s (%s)", client.session.name, connection.close_reason, connection.close_code)

    def leave(self, connection: Connection) -> None:
        client = self._clients.pop(connection, None)
        if client is None:
            return
        self._of_peer[client.peer] -= 1
        if not self._of_peer[client.peer]:
            del self._of_peer[client.peer]
        if self._empty is not None and not self._clients:
            self._empty.set()

    async def tell_all(self, payload: bytes) -> None:
        """Send one JSON text to every client, in order with its other answers."""
        frame, everyone = text_frame(payload), list(self._clients.values())
        for start in range(0, len(everyone), SLICE):
            for client in everyone[start : start + SLICE]:
                client.session.send(frame)
            await asyncio.sleep(0)

    def sweep(self) -> None:
        """Ping who is due; close who is idle, slow, or never finishes a message."""
        now = self._clock.monotonic()
        for client in list(self._clients.values()):
            if client.connection.open:
                self._look_at(client, now)

    def _look_at(self, client: Client, now: float) -> None:
        connection, timing = client.connection, self.timing
        if now - connection.last_frame >= timing.idle_timeout:
            connection.close(4000, "idle timeout")
            return
        unfinished = connection.unfinished_since
        if unfinished is not None and now - unfinished >= UNFINISHED_TIMEOUT:
            connection.close(1008, "unfinished message")
            return
        if connection.blocked:
            self._look_at_blocked(client, now)
            return
        client.progress_at = now
        if timing.ping_interval and now - client.pinged_at >= timing.ping_interval:
            client.pinged_at = now
            connection.ping()

    def _look_at_blocked(self, client: Client, now: float) -> None:
        """Bytes decide, not pongs: a client may answer every ping and still never read."""
        transport = client.connection.transport
        if transport.progress != client.progress:
            client.progress, client.progress_at = transport.progress, now
        waiting = transport.waiting + client.session.waiting_bytes
        if waiting > self.timing.pending_bytes or now - client.progress_at >= self.timing.slow_timeout:
            client.connection.close(1013, "slow consumer", grace=SLOW_GRACE)

    async def farewell(self, deadline: float) -> None:
        """Close every connection with 1001 and wait for the answers, `deadline` seconds at most."""
        self.leaving = True
        loop = asyncio.get_running_loop()
        until = loop.time() + deadline
        everyone = list(self._clients.values())
        bursts = -(-len(everyone) // FAREWELL_BURST)
        window = min(FAREWELL_WINDOW, deadline / 4, len(everyone) / FAREWELL_RATE)
        for burst in range(bursts):
            for client in everyone[burst * FAREWELL_BURST : (burst + 1) * FAREWELL_BURST]:
                client.connection.close(1001, "server restarting", grace=max(0.1, until - loop.time()))
            await asyncio.sleep(window / bursts if burst + 1 < bursts else 0)
        if self._clients:
            self._empty = asyncio.Event()
            with suppress(TimeoutError):
                async with asyncio.timeout_at(until):
                    await self._empty.wait()
        for client in list(self._clients.values()):
            client.connection.on_lost()
