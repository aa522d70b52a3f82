"""Whether an address can be reached from here: name, connection, encryption, answer, each timed."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import time
from collections.abc import Awaitable, Iterable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple, TypeVar
from urllib.parse import SplitResult, urlsplit

from haunt.cli.updates import clean

Result = TypeVar("Result")

PATIENCE = 10.0  # seconds for each step
LARGEST_HEAD = 65_536
PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
SECURE = ("https", "wss")
FAILURES = {
    "DNS": ("its name cannot be looked up", "check the spelling of the host and the name server of this computer"),
    "TCP": ("no connection", "check the port, the firewall and whether this network lets one out"),
    "TLS": ("no encryption", "check the clock, the certificates of this computer and proxies between"),
    "HTTP": ("no answer", "check that the address is that of a venue"),
}
"""Of each step, what it is called when it fails, and the cure."""
UPGRADE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",  # any 16 bytes; nobody listens on
    "Sec-WebSocket-Version": "13",
}
# What a venue means by a refusal, and what can be done.
REFUSALS = {
    401: "it wants to know who asks",
    403: "it does not serve this country or address; use another venue, or another way to it",
    418: "it has banned this address for asking too much; wait some minutes",
    429: "it has been asked too much from here; wait a minute",
    451: "it does not serve this country; use another venue, or another way to it",
}


class Reach(NamedTuple):
    """How an address answered. `steps` are milliseconds, of each step that was done; `ahead` is how many seconds
    its clock is ahead of this computer's, where it told the time."""

    ok: bool
    sentence: str
    steps: Mapping[str, float]
    ahead: float | None = None


class _Failed(Exception):
    """Why a step could not be done."""


async def reach(url: str) -> Reach:
    """Asks as a client would who wants nothing but an answer. Raises nothing."""
    steps: dict[str, float] = {}
    try:
        parts = urlsplit(url)
        if parts.scheme not in PORTS or not parts.hostname:
            raise ValueError
        port = parts.port or PORTS[parts.scheme]
    except ValueError:
        schemes = ", ".join(f"{scheme}://" for scheme in PORTS)
        return Reach(False, f"this is no address; it begins with one of {schemes} and a host", steps)
    try:
        return await _asked(parts, parts.hostname, port, steps)
    except _Failed as error:
        return Reach(False, str(error), steps)


async def _asked(parts: SplitResult, host: str, port: int, steps: dict[str, float]) -> Reach:
    addresses = await _step("DNS", steps, asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM))
    reader, writer = await _step("TCP", steps, _connect(addresses))
    try:
        if parts.scheme in SECURE:
            await _step("TLS", steps, writer.start_tls(ssl.create_default_context(), server_hostname=host))
        status, phrase, headers = await _step("HTTP", steps, _answer(reader, writer, parts))
    finally:
        writer.transport.abort()
    ahead = _ahead(headers.get("date", ""))
    upgrading = parts.scheme.startswith("ws")
    if status in REFUSALS:
        return Reach(False, f"answers {status} {phrase}: {REFUSALS[status]}", steps, ahead)
    if status >= 500:
        return Reach(False, f"answers {status} {phrase}: it is in trouble itself; try again later", steps, ahead)
    if upgrading and status != 101:
        return Reach(False, f"answers {status} {phrase}: it is there, but opens no WebSocket", steps, ahead)
    # The foot of a REST address is often no resource; an answer is an answer.
    return Reach(True, "opens a WebSocket" if upgrading else f"answers {status}", steps, ahead)


async def _step(name: str, steps: dict[str, float], doing: Awaitable[Result]) -> Result:
    """The result of a step, timed. Raises _Failed with what it was and what can be done."""
    began = time.monotonic()
    what, cure = FAILURES[name]
    try:
        result = await asyncio.wait_for(doing, PATIENCE)
    except TimeoutError:
        raise _Failed(f"{what}: nothing came within {PATIENCE:g} s; {cure}") from None
    except (OSError, EOFError, ValueError, asyncio.LimitOverrunError) as error:
        raise _Failed(f"{what}: {_words(error)}; {cure}") from None
    steps[name] = round((time.monotonic() - began) * 1000, 1)
    return result


async def _connect(addresses: Iterable[tuple[Any, ...]]) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """To the first of the addresses that takes it."""
    refused: OSError = OSError("there is no address")
    for *_, (host, port, *_) in addresses:
        try:
            return await asyncio.open_connection(host, port, limit=LARGEST_HEAD)
        except OSError as error:
            refused = error
    raise refused


async def _answer(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, parts: SplitResult
) -> tuple[int, str, dict[str, str]]:
    """The status, its phrase and the headers."""
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    headers = {"Host": parts.netloc.rpartition("@")[2], "User-Agent": "haunt", "Connection": "close"}
    headers |= UPGRADE if parts.scheme.startswith("ws") else {}
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    writer.write(f"GET {path} HTTP/1.1\r\n{head}\r\n".encode())
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    version, status, *phrase = first.split(" ", 2)
    if not version.startswith("HTTP/"):
        raise ValueError("this is no HTTP")
    fields = (line.partition(":") for line in lines)
    return int(status), clean("".join(phrase)), {name.lower(): value.strip() for name, _, value in fields}


def _ahead(date: str) -> float | None:
    """The header tells whole seconds, so the middle of that second is meant."""
    try:
        return parsedate_to_datetime(date).timestamp() + 0.5 - time.time()
    except ValueError:
        return None


def _words(error: BaseException) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not to be trusted ({clean(error.verify_message)})"
    if isinstance(error, EOFError):
        return "it hung up"
    if isinstance(error, ssl.SSLError):
        return clean(error.reason or error).replace("_", " ").lower()
    if isinstance(error, OSError) and error.strerror:
        # Those of a name that is not found are negative and have no other words.
        return os.strerror(error.errno) if error.errno is not None and error.errno > 0 else clean(error.strerror)
    return clean(error) or type(error).__name__
