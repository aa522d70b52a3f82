"""`haunt plugins` shows what is installed, and why what does not work does not."""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from haunt.cli import main

PLUGIN = """
from __future__ import annotations

from haunt import Source, hookimpl


class Invented(Source):
    name = "listed"
    simulated = True

    async def run(self) -> None: ...


@hookimpl
def register_sources(register):
    register(Invented)
"""


@pytest.fixture(autouse=True)
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package on the path with a plugin that works and one that does not."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("COLUMNS", "300")
    about = tmp_path / "haunt_listed-2.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: haunt-listed\nVersion: 2.0\n")
    (about / "entry_points.txt").write_text("[haunt]\nlisted = listed_plugin\nlisted_ruin = listed_ruin\n")
    (tmp_path / "listed_plugin.py").write_text(PLUGIN)
    (tmp_path / "listed_ruin.py").write_text("raise ValueError('[bold]no[/bold] \\x1b[2J')")
    return about


def listed(*arguments: str) -> str:
    result = CliRunner().invoke(main, ["plugins", *arguments])
    assert result.exit_code == 0
    return result.stdout


def row(name: str) -> str:
    return next(line for line in listed().splitlines() if line.split()[0] == name)


def test_a_plugin_that_works_has_its_package_kind_and_state() -> None:
    assert row("listed").split() == ["listed", "haunt-listed", "2.0", "simulated", "source", "loaded"]


def test_a_plugin_that_does_not_work_has_its_reason_word_for_word() -> None:
    line = row("listed_ruin")
    assert "import_error" in line
    assert "its import raised ValueError: [bold]no[/bold] ?[2J (" in line


def test_the_same_as_data() -> None:
    plugins: dict[str, Any] = {plugin["name"]: plugin for plugin in json.loads(listed("--json"))}
    assert plugins["listed"] == {
        "name": "listed",
        "package": "haunt-listed",
        "version": "2.0",
        "kinds": ["source"],
        "state": "loaded",
        "reason": "",
        "simulated": True,
    }
    assert plugins["listed_ruin"]["state"] == "import_error"


def test_where_none_is_installed_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "entry_points", lambda group: ())
    assert listed() == "No plugin is installed; `pip install -e .` in Haunt's folder installs those under plugins/.\n"


def test_hooks_of_each_plugin_are_told() -> None:
    assert next(line for line in listed("--hooks").splitlines() if line.startswith("listed ")).split() == [
        "listed",
        "loaded",
        "register_sources",
    ]
    hooks = {plugin["name"]: plugin["hooks"] for plugin in json.loads(listed("--hooks", "--json"))}
    assert (hooks["listed"], hooks["listed_ruin"], hooks["rsi"]) == (["register_sources"], [], ["register_indicators"])
