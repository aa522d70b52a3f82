"""`haunt doctor`: what Haunt would stumble over on this computer, each with its cure."""

from __future__ import annotations

import json
import resource
import shutil
import socket
from pathlib import Path
from typing import NamedTuple

import pytest
from click.testing import CliRunner, Result
from serving import HAUNT, serving

from haunt.cli import doctor, main

GOOD = "server: {port: 0}\nsymbols: [btc]\nsources: {simulator: }\nhistory: {path: null}\n"


class Usage(NamedTuple):
    free: int


def examined(folder: Path, text: str | None = GOOD, *arguments: str, **environ: str) -> Result:
    file = folder / "haunt.yaml"
    if text is not None:
        file.write_text(text)
    return CliRunner().invoke(main, ["doctor", str(file), *arguments], env=environ)


def finding(result: Result, what: str) -> dict[str, str]:
    return next(one for one in json.loads(result.stdout) if one["what"] == what)


def test_where_nothing_is_wrong_every_line_says_so_and_fits_eighty_columns(tmp_path: Path) -> None:
    result = examined(tmp_path)
    lines = result.stdout.splitlines()
    assert result.exit_code == 0
    assert {line.split()[0] for line in lines if not line.startswith(" ")} <= {"ok", "look"}
    assert max(map(len, lines)) <= 80


def test_it_works_without_a_configuration(tmp_path: Path) -> None:
    result = examined(tmp_path, None, "--json")
    assert finding(result, "config")["verdict"] == "look"
    assert "haunt init" in finding(result, "config")["cure"]


def test_a_configuration_with_mistakes_is_wrong(tmp_path: Path) -> None:
    result = examined(tmp_path, GOOD + "log: {level: loud}\nstream: {x: 1}\n", "--json")
    assert result.exit_code == 1
    assert finding(result, "config")["sentence"].startswith("2 mistakes in ")


def test_sources_that_are_installed_and_not_named_are_told(tmp_path: Path) -> None:
    assert (
        "sources installed but not named: binance, "
        in finding(examined(tmp_path, GOOD, "--json"), "plugins")["sentence"]
    )


def test_a_port_that_another_program_has_is_wrong(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = str(taken.getsockname()[1])
        result = examined(tmp_path, GOOD, "--json", HAUNT_SERVER__PORT=port)
    assert (result.exit_code, finding(result, "port")["verdict"]) == (1, "wrong")
    assert "ss -ltnp" in finding(result, "port")["cure"]


def test_a_haunt_that_runs_already_is_known(tmp_path: Path) -> None:
    with serving([HAUNT, "demo"], tmp_path / "log", environ={}, cwd=tmp_path) as running:
        result = examined(tmp_path, GOOD, "--json", HAUNT_SERVER__PORT=str(running.port))
    assert finding(result, "port")["sentence"].startswith(f"a Haunt runs on port {running.port} already")


@pytest.mark.parametrize(("limit", "verdict"), [(1_024, "look"), (20_000, "ok")])
def test_few_open_files_are_worth_a_look(monkeypatch: pytest.MonkeyPatch, limit: int, verdict: str) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda which: (limit, 50_000))
    assert doctor.files().verdict == verdict


@pytest.mark.parametrize(("free", "verdict"), [(10**12, "ok"), (5 * 10**8, "look"), (10**6, "wrong")])
def test_room_for_the_history_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, verdict: str
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(free))
    (found,) = doctor.room(str(tmp_path / "haunt.yaml"), None)
    assert found.verdict == verdict


def test_probe_asks_the_venues(tmp_path: Path) -> None:
    nowhere = "kraken: {url: 'ws://127.0.0.1:9', rest_url: 'http://127.0.0.1:9'}"
    result = examined(tmp_path, GOOD.replace("simulator: ", nowhere), "--probe")
    assert result.exit_code == 1
    assert "0 of 2 addresses answer" in result.stdout


@pytest.mark.parametrize(("no_color", "coloured"), [("", True), ("1", False)])
def test_colours_are_for_terminals_that_want_them(tmp_path: Path, no_color: str, coloured: bool) -> None:
    (tmp_path / "haunt.yaml").write_text(GOOD)
    asked = ["doctor", str(tmp_path / "haunt.yaml")]
    result = CliRunner().invoke(main, asked, color=True, env={"NO_COLOR": no_color})
    assert ("\x1b[" in result.stdout) == coloured
