"""Runs the sources and keeps them running."""

from __future__ import annotations

import asyncio
import logging
import random as chance
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from haunt.clock import Clock
from haunt.errors import SourceLost
from haunt.market.published import SourceState
from haunt.plugin.backoff import HEALTHY_AFTER, wait_after
from haunt.plugin.relay import Relay
from haunt.plugin.source import Source

logger = logging.getLogger(__name__)

# A relay says whether it is connected, not since when.
LOOK_EVERY = 1.0
# Two cancellations fit into the second a stop may take.
PATIENCE = 0.4


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """How one source fares. `waiting`: it lost its venue; `failed`: its plugin has a bug; both are run again at
    `next_try`. `stopped`: it has nothing more to publish. Times are monotonic, by the supervisor's clock."""

    name: str
    plugin: str
    simulated: bool
    state: SourceState
    since: float
    error: str = ""
    """The latest reason it ended for; kept when it runs again."""
    restarts: int = 0
    next_try: float | None = None


@dataclass(slots=True)
class _Supervised:
    source: Source
    relay: Relay
    status: SourceStatus
    supervising: asyncio.Task[None] | None = None
    running: asyncio.Task[None] | None = None
    stopping: bool = False


class Supervisor:
    """Runs each source in a task of its own, so that what one does never touches another."""

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        random: Callable[[float, float], float] = chance.uniform,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._clock = clock or Clock()
        self._random = random
        self._sleep = sleep
        self._sources: dict[str, _Supervised] = {}
        self._abandoned: set[asyncio.Task[None]] = set()

    def start(self, name: str, source: Source, relay: Relay) -> None:
        """Run `source` until `stop(name)`, again and again. Raises ValueError when that name is taken."""
        if name in self._sources:
            raise ValueError(f"source {name} is running; stop it first")
        status = SourceStatus(name, source.name, source.simulated, "starting", self._clock.monotonic())
        supervised = self._sources[name] = _Supervised(source, relay, status)
        supervised.supervising = asyncio.create_task(self._supervise(supervised), name=f"supervisor of {name}")

    async def stop(self, name: str) -> None:
        """End the source and forget it, within a second. Nothing happens for an unknown name."""
        supervised = self._sources.pop(name, None)
        if supervised is None:
            return
        supervised.stopping = True
        tasks = {task for task in (supervised.supervising, supervised.running) if task is not None}
        for _ in range(2):
            for task in tasks:
                task.cancel()
            _, tasks = await asyncio.wait(tasks, timeout=PATIENCE)
            if not tasks:
                break
        supervised.relay.close("stopped")
        for task in tasks:
            self._abandon(supervised, task)

    async def stop_all(self) -> None:
        await asyncio.gather(*(self.stop(name) for name in list(self._sources)))

    def source(self, name: str) -> Source | None:
        """The source of that name, if it runs and is connected."""
        supervised = self._sources.get(name)
        return supervised.source if supervised is not None and supervised.relay.connected else None

    def statuses(self) -> list[SourceStatus]:
        """How every source fares, in the order they were started."""
        for supervised in self._sources.values():
            self._look_at(supervised)
        return [supervised.status for supervised in self._sources.values()]

    # -- one source

    async def _supervise(self, supervised: _Supervised) -> None:
        failures = 0
        while not supervised.stopping:
            self._enter(supervised, "starting")
            error = await self._run(supervised)
            if self._is_healthy(supervised):
                failures = 0
            reason = _reason(error) if error is not None else "it has nothing more to publish"
            supervised.relay.close(reason)
            if error is None:
                self._enter(supervised, "stopped")
                logger.info("Source %s ended: %s", supervised.status.name, reason)
                return
            wait = wait_after(failures, error, self._random)
            failures += 1
            self._report(supervised, error, reason, wait)
            await self._sleep(wait)
            supervised.status = replace(supervised.status, restarts=supervised.status.restarts + 1)

    async def _run(self, supervised: _Supervised) -> BaseException | None:
        """Run the source once. What it raised, None when it returned."""
        running = supervised.running = asyncio.create_task(
            _call(supervised.source), name=f"source {supervised.status.name}"
        )
        running.add_done_callback(_retrieve)
        while not running.done():
            await asyncio.wait([running], timeout=LOOK_EVERY)
            self._look_at(supervised)
        supervised.running = None
        return asyncio.CancelledError("it cancelled itself") if running.cancelled() else running.exception()

    def _look_at(self, supervised: _Supervised) -> None:
        state, connected = supervised.status.state, supervised.relay.connected
        if state == "starting" and connected:
            self._enter(supervised, "connected")
        elif state == "connected" and not connected:
            self._enter(supervised, "starting")

    def _is_healthy(self, supervised: _Supervised) -> bool:
        status = supervised.status
        return status.state == "connected" and self._clock.monotonic() - status.since >= HEALTHY_AFTER

    def _report(self, supervised: _Supervised, error: BaseException, reason: str, wait: float) -> None:
        name, plugin = supervised.status.name, supervised.status.plugin
        if isinstance(error, SourceLost | OSError):
            state: SourceState = "waiting"
            logger.warning("Source %s lost: %s; retrying in %.1f s", name, reason, wait)
        else:
            state = "failed"
            logger.error(
                "Source %s failed: a bug in the plugin %s; retrying in %.1f s", name, plugin, wait, exc_info=error
            )
        self._enter(supervised, state)
        supervised.status = replace(supervised.status, error=reason, next_try=self._clock.monotonic() + wait)

    def _enter(self, supervised: _Supervised, state: SourceState) -> None:
        supervised.status = replace(supervised.status, state=state, since=self._clock.monotonic(), next_try=None)

    def _abandon(self, supervised: _Supervised, task: asyncio.Task[None]) -> None:
        name, plugin = supervised.status.name, supervised.status.plugin
        logger.error("Source %s does not stop: the plugin %s ignores its cancellation; it is abandoned", name, plugin)
        # Nothing of what it still publishes has a feed any more.
        supervised.relay.feeds.clear()
        self._abandoned.add(task)
        task.add_done_callback(self._abandoned.discard)


async def _call(source: Source) -> None:
    await source.run()


def _retrieve(task: asyncio.Task[None]) -> None:
    """What a source raises while it is stopped interests nobody, and asyncio would complain of it later."""
    if not task.cancelled():
        task.exception()


def _reason(error: BaseException) -> str:
    return str(error) or type(error).__name__
