"""`haunt explain`: how a server's price came about, for people and for programs."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from strangers import SIMULATED, running

from haunt.cli import main
from haunt.cli.explain import summary
from haunt.market.explain import Explanation
from haunt.market.merged_book import Crossing
from haunt.testing import eventually

TOKEN = SIMULATED.replace("{port: 0}", "{port: 0, token: {env: SECRET}}")
DISPUTED = Explanation(
    "btc", 100.0, 100.0, False, "hcp", 125.0, 124.375, 125.625, 0.625, "low", ["disputed"], 2.5, 1e9, 1, [],
    [Crossing("wild", "bids", 101.0)],
)  # fmt: skip


async def explained(configuration: str, folder: Path, *arguments: str, scheme: str = "http", tail: str = "") -> Result:
    """What the command prints, asking a server with this configuration."""
    async with running(folder, configuration) as haunt:
        await eventually(lambda: haunt.market.price("btc") and len(haunt.market.explain("btc").markets) == 3)
        url = f"{scheme}://localhost:{haunt.port}{tail}"
        return await asyncio.to_thread(CliRunner().invoke, main, ["explain", *arguments], env={"HAUNT_URL": url})


@pytest.mark.gen_test
@pytest.mark.parametrize(("scheme", "tail"), [("http", ""), ("http", "/"), ("ws", "/ws")])
async def test_table_has_a_row_for_each_venue(tmp_path: Path, scheme: str, tail: str):
    result = await explained(SIMULATED, tmp_path, "btc", scheme=scheme, tail=tail)
    lines = result.stdout.splitlines()
    assert lines[0].startswith("btc ")
    assert lines[1].startswith("hcp ")
    venues = [line.split() for line in lines if line.startswith(("alpha", "bravo", "charlie"))]
    assert [(words[0], words[1], words[4]) for words in venues] == [
        (name, f"{name}:BTC-USD", "USD") for name in ("alpha", "bravo", "charlie")
    ]


@pytest.mark.gen_test
async def test_json_is_the_answer_of_the_server(tmp_path: Path):
    result = await explained(SIMULATED, tmp_path, "BTC", "--json")
    data = json.loads(result.stdout)
    assert list(data) == list(Explanation._fields)
    assert len(data["markets"]) == 3


@pytest.mark.gen_test
async def test_refusal_is_told_in_the_words_of_the_server(tmp_path: Path):
    result = await explained(SIMULATED, tmp_path, "xyz")
    assert (result.exit_code, "refuses: Symbol 'xyz' not found" in result.stderr) == (1, True)


@pytest.mark.gen_test
@pytest.mark.parametrize(("tail", "code"), [("?token=secret", 0), ("?token=wrong", 1), ("", 1)])
async def test_token_is_asked_for_and_never_shown(tmp_path: Path, tail: str, code: int):
    result = await explained(TOKEN, tmp_path, "btc", tail=tail)
    assert result.exit_code == code
    assert ("Send the server's token" in result.stderr) == bool(code)
    assert "wrong" not in result.stderr


@pytest.mark.parametrize("url", ["localhost:3000", "ftp://localhost", "http://", "http://localhost:x", "http://[::1"])
def test_address_that_is_none_is_refused(url: str):
    result = CliRunner().invoke(main, ["explain", "btc", "--url", url])
    assert (result.exit_code, "is no address of a server" in result.stderr) == (2, True)


def test_server_that_is_not_there_is_named():
    result = CliRunner().invoke(main, ["explain", "btc", "--url", "http://localhost:1/ws?token=secret"])
    assert (result.exit_code, result.stderr) == (1, "Error: http://localhost:1 cannot be reached: Connection refused\n")


def test_summary_says_what_is_doubtful():
    assert summary(DISPUTED._replace(left_out=[DISPUTED.left_out[0]._asdict()])._asdict()) == [
        "btc 100",
        "hcp 100, median 125, clamped to 124.375 to 125.625",
        "confidence low, dispersion 0.625, disputed",
        "left out of the order book: the bids of wild from 101",
    ]


def test_summary_of_a_price_that_is_old_or_not_there():
    stale = DISPUTED._replace(unrounded=None, stale=True, flags=[], left_out=[])._asdict()
    assert summary(stale)[0] == "btc 100 (stale: nobody says anything any more)"
    assert summary({**stale, "price": None}) == ["btc has no price yet"]
