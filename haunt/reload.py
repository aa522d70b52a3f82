"""A new configuration takes the place of the old one while Haunt runs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from haunt.config.changes import Changes, changes, in_force, told
from haunt.config.model import Config
from haunt.errors import ConfigError, HauntError, Problem
from haunt.market.restart import learn

if TYPE_CHECKING:
    from haunt.app import Haunt

logger = logging.getLogger(__name__)

SLICE = 64  # clients told of a symbol that is gone before others get their turn
STOPPING = "Haunt is stopping; nothing is reloaded any more"


class Reloads:
    """One at a time. Whoever asks while one is under way shares the next, which reads what is there by then."""

    def __init__(self, haunt: Haunt, read: Callable[[], Config] | None) -> None:
        self._haunt = haunt
        self._read = read
        self._next: asyncio.Task[Changes] | None = None
        self._tasks: set[asyncio.Task[Changes]] = set()
        self._one_at_a_time = asyncio.Lock()
        self._closed = False

    async def ask(self) -> Changes:
        """Read the configuration again, and do what it changes. Raises ConfigError, and then nothing changed;
        HauntError where nothing can be reloaded."""
        if self._read is None:
            raise HauntError("This server was not started from a file; nothing can be read again")
        if self._closed:
            raise HauntError(STOPPING)
        if self._next is None:
            self._next = asyncio.create_task(self._reload(self._read), name="reload")
            self._tasks.add(self._next)
            self._next.add_done_callback(self._tasks.discard)
        asked = self._next
        try:
            return await asyncio.shield(asked)
        except asyncio.CancelledError:
            if not asked.cancelled():
                raise
            raise HauntError(STOPPING) from None

    async def close(self) -> None:
        """No more of them; one that is under way ends where it is."""
        self._closed = True
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _reload(self, read: Callable[[], Config]) -> Changes:
        async with self._one_at_a_time:
            self._next = None
            try:
                config = await asyncio.to_thread(read)
                _keep_invented_apart(self._haunt, config)
            except ConfigError as error:
                for problem in error.problems:
                    logger.error("Not reloaded, all goes on as it was: %s", problem)
                raise
            try:
                done = await _apply(self._haunt, config)
            except Exception:
                logger.exception("The reload ended half-way; restart Haunt")
                raise
            logger.info("Reloaded: %s", told(done))
            return done


def _keep_invented_apart(haunt: Haunt, config: Config) -> None:
    """Raises ConfigError where made-up prices would come into a history of real ones."""
    if haunt.history.path is None:
        return
    raise_for = [
        Problem("", None, f"sources.{one.name}", "its data is made up and the history is on disk; restart Haunt for it")
        for one in config.sources.values()
        if one.enabled and one.cls.simulated
    ]
    if raise_for:
        raise ConfigError(raise_for)


async def _apply(haunt: Haunt, new: Config) -> Changes:
    """Whatever is new is there before it can be asked for, and what goes is asked for no more before it is gone."""
    old, found = haunt.config, changes(haunt.config, new)
    sources, symbols = found.sources, found.symbols
    stillborn = [one for one in haunt.broken if one not in old.broken and one.name in _untouched(new, found)]
    if not _only_settings(found):
        await haunt.let_go_of_the_past()
    haunt.configure(in_force(old, new))
    haunt.broken[:] = [*new.broken, *stillborn]
    for broken in new.broken:
        if broken not in old.broken:
            logger.error("The %s %s cannot run: %s; everything else does", broken.kind, broken.name, broken.reason)
    for symbol in new.symbols:
        if symbol.name in symbols.added or symbol.name in symbols.changed:
            haunt.market.track(symbol)
    haunt.symbols.change(new.symbols)
    haunt.signals.change(haunt.indicators, [one.name for one in new.symbols], new.history.keep)
    await _revoke(haunt, symbols.removed)
    anew = [*sources.restarted, *sources.adjusted]
    await asyncio.gather(*(haunt.stop_source(name) for name in (*sources.stopped, *anew)))
    for name in sources.stopped:
        haunt.gaps.forget(name)
    for name in symbols.removed:
        haunt.market.drop(name)
    for source in new.sources.values():
        if source.name in sources.started or source.name in anew:
            haunt.start_source(source)
    await learn(haunt.signals, haunt.history)
    if haunt.history.path is None and new.history.path is not None and not haunt.simulated:
        found.needs_restart.append("history.path")
    return found


def _only_settings(found: Changes) -> bool:
    lists = (*found.sources, *found.symbols, *found.indicators)
    return not any(lists) and "history.keep" not in found.settings


def _untouched(config: Config, found: Changes) -> set[str]:
    touched = {*found.sources.started, *found.sources.restarted, *found.sources.adjusted}
    return {name for name, one in config.sources.items() if one.enabled} - touched


async def _revoke(haunt: Haunt, symbols: Iterable[str]) -> None:
    for symbol in symbols:
        for number, session in enumerate(haunt.subscriptions.subscribers(symbol), 1):
            haunt.router.revoke(session, symbol)
            if number % SLICE == 0:
                await asyncio.sleep(0)
