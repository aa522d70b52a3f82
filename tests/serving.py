"""A server as a process of its own, as its user starts it."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tornado.websocket import websocket_connect

HAUNT = Path(sys.prefix) / "bin" / "haunt"
LISTENS = re.compile(r"Haunt listens on ws://localhost:(\d+)/ws")


class Running:
    """A server that listens. `port` is free for it alone."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self._log = log
        self.port = int(self.wait_for(LISTENS)[1])

    @property
    def log(self) -> str:
        return self._log.read_text(encoding="utf-8")

    def wait_for(self, pattern: re.Pattern[str], *, within: float = 20.0) -> re.Match[str]:
        """The first place in the log that matches."""
        deadline = time.monotonic() + within
        while (found := pattern.search(self.log)) is None:
            assert self.process.poll() is None, f"the server has ended: {self.log}"
            assert time.monotonic() < deadline, f"no {pattern.pattern} within {within:g} s: {self.log}"
            time.sleep(0.02)
        return found


@contextmanager
def serving(
    command: Sequence[str | Path], log: Path, *, environ: Mapping[str, str], cwd: Path, port: int = 0
) -> Iterator[Running]:
    """Run a command that serves until the block is left; it must then end without complaint. Port 0: a free one."""
    environ = {**os.environ, "HAUNT_LOG__FORMAT": "pretty", **environ, "HAUNT_SERVER__PORT": str(port)}
    with log.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file, cwd=cwd, env=environ)
    try:
        yield Running(process, log)
        process.terminate()
        assert process.wait(timeout=10) == 0, log.read_text(encoding="utf-8")
    finally:
        process.kill()
        process.wait()


def frames(
    port: int, request: Mapping[str, Any], until: Callable[[list[dict[str, Any]]], object], *, within: float = 20.0
) -> list[dict[str, Any]]:
    """What a client hears that sends this request, up to the frame with which `until` holds."""
    heard: list[dict[str, Any]] = []

    async def listen() -> None:
        connection = await websocket_connect(f"ws://localhost:{port}/ws")
        await connection.write_message(json.dumps(request))
        while not until(heard):
            heard.append(json.loads(await connection.read_message() or "null"))
        connection.close()
        while await connection.read_message() is not None:
            pass

    async def within_time() -> None:
        try:
            await asyncio.wait_for(listen(), within)
        except TimeoutError:
            raise AssertionError(f"heard {len(heard)} frames within {within:g} s, the last: {heard[-3:]}") from None

    asyncio.run(within_time())
    return heard
