"""One share of a source's markets, carried by one connection after another."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from random import uniform
from typing import TYPE_CHECKING

from haunt.errors import SourceLost
from haunt.plugin.backoff import HEALTHY_AFTER, wait_after
from haunt.plugin.conversation import Conversation
from haunt.plugin.handover import Handover
from haunt.plugin.recovery import Recovery

if TYPE_CHECKING:
    from haunt.plugin.stream_source import StreamSource

logger = logging.getLogger(__name__)

# A connection is replaced in this part of its life, each at another moment.
REPLACED_AT = (0.85, 0.95)


class Succession:
    """Keeps these markets connected. A connection whose end is known beforehand hands over to the next; one that is
    lost while others of the source stand is made again; the last one's loss is the source's."""

    def __init__(
        self, source: StreamSource, venue_symbols: Sequence[str], recovery: Recovery, standing: set[Succession]
    ) -> None:
        self._source = source
        self._venue_symbols = venue_symbols
        self._recovery = recovery
        self._standing = standing
        self._connected_at: float | None = None

    async def run(self) -> None:
        """Publish until the source is lost, which SourceLost tells."""
        source, time, failures = self._source, asyncio.get_running_loop().time, 0
        while True:
            self._connected_at = None
            try:
                await self._carry()
            except (SourceLost, OSError) as error:
                self._standing.discard(self)
                if not self._standing:
                    raise
                if self._connected_at is not None and time() - self._connected_at >= HEALTHY_AFTER:
                    failures = 0
                wait = wait_after(failures, error, uniform)
                failures += 1
                source.relay.close(str(error), self._venue_symbols)
                logger.warning(
                    "Source %s lost one of its connections: %s; retrying in %.1f s", source.relay.source, error, wait
                )
                await asyncio.sleep(wait)

    async def _carry(self) -> None:
        """Connect, and replace the connection before it ends, until one is lost."""
        conversation = Conversation(self._source, self._venue_symbols, self._recovery)
        running = asyncio.create_task(conversation.run())
        life, time, farewells = self._source.connection_life, asyncio.get_running_loop().time, 0
        try:
            await _comes(conversation.connected, running)
            self._standing.add(self)
            began = self._connected_at = time()
            while True:
                await _comes(conversation.leaving, running, within=life and life * uniform(*REPLACED_AT))
                farewells = 0 if time() - began >= HEALTHY_AFTER else farewells + 1
                if farewells > 1:
                    # A venue that says goodbye to everyone is not asked again and again.
                    await asyncio.wait([running], timeout=wait_after(farewells, SourceLost(""), uniform))
                conversation, running = await self._replace(conversation, running)
                began = time()
        finally:
            await _end(running)

    async def _replace(self, old: Conversation, running: asyncio.Task[None]) -> tuple[Conversation, asyncio.Task[None]]:
        """Connect beside the old connection, and let it go when the new one says all that it did. Where that fails,
        try again for as long as the old one stands."""
        source, failures = self._source, 0
        while True:
            handover = Handover(source.relay, old.carried)
            new = Conversation(source, self._venue_symbols, self._recovery, handover)
            coming = asyncio.create_task(new.run())
            old.give_way(handover)
            try:
                await _first(running, coming, new.settled)
                if coming.done() and (handover.begun or not isinstance(coming.exception(), SourceLost | OSError)):
                    coming.result()
                if running.done() and (coming.done() or not new.connected.is_set()):
                    running.result()
                if not coming.done():
                    await _end(running)
                    new.take_over()
                    return new, coming
            except BaseException:
                await _end(coming)
                raise
            wait = wait_after(failures, coming.exception() or SourceLost(""), uniform)
            failures += 1
            logger.warning(
                "Source %s cannot replace a connection yet: %s; retrying in %.1f s",
                source.relay.source, coming.exception(), wait,
            )  # fmt: skip
            await asyncio.wait([running], timeout=wait)


async def _comes(event: asyncio.Event, running: asyncio.Task[None], *, within: float | None = None) -> None:
    """Wait for the event, so many seconds at most. Raises what ended the task before."""
    await _first(running, event, within=within)
    if running.done():
        running.result()


async def _first(*what: asyncio.Task[None] | asyncio.Event, within: float | None = None) -> None:
    """Wait until a task is done or an event comes."""
    waiting = [asyncio.create_task(one.wait()) for one in what if isinstance(one, asyncio.Event)]
    tasks = [one for one in what if isinstance(one, asyncio.Task)]
    try:
        await asyncio.wait([*tasks, *waiting], timeout=within, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for one in waiting:
            one.cancel()


async def _end(task: asyncio.Task[None]) -> None:
    """Whatever it was about to say interests nobody any more."""
    task.cancel()
    await asyncio.wait([task])
    if not task.cancelled():
        task.exception()
