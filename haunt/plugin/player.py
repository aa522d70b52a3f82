"""Plays recordings through the source of the venue they are of."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import NamedTuple, cast
from urllib.parse import urlsplit

from haunt.errors import PluginError, SourceLost
from haunt.market.events import Event, FrameNumber
from haunt.plugin.registry import Registry, options_class
from haunt.plugin.relay import NONSENSE, Numbering, Read, Relay
from haunt.plugin.stream_source import StreamOptions, StreamSource
from haunt.recording import Line, Recording, RecordingError

# The url of an adapter that has none by default: it is played to and never connects.
NOWHERE = "wss://recording.invalid"
# Tasks beside a recording that is played wait at most this long for their turn.
LONGEST_TURN = 0.005


class Pace:
    """How long to wait before each line, so that they come at `speed` times the speed they were recorded at."""

    def __init__(self, speed: float) -> None:
        self._speed = speed
        self._first: tuple[float, float] | None = None

    def wait(self, timestamp: float | None, now: float) -> float:
        """Seconds until the line of this timestamp is due; a line without one is due at once."""
        if timestamp is None:
            return 0.0
        if self._first is None:
            self._first = timestamp, now
        recorded, began = self._first
        return max(0.0, began + (timestamp - recorded) / self._speed - now)


async def paced(lines: Iterable[Line], speed: float | None) -> AsyncIterator[Line]:
    """The lines at `speed` times their recorded speed; None = as fast as the reader takes them, letting
    other tasks have their turn."""
    loop = asyncio.get_running_loop()
    pace = Pace(speed) if speed is not None else None
    turn_began = loop.time()
    for line in lines:
        now = loop.time()
        wait = pace.wait(line.timestamp, now) if pace is not None else 0.0
        if wait >= 0.001 or now - turn_began >= LONGEST_TURN:
            await asyncio.sleep(wait)
            turn_began = loop.time()
        yield line


def find_adapter(recording: Recording, venue: str | None = None) -> type[StreamSource]:
    """The source that reads the frames of this recording: the one named, or the one that has the host of the
    recording's WebSocket in its default `url` or among its `hosts`. Raises RecordingError or PluginError where
    there is not just one."""
    if venue is not None:
        named = Registry().source(venue)
        if not issubclass(named, StreamSource):
            raise PluginError(f"{venue} reads no frames of a venue, so it cannot play a recording of them")
        return named
    url = next((line.url for line in recording if line.kind == "ws"), None)
    if url is None:
        raise RecordingError(f"{recording.path} holds no WebSocket frame")
    host, adapters = _host(url), _adapters()
    found = [adapter for adapter in adapters if host and host in (_host(default_url(adapter)), *adapter.hosts)]
    if len(found) == 1:
        return found[0]
    how_many = "several sources are" if found else "no source is"
    names = ", ".join(adapter.name for adapter in found or adapters) or "none is installed"
    raise RecordingError(f"{recording.path} is of {url:.80}, which {how_many} known for; name one of: {names}")


def default_url(adapter: type[StreamSource]) -> str:
    """Where it connects when no `url` is configured; empty where it has no default."""
    default = options_class(adapter).model_fields["url"].default
    return default if isinstance(default, str) else ""


class RecordedConnection(NamedTuple):
    """How its frames are read, and what its relay knows of it: `numbering.venue_symbols` are those seen so far."""

    read: Read
    numbering: Numbering


class Player(StreamSource):
    """What a recording changes in an adapter: each event passes `admit` before it is published, and `fetch`
    answers from the recording."""

    admit: Callable[[Event], Event | None]
    """The event to publish in place of this one, or None for none."""
    responses: Mapping[str, str]
    """Bodies of recorded REST answers by the path of their url."""
    connections: dict[tuple[str, str | None], RecordedConnection]

    def parse_response(self, url: str, body: str) -> Iterator[Event]:
        return filter(None, map(self.admit, super().parse_response(url, body)))

    async def fetch(self, url: str, *, method: str = "GET") -> str:
        body = self.responses.get(urlsplit(url).path)
        if body is None:
            raise SourceLost(f"the recording holds no answer to {url}")
        return body

    def read(self, line: Line) -> Iterable[Event]:
        """The events of a frame, as the reader of its connection gives them."""
        return self._connection(line).read(line.frame)

    def play(self, line: Line) -> None:
        """Publish what the venue said in this line; a connection made anew ends the one before."""
        if not self.serves(line.url):
            return
        if line.direction == "connect":
            self._connect(line)
        if line.direction != "receive":
            return
        if line.kind == "ws":
            # What ends a connection, such as a venue's notice that it will close it, does not end its recording.
            with suppress(SourceLost):
                self.relay.receive(line.frame, *self._connection(line))
            return
        try:
            for event in self.parse_response(line.url, _text(line.frame)):
                self.relay.publish(event)
        except (*NONSENSE, AttributeError):
            # Recordings also hold answers that are no events: lists of instruments, server times.
            return

    def _connect(self, line: Line) -> None:
        before = self.connections.pop((line.url, line.connection), None)
        if before is not None:
            carried = before.numbering.venue_symbols
            self.relay.close("the recorded connection was lost", carried)
            self.relay.open(carried)
        self._connection(line)

    def _connection(self, line: Line) -> RecordedConnection:
        key = line.url, line.connection
        found = self.connections.get(key)
        if found is None:
            found = self.connections[key] = self._made()
        return found

    def _made(self) -> RecordedConnection:
        read, seen = self.reader(lambda message: None), set[str]()

        def admitted(frame: str | bytes) -> Iterator[Event]:
            for said in read(frame):
                event = self.admit(said)
                if event is not None:
                    if not isinstance(event, FrameNumber):
                        seen.add(event.venue_symbol)
                    yield event

        return RecordedConnection(admitted, Numbering(seen))


def make_player(adapter: type[StreamSource], relay: Relay, admit: Callable[[Event], Event | None]) -> Player:
    """An adapter with default options that plays recordings into this relay. Raises PluginError where it has
    options without a default."""
    try:
        options = options_class(adapter).model_validate({"url": default_url(adapter) or NOWHERE})
    except ValueError as error:
        raise PluginError(f"{adapter.name} cannot play a recording, its options have no defaults: {error}") from None
    player = cast(type[Player], type(adapter.__name__, (Player, adapter), {}))(cast(StreamOptions, options), relay)
    player.admit = admit
    player.responses = {}
    player.connections = {}
    return player


def _adapters() -> list[type[StreamSource]]:
    registry = Registry()
    sources = [registry.load(name).source for name in registry.installed_names()]
    return [source for source in sources if source is not None and issubclass(source, StreamSource)]


def _host(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def _text(frame: str | bytes) -> str:
    return frame if isinstance(frame, str) else frame.decode()
