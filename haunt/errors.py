"""Every exception Haunt raises on purpose.

HauntError
 ├─ RequestError     a client asked for something it cannot have; becomes an error frame
 ├─ Refused          the same, over HTTP; becomes an error's status and JSON
 ├─ ConfigError      the configuration has mistakes; carries all of them
 ├─ PluginError      a plugin cannot be used, and why
 └─ SourceLost       a source lost its venue; the supervisor waits and runs it again
     └─ Farewell     its venue will end this connection soon; another takes over
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

ErrorCode = Literal["invalid_message", "invalid_symbol", "rate_limited", "subscription_limit", "internal_error"]


class HauntError(Exception):
    """Base of all of them."""


class RequestError(HauntError):
    """A client's request is refused with one of the five codes of the protocol."""

    def __init__(self, code: ErrorCode, message: str, *, symbol: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.symbol = symbol


class Refused(HauntError):
    """A request over HTTP is refused. `more` stands beside the code and the message in the answer."""

    def __init__(self, status: int, code: str, message: str, **more: object) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.more = more


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in a configuration file. `path` is dotted: `sources.coinbase.depth`."""

    file: str
    line: int | None
    path: str
    message: str

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}, line {self.line}"
        return ": ".join(part for part in (place, self.path, self.message) if part)


class ConfigError(HauntError):
    """A configuration that cannot be used, with every mistake found in it."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


class PluginError(HauntError):
    """A plugin that cannot be used. The message says why and what to do."""


class SourceLost(HauntError):
    """A venue cannot be reached or stopped making sense.

    `retry_after` is the least number of seconds to wait, where the venue named one; `everyone`: it is asked of
    all who go to that host.
    """

    def __init__(self, reason: str, *, retry_after: float = 0.0, everyone: bool = False) -> None:
        super().__init__(reason)
        self.retry_after = retry_after
        self.everyone = everyone


class Farewell(SourceLost):
    """A venue says that it will end this connection soon: raised by a parser, another connection takes over."""
