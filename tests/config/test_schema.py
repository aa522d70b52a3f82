"""The JSON Schema of a configuration tells an editor what `haunt check` would."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from jsonschema import Draft7Validator

from haunt.config.document import parse
from haunt.config.model import FIXED
from haunt.config.schema import Schema, schema
from haunt.plugin.registry import Registry

BOTH = "symbols: [btc, eth]\nsources: {southex: {depth: 9}}\n"
FITTING = [
    BOTH,
    "symbols: {btc: , eth: {aliases: [e], tick: 0.1, price: {clamp: 0.1}}}\nsources: {southex: }\nserver:\n",
    BOTH + "history: {path: null, keep: {1m: 1, 90s: 0}}\nindicators: {gauge: , g5: {plugin: gauge, timeframe: 5m}}\n",
    "symbols: [btc]\nsources: {southex: , other: {plugin: northex, url: 'ws://x', speed: max}}\n",
    "symbols: [btc]\nsources: {southex: {plugin: northex, url: 'ws://x'}}\n",
    "symbols: [btc]\nsources: {southex: , gone: {enabled: false, what: ever}, ruin: {any: thing}}\nindicators:\n",
    "symbols: [btc]\nsources: {southex: {plugin: null, weight: 2}}\n",
    BOTH + "server: {token: {env: PATH}, admin_token: null}",
]
WRONG = [
    "symbols: [btc]",
    "symbols: []\nsources: {southex: }",
    "symbols: [BTC]\nsources: {southex: }",
    "symbols: {btc: {tik: 1}}\nsources: {southex: }",
    "symbols: [btc]\nsources: {}",
    "symbols: [btc]\nsources: {southex: {dept: 9}}",
    "symbols: [btc]\nsources: {southex: {depth: 4000}}",
    "symbols: [btc]\nsources: {southex: {depth: '9'}}",
    "symbols: [btc]\nsources: {northex: }",
    "symbols: [btc]\nsources: {northex: {depth: 9}}",
    "symbols: [btc]\nsources: {My-Venue: {plugin: southex}}",
    "symbols: [btc]\nsources: {other: {plugin: southex, dept: 9}}",
    "symbols: [btc]\nsources: {southex: {plugin: northex}}",
    "symbols: [btc]\nsources: {other: {plugin: missing}}",
    "symbols: [btc]\nsources: {other: }",
    "symbols: [btc]\nsources: {gauge: }",
    BOTH + "indicators: {southex: }",
    BOTH + "indicators: {gauge: {timeframe: 1y}}",
    BOTH + "history: {keep: {1y: 1}}",
    BOTH + "server: {prot: 1}",
    BOTH + "server: {token: here}",
    BOTH + "server: {admin_token: {env: A, file: b}}",
    BOTH + "servr: {}",
]


@pytest.fixture(scope="module")
def made(entry_points) -> Schema:
    return schema(Registry(entry_points))


@pytest.fixture(scope="module")
def mistakes(made: Schema) -> Callable[[str], int]:
    validator = Draft7Validator(made)
    return lambda text: len(list(validator.iter_errors(parse(text, "x.yaml").data)))


def test_the_schema_is_one(made: Schema) -> None:
    Draft7Validator.check_schema(made)


@pytest.mark.parametrize("text", FITTING)
def test_what_loads_fits(text: str, mistakes: Callable[[str], int], load_text: Callable[..., object]) -> None:
    assert load_text(text, {"PATH": "x"})
    assert mistakes(text) == 0


@pytest.mark.parametrize("text", WRONG)
def test_what_is_wrong_does_not_fit(
    text: str, mistakes: Callable[[str], int], problems: Callable[[str], list[str]]
) -> None:
    assert problems(text)
    assert mistakes(text) > 0


@pytest.mark.parametrize("section", FIXED)
def test_every_option_of_a_section_is_described(made: Schema, section: str) -> None:
    options = made["definitions"][section]["properties"]
    assert {name: one["description"] for name, one in options.items()} == {
        name: field.description for name, field in FIXED[section].model_fields.items()
    }


def test_an_instance_may_have_the_words_of_every_instance_and_those_of_its_plugin(made: Schema) -> None:
    options = made["definitions"]["source.southex"]["properties"]
    assert {"plugin", "enabled", "weight", "depth"} <= options.keys()
    assert options["depth"]["description"] == "Levels kept per side."
