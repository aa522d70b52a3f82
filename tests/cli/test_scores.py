"""`haunt scores`: how often signals came true, for people and for programs."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from strangers import SIMULATED, running

from haunt.cli import main
from haunt.cli.scores import row

SCORE = {
    "symbol": "btc", "indicator": "rsi\x1b", "timeframe": "1m", "horizon": 5, "signals": 100, "hit_rate": 0.5512,
    "hit_low": 0.4534, "hit_high": 0.6451, "returns": -1.25, "always_up": 0.5, "always_up_returns": 0.5,
    "shuffled": 0.5, "shuffled_low": 0.41, "shuffled_high": 0.59, "verdict": "no better than shuffled",
}  # fmt: skip
FIGURES = [name for name in SCORE if name.startswith(("hit", "always", "shuffled", "returns"))]


async def told(folder: Path, *arguments: str, indicators: str = "indicators: {rsi: }\n") -> Result:
    async with running(folder, SIMULATED + "\n" + indicators) as haunt:
        url = f"http://localhost:{haunt.port}"
        return await asyncio.to_thread(CliRunner().invoke, main, ["scores", *arguments], env={"HAUNT_URL": url})


@pytest.mark.gen_test
async def test_each_indicator_has_a_row_for_each_horizon(tmp_path: Path):
    result = await told(tmp_path, "--symbol", "ETH")
    lines = result.stdout.splitlines()
    assert lines[0].split()[:4] == ["symbol", "indicator", "after", "signals"]
    assert [line.split()[2] for line in lines[1:]] == ["1", "5", "15", "60"]
    for line in lines[1:]:
        assert line.split()[:2] == ["eth", "rsi"]
        assert line.endswith("too few signals: 0 of 30")


@pytest.mark.gen_test
async def test_json_is_the_answer_of_the_server(tmp_path: Path):
    result = await told(tmp_path, "--json", "--symbol", "btc", "--indicator", "rsi")
    assert {(one["symbol"], one["indicator"]) for one in json.loads(result.stdout)["scores"]} == {("btc", "rsi")}


@pytest.mark.gen_test
async def test_an_indicator_that_does_not_run_is_named(tmp_path: Path):
    result = await told(tmp_path, "--indicator", "nothing")
    assert (result.exit_code, "Indicator 'nothing' not found" in result.stderr) == (1, True)


@pytest.mark.gen_test
async def test_without_an_indicator_it_says_so(tmp_path: Path):
    assert (await told(tmp_path, indicators="")).stdout == "no indicator runs\n"


def test_a_row_tells_the_figures_with_where_they_lie():
    assert row(SCORE) == [
        "btc", "rsi?", "5 x 1m", "100", "55% (45% to 65%)", "50%", "41% to 59%", "-1.2", "+0.5",
        "no better than shuffled",
    ]  # fmt: skip


def test_too_few_signals_have_no_figure():
    few = SCORE | dict.fromkeys(FIGURES) | {"signals": 7, "verdict": "too few signals: 7 of 30"}
    assert row(few)[2:] == ["5 x 1m", "7", "", "", "", "", "", "too few signals: 7 of 30"]
