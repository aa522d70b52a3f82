"""`haunt check --probe`: each address of a source, whether it answers, and what can be done where it does not."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from shutil import which
from ssl import PROTOCOL_TLS_SERVER, SSLContext

import pytest
from click.testing import CliRunner

from haunt.cli import main, reach
from haunt.cli.reach import Reach
from haunt.testing import FakeVenue

SILENCE = b"nothing until the other side hangs up"
DATE = "Sun, 06 Nov 1994 08:49:37 GMT"


@asynccontextmanager
async def answering(answer: bytes, tls: SSLContext | None = None) -> AsyncIterator[str]:
    """A server on this computer that answers anything with these bytes; `127.0.0.1:PORT`."""

    talks: set[asyncio.Task | None] = set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talks.add(asyncio.current_task())
        with suppress(ConnectionError):
            await reader.read(-1 if answer is SILENCE else 1000)
            writer.write(answer)
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        await asyncio.gather(*filter(None, talks))


async def told(url: Callable[[str], str], answer: bytes) -> Reach:
    async with answering(answer) as address:
        return await reach.reach(url(address))


@pytest.mark.gen_test
async def test_a_websocket_that_opens_is_reached_with_the_time_of_each_step():
    async with FakeVenue() as venue:
        found = await reach.reach(venue.url)
    assert (found.ok, found.sentence, list(found.steps)) == (True, "opens a WebSocket", ["DNS", "TCP", "HTTP"])


@pytest.mark.gen_test
async def test_any_answer_of_a_rest_address_will_do_and_its_clock_is_compared():
    found = await told("http://{}/api?x=1".format, f"HTTP/1.1 404 Not Found\r\nDate: {DATE}\r\n\r\n".encode())
    assert (found.ok, found.sentence) == (True, "answers 404")
    assert found.ahead is not None
    assert found.ahead < -9e8


@pytest.mark.gen_test
@pytest.mark.parametrize(
    ("scheme", "answer", "sentence"),
    [
        ("ws", b"HTTP/1.1 200 OK\r\n\r\n", "answers 200 OK: it is there, but opens no WebSocket"),
        ("http", b"HTTP/1.1 451 No\r\n\r\n", "answers 451 No: it does not serve this country; use another venue"),
        ("http", b"HTTP/1.1 503 Busy\r\n\r\n", "answers 503 Busy: it is in trouble itself; try again later"),
        ("http", b"220 smtp\r\n\r\n", "no answer: this is no HTTP; check that the address is that of a venue"),
        ("http", b"", "no answer: it hung up; check that the address is that of a venue"),
        ("https", b"HTTP/1.1 200 OK\r\n\r\n", "no encryption: "),
    ],
)
async def test_what_is_no_answer_is_told_with_a_cure(scheme: str, answer: bytes, sentence: str):
    found = await told(f"{scheme}://{{}}/".format, answer)
    assert not found.ok
    assert found.sentence.startswith(sentence)


@pytest.mark.gen_test
@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("ws://127.0.0.1:9/", "no connection: Connection refused; check the port, the firewall"),
        ("http://no-such-host.invalid", "its name cannot be looked up: "),
        ("ftp://x", "this is no address; it begins with one of http://"),
        ("http://x:y", "this is no address; it begins with one of http://"),
        ("http://", "this is no address; it begins with one of http://"),
    ],
)
async def test_what_is_not_there_is_told_with_a_cure(url: str, sentence: str):
    found = await reach.reach(url)
    assert not found.ok
    assert found.sentence.startswith(sentence)


@pytest.mark.gen_test
async def test_silence_ends_in_time(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(reach, "PATIENCE", 0.05)
    found = await told("http://{}".format, SILENCE)
    assert found.sentence.startswith("no answer: nothing came within 0.05 s; ")


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """One of this computer's, signed by itself, with its key."""
    if which("openssl") is None:
        pytest.skip("needs openssl to make a certificate")
    file = tmp_path / "certificate.pem"
    command = (
        "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1"
    )
    subprocess.run([*command.split(), "-keyout", file, "-out", f"{file}.crt"], check=True, capture_output=True)
    file.write_bytes(file.read_bytes() + Path(f"{file}.crt").read_bytes())
    return file


@pytest.mark.gen_test
async def test_a_certificate_is_looked_at(certificate: Path, monkeypatch: pytest.MonkeyPatch):
    context = SSLContext(PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    async with answering(b"HTTP/1.1 200 OK\r\n\r\n", context) as address:
        stranger = await reach.reach(f"https://{address}")
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        friend = await reach.reach(f"https://{address}")
    assert stranger.sentence.startswith("no encryption: its certificate is not to be trusted (")
    assert (friend.ok, list(friend.steps)) == (True, ["DNS", "TCP", "TLS", "HTTP"])


def test_check_asks_every_enabled_source_and_exits_with_1_where_one_is_silent(tmp_path: Path):
    file = tmp_path / "haunt.yaml"
    file.write_text(
        "symbols: [btc]\nsources:\n  kraken: {url: 'ws://127.0.0.1:9/?key=hidden', rest_url: 'http://127.0.0.1:9'}\n"
        "  okx: {enabled: false}\n  simulator:\n"
    )
    result = CliRunner().invoke(main, ["check", "--probe", str(file)])
    lines = result.stdout.splitlines()
    assert result.exit_code == 1
    assert [line for line in lines if line.startswith("wrong")] == [
        "wrong  kraken.url  ws://127.0.0.1:9/",
        "wrong  kraken.rest_url  http://127.0.0.1:9",
    ]
    assert lines[6].startswith("       no connection: Connection refused; ")
    data = json.loads(CliRunner().invoke(main, ["check", "--probe", "--json", str(file)]).stdout)
    assert [(one["source"], one["option"], one["ok"]) for one in data["addresses"]] == [
        ("kraken", "url", False),
        ("kraken", "rest_url", False),
    ]
