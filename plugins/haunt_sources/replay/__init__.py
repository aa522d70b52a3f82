"""Replay: a recording of a venue's frames, played through that venue's own source."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, FilePath

from haunt import (
    Event,
    FrameNumber,
    PluginError,
    Recording,
    RecordingError,
    Relay,
    Source,
    SourceLost,
    SourceOptions,
    StreamSource,
    Trade,
    find_adapter,
    hookimpl,
    make_player,
    paced,
)
from haunt_sources.replay.markets import choose, survey

logger = logging.getLogger(__name__)

# Seconds; nothing changes about a file that cannot be played until somebody changes it.
RETRY_AFTER = 60.0


class ReplayOptions(SourceOptions):
    file: FilePath = Field(
        description="The recording: one JSON object a line, gzip or plain; relative to the working directory."
    )
    venue: str | None = Field(None, description="The source that reads it; found by the recorded url when absent.")
    speed: Annotated[float, Field(gt=0)] | Literal["max"] = Field(
        1.0, description="Times the speed it was recorded at; max: as fast as it can be read."
    )
    loop: bool = Field(False, description="Begin again at the end.")


class Replay(Source):
    """Real data, but old: its venue appears as `<source>-recorded`."""

    name = "replay"
    options: ReplayOptions

    def __init__(self, options: ReplayOptions, relay: Relay) -> None:
        super().__init__(options, relay)
        self._rounds = 0

    async def run(self) -> None:
        try:
            recording = Recording(Path(self.options.file))
            adapter = find_adapter(recording, self.options.venue)
            await self._expect(recording, adapter)
            await self._play(recording, adapter)
            while self.options.loop:
                self.relay.close("the recording begins again")
                # A recording shorter than one turn of the loop would never let go of it.
                await asyncio.sleep(0)
                await self._play(recording, adapter)
        except (RecordingError, PluginError) as error:
            raise SourceLost(str(error), retry_after=RETRY_AFTER) from None
        logger.info("Source %s: %s is played to its end", self.relay.source, recording.path)

    async def _expect(self, recording: Recording, adapter: type[StreamSource]) -> None:
        seen, listed = await survey(recording, adapter, self.relay)
        assets = {asset: symbol.name for symbol in self.relay.wanted for asset in symbol.assets}
        quotes = [quote.upper() for quote in self.options.quotes]
        chosen = choose(seen, listed, assets=assets, quotes=quotes)
        if not chosen:
            holds = ", ".join(seen[:10]) or "none"
            raise SourceLost(
                f"{recording.path} holds none of the symbols it is asked for in {', '.join(quotes)}, but {holds}",
                retry_after=RETRY_AFTER,
            )
        for symbol, instrument in chosen.items():
            feed = self.relay.add(instrument._replace(venue=f"{adapter.name}-recorded"), symbol)
            feed.proven.checksum = adapter.checksum
        logger.info(
            "Source %s: plays %s as recorded in %s", self.relay.source, ", ".join(sorted(chosen)), recording.path
        )

    async def _play(self, recording: Recording, adapter: type[StreamSource]) -> None:
        speed = None if self.options.speed == "max" else self.options.speed
        player = make_player(adapter, self.relay, self._admit)
        self._rounds += 1
        self.relay.open()
        async for line in paced(recording, speed):
            player.play(line)
            self.relay.lost.clear()

    def _admit(self, event: Event) -> Event | None:
        if isinstance(event, FrameNumber):
            return event
        if event.venue_symbol not in self.relay.feeds:
            return None
        if isinstance(event, Trade) and self._rounds > 1:
            # A trade is known by its id: without one of its own it would not count again.
            return event._replace(id=f"{event.id}/{self._rounds}")
        return event


@hookimpl
def register_sources(register: Callable[[type[Source]], None]) -> None:
    register(Replay)
