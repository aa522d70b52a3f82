"""POST /api/reload, and the command that asks for it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from strangers import SIMULATED, running
from web import get

from haunt.app import Haunt
from haunt.cli import main

CONFIGURATION = SIMULATED.replace("{port: 0}", "{port: 0, admin_token: {env: OPERATOR}}")
ADMIN = {"Authorization": "Bearer operator"}


def write(folder: Path, volatility: str) -> None:
    (folder / "haunt.yaml").write_text(CONFIGURATION.replace("volatility: 10", f"volatility: {volatility}"))


async def command(haunt: Haunt, *words: str, token: str = "operator") -> Result:
    url = f"http://localhost:{haunt.port}"
    runner = CliRunner(env={"HAUNT_ADMIN_TOKEN": token})
    return await asyncio.to_thread(runner.invoke, main, ["reload", "--url", url, *words])


@pytest.mark.gen_test
async def test_the_operator_alone_reloads_over_http(tmp_path: Path):
    async with running(tmp_path, CONFIGURATION) as haunt:
        write(tmp_path, "5")
        relay = haunt.relays["simulator"]
        assert (await get(haunt, "/api/reload", method="POST")).code == 401
        assert haunt.relays["simulator"] is relay
        answer = await get(haunt, "/api/reload", method="POST", headers=ADMIN)
        assert json.loads(answer.body)["changed"]["sources"]["restarted"] == ["simulator"]
        assert haunt.relays["simulator"] is not relay


@pytest.mark.gen_test
async def test_every_mistake_is_answered(tmp_path: Path):
    async with running(tmp_path, CONFIGURATION) as haunt:
        write(tmp_path, "-1\n    seed: x")
        answer = await get(haunt, "/api/reload", method="POST", headers=ADMIN)
        found = json.loads(answer.body)
        assert (answer.code, found["error"]) == (422, "invalid_config")
        assert [(one["line"], one["path"].rpartition(".")[2]) for one in found["problems"]] == [
            (8, "volatility"), (9, "seed"),
        ]  # fmt: skip


@pytest.mark.gen_test
async def test_the_command_tells_what_changed(tmp_path: Path):
    async with running(tmp_path, CONFIGURATION) as haunt:
        assert (await command(haunt)).stdout == "nothing is another\n"
        write(tmp_path, "5")
        assert (await command(haunt)).stdout == "sources restarted: simulator\n"
        assert json.loads((await command(haunt, "--json")).stdout)["changed"]["settings"] == []


@pytest.mark.gen_test
async def test_the_command_prints_every_mistake_and_exits_with_78(tmp_path: Path):
    async with running(tmp_path, CONFIGURATION) as haunt:
        write(tmp_path, "-1\n    seed: x")
        ended = await command(haunt)
        assert (ended.exit_code, ended.stdout) == (78, "")
        assert [line.split(": ")[:2] for line in ended.stderr.splitlines()] == [
            [f"{tmp_path}/haunt.yaml, line 8", "sources.simulator.volatility"],
            [f"{tmp_path}/haunt.yaml, line 9", "sources.simulator.seed"],
        ]


@pytest.mark.gen_test
async def test_the_command_without_the_token_says_what_to_do(tmp_path: Path):
    async with running(tmp_path, CONFIGURATION) as haunt:
        ended = await command(haunt, token="wrong")
        assert ended.exit_code == 1
        assert "server.admin_token" in ended.stderr
