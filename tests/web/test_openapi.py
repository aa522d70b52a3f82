"""The OpenAPI document: it is valid, and the server does what it says."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate
from serving import HAUNT, serving
from strangers import SECRETS, SIMULATED, running
from web import ask, get

from haunt.market.candles import Candle
from haunt.testing import eventually
from haunt.web.api import RESOURCES
from haunt.web.openapi import document

OPENAPI = json.loads(json.dumps(document(RESOURCES)))
SCHEMATHESIS = Path(sys.prefix) / "bin" / "schemathesis"
CONFIGURATION = SIMULATED.replace("{port: 0}", "{port: 0, admin_token: {env: SECRET}}")
INDICATORS = "indicators: {rsi: {timeframe: 1s}}\n"
ADMIN = {"Authorization": "Bearer secret"}
# What is free to be named in a configuration.
NAMES = """
[parameters]
symbol = "btc"
symbols = "btc,eth"
source = "simulator"
timeframe = "1s"
name = "rsi"
"""


def schema(path: str, status: str) -> Draft202012Validator:
    (operation,) = OPENAPI["paths"][path].values()
    answer = operation["responses"][status]["content"]["application/json"]["schema"]
    return Draft202012Validator({**answer, "components": OPENAPI["components"]})


def test_the_document_is_valid():
    validate(OPENAPI)


def test_every_resource_is_in_it_with_its_parameters():
    assert {
        path: [(one["name"], one["in"]) for operation in operations.values() for one in operation["parameters"]]
        for path, operations in OPENAPI["paths"].items()
    } == {
        one.path: [(asked.name, "path" if asked.name in one.in_path else "query") for asked in one.parameters]
        for one in RESOURCES
    }


def test_what_is_the_operators_wants_the_operators_token():
    guarded = [
        path
        for path, operations in OPENAPI["paths"].items()
        if all(one["security"] == [{"admin_token": []}] for one in operations.values())
    ]
    assert guarded == [one.path for one in RESOURCES if one.admin]


@pytest.mark.gen_test
async def test_every_answer_has_the_fields_of_its_schema_and_no_other(tmp_path: Path):
    async with running(tmp_path, CONFIGURATION + "  raiser:\n" + INDICATORS) as haunt:
        await eventually(lambda: haunt.signals.running("btc", "1s"))
        for second in range(1_000, 30_000, 1_000):
            haunt.history.keep("btc", "1s", Candle(second, 1.0, 2.0, 1.0, 1.0 + second % 7 / 7, 1.0))
        haunt.relays["simulator"].lose_books("it is lost", list(haunt.relays["simulator"].feeds)[:1])
        answers: dict[str, Any] = {
            path: await ask(
                haunt, path.format(symbol="btc", name="rsi"), headers=ADMIN, method=next(iter(methods)).upper()
            )
            for path, methods in OPENAPI["paths"].items()
        }
        refused = json.loads((await get(haunt, "/api/prices/xyz")).body)
    assert answers["/api/indicators/{symbol}/{name}"]["values"]
    assert answers["/api/gaps"]["gaps"]
    for path, answer in answers.items():
        assert [error.message for error in schema(path, "200").iter_errors(answer)] == [], path
        assert not schema(path, "200").is_valid({**answer, "more": 1}) or path.endswith(".json"), path
    assert schema("/api/prices/{symbol}", "4XX").is_valid(refused)
    assert answers["/api/openapi.json"] == OPENAPI


def test_schemathesis_finds_nothing_that_the_document_does_not_allow(tmp_path: Path):
    (tmp_path / "haunt.yaml").write_text(CONFIGURATION + INDICATORS)
    (tmp_path / "names.toml").write_text(NAMES)
    command = [HAUNT, "serve", tmp_path / "haunt.yaml"]
    with serving(command, tmp_path / "log", environ=SECRETS, cwd=tmp_path) as server:
        server.wait_for(re.compile("SIMULATED"))
        found = subprocess.run(
            [
                SCHEMATHESIS, "--config-file", "names.toml", "run", f"http://localhost:{server.port}/api/openapi.json",
                "--header", "Authorization: Bearer secret", "--phases", "examples,coverage,fuzzing",
                "--max-examples", "10", "--seed", "1", "--no-color",
            ],
            cwd=tmp_path, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
    assert found.returncode == 0, found.stdout + found.stderr
    cases = re.search(r"(\d+) generated, (\d+) passed", found.stdout)
    assert cases is not None
    assert int(cases[1]) > 200
