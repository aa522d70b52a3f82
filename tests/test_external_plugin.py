"""A stranger's package: the one docs/plugins.md builds, installed by pip and run beside Haunt."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sysconfig
import venv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from blocks import ROOT, blocks
from serving import frames, serving

DOCUMENT = ROOT / "docs" / "plugins.md"
COMMANDS = [line for block in blocks(DOCUMENT) if block.language == "sh" for line in block.text.splitlines()]
SHOWN = [block for block in blocks(DOCUMENT) if block.language == "json"]
ENDLESS = [command for command in COMMANDS if " serve " in command or command.endswith("venue.py")]
# No network: what is built here uses the setuptools at hand and needs nothing else. A 0 means "no isolation" to pip.
OFFLINE = {"PIP_NO_BUILD_ISOLATION": "0", "PIP_NO_DEPS": "1", "PIP_NO_INDEX": "1", "PIP_QUIET": "1"}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Haunt's folder with Haunt in a fresh .venv, beside the package with the files of the document."""
    place = tmp_path_factory.mktemp("stranger")
    checkout = place / "haunt"
    for folder in ("haunt", "plugins"):
        shutil.copytree(ROOT / folder, checkout / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / file, checkout)
    for block in blocks(DOCUMENT):
        if block.name is not None:
            path = place / "haunt-tidepool" / block.name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
    venv.create(checkout / ".venv", symlinks=True)
    # The tests' own environment lends what Haunt depends on, and pip. Haunt and the plugin are built and installed.
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(checkout / ".venv")}))
    (packages / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    run(checkout, ".venv/bin/python -m pip install .")
    run(checkout, ".venv/bin/python -m pip install ../haunt-tidepool")
    return checkout


def run(checkout: Path, command: str | Sequence[str]) -> str:
    """What a command prints. It must succeed."""
    words = command.split() if isinstance(command, str) else command
    done = subprocess.run(words, cwd=checkout, env=os.environ | OFFLINE, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}:\n{done.stdout}{done.stderr}"
    return done.stdout


@contextmanager
def venue(checkout: Path) -> Iterator[dict[str, str]]:
    """The document's venue, as long as the block; the variables it asks its reader to export."""
    command, _ = ENDLESS
    with subprocess.Popen(command.split(), cwd=checkout, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            lines = [process.stdout.readline().removeprefix("export ").strip() for _ in range(2)]
            yield dict(line.split("=", 1) for line in lines)
        finally:
            process.kill()


def test_haunt_and_the_package_are_installed_and_not_read_from_their_folders(checkout: Path) -> None:
    where = run(checkout / ".venv", ["bin/python", "-c", "import haunt, haunt_tidepool as one; print(haunt, one)"])
    assert where.count(f"{checkout}/.venv/lib/") == 2


def test_its_plugins_are_found_by_their_entry_points(checkout: Path) -> None:
    found = {record["name"]: record for record in json.loads(run(checkout, ".venv/bin/haunt plugins --json"))}
    assert [
        (found[name]["package"], found[name]["version"], found[name]["kinds"], found[name]["state"])
        for name in ("tidepool", "streak")
    ] == [("haunt-tidepool", "0.1.0", ["source"], "loaded"), ("haunt-tidepool", "0.1.0", ["indicator"], "loaded")]


@pytest.mark.parametrize("command", [command for command in COMMANDS if command not in ENDLESS])
def test_a_command_of_the_document_succeeds(checkout: Path, command: str) -> None:
    run(checkout, command)


def test_its_price_and_its_signal_reach_a_client(checkout: Path, tmp_path: Path) -> None:
    _, command = ENDLESS
    with (
        venue(checkout) as exported,
        serving(command.split(), tmp_path / "log", environ=exported, cwd=checkout) as server,
    ):
        heard = frames(
            server.port,
            {"type": "subscribe", "symbols": ["btc"]},
            lambda heard: {"price_update", "signal_update"} <= {frame["type"] for frame in heard},
        )
    prices = [frame["price"] for frame in heard if frame["type"] == "price_update"]
    assert 67_000 <= min(prices) <= max(prices) <= 67_200
    assert (heard[-1]["indicator"], heard[-1]["signal"], heard[-1]["value"]) == ("streak", "buy", 2)


def test_the_frames_the_document_shows_are_read_by_its_parser(checkout: Path) -> None:
    lines = SHOWN[0].text.splitlines()
    read = "import sys, haunt_tidepool.source as s; [print(type(e).__name__) for f in sys.argv[1:] for e in s.parse(f)]"
    said = run(checkout, [".venv/bin/python", "-c", read, *lines])
    assert said.split() == ["Ticker", "Trade", "BookSnapshot", "BookDelta"]


def test_the_recording_the_document_shows_is_played_by_its_source(checkout: Path, tmp_path: Path) -> None:
    (tmp_path / "recording").write_text(SHOWN[1].text, encoding="utf-8")
    played = json.loads(run(checkout, [".venv/bin/haunt", "replay", "--json", str(tmp_path / "recording")]))
    assert (played["source"], played["messages"]) == ("tidepool", 1)
