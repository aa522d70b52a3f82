"""websockets: its own broadcast(), which encodes and frames a message once."""

from __future__ import annotations

import asyncio

import publisher
import uvloop
from websockets.asyncio.server import ServerConnection, broadcast, serve


async def stream(client: ServerConnection) -> None:
    try:
        async for message in client:
            publisher.subscribe(client, message)
    finally:
        publisher.leave(client)


def send(symbol: str, text: str) -> None:
    broadcast(publisher.subscribers[symbol], text)


def unsent() -> bool:
    return any(client.transport.get_write_buffer_size() for client in publisher.clients)


async def main() -> None:
    async with serve(stream, "127.0.0.1", publisher.PORT, compression=None, ping_interval=None, backlog=4096):
        await publisher.publish(send, unsent=unsent)
        await asyncio.Event().wait()


uvloop.run(main())
