"""`haunt` itself: its commands by what one wants to do, and a guess at a mistyped one."""

from __future__ import annotations

import os

import pytest
from click.testing import CliRunner, Result

from haunt.cli import COMMANDS, GROUPS, main


def haunt(*arguments: str, **environ: str) -> Result:
    return CliRunner().invoke(main, list(arguments), env=environ)


def test_help_lists_every_command_under_what_it_is_for() -> None:
    lines = haunt("--help").stdout.splitlines()
    for heading, commands in GROUPS.items():
        start = lines.index(f"{heading}:") + 1
        assert [line.split()[0] for line in lines[start : start + len(commands)]] == list(commands)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_command_has_an_example_and_fits_eighty_columns(name: str) -> None:
    result = haunt(name, "--help")
    assert result.exit_code == 0
    assert f"  Example: haunt {name}" in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 80


def test_a_mistyped_command_is_guessed() -> None:
    result = haunt("chekc")
    assert (result.exit_code, result.stderr.splitlines()[-1]) == (
        2,
        "Error: There is no command 'chekc'; did you mean 'check'?",
    )
    assert haunt("zzz").stderr.endswith("There is no command 'zzz'; `haunt --help` lists them\n")


def test_a_shell_is_offered_the_commands_without_importing_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("haunt.cli.import_module", lambda name: pytest.fail(f"imported {name}"))
    words = {"_HAUNT_COMPLETE": "bash_complete", "COMP_WORDS": "haunt c", "COMP_CWORD": "1"}
    result = CliRunner().invoke(main, [], prog_name="haunt", env={**os.environ, **words})
    offered = [line.split(",")[1] for line in result.stdout.splitlines()]
    assert offered == [name for name in COMMANDS if name.startswith("c")]
