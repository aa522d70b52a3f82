"""The log on standard error."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Collection, Mapping
from contextlib import nullcontext
from typing import Literal, TextIO

from haunt.log.lines import JsonLines, Pretty
from haunt.log.masks import Masks
from haunt.log.repeats import Repeats

Form = Literal["auto", "pretty", "json"]


class Console(logging.StreamHandler[TextIO]):
    """Writes what is said without `secrets`, and the same within a minute only so often."""

    def __init__(self, stream: TextIO, secrets: Collection[str] = ()) -> None:
        super().__init__(stream)
        self.levels: Mapping[str, str] = {}
        self._masks = Masks(secrets)
        self._repeats = Repeats()

    def emit(self, record: logging.LogRecord) -> None:
        try:
            said = self._masks.masked(record)
        except Exception as error:  # an argument cannot be written: its own code, or a wrong number of them
            said = logging.LogRecord(record.name, record.levelno, record.pathname, record.lineno, "", None, None)
            said.msg = f"{record.msg} (what belongs here cannot be written: {type(error).__name__})"
        self.tell_repeats()
        if said.levelno <= logging.DEBUG or self._repeats.admits(said, time.monotonic()):
            super().emit(said)

    def tell_repeats(self, *, at_the_end: bool = False) -> None:
        """Write how often that was said which was left out for a minute; at the end, all of it."""
        with self.lock or nullcontext():
            for record in self._repeats.due(float("inf") if at_the_end else time.monotonic()):
                super().emit(record)

    def close(self) -> None:
        self.tell_repeats(at_the_end=True)
        super().close()


def start(
    form: Form = "auto",
    level: str = "info",
    levels: Mapping[str, str] | None = None,
    *,
    secrets: Collection[str] = (),
) -> Console:
    """Write the log from now on; called again, in the new way only. `levels` are those of single loggers.

    `auto` is pretty on a terminal and JSON elsewhere.
    """
    stop()
    console = Console(sys.stderr, secrets)
    console.setFormatter(Pretty() if form == "pretty" or (form == "auto" and sys.stderr.isatty()) else JsonLines())
    console.levels = levels or {}
    logging.getLogger().addHandler(console)
    for name, own in {"": level, **console.levels}.items():
        logging.getLogger(name).setLevel(own.upper())
    return console


def tell_repeats() -> None:
    """Write how often that was said which was left out for a minute."""
    for console in _consoles():
        console.tell_repeats()


def stop() -> None:
    """Say what is left to say, and no more; loggers have the levels they had before `start`."""
    for console in _consoles():
        logging.getLogger().removeHandler(console)
        console.close()
        for name in console.levels:
            logging.getLogger(name).setLevel(logging.NOTSET)


def _consoles() -> list[Console]:
    return [one for one in logging.getLogger().handlers if isinstance(one, Console)]
