"""A running server: where it is, and what it answers to a question over HTTP."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, NamedTuple, TypeVar
from urllib.error import HTTPError
from urllib.parse import urlencode, urlsplit
from urllib.request import Request, urlopen

import click

from haunt.cli.updates import clean

Command = TypeVar("Command", bound=Callable[..., object])

DEFAULT_URL = "http://localhost:3000"
SCHEMES = {"http": "http", "https": "https", "ws": "http", "wss": "https"}
TIMEOUT = 10.0  # seconds
TOKEN, ADMIN_TOKEN = "HAUNT_TOKEN", "HAUNT_ADMIN_TOKEN"


class Server(NamedTuple):
    """A server's address without path, for people too: what follows the `?`, which may be a token, is kept apart."""

    name: str
    query: str
    path: str = "/ws"
    """That of its WebSocket."""

    def resource(self, path: str, query: Mapping[str, str] | None = None) -> str:
        asked = "&".join(filter(None, (self.query, urlencode(query or {}))))
        return f"{self.name}{path}?{asked}" if asked else self.name + path

    @property
    def stream(self) -> str:
        """The address of its WebSocket."""
        return "ws" + self.resource(self.path).removeprefix("http")


class Refusal(click.ClickException):
    """The server's own no. `answer` is what it said, where that was JSON."""

    def __init__(self, name: str, error: HTTPError) -> None:
        self.answer: dict[str, Any] = {}
        reason = f"{error.code} {clean(error.reason)}"
        with suppress(ValueError, KeyError, TypeError):
            answer = json.loads(error.read())
            reason = clean(answer["message"])
            self.answer = answer
        super().__init__(f"{name} refuses: {reason}")


def server_options(command: Command) -> Command:
    """`url` and `as_json`, for a command that asks a server."""
    command = click.option("--json", "as_json", is_flag=True, help="Print the server's answer as it is.")(command)
    return url_option(command)


def url_option(command: Command) -> Command:
    return click.option(
        "--url", envvar="HAUNT_URL", default=DEFAULT_URL, show_default=True, help="The server's address."
    )(command)


def server_at(url: str) -> Server:
    """The server at this address, which may be that of its WebSocket. Raises UsageError."""
    try:
        parts = urlsplit(url)
        valid = parts.scheme in SCHEMES and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid:
        raise click.UsageError(f"{clean(url)} is no address of a server; write it like {DEFAULT_URL}")
    path = parts.path if parts.scheme.startswith("ws") else ""
    return Server(f"{SCHEMES[parts.scheme]}://{parts.netloc}", parts.query, path if path.strip("/") else "/ws")


def credentials(variable: str = TOKEN) -> dict[str, str]:
    """The header that shows the token in this environment variable, where there is one."""
    token = os.environ.get(variable, "")
    return {"Authorization": f"Bearer {token}"} if token else {}


def ask(url: str, path: str, query: Mapping[str, str] | None = None, *, token: str = TOKEN, method: str = "GET") -> str:
    """The answer of the server at `url`. Raises Refusal or ClickException, which repeat no token.

    `token`: the environment variable that holds what is shown to the server.
    """
    server = server_at(url)
    try:
        request = Request(server.resource(path, query), headers=credentials(token), method=method)
        with urlopen(request, timeout=TIMEOUT) as answer:
            return str(answer.read().decode())
    except HTTPError as error:
        raise Refusal(server.name, error) from None
    except OSError as error:
        reason = getattr(error, "reason", error)
        raise click.ClickException(
            f"{server.name} cannot be reached: {clean(getattr(reason, 'strerror', None) or reason)}"
        ) from None
