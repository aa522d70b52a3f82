"""The pages: what they say, to whom, and with which headers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from strangers import SIMULATED, running
from web import get

from haunt.testing import eventually
from haunt.web.health import health


@pytest.mark.gen_test
async def test_half_a_surrogate_pair_does_not_break_the_health(tmp_path: Path):
    async with running(tmp_path) as haunt:
        haunt.signals.stopped["mood"] = "it said \ud800"
        found = await get(haunt, "/health")
    assert json.loads(found.body)["indicators"] == {"stopped": {"mood": "it said \ud800"}}


@pytest.mark.gen_test
async def test_health_tells_of_a_broken_plugin(tmp_path: Path):
    async with running(tmp_path, SIMULATED + "  wreck:") as haunt:
        found = json.loads((await get(haunt, "/health")).body)
    assert [(one["kind"], one["name"]) for one in found["broken"]] == [("source", "wreck")]
    assert found["status"] == "degraded"


@pytest.mark.gen_test
async def test_health_is_json_of_a_known_shape(tmp_path: Path):
    async with running(tmp_path) as haunt:
        await eventually(lambda: health(haunt)["status"] == "ok")
        answer = await get(haunt, "/health")
    found = json.loads(answer.body)
    assert (answer.code, answer.headers["Content-Type"]) == (200, "application/json")
    assert {name: type(value) for name, value in found.items()} == {
        "status": str, "simulated": bool, "uptime_seconds": int, "clients": dict, "errors": dict, "symbols": dict,
        "sources": dict, "indicators": dict, "history": dict, "seeding": dict, "broken": list,
    }  # fmt: skip
    assert found["symbols"] == {"configured": 3, "tracked": 3}
    source = found["sources"]["simulator"]
    assert (source["plugin"], source["state"], source["active"], source["simulated"]) == (
        "simulator", "connected", True, True,
    )  # fmt: skip
    assert source["symbols"] == {"subscribed": 9, "fresh": 9, "refused": {}}
    assert (source["rejected"], source["gaps"], source["restarts"], source["error"]) == (0, 0, 0, "")


@pytest.mark.gen_test
async def test_health_is_degraded_while_a_source_is_down(tmp_path: Path):
    async with running(tmp_path) as haunt:
        await eventually(lambda: health(haunt)["status"] == "ok")
        haunt.relays["simulator"].close("the venue is gone")
        answer = await get(haunt, "/health")
    found = json.loads(answer.body)
    assert (answer.code, found["status"], found["sources"]["simulator"]["active"]) == (200, "degraded", False)


@pytest.mark.gen_test
async def test_explanation_is_found_by_any_name_of_a_symbol(tmp_path: Path):
    configuration = SIMULATED.replace("[btc, eth, usdt]", "{btc: {aliases: [xbt]}, eth: , usdt: }")
    async with running(tmp_path, configuration) as haunt:
        answers = [await get(haunt, f"/api/explain/{name}") for name in ("btc", "XBT", "%20Btc")]
    assert [(answer.code, json.loads(answer.body)["symbol"]) for answer in answers] == [(200, "btc")] * 3


@pytest.mark.gen_test
async def test_gaps_are_found_by_symbol_and_source_and_whether_they_last(tmp_path: Path):
    configuration = SIMULATED.replace("[btc, eth, usdt]", "{btc: {aliases: [xbt]}, eth: , usdt: }")
    async with running(tmp_path, configuration) as haunt:
        await eventually(lambda: health(haunt)["status"] == "ok")
        before = json.loads((await get(haunt, "/api/gaps")).body)
        haunt.relays["simulator"].close("the venue is gone")
        open_gaps = health(haunt)["sources"]["simulator"]["open_gaps"]
        await eventually(lambda: len(haunt.gaps.find(symbol="btc", is_open=False)) == 3)
        ended, lasting = [
            json.loads((await get(haunt, f"/api/gaps?symbol=XBT&source=simulator&open={is_open}")).body)["gaps"]
            for is_open in ("false", "true")
        ]
    assert before == {"gaps": []}
    assert open_gaps == 18
    assert [(gap["symbol"], gap["what"], gap["cause"]) for gap in ended] == [("btc", "data", "the venue is gone")] * 3
    # The simulator was not told, and shows no book anew.
    assert [(gap["symbol"], gap["what"], gap["ended"]) for gap in lasting] == [("btc", "book", None)] * 3


@pytest.mark.gen_test
@pytest.mark.parametrize(("headers", "status"), [({}, 401), ({"Authorization": "Bearer secret"}, 200)])
async def test_market_data_is_for_those_who_have_the_token_and_health_is_for_all(tmp_path: Path, headers, status: int):
    configuration = SIMULATED.replace("{port: 0}", "{port: 0, token: {env: SECRET}}")
    async with running(tmp_path, configuration) as haunt:
        assert (await get(haunt, "/api/explain/btc", headers=headers)).code == status
        assert (await get(haunt, "/api/gaps", headers=headers)).code == status
        assert (await get(haunt, "/health", headers=headers)).code == 200


@pytest.mark.gen_test
@pytest.mark.parametrize("path", ["/", "/health", "/metrics", "/api/explain/btc", "/api/gaps", "/nothing"])
async def test_head_is_get_without_the_body(tmp_path: Path, path: str):
    async with running(tmp_path) as haunt:
        full, head = await get(haunt, path), await get(haunt, path, method="HEAD")
    assert (head.code, head.body) == (full.code, b"")
    assert head.headers["Content-Type"] == full.headers["Content-Type"]
    assert int(head.headers["Content-Length"]) > 0


@pytest.mark.gen_test
@pytest.mark.parametrize(
    ("method", "path", "status", "error"),
    [
        ("GET", "/nothing", 404, "not_found"),
        ("GET", "/../etc/passwd", 404, "not_found"),
        ("GET", "/%00", 404, "not_found"),
        ("GET", "//", 404, "not_found"),
        ("GET", "/health/", 404, "not_found"),
        ("GET", "/api/explain/xyz", 404, "invalid_symbol"),
        ("GET", "/api/explain/", 404, "not_found"),
        ("GET", "/api/explain/%ff", 400, "bad_request"),
        ("GET", "/api/gaps?symbol=xyz", 404, "invalid_symbol"),
        ("GET", "/api/gaps?source=xyz", 404, "invalid_source"),
        ("GET", "/api/gaps?open=perhaps", 400, "bad_request"),
        ("POST", "/health", 405, "method_not_allowed"),
        ("DELETE", "/", 405, "method_not_allowed"),
    ],
)
async def test_what_is_not_there_is_refused_in_json(tmp_path: Path, method: str, path: str, status: int, error: str):
    async with running(tmp_path) as haunt:
        answer = await get(haunt, path, method=method)
    assert (answer.code, answer.headers["Content-Type"]) == (status, "application/json")
    assert json.loads(answer.body)["error"] == error
    assert json.loads(answer.body)["message"]


@pytest.mark.gen_test
@pytest.mark.parametrize("path", ["/", "/health", "/metrics", "/api/explain/btc", "/api/gaps", "/nothing"])
async def test_page_that_rebound_its_name_to_this_machine_reads_nothing(tmp_path: Path, path: str):
    async with running(tmp_path) as haunt:
        answer = await get(haunt, path, headers={"Host": f"evil.example:{haunt.port}"})
    assert answer.code == 403
    assert json.loads(answer.body) == {
        "error": "host_not_allowed",
        "message": "Host 'evil.example' is not allowed; add it to server.allowed_hosts",
    }


@pytest.mark.gen_test
@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1", "[::1]:3000", "market.example.com"])
async def test_own_names_and_allowed_ones_read_the_pages(tmp_path: Path, host: str):
    configuration = SIMULATED.replace("{port: 0}", "{port: 0, allowed_hosts: [market.example.com]}")
    async with running(tmp_path, configuration) as haunt:
        assert (await get(haunt, "/health", headers={"Host": host})).code == 200


@pytest.mark.gen_test
@pytest.mark.parametrize("path", ["/", "/health", "/ready", "/metrics", "/nothing"])
async def test_browsers_are_told_to_run_keep_and_frame_nothing(tmp_path: Path, path: str):
    async with running(tmp_path) as haunt:
        headers = (await get(haunt, path)).headers
    assert "Server" not in headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Content-Security-Policy"].startswith("default-src 'none'; ")
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]
