"""What Prometheus is told: that it can read it, that it is what happened, and who may ask."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from strangers import SIMULATED, running
from web import get, listening

from haunt.app import Haunt
from haunt.testing import eventually
from haunt.web.ready import obstacles


async def scrape(haunt: Haunt) -> dict[tuple[str, ...], float]:
    """The values by name and values of the labels."""
    answer = await get(haunt, "/metrics")
    assert (answer.code, answer.headers["Content-Type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(answer.body.decode())
        for sample in family.samples
    }


@pytest.mark.gen_test
async def test_server_sources_and_symbols_are_told_of(tmp_path: Path):
    async with running(tmp_path, SIMULATED + "  raiser:") as haunt:
        await eventually(lambda: not obstacles(haunt))
        await eventually(lambda: haunt.supervisor.statuses()[1].state == "failed")
        found = await scrape(haunt)
    assert found["haunt_ready",] == found["haunt_simulated",] == 1
    assert (found["haunt_symbols",], found["haunt_symbol_votes", "btc"]) == (3, 3)
    assert (found["haunt_source_active", "simulator"], found["haunt_source_active", "raiser"]) == (1, 0)
    states = {state: found["haunt_source_state", "raiser", state] for state in ("connected", "waiting", "failed")}
    assert states == {"connected": 0, "waiting": 0, "failed": 1}
    assert found["haunt_source_markets", "simulator"] == found["haunt_source_markets_fresh", "simulator"] == 9
    assert found["haunt_source_events_total", "simulator"] > 0
    assert 0 <= found["haunt_source_data_age_seconds", "simulator"] < 30
    assert ("haunt_source_data_age_seconds", "raiser") not in found
    assert found["process_resident_memory_bytes",] > 1e7


@pytest.mark.gen_test
async def test_what_clients_do_is_counted(tmp_path: Path):
    configuration = SIMULATED.replace("limits: {drain: 1}", "limits: {drain: 1, connections: 1}")
    async with running(tmp_path, configuration) as haunt:
        await eventually(lambda: not obstacles(haunt))
        async with listening(haunt, "", '{"type": "subscribe", "symbols": ["btc", "nobody"]}') as client:
            for _ in range(5):
                await client.read_message()
            assert (await get(haunt, "/ws")).code == 503
            found = await scrape(haunt)
    assert found["haunt_clients",] == found["haunt_connections_total",] == 1
    assert found["haunt_connections_refused_total", "server_full"] == 1
    assert found["haunt_requests_refused_total", "invalid_symbol"] == 1
    assert found["haunt_requests_refused_total", "rate_limited"] == 0
    assert found["haunt_frames_sent_total",] >= 3
    assert found["haunt_sent_bytes_total",] > 100 * found["haunt_frames_sent_total",]
    assert found["haunt_flush_seconds_count",] == found["haunt_flush_seconds_bucket", "+Inf"] > 0
    assert found["haunt_flush_seconds_sum",] > 0


@pytest.mark.gen_test
async def test_nothing_a_client_writes_becomes_a_label(tmp_path: Path):
    async with (
        running(tmp_path) as haunt,
        listening(haunt, "ext=spite", '{"type": "subscribe", "symbols": ["spite"], "id": "spite"}') as client,
    ):
        await client.read_message()
        await get(haunt, "/spite", headers={"User-Agent": "spite"})
        answer = await get(haunt, "/metrics")
    assert b"haunt_clients 1.0" in answer.body
    assert b"spite" not in answer.body


@pytest.mark.gen_test
async def test_two_servers_in_one_process_count_for_themselves(tmp_path: Path):
    async with running(tmp_path) as one, running(tmp_path) as other, listening(one, ""):
        assert (await scrape(one))["haunt_clients",] == 1
        assert (await scrape(other))["haunt_clients",] == 0


@pytest.mark.gen_test
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": "Bearer secret"}, 200),
        ({"Authorization": "Bearer secret", "Host": "evil.example"}, 403),
    ],
)
async def test_it_is_for_those_who_have_the_token(tmp_path: Path, headers: Mapping[str, str], status: int):
    async with running(tmp_path, SIMULATED.replace("{port: 0}", "{port: 0, token: {env: SECRET}}")) as haunt:
        assert (await get(haunt, "/metrics", headers=headers)).code == status
