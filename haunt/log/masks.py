"""Secrets taken out of what is logged."""

from __future__ import annotations

import json
import logging
import re
import traceback
from collections.abc import Collection, Iterator
from copy import copy
from urllib.parse import quote

MASK = "***"
IN_ADDRESS = re.compile(r"([?&](?:\w*token|api_?key|secret|password)=)[^&\s\"'<>#]+", re.IGNORECASE)
IN_HEADER = re.compile(r"\b(Bearer\s+)[!-~]+", re.IGNORECASE)


class Masks:
    """Knows the secrets there are, and where those of others stand: in addresses and in headers."""

    def __init__(self, secrets: Collection[str] = ()) -> None:
        forms = {form for secret in secrets if secret for form in _forms(secret)}
        # A longer one may hold a shorter one. Host names and origins are compared, and told, in lower case.
        longest_first = sorted(forms, key=lambda form: (-len(form), form))
        self._secrets = re.compile("|".join(map(re.escape, longest_first)), re.IGNORECASE) if forms else None

    def masked(self, record: logging.LogRecord) -> logging.LogRecord:
        """A copy whose message and traceback are plain text without secrets."""
        said = copy(record)
        said.msg, said.args = self.hide(self._message(record)), None
        text = record.exc_text
        if record.exc_info and record.exc_info[1] is not None:
            text = "".join(traceback.format_exception(record.exc_info[1])).rstrip("\n")
        said.exc_info, said.exc_text = None, self.hide(text) if text else None
        said.stack_info = self.hide(record.stack_info) if record.stack_info else None
        return said

    def hide(self, text: str) -> str:
        """The text with a mask in the place of each secret."""
        text = IN_HEADER.sub(rf"\1{MASK}", IN_ADDRESS.sub(rf"\1{MASK}", text))
        return self._secrets.sub(MASK, text) if self._secrets else text

    def _message(self, record: logging.LogRecord) -> str:
        """Arguments lose their secrets before they are shortened: half a secret would not be known again."""
        if not isinstance(record.args, tuple):
            return record.getMessage()
        shown = copy(record)
        shown.args = tuple(self._argument(argument) for argument in record.args)
        return shown.getMessage()

    def _argument(self, argument: object) -> object:
        if isinstance(argument, str):
            return self.hide(argument)
        if isinstance(argument, bytes):
            return self.hide(argument.decode("latin-1")).encode("latin-1")
        return argument


def _forms(secret: str) -> Iterator[str]:
    """How a secret may be written: as it is, in an address, in JSON, in Python's quotes of either kind."""
    escaped = secret.replace("\\", "\\\\")
    yield from (secret, quote(secret), quote(secret, safe=""), json.dumps(secret)[1:-1])
    yield from (escaped, escaped.replace("'", "\\'"))
