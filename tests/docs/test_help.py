"""Every example in the help of a command does what the command is for."""

from __future__ import annotations

import gzip
import json
import os
import re
import subprocess
from pathlib import Path

import pytest
from blocks import ROOT
from click.testing import CliRunner
from serving import HAUNT, Running

from haunt.cli import COMMANDS, main

ENDLESS = {"demo", "serve", "watch"}
HELLO = {"ts": None, "kind": "ws", "url_or_channel": "wss://ws.kraken.com/v2", "raw": '{"channel":"heartbeat"}'}


def example(name: str) -> str:
    help_text = CliRunner().invoke(main, [name, "--help"]).stdout
    return re.findall(r"^  Example: haunt (.+)$", help_text, flags=re.MULTILINE)[0]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What the examples name is there."""
    (tmp_path / "config").symlink_to(ROOT / "config")
    (tmp_path / "kraken.jsonl.gz").write_bytes(gzip.compress(json.dumps(HELLO).encode() + b"\n"))
    return tmp_path


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in ENDLESS])
def test_an_example_succeeds_and_prints_something(name: str, demo: Running, folder: Path) -> None:
    environ = {**os.environ, "HAUNT_URL": f"http://localhost:{demo.port}", "HAUNT_ADMIN_TOKEN": "operator"}
    environ["HAUNT_SERVER__PORT"] = "0"
    done = subprocess.run(
        [HAUNT, *example(name).split()], cwd=folder, env=environ, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip()
    assert "\x1b" not in done.stdout


@pytest.mark.parametrize("name", sorted(ENDLESS & {*COMMANDS}))
def test_an_example_that_never_ends_prints_something(name: str, demo: Running, folder: Path) -> None:
    environ = {**os.environ, "HAUNT_URL": f"http://localhost:{demo.port}", "HAUNT_SERVER__PORT": "0"}
    with subprocess.Popen(
        [HAUNT, *example(name).split()], cwd=folder, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline().strip()
        finally:
            process.terminate()
    assert process.returncode in (0, 1, -15)
