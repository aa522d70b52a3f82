"""`haunt check` names every mistake, or says what would run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from haunt.cli import main

PLUGIN = """
from __future__ import annotations

from haunt import Indicator, Source, hookimpl


class Invented(Source):
    name = "NAME"
    simulated = True

    async def run(self) -> None: ...


class Gauge(Indicator):
    name = "NAME"

    def update(self, candle): ...


@hookimpl
def register_sources(register):
    register(Invented)


@hookimpl
def register_indicators(register):
    register(Gauge)
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, on the path, with a plugin that works and one that does not."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    about = tmp_path / "haunt_invented-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: haunt-invented\nVersion: 1\n")
    (about / "entry_points.txt").write_text("[haunt]\ncheck_works = check_works\ncheck_ruin = check_ruin\n")
    (tmp_path / "check_works.py").write_text(PLUGIN.replace("NAME", "check_works"))
    (tmp_path / "check_ruin.py").write_text("raise SystemExit('no\\nway')")
    return tmp_path


def check(text: str, *arguments: str, **environ: str) -> Result:
    Path("haunt.yaml").write_text(text)
    return CliRunner().invoke(main, ["check", *(arguments or ("haunt.yaml",))], env=environ)


GOOD = "symbols: [btc, eth]\nsources: {check_works: }\n"


def test_a_good_file_is_summed_up() -> None:
    result = check(
        "server: {host: '::1', token: {env: SECRET}}\n"
        + GOOD
        + "indicators:\n  slow: {plugin: check_works, timeframe: 5m}\n"
        "  off: {plugin: check_works, enabled: false}\n",
        SECRET="house-key",
    )
    assert "house-key" not in result.output
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [
        "haunt.yaml: no mistakes",
        "  listens     http://[::1]:3000, WebSocket at /ws, with a token",
        "  sources     check_works (simulated)",
        "  symbols     btc, eth",
        "  indicators  slow (5m), off (1m, not enabled)",
    ]


def test_every_mistake_is_a_line_and_the_exit_status_is_78() -> None:
    result = check("server: {prot: 1}\nlog: {level: loud}\n" + GOOD)
    assert (result.exit_code, result.stdout) == (78, "")
    assert result.stderr.splitlines() == [
        "haunt.yaml, line 1: server.prot: unknown option; did you mean 'port'?",
        "haunt.yaml, line 2: log.level: must be 'debug', 'info', 'warning' or 'error', not 'loud'",
    ]


def test_a_broken_plugin_is_a_warning() -> None:
    result = check("symbols: [btc]\nsources: {check_works: , mine: {plugin: check_ruin}}\n")
    assert result.exit_code == 0
    assert result.stderr.startswith(
        "warning: source mine will not run: plugin check_ruin: its import raised SystemExit: no way ("
    )


def test_the_environment_counts() -> None:
    result = check(GOOD, HAUNT_SERVER__PORT="x")
    assert (result.exit_code, result.stderr) == (
        78,
        "environment HAUNT_SERVER__PORT: server.port: must be a whole number, not 'x'\n",
    )
    assert "http://127.0.0.1:(any free port)" in check(GOOD, HAUNT_SERVER__PORT="0").stdout


def test_without_a_file_config_yaml_is_checked(folder: Path) -> None:
    missing = CliRunner().invoke(main, ["check"])
    assert missing.exit_code == 78
    assert missing.stderr.startswith("config/config.yaml: there is no such file; ")
    (folder / "config").mkdir()
    (folder / "config" / "config.yaml").write_text(GOOD)
    assert CliRunner().invoke(main, ["check"]).exit_code == 0


def test_the_same_as_data() -> None:
    good = check(GOOD, "--json", "haunt.yaml")
    assert (good.exit_code, json.loads(good.stdout)) == (
        0,
        {"file": "haunt.yaml", "problems": [], "broken": [], "addresses": []},
    )
    wrong = check("server: {prot: 1}\n" + GOOD, "--json", "haunt.yaml")
    message = "unknown option; did you mean 'port'?"
    assert (wrong.exit_code, wrong.stderr) == (78, "")
    assert json.loads(wrong.stdout)["problems"] == [
        {"file": "haunt.yaml", "line": 1, "path": "server.prot", "message": message}
    ]
