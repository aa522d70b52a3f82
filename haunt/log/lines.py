"""How a line of the log is written: for a person, or for a program."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime


class Pretty(logging.Formatter):
    """What venues and clients say stays in its line and cannot move the cursor; a traceback follows, indented."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(message)s", datefmt="%H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        record.message = _printable(record.getMessage())
        record.asctime = self.formatTime(record, self.datefmt)
        details = "\n".join(filter(None, (record.exc_text, record.stack_info)))
        return "\n    ".join([self.formatMessage(record), *map(_printable, details.split("\n") if details else ())])


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, logger, message and, where there is one, the traceback as `exception`."""

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = {
            "time": time.removesuffix("+00:00") + "Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        details = "\n".join(filter(None, (record.exc_text, record.stack_info)))
        return json.dumps(line | ({"exception": details} if details else {}))


def _printable(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)
