"""`haunt test-source` says how a source bore what its venue did."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner, Result

from haunt.cli import main


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["test-source", *arguments])


def test_a_scenario_has_a_row_with_its_verdict() -> None:
    result = run("coinbase", "--scenario", "calm")
    assert result.exit_code == 0, result.output
    assert [line.split()[:2] for line in result.output.splitlines()[1:]] == [
        ["scenario", "verdict"],
        ["calm", "passed"],
    ]


def test_scores_can_be_read_by_programs() -> None:
    scores = json.loads(run("coinbase", "kraken", "--scenario", "calm", "--json").output)
    assert list(scores) == ["coinbase", "kraken"]
    (score,) = scores["kraken"]
    assert (score["scenario"], score["verdict"], score["reason"]) == ("calm", "passed", "")


@pytest.mark.parametrize(
    ("name", "words"),
    [("nosuch", "no such plugin is installed"), ("rsi", "is an indicator"), ("replay", "has no fake")],
)
def test_what_cannot_be_tested_is_told(name: str, words: str) -> None:
    result = run(name)
    assert result.exit_code == 1
    assert words in result.output
