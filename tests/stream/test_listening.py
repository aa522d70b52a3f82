"""haunt/stream/listening.py"""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from haunt.errors import HauntError
from haunt.stream.listening import listen

# A server that may open 40 files, so that thirty clients are more than it can hold.
SERVER = """
import asyncio, logging, resource, sys
from tornado.web import Application
from tornado.httpserver import HTTPServer
from haunt.stream.listening import listen
logging.basicConfig(level="INFO")
resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
async def main():
    sockets = listen("127.0.0.1", 0)
    server = HTTPServer(Application([]))
    server.add_sockets(sockets)
    print(sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""


@pytest.fixture
def crowded() -> Iterator[subprocess.Popen[str]]:
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", SERVER], stdout=pipe, stderr=pipe, text=True) as process:
        yield process
        process.kill()


def test_loopback_means_both_of_its_addresses_on_one_port() -> None:
    sockets = listen("localhost", 0)
    try:
        assert sockets[0].getsockname()[0] == "127.0.0.1"
        assert {one.getsockname()[1] for one in sockets} == {sockets[0].getsockname()[1]}
    finally:
        for one in sockets:
            one.close()


# Tornado leaves the socket that could not be bound to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_address_in_use_is_told_with_what_to_do() -> None:
    sockets = listen("127.0.0.1", 0)
    try:
        with pytest.raises(HauntError, match=r"Cannot listen on 127.0.0.1 port \d+: .*; stop what uses it or set"):
            listen("127.0.0.1", sockets[0].getsockname()[1])
    finally:
        for one in sockets:
            one.close()


def test_without_descriptors_the_server_rests_says_so_once_and_comes_back(crowded: subprocess.Popen[str]) -> None:
    assert crowded.stdout is not None
    assert crowded.stderr is not None
    port = int(crowded.stdout.readline())
    clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(60)]
    assert "raise the limit of open files" in crowded.stderr.readline()
    time.sleep(1.0)  # Tornado alone writes megabytes of log in this second
    for client in clients:
        client.close()
    assert answer(port).startswith(b"HTTP/1.1 404")
    crowded.kill()
    assert "raise the limit" not in crowded.stderr.read()


def answer(port: int) -> bytes:
    """What the server says to a new client, which may have to wait until it has rested."""
    with socket.create_connection(("127.0.0.1", port), timeout=5.0) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        return client.recv(100)
