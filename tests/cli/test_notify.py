"""systemd is told when the server is ready, that it lives, and that it stops."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from blocks import ROOT
from serving import HAUNT, LISTENS

from haunt.notify import keep_alive, tell

DEMO = ROOT / "config" / "demo.yaml"


@pytest.fixture(params=["path", "abstract"])
def heard(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    """The socket of one who listens, and how NOTIFY_SOCKET names it."""
    if request.param == "path":
        address = name = str(tmp_path / "notify")
    else:
        address, name = f"\0haunt-{os.getpid()}", f"@haunt-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(address)
        listening.settimeout(20)
        yield listening, name


def test_it_is_told_of_the_life_of_a_server(heard: tuple[socket.socket, str], tmp_path: Path):
    listening, name = heard
    environ = {
        **os.environ,
        "HAUNT_SERVER__PORT": "0",
        "HAUNT_LOG__FORMAT": "pretty",
        "NOTIFY_SOCKET": name,
        "WATCHDOG_USEC": "100000",
    }
    log = tmp_path / "log"
    with log.open("wb") as file, subprocess.Popen([HAUNT, "serve", DEMO], env=environ, stderr=file) as process:
        try:
            states = [listening.recv(100).decode()]
            while "READY=1" not in states:
                states.append(listening.recv(100).decode())
            assert LISTENS.search(log.read_text()), "it is ready when it listens"
            assert [listening.recv(100).decode() for _ in range(3)] == ["WATCHDOG=1"] * 3
            process.send_signal(signal.SIGTERM)
            while states[-1] != "STOPPING=1":
                states.append(listening.recv(100).decode())
            assert process.wait(10) == 0
        finally:
            process.kill()
    assert {*states} == {"WATCHDOG=1", "READY=1", "STOPPING=1"}


@pytest.mark.parametrize("name", ["", "nonsense", "/nowhere/at/all"])
def test_where_nobody_listens_nobody_is_told(name: str):
    tell("READY=1", {"NOTIFY_SOCKET": name})


def test_another_process_of_the_service_keeps_no_watch(heard: tuple[socket.socket, str]):
    environ = {"NOTIFY_SOCKET": heard[1], "WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1"}
    asyncio.run(asyncio.wait_for(keep_alive(environ), 5))
