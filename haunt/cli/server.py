"""What a server answers to a question over HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TypeVar
from urllib.error import HTTPError
from urllib.parse import urlencode, urlsplit
from urllib.request import urlopen

import click

from haunt.cli.updates import clean

Command = TypeVar("Command", bound=Callable[..., object])

DEFAULT_URL = "http://localhost:3000"
SCHEMES = {"http": "http", "https": "https", "ws": "http", "wss": "https"}
TIMEOUT = 10.0  # seconds


def server_options(command: Command) -> Command:
    """`url` and `as_json`, for a command that asks a server."""
    command = click.option("--json", "as_json", is_flag=True, help="Print the server's answer as it is.")(command)
    return click.option(
        "--url", envvar="HAUNT_URL", default=DEFAULT_URL, show_default=True, help="The server's address."
    )(command)


def ask(url: str, path: str, query: Mapping[str, str] | None = None) -> str:
    """The answer of the server at `url`, which may hold a token. Raises ClickException, without the token."""
    try:
        parts = urlsplit(url)
        valid = parts.scheme in SCHEMES and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid:
        raise click.UsageError(f"{clean(url)} is no address of a server; write it like {DEFAULT_URL}")
    name = f"{SCHEMES[parts.scheme]}://{parts.netloc}"
    asked = "&".join(filter(None, (parts.query, urlencode(query or {}))))
    return _fetch(name, f"{path}?{asked}" if asked else path)


def _fetch(name: str, path: str) -> str:
    try:
        with urlopen(name + path, timeout=TIMEOUT) as answer:
            return str(answer.read().decode())
    except HTTPError as error:
        raise click.ClickException(f"{name} refuses: {_refusal(error)}") from None
    except OSError as error:
        reason = getattr(error, "reason", error)
        raise click.ClickException(
            f"{name} cannot be reached: {clean(getattr(reason, 'strerror', None) or reason)}"
        ) from None


def _refusal(error: HTTPError) -> str:
    try:
        return clean(json.loads(error.read())["message"])
    except (ValueError, KeyError, TypeError):
        return f"{error.code} {clean(error.reason)}"
