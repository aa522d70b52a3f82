"""Asking a Haunt over plain HTTP."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from tornado.httpclient import HTTPResponse
from tornado.simple_httpclient import SimpleAsyncHTTPClient
from tornado.websocket import WebSocketClientConnection, websocket_connect

from haunt.app import Haunt


async def get(
    haunt: Haunt, path: str, *, method: str = "GET", headers: Mapping[str, str] | None = None
) -> HTTPResponse:
    client = SimpleAsyncHTTPClient(force_instance=True)
    try:
        return await client.fetch(
            f"http://127.0.0.1:{haunt.port}{path}",
            method=method,
            headers=dict(headers or {}),
            body=b"" if method in ("POST", "PUT", "PATCH") else None,
            raise_error=False,
        )
    finally:
        client.close()


@asynccontextmanager
async def listening(haunt: Haunt, query: str, *messages: str) -> AsyncIterator[WebSocketClientConnection]:
    """A client of the WebSocket that has said this."""
    client = await websocket_connect(f"ws://127.0.0.1:{haunt.port}/ws?{query}")
    for message in messages:
        await client.write_message(message)
    try:
        yield client
    finally:
        client.close()
        while await client.read_message() is not None:
            pass


async def ask(haunt: Haunt, path: str, headers: Mapping[str, str] | None = None, method: str = "GET") -> Any:
    """What it answers, where it does."""
    answer = await get(haunt, path, headers=headers, method=method)
    assert answer.code == 200, answer.body
    return json.loads(answer.body)
