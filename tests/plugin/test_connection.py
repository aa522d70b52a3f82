"""The line to a venue, where the venue does not keep to the protocol."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import shutil
import ssl
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from haunt import SourceLost
from haunt.plugin.connection import VenueConnection
from haunt.plugin.rest import fetch

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(serve: Serve, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """The address of a server that does what `serve` does with each connection."""
    tasks: list[asyncio.Task[None]] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.append(asyncio.current_task())  # type: ignore[arg-type]
        try:
            await serve(reader, writer)
        except (asyncio.CancelledError, OSError):
            return
        finally:
            writer.transport.abort()

    async with await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls) as server:
        try:
            yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks)


async def shake_hands(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    request = (await reader.readuntil(b"\r\n\r\n")).decode()
    key = request.partition("Sec-WebSocket-Key: ")[2].partition("\r\n")[0]
    digest = hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()
    writer.write(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + base64.b64encode(digest) + b"\r\n\r\n"
    )
    await writer.drain()


async def never_speaks_again(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await shake_hands(reader, writer)
    await asyncio.Event().wait()


@pytest.mark.gen_test
async def test_the_end_does_not_wait_for_a_venue_that_never_says_goodbye() -> None:
    async with serving(never_speaks_again) as address:
        connection = await VenueConnection.open(f"ws://{address}", within=2.0)
        begun = time.monotonic()
        await connection.close()
        assert time.monotonic() - begun < 0.5


@pytest.mark.gen_test
async def test_a_wrong_handshake_loses_the_source() -> None:
    async def answers_nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"220 mail.example ESMTP ready\r\n\r\n")
        await asyncio.Event().wait()

    async with serving(answers_nonsense) as address:
        with pytest.raises(SourceLost, match="cannot be reached"):
            await VenueConnection.open(f"ws://{address}", within=2.0)


@pytest.mark.gen_test
async def test_a_page_instead_of_a_websocket_loses_the_source() -> None:
    async def answers_a_page(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
        await writer.drain()

    async with serving(answers_a_page) as address:
        with pytest.raises(SourceLost, match="answered 200 OK"):
            await VenueConnection.open(f"ws://{address}", within=2.0)


@pytest.mark.gen_test
@pytest.mark.parametrize("part", [b"", b"\x81", b"\x81\x7e\x01\x00half of a fra"])
async def test_a_line_that_breaks_within_a_frame_loses_the_source(part: bytes) -> None:
    async def breaks_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await shake_hands(reader, writer)
        writer.write(part)
        await writer.drain()

    async with serving(breaks_off) as address:
        connection = await VenueConnection.open(f"ws://{address}", within=2.0)
        with pytest.raises(SourceLost, match=r"closed the connection$"):
            await connection.read(lambda frame: None)
        await connection.close()


@pytest.fixture
def self_signed(tmp_path: Path) -> ssl.SSLContext:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs the openssl command to make a certificate")
    key, certificate = str(tmp_path / "key.pem"), str(tmp_path / "certificate.pem")
    command = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost"]
    subprocess.run([*command, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    return context


@pytest.mark.gen_test
async def test_an_untrusted_certificate_is_refused(self_signed: ssl.SSLContext) -> None:
    async with serving(never_speaks_again, tls=self_signed) as address:
        with pytest.raises(SourceLost, match="CERTIFICATE_VERIFY_FAILED"):
            await VenueConnection.open(f"wss://{address}", within=2.0)
        with pytest.raises(SourceLost, match="CERTIFICATE_VERIFY_FAILED"):
            await fetch(f"https://{address}", connect_timeout=2.0)
