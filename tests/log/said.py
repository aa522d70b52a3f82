"""What one line of the log was made from."""

from __future__ import annotations

import logging


def said(
    text: str, *args: object, level: int = logging.WARNING, error: BaseException | None = None
) -> logging.LogRecord:
    """A record as a logger makes it."""
    about = (type(error), error, error.__traceback__) if error is not None else None
    return logging.LogRecord("haunt.stream", level, "", 0, text, args, about)
