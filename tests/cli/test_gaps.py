"""`haunt gaps`: when which market could not be trusted, for people and for programs."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from strangers import SIMULATED, running

from haunt.cli import main
from haunt.cli.gaps import row
from haunt.testing import eventually
from haunt.web.health import health

TOKEN = SIMULATED.replace("{port: 0}", "{port: 0, token: {env: SECRET}}")
GAP = {
    "source": "kraken", "symbol": "btc", "market": "BTC/USD", "what": "data", "cause": "hung\x1b up",
    "began": 1_700_000_000_000, "ended": 1_700_000_090_000, "lasted": 90.0,
}  # fmt: skip


async def told(folder: Path, *arguments: str, troubled: bool = True, tail: str = "") -> Result:
    """What the command prints, asking a server whose source hung up."""
    async with running(folder, TOKEN if tail else SIMULATED) as haunt:
        await eventually(lambda: health(haunt)["status"] == "ok")
        if troubled:
            haunt.relays["simulator"].close("the venue hung up")
        url = f"http://localhost:{haunt.port}{tail}"
        return await asyncio.to_thread(CliRunner().invoke, main, ["gaps", *arguments], env={"HAUNT_URL": url})


@pytest.mark.gen_test
async def test_table_has_a_row_for_each_gap(tmp_path: Path):
    lines = (await told(tmp_path, "--symbol", "ETH", "--source", "simulator")).stdout.splitlines()
    assert lines[0].split() == ["source", "symbol", "what", "began", "lasted", "cause"]
    assert len(lines) > 3
    for line in lines[1:]:
        assert line.split()[:2] == ["simulator", "eth"]
        assert line.endswith("the venue hung up")


@pytest.mark.gen_test
async def test_json_is_the_answer_of_the_server_and_the_token_goes_with_the_question(tmp_path: Path):
    result = await told(tmp_path, "--json", "--symbol", "btc", tail="?token=secret")
    assert {gap["symbol"] for gap in json.loads(result.stdout)["gaps"]} == {"btc"}


@pytest.mark.gen_test
async def test_token_of_the_environment_is_shown_to_the_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HAUNT_TOKEN", "secret")
    assert (await told(tmp_path, "--json", tail="?")).exit_code == 0
    monkeypatch.setenv("HAUNT_TOKEN", "guess")
    assert (await told(tmp_path, "--json", tail="?")).exit_code == 1


@pytest.mark.gen_test
async def test_where_nothing_is_missing_it_says_so(tmp_path: Path):
    assert (await told(tmp_path, "--open", troubled=False)).stdout == "no gaps\n"


@pytest.mark.gen_test
async def test_unknown_symbol_is_refused_in_the_words_of_the_server(tmp_path: Path):
    result = await told(tmp_path, "--symbol", "xyz")
    assert (result.exit_code, "refuses: Symbol 'xyz' not found" in result.stderr) == (1, True)


@pytest.mark.parametrize(
    ("changes", "lasted"),
    [({}, "0:01:30"), ({"lasted": 2.34}, "2.3 s"), ({"ended": None, "lasted": 2.34}, "2.3 s so far")],
)
def test_how_long_it_lasted_is_told_and_what_others_wrote_is_clean(changes, lasted: str):
    cells = row({**GAP, **changes})
    assert cells[4] == lasted
    assert "\x1b" not in cells[5]
