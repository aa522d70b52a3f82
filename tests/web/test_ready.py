"""Who sends clients here is told whether to."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from strangers import SIMULATED, running
from web import get

from haunt.app import Haunt
from haunt.config.load import load
from haunt.plugin.registry import Registry
from haunt.testing import eventually
from haunt.web.ready import obstacles

NO_PRICE = "No symbol has a live price; /health says how the sources fare"


@pytest.mark.gen_test
async def test_it_is_ready_when_a_symbol_has_a_price_and_no_longer_when_none_has(tmp_path: Path):
    async with running(tmp_path) as haunt:
        await eventually(lambda: not obstacles(haunt))
        ready = await get(haunt, "/ready")
        await haunt.supervisor.stop_all()
        unready = await get(haunt, "/ready")
        alive = await get(haunt, "/health")
    assert (ready.code, json.loads(ready.body)) == (200, {"status": "ready"})
    assert unready.code == 503
    assert json.loads(unready.body) == {"error": "not_ready", "message": NO_PRICE, "reasons": [NO_PRICE]}
    assert alive.code == 200


@pytest.mark.gen_test
async def test_one_source_of_two_that_is_down_is_no_reason(tmp_path: Path):
    async with running(tmp_path, SIMULATED + "  raiser:") as haunt:
        await eventually(lambda: not obstacles(haunt))
        assert (await get(haunt, "/ready")).code == 200


@pytest.mark.gen_test
async def test_it_is_not_ready_before_its_start_is_done_nor_while_it_stops(tmp_path: Path):
    file = tmp_path / "haunt.yaml"
    file.write_text(SIMULATED, encoding="utf-8")
    haunt = Haunt(load(file, Registry(), {}))
    assert obstacles(haunt) == ["Haunt is starting: the history is not recalled, and no source runs yet", NO_PRICE]
    await haunt.start()
    await eventually(lambda: not obstacles(haunt))
    await haunt.stop()
    assert obstacles(haunt) == ["Haunt is stopping"]


@pytest.mark.gen_test
async def test_it_is_told_to_those_without_the_token_but_not_to_pages_that_rebound_their_name(tmp_path: Path):
    async with running(tmp_path, SIMULATED.replace("{port: 0}", "{port: 0, token: {env: SECRET}}")) as haunt:
        await eventually(lambda: not obstacles(haunt))
        assert (await get(haunt, "/ready")).code == 200
        assert (await get(haunt, "/ready", headers={"Host": "evil.example"})).code == 403
