"""The two configurations that come with Haunt are complete and load."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from jsonschema import Draft7Validator
from pydantic import BaseModel

from haunt.config.document import Data, Document, Key, read
from haunt.config.load import load
from haunt.config.model import FIXED, SECTIONS, InstanceOptions, SymbolOptions
from haunt.config.schema import schema
from haunt.plugin.registry import Registry, options_class
from haunt.plugin.stream_source import StreamOptions, StreamSource

CONFIG = Path(__file__).parent.parent.parent / "config"
ANNOTATED = CONFIG / "config.yaml"
DEMO = CONFIG / "demo.yaml"
VENUES = [
    plugin.name
    for plugin in map(Registry().load, Registry().installed_names())
    if plugin.distribution == "haunt" and plugin.source is not None and issubclass(plugin.source, StreamSource)
]


def installed(*names: str) -> Registry:
    registry = Registry()
    assert {*names} <= {*registry.installed_names()}, "run `pip install -e .` again"
    return registry


def at(document: Document, *key: str) -> dict[str, Data]:
    data: Data = document.data
    for name in key:
        assert isinstance(data, dict)
        data = data[name]
    assert isinstance(data, dict)
    return data


def defaults(model: type[BaseModel]) -> dict[str, object]:
    """Every option and its default as YAML would have it."""
    found = {name: field.get_default(call_default_factory=True) for name, field in model.model_fields.items()}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in found.items()}


def test_the_annotated_file_has_every_section_in_order() -> None:
    assert tuple(read(ANNOTATED).data) == SECTIONS


@pytest.mark.parametrize("section", FIXED)
def test_the_annotated_file_has_every_option_of_a_section_with_its_default(section: str) -> None:
    assert at(read(ANNOTATED), section) == defaults(FIXED[section])


@pytest.mark.parametrize("section", FIXED)
def test_every_option_of_a_section_has_its_line_of_comment(section: str) -> None:
    document = read(ANNOTATED)
    lines = ANNOTATED.read_text().splitlines()
    for name in FIXED[section].model_fields:
        assert lines[document.lines[section, name] - 2].strip().startswith("# "), name


def test_the_annotated_file_has_every_option_of_a_symbol_with_its_default() -> None:
    document = read(ANNOTATED)
    assert at(document, "symbols", "eth") == defaults(SymbolOptions)
    assert {"usdt", "usdc"} <= {*at(document, "symbols")}


def test_the_annotated_file_has_every_option_common_to_sources() -> None:
    registry = installed("coinbase")
    options = options_class(registry.source("coinbase"))
    expected = {**defaults(InstanceOptions), "plugin": "coinbase", **defaults(options)}
    assert at(read(ANNOTATED), "sources", "coinbase") == expected


@pytest.mark.parametrize("name", [name for name in VENUES if name != "coinbase"])
def test_the_annotated_file_has_every_option_that_differs_in_a_venue(name: str) -> None:
    options = defaults(options_class(installed(name).source(name)))
    common = defaults(StreamOptions)
    expected = {option: value for option, value in options.items() if option not in common or value != common[option]}
    assert at(read(ANNOTATED), "sources", name) == expected


@pytest.mark.parametrize("name", ["rsi", "macd"])
def test_the_annotated_file_has_every_option_of_an_indicator_with_its_default(name: str) -> None:
    options = options_class(installed(name).indicator(name))
    assert at(read(ANNOTATED), "indicators", name) == defaults(options)


@pytest.mark.parametrize("file", [ANNOTATED, DEMO])
def test_a_file_fits_the_schema(file: Path) -> None:
    assert list(Draft7Validator(schema(Registry())).iter_errors(read(file).data)) == []


def test_the_annotated_file_loads() -> None:
    config = load(ANNOTATED, installed("coinbase", "kraken", "binance", "rsi", "macd"), {})
    assert {*config.sources} == {*VENUES}
    assert [*config.indicators] == ["rsi", "macd", "rsi_5m"]
    assert config.broken == ()


def test_the_demonstration_loads_and_is_simulated_throughout() -> None:
    config = load(DEMO, installed("simulator", "rsi", "macd"), {})
    assert all(source.cls.simulated for source in config.sources.values())
    assert config.broken == ()


def test_the_demonstration_says_that_nothing_in_it_is_real() -> None:
    assert "NOTHING IN IT IS REAL" in DEMO.read_text()


@pytest.mark.parametrize("section", FIXED)
def test_every_option_has_a_description_and_bounds(section: str) -> None:
    for name, field in FIXED[section].model_fields.items():
        assert re.fullmatch(r"[A-Z].{10,110}\.", field.description or ""), name
        if field.annotation in (int, float):
            assert len(field.metadata) == 2, f"{name} lacks a lower or an upper bound"


def test_a_key_of_a_line_is_a_place() -> None:
    document = read(ANNOTATED)
    key: Key = ("server", "port")
    assert ANNOTATED.read_text().splitlines()[document.lines[key] - 1].strip() == "port: 3000"
