"""The end comes in order and in time, whoever does not want it."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

from serving import HAUNT, serving
from tornado.websocket import websocket_connect

STUBBORN = """
import asyncio

from haunt import Source, SourceOptions, hookimpl


class Stubborn(Source):
    name = "stubborn"
    options: SourceOptions

    async def run(self):
        while True:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                pass


@hookimpl
def register_sources(register):
    register(Stubborn)
"""
CONFIGURATION = "limits: {drain: 3}\nsymbols: [btc]\nsources: {simulator: , stubborn: }\n"
CLIENTS = 200


def test_two_hundred_clients_and_a_source_that_does_not_stop_are_left_in_time(tmp_path: Path):
    """`serving` demands the exit code 0."""
    about = tmp_path / "haunt_stubborn-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: haunt-stubborn\nVersion: 1\n")
    (about / "entry_points.txt").write_text("[haunt]\nstubborn = stubborn\n")
    (tmp_path / "stubborn.py").write_text(STUBBORN)
    (tmp_path / "haunt.yaml").write_text(CONFIGURATION)
    environ = {"PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])}

    async def connect_and_leave() -> list[int | None]:
        clients = []
        with serving([HAUNT, "serve", "haunt.yaml"], tmp_path / "log", environ=environ, cwd=tmp_path) as running:
            for _ in range(CLIENTS):
                clients.append(await websocket_connect(f"ws://localhost:{running.port}/ws"))
                await clients[-1].write_message(json.dumps({"type": "subscribe", "symbols": ["btc"]}))
            await asyncio.gather(*(client.read_message() for client in clients))
            running.process.terminate()
            for client in clients:
                while await client.read_message() is not None:
                    pass
                client.close()
            await asyncio.to_thread(running.process.wait, 10)
        return [client.close_code for client in clients]

    assert asyncio.run(connect_and_leave()) == [1001] * CLIENTS
    log = (tmp_path / "log").read_text()
    assert "Source stubborn does not stop: the plugin stubborn ignores its cancellation; it is abandoned" in log
    assert "Traceback" not in log
