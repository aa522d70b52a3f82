"""`haunt completion`, and the words a shell is offered by it."""

from __future__ import annotations

import subprocess
from pathlib import Path
from shutil import which

import pytest
from click.testing import CliRunner
from serving import HAUNT

from haunt.cli import main


def offered(*words: str) -> list[str]:
    environ = {
        "_HAUNT_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join(("haunt", *words)),
        "COMP_CWORD": str(len(words)),
    }
    result = CliRunner().invoke(main, [], prog_name="haunt", env=environ)
    return [line.split(",")[1] for line in result.stdout.splitlines() if line]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "config.yaml").write_text(
        "symbols: [btc, bch, eth]\nsources: {kraken: , kraken_euro: {plugin: kraken}}\n"
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_symbols_and_sources_of_the_configuration_are_offered(folder: Path) -> None:
    assert offered("watch", "b") == ["bch", "btc"]
    assert offered("explain", "e") == ["eth"]
    assert offered("gaps", "--source", "kr") == ["kraken", "kraken_euro"]


def test_plugins_that_are_installed_are_offered(folder: Path) -> None:
    assert offered("test-source", "bitf") == ["bitfinex"]


def test_a_configuration_with_mistakes_offers_nothing(folder: Path) -> None:
    (folder / "config.yaml").write_text("symbols: [btc\n")
    assert offered("watch", "b") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_script_of_a_shell_is_understood_by_it(shell: str) -> None:
    script = CliRunner().invoke(main, ["completion", shell]).stdout
    assert f"_HAUNT_COMPLETE={shell}_complete" in script
    if which(shell) is None:
        pytest.skip(f"needs {shell} to read the script")
    assert subprocess.run([shell, "-n"], input=script, capture_output=True, text=True).stderr == ""


def test_bash_completes_by_the_script(folder: Path) -> None:
    script = CliRunner().invoke(main, ["completion", "bash"]).stdout
    ask = 'COMP_WORDS=(haunt watch b); COMP_CWORD=2; _haunt_completion haunt; echo "${COMPREPLY[@]}"'
    environ = {"PATH": f"{HAUNT.parent}:/usr/bin:/bin"}
    done = subprocess.run(["bash", "-c", script + ask], cwd=folder, env=environ, capture_output=True, text=True)
    assert done.stdout.split() == ["bch", "btc"]
