"""aiohttp: send_str for each client, the message encoded once."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import publisher
import uvloop
from aiohttp import web


async def stream(request: web.Request) -> web.WebSocketResponse:
    client = web.WebSocketResponse(compress=False)
    await client.prepare(request)
    try:
        async for message in client:
            publisher.subscribe(client, message.data)
    finally:
        publisher.leave(client)
    return client


async def send(symbol: str, text: str) -> None:
    for client in tuple(publisher.subscribers[symbol]):
        with suppress(ConnectionError):
            await client.send_str(text)


async def main() -> None:
    application = web.Application()
    application.router.add_get("/ws", stream)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", publisher.PORT, backlog=4096).start()
    await publisher.publish(send)
    await asyncio.Event().wait()


uvloop.run(main())
