"""`haunt serve` as a process: what it prints, how fast it serves, how it ends."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from blocks import ROOT
from serving import HAUNT, Running, frames
from tornado.websocket import websocket_connect

DEMO = ROOT / "config" / "demo.yaml"
HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
# 100 order books a second of each symbol into buffers of 4 kB: a client that does not read is behind at once.
FLOOD = {
    "HAUNT_SOURCES__SIMULATOR__UPDATES_PER_SECOND": "2000",
    "HAUNT_STREAM__ORDERBOOK_INTERVAL": "0.01",
    "HAUNT_LIMITS__SEND_BUFFER": "4096",
}
SUBSCRIPTION = b'{"type":"subscribe","symbols":["btc","eth","sol"],"channels":["price","orderbook"]}'


class Server(Running):
    """`haunt serve` on a free port, and the process itself."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        super().__init__(process, log)

    def ends(self, *, within: float) -> tuple[int, float]:
        """Its exit code, and the seconds until it ended."""
        began = time.monotonic()
        return self.process.wait(within), time.monotonic() - began


@contextmanager
def server(log: Path, environ: Mapping[str, str] | None = None) -> Iterator[Server]:
    with log.open("wb") as file:
        process = subprocess.Popen(
            [HAUNT, "serve", DEMO],
            stdout=file,
            stderr=file,
            env={**os.environ, "HAUNT_LOG__FORMAT": "pretty", **(environ or {}), "HAUNT_SERVER__PORT": "0"},
        )
    try:
        yield Server(process, log)
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


@contextmanager
def client_that_never_reads(port: int) -> Iterator[None]:
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2_048)
        deaf.connect(("127.0.0.1", port))
        deaf.sendall(HANDSHAKE + bytes([0x81, 0x80 | len(SUBSCRIPTION), 0, 0, 0, 0]) + SUBSCRIPTION)
        yield


def haunt(*words: object, cwd: Path, environ: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = [HAUNT, *map(str, words)]
    return subprocess.run(
        command, cwd=cwd, env={**os.environ, **(environ or {})}, capture_output=True, text=True, timeout=10
    )


def test_price_and_book_come_within_two_seconds_of_the_start(log: Path):
    began = time.monotonic()
    with server(log) as running:
        request = {"type": "subscribe", "symbols": ["btc"], "channels": ["price", "orderbook"]}
        heard = frames(
            running.port, request, lambda heard: {one["type"] for one in heard} >= {"price_update", "orderbook_update"}
        )
        assert time.monotonic() - began < 2
    assert {one["symbol"] for one in heard} == {"btc"}


def test_log_says_where_it_listens_and_that_all_is_simulated(log: Path):
    with server(log) as running:
        running.wait_for(re.compile("SIMULATED DATA from simulator: these prices are made up"))
        assert f"Haunt listens on ws://localhost:{running.port}/ws\n" in running.log


def test_demonstration_gives_signals_within_twenty_seconds(log: Path):
    with server(log) as running:
        request = {"type": "subscribe", "symbols": ["btc", "eth", "sol"], "channels": ["signal"]}
        heard = frames(
            running.port, request, lambda heard: {one["indicator"] for one in heard} == {"rsi", "macd"}, within=20
        )
    assert {one["type"] for one in heard} == {"signal_update"}
    assert {one["signal"] for one in heard} <= {"buy", "sell", "neutral"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_first_signal_says_goodbye_to_every_client(log: Path, number: signal.Signals):
    with server(log) as running:

        async def until_closed() -> list[int | None]:
            clients = [await websocket_connect(f"ws://localhost:{running.port}/ws") for _ in range(20)]
            for client in clients:
                await client.write_message(json.dumps({"type": "subscribe", "symbols": ["btc"]}))
                await client.read_message()
            running.process.send_signal(number)
            for client in clients:
                while await client.read_message() is not None:
                    pass
                client.close()
            return [client.close_code for client in clients]

        assert asyncio.run(until_closed()) == [1001] * 20
        code, seconds = running.ends(within=5)
    assert (code, running.log.count("Traceback")) == (0, 0)
    assert seconds < 2


def test_client_that_never_reads_does_not_hold_it_for_five_seconds(log: Path):
    with server(log, FLOOD) as running, client_that_never_reads(running.port):
        request = {"type": "subscribe", "symbols": ["btc"], "channels": ["orderbook"]}
        frames(running.port, request, lambda heard: len(heard) > 100)
        running.process.terminate()
        code, seconds = running.ends(within=10)
    assert (code, running.log.count("Traceback")) == (0, 0)
    assert 4 < seconds < 5


def test_second_signal_ends_it_at_once(log: Path):
    with server(log) as running, client_that_never_reads(running.port):
        frames(running.port, {"type": "subscribe", "symbols": ["btc"]}, len)
        running.process.send_signal(signal.SIGINT)
        running.wait_for(re.compile("SIGINT: stopping"))
        running.process.send_signal(signal.SIGINT)
        code, seconds = running.ends(within=5)
    assert code == 1
    assert seconds < 1
    assert "SIGINT again: stopping at once" in running.log


def test_port_in_use_is_one_sentence(tmp_path: Path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ended = haunt("serve", DEMO, cwd=tmp_path, environ={"HAUNT_SERVER__PORT": str(port)})
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == (
        f"Cannot listen on 127.0.0.1 port {port}: Address already in use; "
        "stop what uses it or set server.host and server.port\n"
    )


def test_every_mistake_in_the_configuration_is_told(tmp_path: Path):
    (tmp_path / "wrong.yaml").write_text("symbols: [BTC]\nsources:\n  simulator: {seed: -1}\nlimit: {}\n")
    ended = haunt("serve", "wrong.yaml", cwd=tmp_path)
    assert (ended.returncode, ended.stdout) == (78, "")
    assert [line.split(": ")[:2] for line in ended.stderr.splitlines()] == [
        ["wrong.yaml, line 1", "symbols[0]"],
        ["wrong.yaml, line 3", "sources.simulator.seed"],
        ["wrong.yaml, line 4", "limit"],
    ]


def test_without_a_file_the_shipped_one_is_meant(tmp_path: Path):
    ended = haunt("serve", cwd=tmp_path)
    assert ended.returncode == 78
    assert ended.stderr.startswith("config/config.yaml: there is no such file")
