"""Recordings of a venue's raw frames: one JSON object a line, gzip or plain."""

from __future__ import annotations

import base64
import gzip
import json
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Literal, NamedTuple, TypeAlias, cast

from haunt.errors import HauntError

Direction: TypeAlias = Literal["receive", "send", "connect"]

# A frame of 64 MB, the largest a source takes, with every character escaped.
LONGEST_LINE = 256 * 1024 * 1024


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
