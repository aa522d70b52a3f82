"""Plain Tornado: write_message for each client, the message encoded once."""

from __future__ import annotations

import asyncio

import publisher
from tornado.httpserver import HTTPServer
from tornado.web import Application
from tornado.websocket import WebSocketHandler


class Stream(WebSocketHandler):
    def check_origin(self, origin: str) -> bool:
        return True

    def open(self) -> None:
        self.set_nodelay(True)

    def on_message(self, message: str | bytes) -> None:
        publisher.subscribe(self, message)

    def on_close(self) -> None:
        publisher.leave(self)


def send(symbol: str, text: str) -> None:
    for client in publisher.subscribers[symbol]:
        client.write_message(text)


def unsent() -> bool:
    return any(client.ws_connection.stream.writing() for client in publisher.clients)


async def main() -> None:
    HTTPServer(Application([("/ws", Stream)])).listen(publisher.PORT, "127.0.0.1", backlog=4096)
    await publisher.publish(send, unsent=unsent)
    await asyncio.Event().wait()


asyncio.run(main())
