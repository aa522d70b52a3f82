"""The line between a source and a fake: it freezes, drips, or is cut."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress

from tornado.netutil import bind_sockets

READ = 65_536
ABORT = b"\1\0\0\0\0\0\0\0"  # struct linger: on, no time


class Wire:
    """Passes TCP on to a port of this computer, both ways."""

    def __init__(self) -> None:
        self.port = 0
        self.rate: float | None = None
        """Bytes a second that pass each way; None = all."""
        self._ends: dict[asyncio.Task[None], tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = {}
        self._frozen: set[asyncio.Task[None]] = set()
        self._serving: asyncio.Task[None] | None = None

    def start(self, target: int) -> None:
        """Listen, on the port of the time before if there was one."""
        (listening,) = bind_sockets(self.port, "127.0.0.1")
        self.port = listening.getsockname()[1]
        self._serving = asyncio.create_task(self._serve(listening, target))

    async def stop(self) -> None:
        if self._serving is not None:
            tasks = [self._serving, *self._ends]
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    def freeze(self) -> None:
        """From now on nothing passes on the lines there are, and neither end is told."""
        self._frozen.update(self._ends)

    def cut(self) -> None:
        """Reset the lines there are."""
        for ends in list(self._ends.values()):
            for writer in ends:
                _abort(writer)

    async def _serve(self, listening: socket.socket, target: int) -> None:
        async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await self._connect(reader, writer, target)

        async with await asyncio.start_server(connect, sock=listening) as server:
            await server.serve_forever()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, target: int) -> None:
        line = asyncio.current_task()
        assert line is not None
        try:
            venue_reader, venue_writer = await asyncio.open_connection("127.0.0.1", target)
        except OSError:
            _abort(writer)
            return
        self._ends[line] = (writer, venue_writer)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._pass(reader, venue_writer, line))
                tasks.create_task(self._pass(venue_reader, writer, line))
        except asyncio.CancelledError:
            pass  # `stop`; asyncio's server complains of it
        finally:
            del self._ends[line]
            self._frozen.discard(line)
            _abort(writer)
            _abort(venue_writer)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, line: asyncio.Task[None]) -> None:
        with suppress(OSError):
            while data := await reader.read(READ):
                if line in self._frozen:
                    await asyncio.Event().wait()
                while data and self.rate is not None:
                    writer.write(data[:1])
                    data = data[1:]
                    await asyncio.sleep(1 / self.rate)
                writer.write(data)
                await writer.drain()
            writer.close()


def _abort(writer: asyncio.StreamWriter) -> None:
    connection = writer.get_extra_info("socket")
    if connection is not None and not writer.is_closing():
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
    writer.transport.abort()
