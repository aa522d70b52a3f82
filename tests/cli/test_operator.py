"""`haunt sources`, `clients` and `top`: how a running server fares, for its operator."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from strangers import SIMULATED, running
from tornado.httpclient import HTTPRequest
from tornado.websocket import websocket_connect

from haunt.cli import main
from haunt.cli.sources import span, troubles
from haunt.cli.top import figures, look, samples
from haunt.testing import eventually
from haunt.web.health import health

GUARDED = SIMULATED.replace("{port: 0}", "{port: 0, token: {env: SECRET}, admin_token: {env: OPERATOR}}")


async def told(folder: Path, *arguments: str, configuration: str = SIMULATED, **environ: str) -> Result:
    """What the command prints, asking a server to which one client is connected."""
    async with running(folder, configuration) as haunt:
        await eventually(lambda: health(haunt)["status"] == "ok")
        headers = {"Authorization": "Bearer secret"}
        client = await websocket_connect(HTTPRequest(f"ws://localhost:{haunt.port}/ws", headers=headers))
        await client.write_message(json.dumps({"type": "subscribe", "symbols": ["btc", "eth"]}))
        await client.read_message()
        environ = {"HAUNT_URL": f"http://localhost:{haunt.port}", **environ}
        result = await asyncio.to_thread(CliRunner().invoke, main, list(arguments), env=environ)
        client.close()
        while await client.read_message() is not None:
            pass
        return result


@pytest.mark.gen_test
async def test_sources_have_a_row_each(tmp_path: Path):
    titles, row = (await told(tmp_path, "sources")).stdout.splitlines()
    assert titles.split() == ["source", "state", "since", "fresh", "msg/s", "age", "gaps", "lost"]
    assert row.split()[:2] == ["simulator", "connected"]
    assert len(row) <= 80


@pytest.mark.gen_test
async def test_sources_as_data_are_the_answer_of_the_server(tmp_path: Path):
    (source,) = json.loads((await told(tmp_path, "sources", "--json")).stdout)["sources"]
    assert (source["name"], source["state"]) == ("simulator", "connected")


def test_what_is_wrong_with_a_source_is_a_sentence():
    lost = {"name": "kraken", "active": False, "error": "hung\x1b up", "next_try_seconds": 3.4}
    well = {"name": "okx", "active": True, "error": "hung up", "next_try_seconds": None}
    assert troubles([lost, well]) == ["kraken: hung? up; it tries again in 3 s"]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.04, "0.0s"), (42.4, "42s"), (150, "2m"), (7_200, "2h"), (172_800, "2d")]
)
def test_a_time_is_told_short(seconds: float, text: str):
    assert span(seconds) == text


@pytest.mark.gen_test
async def test_clients_are_shown_to_the_operator(tmp_path: Path):
    result = await told(tmp_path, "clients", configuration=GUARDED, HAUNT_ADMIN_TOKEN="operator")
    titles, row = result.stdout.splitlines()
    assert titles.split() == ["address", "for", "symbols", "sent", "waiting", "program"]
    assert "btc eth" in row


@pytest.mark.gen_test
@pytest.mark.parametrize(
    ("configuration", "sentence"), [(GUARDED, "refuses: "), (SIMULATED, "refuses: This is for the operator alone; set")]
)
async def test_clients_are_shown_to_nobody_else(tmp_path: Path, configuration: str, sentence: str):
    result = await told(tmp_path, "clients", configuration=configuration, HAUNT_TOKEN="secret")
    assert (result.exit_code, result.stdout) == (1, "")
    assert sentence in result.stderr


@pytest.mark.gen_test
async def test_top_is_one_picture_where_nobody_looks(tmp_path: Path):
    result = await told(tmp_path, "top")
    lines = result.stdout.splitlines()
    assert lines[0].endswith("SIMULATED DATA")
    assert lines[1].startswith("clients 1   symbols 3 of 3 with a price   messages ")
    assert any(line.startswith("simulator") for line in lines)
    assert max(map(len, lines)) <= 80


@pytest.mark.gen_test
async def test_top_says_what_it_is_not_shown(tmp_path: Path):
    result = await told(tmp_path, "top", "--once", configuration=GUARDED)
    assert result.exit_code == 0
    assert [line.split(":")[0] for line in result.stdout.splitlines() if line.startswith("no ")] == [
        "no sources",
        "no prices",
        "no metrics",
    ]


@pytest.mark.gen_test
async def test_top_as_data_holds_all_that_is_shown(tmp_path: Path):
    result = await told(tmp_path, "top", "--json", configuration=GUARDED, HAUNT_TOKEN="secret")
    seen = json.loads(result.stdout)
    assert {*seen} == {"at", "health", "sources", "prices", "metrics", "missing"}
    assert seen["missing"] == {}


@pytest.mark.gen_test
async def test_rates_are_of_the_time_between_two_looks(tmp_path: Path):
    async with running(tmp_path) as haunt:
        await eventually(lambda: health(haunt)["status"] == "ok")
        seen = await asyncio.to_thread(look, f"http://localhost:{haunt.port}")
    later = {**seen, "at": seen["at"] + 2, "metrics": dict(seen["metrics"])}
    later["metrics"]["haunt_frames_sent_total"] += 2_000
    later["metrics"]["haunt_sent_bytes_total"] += 3_000_000
    later["metrics"]["haunt_loop_lag_seconds_count"] += 4
    later["metrics"]["haunt_loop_lag_seconds_sum"] += 0.02
    assert {"sends 1,000 updates and 1.5M bytes a second", "lag of the loop 5.0 ms"} <= {*figures(later, seen)}


def test_samples_are_added_up_over_labels_without_buckets():
    text = '# HELP x\nhaunt_a_total{source="x"} 1\nhaunt_a_total{source="y"} 2.5\nhaunt_b_bucket{le="1"} 3\nhaunt_c 4\n'
    assert samples(text) == {"haunt_a_total": 3.5, "haunt_c": 4.0}
