"""The stream over TLS is the same stream; connections come from the address a trusted proxy names."""

from __future__ import annotations

import asyncio
import json
import os
import ssl
from pathlib import Path
from ssl import SSLContext

import pytest
import trustme
from serving import HAUNT
from strangers import SIMULATED, running
from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest
from tornado.websocket import websocket_connect

from haunt.stream.frames import FrameReader, Opcode, masked_frame

FLOOD = """
server: {port: 0, tls: {certificate: c.pem, key: k.pem}}
limits: {send_buffer: 4096, pending_bytes: 8388608}
stream: {orderbook_interval: 0.01, orderbook_depth: 100}
symbols: [btc, eth, sol]
sources: {simulator: {updates_per_second: 2000, depth: 100, venues: [alpha, bravo, charlie, delta, echo]}}
"""
BOOKS = {"type": "subscribe", "symbols": ["btc", "eth", "sol"], "channels": ["orderbook"], "depth": 100}
HANDSHAKE = (
    b"GET /ws?ext=1 HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


@pytest.fixture
def trusting(tmp_path: Path) -> SSLContext:
    """Writes c.pem and k.pem; trusts them."""
    authority = trustme.CA()
    certified(authority, tmp_path)
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def certified(authority: trustme.CA, folder: Path) -> None:
    made = authority.issue_cert("localhost", "127.0.0.1")
    made.cert_chain_pems[0].write_to_path(folder / "c.pem")
    made.private_key_pem.write_to_path(folder / "k.pem")


@pytest.mark.gen_test(timeout=30)
async def test_a_slow_reader_of_big_books_gets_whole_ones_and_the_newest(tmp_path: Path, trusting: SSLContext):
    async with running(tmp_path, FLOOD) as haunt:
        assert haunt.address == f"wss://localhost:{haunt.port}/ws"
        reader, writer = await asyncio.open_connection("localhost", haunt.port, ssl=trusting, limit=2_048)
        writer.write(HANDSHAKE)
        await reader.readuntil(b"\r\n\r\n")
        writer.write(masked_frame(Opcode.TEXT, json.dumps(BOOKS).encode(), b"mask"))
        frames = FrameReader(10_000_000, masked=False)
        books: dict[str, list[int]] = {"btc": [], "eth": [], "sol": []}
        blocked = 0
        while min(map(len, books.values())) < 20:
            for opcode, payload in frames.feed(await reader.read(1_024)):
                if opcode is Opcode.TEXT and (message := json.loads(payload))["type"] == "orderbook_update":
                    assert message["bids"][0]["price"] < message["asks"][0]["price"]
                    books[message["symbol"]].append(message["seq"])
            await asyncio.sleep(0.001)
            blocked += any(client.connection.transport.blocked for client in haunt.clients.longest(1))
        for sequence in books.values():
            assert sequence == sorted(sequence)
        assert blocked
        writer.transport.abort()


@pytest.mark.gen_test
async def test_pages_and_clients_speak_tls_on_the_same_port(tmp_path: Path, trusting: SSLContext):
    async with running(
        tmp_path, SIMULATED.replace("{port: 0}", "{port: 0, tls: {certificate: c.pem, key: k.pem}}")
    ) as haunt:
        url = f"https://localhost:{haunt.port}"
        page = await AsyncHTTPClient().fetch(HTTPRequest(f"{url}/health", ssl_options=trusting))
        assert json.loads(page.body)["clients"]["connected"] == 0
        client = await websocket_connect(HTTPRequest(f"wss://localhost:{haunt.port}/ws", ssl_options=trusting))
        await client.write_message('{"type":"ping"}')
        assert json.loads(await client.read_message() or "")["type"] == "pong"
        client.close()


@pytest.mark.gen_test
async def test_nobody_speaks_tls_older_than_1_2(tmp_path: Path, trusting: SSLContext):
    async with running(tmp_path, FLOOD) as haunt:
        trusting.set_ciphers("ALL:@SECLEVEL=0")
        trusting.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            trusting.maximum_version = ssl.TLSVersion.TLSv1_1
        with pytest.raises(ssl.SSLError, match=r"(?i)protocol|version"):
            await asyncio.open_connection("localhost", haunt.port, ssl=trusting)


@pytest.mark.gen_test
async def test_a_renewed_certificate_is_shown_to_those_who_come_after(tmp_path: Path, trusting: SSLContext):
    async with running(tmp_path, FLOOD) as haunt:
        authority, newly = trustme.CA(), ssl.create_default_context()
        authority.configure_trust(newly)
        stays = await websocket_connect(HTTPRequest(haunt.address, ssl_options=trusting))
        certified(authority, tmp_path)
        haunt.configure(haunt.config)
        (await websocket_connect(HTTPRequest(haunt.address, ssl_options=newly))).close()
        with pytest.raises(ssl.SSLCertVerificationError):
            await websocket_connect(HTTPRequest(haunt.address, ssl_options=trusting))
        await stays.write_message('{"type":"ping"}')
        assert json.loads(await stays.read_message() or "")["type"] == "pong"
        stays.close()


@pytest.mark.gen_test
async def test_connections_are_counted_by_the_address_that_a_trusted_proxy_names(tmp_path: Path):
    limited = SIMULATED.replace("{port: 0}", "{port: 0, trusted_proxies: [127.0.0.1]}").replace(
        "drain: 1", "connections_per_ip: 1"
    )

    async with running(tmp_path, limited) as haunt:

        async def coming_from(said: str) -> None:
            request = HTTPRequest(f"ws://127.0.0.1:{haunt.port}/ws", headers={"X-Forwarded-For": said})
            clients.append(await websocket_connect(request))

        clients: list[object] = []
        await coming_from("198.51.100.7")
        await coming_from("198.51.100.8")
        assert [one.session.name for one in haunt.clients.longest(2)] == [
            "client 1 (198.51.100.7)",
            "client 2 (198.51.100.8)",
        ]
        with pytest.raises(HTTPClientError, match="429"):
            await coming_from("203.0.113.1, 198.51.100.7")
        for client in clients:
            client.close()


@pytest.mark.gen_test
async def test_commands_trust_an_authority_that_the_environment_names(tmp_path: Path):
    authority = trustme.CA()
    certified(authority, tmp_path)
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    async with running(tmp_path, FLOOD) as haunt:
        url = f"https://localhost:{haunt.port}"

        async def said(trusted: str, *words: str) -> str:
            told = await asyncio.create_subprocess_exec(
                *(HAUNT, *words, "--url", url),
                env=os.environ | {"SSL_CERT_FILE": str(tmp_path / trusted)},
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )
            return (await told.communicate())[0].decode()

        assert "simulator" in await said("authority.pem", "sources")
        assert "btc" in await said("authority.pem", "watch", "btc", "--count", "1")
        assert "certificate verify failed" in (await said("k.pem", "sources")).lower()
