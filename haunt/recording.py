"""Recordings of a venue's raw frames: one JSON object a line, gzip or plain."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import zlib
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Literal, NamedTuple, TypeAlias, cast
from urllib.parse import urlsplit

from haunt.errors import HauntError, PluginError, SourceLost
from haunt.market.events import Event
from haunt.plugin.registry import Registry, options_class
from haunt.plugin.relay import Relay
from haunt.plugin.stream_source import StreamOptions, StreamSource

Direction: TypeAlias = Literal["receive", "send", "connect"]

# A frame of 64 MB, the largest a source takes, with every character escaped.
LONGEST_LINE = 256 * 1024 * 1024
# The url of an adapter that has none by default: it is played to and never connects.
NOWHERE = "wss://recording.invalid"
# Tasks beside a recording that is played wait at most this long for their turn.
LONGEST_TURN = 0.005


class RecordingError(HauntError):
    """A file that is no recording, or is broken from some line on. The message names the file and the line."""


class Line(NamedTuple):
    """One frame or response. `timestamp`: when it was received, in seconds since 1970; None = not recorded.

    `direction` is `receive` for what the venue sent; `send` and `connect` are the recorder's own side.
    `frame` is bytes for a binary frame, as it came: compressed where the venue compresses.
    """

    timestamp: float | None
    kind: Literal["ws", "rest"]
    url: str
    connection: str | None
    direction: Direction
    frame: str | bytes


class Recording:
    """A file of lines, read as a stream: however large it is, one line is held at a time.

    `position` is the number of the file's `size` bytes read so far.
    """

    def __init__(self, path: Path) -> None:
        """Raises RecordingError where there is no such file."""
        self.path = path
        self.position = 0
        try:
            self.size = path.stat().st_size
        except OSError as error:
            raise RecordingError(f"{path} cannot be read: {error.strerror}") from None

    def __iter__(self) -> Iterator[Line]:
        """The lines, each time from the first. Raises RecordingError at the first that cannot be read."""
        number = 0
        try:
            with self.path.open("rb") as file, _uncompressed(file) as lines:
                while text := lines.readline(LONGEST_LINE):
                    number += 1
                    self.position = file.tell()
                    if not text.isspace():
                        yield parse_line(text)
        except EOFError:
            raise RecordingError(f"{self.path}, after line {number}: the file is cut off") from None
        except (zlib.error, gzip.BadGzipFile) as error:
            raise RecordingError(f"{self.path}, after line {number}: the file is damaged: {error}") from None
        except OSError as error:
            raise RecordingError(f"{self.path} cannot be read: {error.strerror}") from None
        except (ValueError, RecursionError) as error:
            raise RecordingError(f"{self.path}, line {number}: not a line of a recording: {error}") from None


def parse_line(text: bytes) -> Line:
    """Raises ValueError with what is wrong."""
    record = json.loads(text.decode())
    if not isinstance(record, dict):
        raise ValueError("must be a JSON object")
    kind, url, timestamp = record.get("kind"), record.get("url_or_channel"), record.get("ts")
    if kind not in ("ws", "rest"):
        raise ValueError(f"'kind' must be ws or rest, not {kind!r:.40}")
    if not isinstance(url, str):
        raise ValueError(f"'url_or_channel' must be a text, not {url!r:.40}")
    if timestamp is not None and not (isinstance(timestamp, int | float) and 0 <= timestamp < 1e12):
        raise ValueError(f"'ts' must be seconds since 1970 or null, not {timestamp!r:.40}")
    direction = record.get("dir", "receive")
    if direction not in ("receive", "send", "connect"):
        raise ValueError(f"'dir' must be send or connect where it is given, not {direction!r:.40}")
    connection = record.get("conn")
    return Line(
        None if timestamp is None else float(timestamp),
        kind,
        url,
        None if connection is None else str(connection),
        direction,
        _frame(record),
    )


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
    """The source that reads the frames of this recording: the one named, or the one whose default `url` has
    the host of the recording's WebSocket. Raises RecordingError or PluginError where there is not just one."""
    if venue is not None:
        named = Registry().source(venue)
        if not issubclass(named, StreamSource):
            raise PluginError(f"{venue} reads no frames of a venue, so it cannot play a recording of them")
        return named
    url = next((line.url for line in recording if line.kind == "ws"), None)
    if url is None:
        raise RecordingError(f"{recording.path} holds no WebSocket frame")
    adapters = _adapters()
    found = [adapter for adapter in adapters if _host(url) and _host(default_url(adapter)) == _host(url)]
    if len(found) == 1:
        return found[0]
    how_many = "several sources are" if found else "no source is"
    names = ", ".join(adapter.name for adapter in found or adapters) or "none is installed"
    raise RecordingError(f"{recording.path} is of {url:.80}, which {how_many} known for; name one of: {names}")


def default_url(adapter: type[StreamSource]) -> str:
    """Where it connects when no `url` is configured; empty where it has no default."""
    default = options_class(adapter).model_fields["url"].default
    return default if isinstance(default, str) else ""


class Player(StreamSource):
    """What a recording changes in an adapter: each event passes `admit` before it is published, and `fetch`
    answers from the recording."""

    admit: Callable[[Event], Event | None]
    """The event to publish in place of this one, or None for none."""
    responses: Mapping[str, str]
    """Bodies of recorded REST answers by the path of their url."""
    connections: set[tuple[str, str | None]]

    def parse(self, frame: str | bytes) -> Iterator[Event]:
        return filter(None, map(self.admit, super().parse(frame)))

    def parse_response(self, url: str, body: str) -> Iterator[Event]:
        return filter(None, map(self.admit, super().parse_response(url, body)))

    async def fetch(self, url: str) -> str:
        body = self.responses.get(urlsplit(url).path)
        if body is None:
            raise SourceLost(f"the recording holds no answer to {url}")
        return body

    def play(self, line: Line) -> None:
        """Publish what the venue said in this line; a connection made anew ends the one before."""
        if line.direction == "connect":
            self._connect(line.url, line.connection)
        if line.direction != "receive":
            return
        if line.kind == "ws":
            # What ends a connection, such as a venue's notice that it will close it, does not end its recording.
            with suppress(SourceLost):
                self.receive(line.frame)
            return
        try:
            for event in self.parse_response(line.url, _text(line.frame)):
                self.relay.publish(event)
        except (ValueError, KeyError, TypeError, IndexError, AttributeError):
            # Recordings also hold answers that are no events: lists of instruments, server times.
            return

    def _connect(self, url: str, connection: str | None) -> None:
        if (url, connection) in self.connections:
            self.relay.close("the recorded connection was lost")
            self.relay.open()
        self.connections.add((url, connection))


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
    player.connections = set()
    return player


def _adapters() -> list[type[StreamSource]]:
    registry = Registry()
    found: list[type[StreamSource]] = []
    for name in registry.installed_names():
        try:
            source = registry.source(name)
        except PluginError:
            continue
        if issubclass(source, StreamSource):
            found.append(source)
    return found


def _host(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def _uncompressed(file: IO[bytes]) -> IO[bytes]:
    compressed = file.read(2) == b"\x1f\x8b"
    file.seek(0)
    return cast(IO[bytes], gzip.GzipFile(fileobj=file)) if compressed else file


def _frame(record: Mapping[str, object]) -> str | bytes:
    raw, encoded = record.get("raw"), record.get("raw_b64")
    if isinstance(raw, str):
        return raw.encode() if record.get("frame") == "binary" else raw
    if isinstance(encoded, str):
        return base64.b64decode(encoded, validate=True)
    raise ValueError("'raw' must be the frame's text, or 'raw_b64' its bytes")


def _text(frame: str | bytes) -> str:
    return frame if isinstance(frame, str) else frame.decode()
