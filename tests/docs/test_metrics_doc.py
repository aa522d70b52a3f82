"""What the dashboard, the alerts and the documents say of the metrics is what a server tells."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.request import urlopen

import pytest
import yaml
from blocks import ROOT
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from serving import Running

DASHBOARD = json.loads((ROOT / "docs" / "grafana.json").read_text(encoding="utf-8"))
ALERTS = yaml.safe_load((ROOT / "docs" / "alerts.yaml").read_text(encoding="utf-8"))
RULES = [rule for group in ALERTS["groups"] for rule in group["rules"]]
NAME = re.compile(r"\b(?:haunt|process)_\w+")
ENDINGS = {"histogram": ("_bucket", "_sum", "_count"), "counter": ("_total",)}


@pytest.fixture(scope="session")
def metrics(demo: Running) -> dict[str, Metric]:
    """By the name it has in the text."""
    with urlopen(f"http://localhost:{demo.port}/metrics") as answer:
        families = text_string_to_metric_families(answer.read().decode())
    return {family.name + ("_total" if family.type == "counter" else ""): family for family in families}


def documented() -> dict[str, list[str]]:
    """The labels of each metric in the table of docs/operations.md."""
    section = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8").split("\n## Metrics\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| (.*?) ?\|", section, flags=re.MULTILINE)
    return {name: re.findall(r"`(\w+)`", labels) for name, labels in rows}


def expressions() -> Iterator[str]:
    for panel in DASHBOARD["panels"]:
        yield from (target["expr"] for target in panel.get("targets", ()))
    yield from (rule["expr"] for rule in RULES)


def test_every_metric_is_documented_and_no_other(metrics: dict[str, Metric]) -> None:
    assert documented().keys() == metrics.keys()


def test_a_metric_has_the_labels_it_is_documented_with(metrics: dict[str, Metric]) -> None:
    found = {name: family.samples[0].labels.keys() for name, family in metrics.items() if family.samples}
    assert len(found) > 40
    assert {name: {*labels} for name, labels in documented().items() if name in found} == {
        name: {*labels} for name, labels in found.items()
    }


def test_every_metric_of_the_dashboard_and_the_alerts_is_told(metrics: dict[str, Metric]) -> None:
    told = {
        name + ending if family.type == "histogram" else name
        for name, family in metrics.items()
        for ending in ENDINGS.get(family.type, ("",))
    }
    asked = {name for expression in expressions() for name in NAME.findall(expression)}
    assert asked
    assert asked - told == set()


def test_every_metric_that_can_be_a_trouble_is_on_the_dashboard(metrics: dict[str, Metric]) -> None:
    shown = " ".join(target["expr"] for panel in DASHBOARD["panels"] for target in panel.get("targets", ()))
    assert {name for name in metrics if name not in shown} == {"process_virtual_memory_bytes"}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_says_what_is_wrong_and_what_to_do(rule: dict[str, Any]) -> None:
    assert re.fullmatch(r"Haunt[A-Z]\w+", rule["alert"])
    assert rule["labels"]["severity"] in ("critical", "warning", "info")
    assert rule["annotations"].keys() == {"summary", "cure"}


def test_panels_neither_overlap_nor_leave_the_page() -> None:
    places = [panel["gridPos"] for panel in DASHBOARD["panels"]]
    cells = [
        (x, y) for at in places for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])
    ]
    assert len(cells) == len(set(cells))
    assert {x for x, _ in cells} <= {*range(24)}
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(places)
