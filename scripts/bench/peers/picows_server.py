"""picows: its Cython transport's send for each client, the message encoded once."""

from __future__ import annotations

import asyncio

import publisher
import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_create_server


class Stream(WSListener):
    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.TEXT:
            publisher.subscribe(transport, frame.get_payload_as_bytes())

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        publisher.leave(transport)


def send(symbol: str, text: str) -> None:
    message = text.encode()
    for client in publisher.subscribers[symbol]:
        client.send(WSMsgType.TEXT, message)


def unsent() -> bool:
    return any(client.underlying_transport.get_write_buffer_size() for client in publisher.clients)


async def main() -> None:
    await ws_create_server(lambda request: Stream(), "127.0.0.1", publisher.PORT, backlog=4096)
    await publisher.publish(send, unsent=unsent)
    await asyncio.Event().wait()


uvloop.run(main())
