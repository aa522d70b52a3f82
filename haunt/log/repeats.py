"""What is said over and over, folded."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass
from hashlib import blake2b

OFTEN = 5  # times within a window that the same is written
WINDOW = 60.0  # seconds
MOST_REMEMBERED = 1_000


@dataclass(slots=True)
class _Said:
    """`record` is the first that was left out."""

    since: float
    times: int = 0
    left_out: int = 0
    record: logging.LogRecord | None = None


class Repeats:
    """Counts what was said within the last minute, the traceback included: what differs in anything is new.

    Of more than a thousand different things the oldest is forgotten, and may then be written again.
    """

    def __init__(self) -> None:
        self._said: OrderedDict[bytes, _Said] = OrderedDict()
        self._pushed_out: list[logging.LogRecord] = []

    def admits(self, record: logging.LogRecord, now: float) -> bool:
        """Whether to write it. Ask `due` before: what is due is no longer counted."""
        key = _key(record)
        said = self._said.get(key)
        if said is None:
            said = self._said[key] = _Said(now)
            if len(self._said) > MOST_REMEMBERED:
                self._pushed_out += _told(self._said.popitem(last=False)[1])
        said.times += 1
        if said.times <= OFTEN:
            return True
        said.left_out += 1
        said.record = said.record or record
        return False

    def due(self, now: float) -> Iterator[logging.LogRecord]:
        """Forget what was first said a minute ago; a record for each that was left out since."""
        pushed_out, self._pushed_out = self._pushed_out, []
        yield from pushed_out
        while self._said:
            key, said = next(iter(self._said.items()))
            if now - said.since < WINDOW:
                return
            del self._said[key]
            yield from _told(said)


def _told(said: _Said) -> Iterator[logging.LogRecord]:
    if said.record is not None:
        told = copy(said.record)
        told.msg = f"{told.msg} … repeated {said.left_out} {'time' if said.left_out == 1 else 'times'}"
        told.exc_text = None
        yield told


def _key(record: logging.LogRecord) -> bytes:
    text = "\0".join((record.name, record.levelname, str(record.msg), record.exc_text or ""))
    return blake2b(text.encode(errors="surrogatepass"), digest_size=16).digest()
