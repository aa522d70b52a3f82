"""What starts Haunt on a server is whole: the unit of systemd, the image, the proxies."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import which

import pytest
import trustme
from blocks import ROOT
from serving import HAUNT, Running, serving
from tornado.httpclient import HTTPRequest
from tornado.websocket import websocket_connect

DEPLOY = ROOT / "docs" / "deploy"
UNIT = (DEPLOY / "haunt.service").read_text(encoding="utf-8")
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
LARGEST_EXPOSURE = 2.0  # of 10, by systemd's count


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit, of the Haunt that is installed here."""
    file = tmp_path / "haunt.service"
    file.write_text(UNIT.replace("/opt/haunt/bin/haunt", str(HAUNT)))
    return file


@pytest.mark.skipif(which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_the_unit_is_understood_and_shuts_in_what_it_runs(unit: Path):
    verified = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True)
    assert (verified.returncode, verified.stderr) == (0, "")
    analysed = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", unit], capture_output=True, text=True, check=True
    )
    exposure = re.search(r"Overall exposure level for haunt.service: ([\d.]+)", analysed.stdout)
    assert exposure is not None
    assert float(exposure[1]) <= LARGEST_EXPOSURE


def test_the_image_is_made_of_files_that_are_there_and_runs_as_nobody_special():
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    copied = [line.split() for line in DOCKERFILE.splitlines() if line.startswith("COPY ")]
    sources = [word for words in copied if not words[1].startswith("--") for word in words[1:-1]]
    assert [source for source in sources if not (ROOT / source).exists() or f"!{source}" not in ignored] == []
    assert re.findall(r"^USER (\d+)$", DOCKERFILE, re.MULTILINE) == ["10001"]
    assert len(re.findall(r"^FROM ", DOCKERFILE, re.MULTILINE)) == 2


def test_the_health_check_of_the_image_tells_a_server_from_none(tmp_path: Path):
    health = json.loads(re.search(r"HEALTHCHECK [^\[]*(\[.*\])", DOCKERFILE, re.DOTALL)[1].split("\n")[0])
    command = [HAUNT, "serve", ROOT / "config" / "demo.yaml"]
    with serving(command, tmp_path / "log", environ={}, cwd=tmp_path) as running:
        code = health[2].replace("3000", str(running.port))
        assert subprocess.run([sys.executable, "-c", code]).returncode == 0
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode != 0


@contextmanager
def nginx(folder: Path, port: int, haunt: Running) -> Iterator[None]:
    """The shipped configuration, on a port of its own in front of that server."""
    authority = trustme.CA()
    made = authority.issue_cert("localhost")
    made.private_key_and_cert_chain_pem.write_to_path(folder / "pem")
    authority.cert_pem.write_to_path(folder / "authority.pem")
    text = (DEPLOY / "nginx.conf").read_text(encoding="utf-8")
    text = re.sub(r"/etc/letsencrypt/\S+\.pem", str(folder / "pem"), text)
    text = text.replace("listen 443", f"listen 127.0.0.1:{port}").replace(":3000", f":{haunt.port}")
    text = text.replace("/var/log/nginx", str(folder)).replace("market.example.com", "localhost")
    places = "".join(f"{kind}_temp_path {folder};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    file = folder / "nginx.conf"
    file.write_text(
        f"daemon off; pid {folder}/pid; error_log {folder}/error.log; events {{}} http {{ {places}\n{text}\n}}\n"
    )
    command = ["nginx", "-e", folder / "error.log", "-p", folder, "-c", file]
    subprocess.run([*command, "-t"], check=True, capture_output=True)
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            yield
        finally:
            process.terminate()


@pytest.mark.skipif(which("nginx") is None, reason="needs nginx")
def test_a_client_comes_through_nginx_with_its_own_address(tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environ = {"HAUNT_SERVER__ALLOWED_HOSTS": "[localhost]", "HAUNT_SERVER__TRUSTED_PROXIES": "[127.0.0.1]"}
    command = [HAUNT, "serve", ROOT / "config" / "demo.yaml"]

    async def listen() -> str:
        context = ssl.create_default_context(cafile=tmp_path / "authority.pem")
        request = HTTPRequest(
            f"wss://localhost:{port}/ws?token=mine",
            ssl_options=context,
            headers={"Origin": f"https://localhost:{port}", "X-Forwarded-For": "203.0.113.9"},
        )
        while True:
            try:
                client = await websocket_connect(request)
                break
            except OSError:
                await asyncio.sleep(0.05)
        await client.write_message('{"type":"subscribe","symbols":["btc"]}')
        message = json.loads(await client.read_message() or "{}")
        client.close()
        return str(message["type"])

    with serving(command, tmp_path / "log", environ=environ, cwd=tmp_path) as haunt, nginx(tmp_path, port, haunt):
        assert asyncio.run(asyncio.wait_for(listen(), 10)) == "price_update"
    assert "token" not in (tmp_path / "haunt.log").read_text()
