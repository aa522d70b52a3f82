"""LIBRARY URL: read the frames of a WebSocket with a library, each in the way its manual shows."""

from __future__ import annotations

import asyncio
import sys

from meter import Meter

LARGEST = 1 << 20


async def tornado_read(url: str, meter: Meter) -> None:
    from tornado.websocket import websocket_connect

    connection = await websocket_connect(url)
    await connection.read_message()
    meter.start()
    meter.frames = 1
    while await connection.read_message() is not None:
        meter.frames += 1


async def tornado_callback(url: str, meter: Meter) -> None:
    from tornado.websocket import websocket_connect

    closed = asyncio.Event()

    def on_message(message: str | bytes | None) -> None:
        if message is None:
            closed.set()
            return
        if not meter.frames:
            meter.start()
        meter.frames += 1

    await websocket_connect(url, on_message_callback=on_message)
    await closed.wait()


async def websockets(url: str, meter: Meter) -> None:
    from websockets.asyncio.client import connect

    async with connect(url, compression=None, ping_interval=None, max_size=LARGEST) as connection:
        await connection.recv()
        meter.start()
        meter.frames = 1
        async for _ in connection:
            meter.frames += 1


async def aiohttp(url: str, meter: Meter) -> None:
    from aiohttp import ClientSession

    async with ClientSession() as session, session.ws_connect(url, max_msg_size=LARGEST) as connection:
        await connection.receive()
        meter.start()
        meter.frames = 1
        async for _ in connection:
            meter.frames += 1


async def picows(url: str, meter: Meter) -> None:
    from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

    closed = asyncio.Event()

    class Listener(WSListener):
        def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
            if frame.msg_type == WSMsgType.TEXT:
                if not meter.frames:
                    meter.start()
                meter.frames += 1
                frame.get_payload_as_utf8_text()
            elif frame.msg_type == WSMsgType.CLOSE:
                transport.disconnect()

        def on_ws_disconnected(self, transport: WSTransport) -> None:
            closed.set()

    await ws_connect(Listener, url)
    await closed.wait()


READERS = {read.__name__: read for read in (tornado_read, tornado_callback, websockets, aiohttp, picows)}


async def main() -> None:
    meter = Meter()
    await READERS[sys.argv[1]](sys.argv[2], meter)
    meter.tell()


asyncio.run(main())
