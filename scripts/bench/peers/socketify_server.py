"""socketify: uWebSockets' own publish(), called from Python."""

from __future__ import annotations

import publisher
import ujson
from socketify import App, AppListenOptions, CompressOptions, OpCode, WebSocket

subscribed = 0


def on_message(client: WebSocket, message: str | bytes, opcode: OpCode) -> None:
    global subscribed
    for symbol in ujson.loads(message)["symbols"]:
        client.subscribe(symbol)
    subscribed += 1


def on_close(client: WebSocket, code: int, message: str | bytes) -> None:
    global subscribed
    subscribed -= 1


def send(symbol: str, text: str) -> None:
    application.publish(symbol, text, OpCode.TEXT)


application = App()
application.ws(
    "/ws",
    {
        "compression": CompressOptions.DISABLED,
        "max_payload_length": 65_536,
        "max_backpressure": 67_108_864,
        "idle_timeout": 0,
        "message": on_message,
        "close": on_close,
    },
)
application.listen(AppListenOptions(port=publisher.PORT, host="127.0.0.1"), lambda config: None)
application.loop.create_task(publisher.publish(send, subscribed=lambda: subscribed))
application.run()
