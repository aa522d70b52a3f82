"""docs/rest.md has every resource with what may be asked of it, every field and every error."""

from __future__ import annotations

import ast
import re

import pytest
from blocks import ROOT
from test_reference import rows

from haunt.web.answers import CandleAnswer, ClientAnswer, ReadingAnswer, ScoreAnswer, SourceAnswer
from haunt.web.api import RESOURCES
from haunt.web.health import SourceHealth

REST = (ROOT / "docs" / "rest.md").read_text(encoding="utf-8")


def codes(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def test_every_resource_is_listed_with_what_may_be_asked_of_it() -> None:
    listed = {name: codes(query) for name, (query, _) in rows(REST, "## What there is").items()}
    assert listed == {
        one.name: [asked.name for asked in one.parameters if asked.name not in one.in_path] for one in RESOURCES
    }


@pytest.mark.parametrize(
    ("heading", "fields"),
    [
        ("## Candles", CandleAnswer.__annotations__),
        ("## Values of an indicator", ReadingAnswer.__annotations__),
        ("## Score-cards", ScoreAnswer.__annotations__),
        ("## Sources", SourceAnswer.__annotations__.keys() - SourceHealth.__annotations__.keys()),
        ("## Clients", ClientAnswer.__annotations__),
    ],
)
def test_every_field_is_listed(heading: str, fields: list[str]) -> None:
    section = REST.split(f"{heading}\n", 1)[1].split("\n## ", 1)[0]
    first_cells = re.findall(r"^\| (`.+?) \|", section, re.MULTILINE)
    assert {name for cell in first_cells for name in codes(cell)} == {*fields}


def test_every_error_is_listed_with_its_status() -> None:
    """Those that are raised; what Tornado refuses and who may not come in are there besides."""
    section = REST.split("## Errors\n", 1)[1].split("\n## ", 1)[0]
    listed = {
        (int(status), code)
        for status, names in re.findall(r"^\| (\d+) \| (.+?) \|", section, re.MULTILINE)
        for code in codes(names)
    }
    raised = {
        (call.args[0].value, call.args[1].value)
        for file in (ROOT / "haunt").rglob("*.py")
        for call in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call)
        and ast.unparse(call.func) in ("Refused", "Refusal")
        and all(isinstance(given, ast.Constant) for given in call.args[:2])
        and len(call.args) > 1
    }
    of_the_websocket = {(400, "bad_handshake"), (426, "upgrade_required"), (429, "too_many_connections"),
                        (503, "server_full"), (503, "restarting")}  # fmt: skip
    assert raised - of_the_websocket <= listed
    assert listed - raised == {(405, "method_not_allowed"), (500, "internal_server_error")}
