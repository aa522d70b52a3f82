"""A request to a venue, and a sentence for the operator when it fails."""

from __future__ import annotations

import asyncio
import os
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.httputil import HTTPHeaders
from tornado.iostream import IOStream
from tornado.netutil import DefaultLoopResolver
from tornado.simple_httpclient import SimpleAsyncHTTPClient
from tornado.tcpclient import TCPClient

from haunt.errors import SourceLost

Result = TypeVar("Result")

# A list of all markets is megabytes long, and a slow snapshot takes almost as long (25 s seen at Gate).
FETCH_TIMEOUT = 30.0
DAY = 86_400.0
# Refusals that last: this country is not served, this address is banned, or asked too much.
LASTING = {403: 1_800.0, 451: 1_800.0, 418: 600.0, 429: 60.0}
TOO_MUCH = (418, 429)
# ValueError: an address that cannot be one.
FAILURES = (OSError, HTTPClientError, ValueError)


async def fetch(url: str, *, method: str = "GET", connect_timeout: float) -> str:
    """The body of the answer to a GET, or to a POST without a body. Raises SourceLost when there is none, with the
    venue's own Retry-After."""
    # A client of its own: in the shared one ten slow answers of one venue would hold up all the others.
    client = SimpleAsyncHTTPClient(force_instance=True)
    dialler = client.tcp_client = _Dialler()
    try:
        request = HTTPRequest(
            url,
            method,
            body="" if method == "POST" else None,
            connect_timeout=connect_timeout,
            request_timeout=FETCH_TIMEOUT,
            validate_cert=True,
            user_agent="haunt",
        )
        response = await _finished(client.fetch(request))
    except FAILURES as error:
        raise _lost(url, error) from None
    finally:
        dialler.take_back()
        client.close()
    return response.body.decode()


def _lost(url: str, error: Exception) -> SourceLost:
    """What to tell the operator of a request that failed."""
    if not isinstance(error, HTTPClientError) or error.code == 599:  # Tornado's own code for no answer at all
        return SourceLost(f"{url} cannot be reached: {words(error)}")
    headers = error.response.headers if error.response is not None else HTTPHeaders()
    return refused(url, error.code, error.message or "", headers)


def refused(url: str, code: int, reason: str, headers: HTTPHeaders) -> SourceLost:
    """What to tell the operator when a venue answers no."""
    asked = headers.get("Retry-After")
    wait = LASTING.get(code, 0.0) if asked is None else _seconds(asked)
    retry_after = min(max(0.0, wait), DAY)
    return SourceLost(f"{url} answered {code} {reason}", retry_after=retry_after, everyone=code in TOO_MUCH)


def _seconds(retry_after: str) -> float:
    """Of a Retry-After header, which may also be a date."""
    with suppress(ValueError):
        return float(retry_after)
    with suppress(ValueError):
        return parsedate_to_datetime(retry_after).timestamp() - time.time()
    return 0.0


def words(error: BaseException) -> str:
    """What an error says, or at least its name."""
    if isinstance(error, OSError) and not isinstance(error, ssl.SSLError) and (error.errno or 0) > 0:
        return os.strerror(error.errno or 0)
    return str(error) or type(error).__name__


class _Dialler(TCPClient):
    """Opens sockets as Tornado's own client does, and can take back what it opened.

    Cancelling a request is not enough: Tornado goes on with it until its own timeout.
    """

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[object]] = set()
        self._streams: list[IOStream] = []
        super().__init__(_Resolver(tasks=self._tasks))

    async def connect(self, *args: Any, **kwargs: Any) -> IOStream:
        with _enlisted(self._tasks):
            stream = await super().connect(*args, **kwargs)
        self._streams.append(stream)
        return stream

    # Not part of Tornado's public API. Without it a socket would stay open when a cancellation meets its connection.
    def _create_stream(self, *args: Any, **kwargs: Any) -> tuple[IOStream, asyncio.Future[IOStream]]:
        stream, connected = super()._create_stream(*args, **kwargs)
        self._streams.append(stream)
        return stream, connected

    def take_back(self) -> None:
        for task in self._tasks:
            task.cancel()
        for stream in self._streams:
            if stream.socket is not None:  # it went over to the stream that does TLS
                stream.close()


class _Resolver(DefaultLoopResolver):
    """Looks addresses up in a task that can be cancelled."""

    def initialize(self, tasks: set[asyncio.Task[object]]) -> None:
        self._tasks = tasks

    async def resolve(self, *args: Any, **kwargs: Any) -> list[tuple[int, Any]]:
        with _enlisted(self._tasks):
            return await super().resolve(*args, **kwargs)


@contextmanager
def _enlisted(tasks: set[asyncio.Task[object]]) -> Iterator[None]:
    task = asyncio.current_task()
    assert task is not None
    tasks.add(task)
    try:
        yield
    finally:
        tasks.discard(task)


async def _finished(future: asyncio.Future[Result]) -> Result:
    """The result. When this is cancelled, what becomes of the future interests nobody any more."""
    try:
        await asyncio.wait([future])
    except asyncio.CancelledError:
        future.add_done_callback(lambda late: late.cancelled() or late.exception())
        raise
    return future.result()
