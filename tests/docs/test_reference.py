"""Whatever a plugin's author, an operator or a monitor may rely on stands in the documents."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from typing import Any, get_args
from urllib.request import urlopen

import pytest
from blocks import ROOT
from pydantic import BaseModel
from serving import Running

import haunt
import haunt.testing
from haunt.cli import COMMANDS
from haunt.config.document import read
from haunt.config.model import FIXED, InstanceOptions, SymbolOptions
from haunt.market.explain import WhyNoVote
from haunt.market.gaps import Gap
from haunt.market.merged_book import Crossing
from haunt.market.published import SourceState
from haunt.plugin import hookspecs
from haunt.plugin.registry import Registry, State, options_class

PLUGINS = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
INDICATORS = (ROOT / "docs" / "indicators.md").read_text(encoding="utf-8")
OPERATIONS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
ANNOTATED = read(ROOT / "config" / "config.yaml").data
HOOKS = [name for name, hook in vars(hookspecs).items() if hasattr(hook, f"{hookspecs.GROUP}_spec")]
IN_TREE = [name for name in Registry().installed_names() if Registry().load(name).distribution == "haunt"]
GAP_QUERY = ("symbol", "source", "open")
# Free of names of their own: reasons by symbol, counts by code.
OPEN = {"clients.closed", "errors", "sources.NAME.symbols.refused", "indicators.stopped", "seeding.failed"}


def words(document: str) -> set[str]:
    """What the document names as code outside its examples, without arguments: `choose(instruments)` is `choose`."""
    prose = re.sub(r"^```.*?^```", "", document, flags=re.MULTILINE | re.DOTALL)
    return {word for code in re.findall(r"`([^`\n]+)`", prose) for word in re.findall(r"^[\w.]+", code)}


def rows(document: str, heading: str) -> dict[str, list[str]]:
    """The rows of the tables under a heading, by the code in their first cell."""
    section = document.split(f"{heading}\n", 1)[1].split("\n#", 1)[0]
    cells = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("| `")]
    return {first.strip().strip("`"): [cell.strip() for cell in rest] for first, *rest in cells}


def public(cls: type) -> set[str]:
    """What the class adds to those it inherits from."""
    own = {name for name in {**vars(cls), **vars(cls).get("__annotations__", {})} if not name.startswith("_")}
    return own.difference(*(dir(base) for base in cls.__bases__))


def written(value: object) -> str:
    """A default as a table shows it."""
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return str(value) if isinstance(value, str) else json.dumps(value)


# -- docs/plugins.md


@pytest.mark.parametrize("name", haunt.__all__)
def test_a_public_name_is_documented(name: str) -> None:
    assert name in words(PLUGINS)


@pytest.mark.parametrize("hook", HOOKS)
def test_a_hook_is_documented(hook: str) -> None:
    assert f"{hook}(register)" in rows(PLUGINS, "### Hooks")


@pytest.mark.parametrize("event", get_args(haunt.Event), ids=lambda event: event.__name__)
def test_an_event_is_documented_with_its_fields_in_their_order(event: Any) -> None:
    fields, _ = rows(PLUGINS, "### Events")[event.__name__]
    assert fields == ", ".join(f"`{field}`" for field in event._fields)


@pytest.mark.parametrize("shape", [haunt.Instrument, haunt.Candle, haunt.Reading], ids=lambda shape: shape.__name__)
def test_a_tuple_is_documented_with_its_fields_in_their_order(shape: Any) -> None:
    assert f"`{shape.__name__}` is `({', '.join(shape._fields)})`" in PLUGINS


@pytest.mark.parametrize(
    ("cls", "heading"),
    [
        (haunt.Source, "### Source"),
        (haunt.StreamSource, "### StreamSource"),
        (haunt.Indicator, "### Indicators"),
        (haunt.Relay, "### Source"),
        (haunt.testing.FakeVenue, "### haunt.testing"),
        (haunt.testing.FakeClock, "### haunt.testing"),
    ],
)
def test_what_a_plugin_may_set_call_or_implement_is_documented(cls: type, heading: str) -> None:
    section = PLUGINS.split(heading, 1)[1].split("\n### ", 1)[0]
    assert public(cls) <= words(PLUGINS if cls is haunt.Source else section)


@pytest.mark.parametrize(
    "options", [haunt.SourceOptions, haunt.StreamOptions, haunt.IndicatorOptions, haunt.RatedOptions]
)
def test_options_a_plugin_inherits_are_documented(options: type[BaseModel]) -> None:
    own = {name for name in options.model_fields if name in vars(options)["__annotations__"]}
    assert own <= rows(PLUGINS, "### Options").keys()


def test_every_state_of_a_plugin_that_cannot_be_used_is_documented() -> None:
    assert set(get_args(State)) - {"installed", "loaded"} <= words(PLUGINS.split("## When it fails")[1])


# -- docs/operations.md and config.yaml


@pytest.mark.parametrize("section", [*FIXED, "symbols", "sources", "indicators"])
def test_a_section_is_documented(section: str) -> None:
    assert section in rows(OPERATIONS, "## Configure")
    assert section in ANNOTATED


@pytest.mark.parametrize("section", FIXED)
def test_an_option_of_a_section_is_in_the_annotated_file(section: str) -> None:
    assert FIXED[section].model_fields.keys() <= ANNOTATED[section].keys()


def test_an_option_of_a_symbol_or_an_instance_is_in_the_annotated_file() -> None:
    for section, options in (("symbols", SymbolOptions), ("sources", InstanceOptions)):
        assert any(options.model_fields.keys() <= (one or {}).keys() for one in ANNOTATED[section].values())


@pytest.mark.parametrize("name", IN_TREE)
def test_an_option_of_a_plugin_is_documented(name: str) -> None:
    """Of a source in the annotated file, once for all where they share it, or in a table of its own; of an indicator
    in the table of all or in its own."""
    record = Registry().load(name)
    cls = record.source or record.indicator
    assert cls is not None
    document, known = INDICATORS, {*haunt.RatedOptions.model_fields}
    if record.source:
        document, known = OPERATIONS, {*(ANNOTATED["sources"].get(name) or ()), *ANNOTATED["sources"]["coinbase"]}
    table = rows(document, f"### {name}") if f"### {name}\n" in document else {}
    assert options_class(cls).model_fields.keys() <= known | table.keys()


@pytest.mark.parametrize("name", ["simulator", "replay"])
def test_a_table_of_options_has_the_defaults_of_the_plugin(name: str) -> None:
    fields = options_class(Registry().source(name)).model_fields
    defaults = {option: default for option, (default, _) in rows(OPERATIONS, f"### {name}").items()}
    assert defaults == {
        option: "none" if fields[option].is_required() else written(fields[option].default) for option in defaults
    }


def test_every_command_is_documented_and_no_other() -> None:
    assert rows(OPERATIONS, "## Commands").keys() == {*COMMANDS}


def test_every_state_of_a_source_is_documented() -> None:
    assert rows(OPERATIONS, "## Sources: their states and back-off").keys() == {*get_args(SourceState)}


def test_every_field_of_health_is_documented_and_no_other(demo: Running) -> None:
    with urlopen(f"http://localhost:{demo.port}/health") as answer:
        health = json.load(answer)
    assert rows(OPERATIONS, "## /health").keys() == {*fields(health)}


def test_every_field_of_an_explanation_is_documented_and_no_other(demo: Running) -> None:
    with urlopen(f"http://localhost:{demo.port}/api/explain/btc") as answer:
        explanation = json.load(answer)
    explanation["left_out"] = explanation["left_out"] or [Crossing("acme", "bids", 1.0)._asdict()]
    for lists in ("markets", "left_out"):
        explanation[lists] = {"N": explanation[lists][0]}
    documented = rows(OPERATIONS, "## /api/explain/SYMBOL").keys()
    assert documented == {*fields(explanation), "why_not"} | {*reasons(WhyNoVote)}


def test_every_field_of_a_gap_is_documented_and_no_other() -> None:
    assert rows(OPERATIONS, "## Gaps").keys() == {f"gaps.N.{field}" for field in Gap._fields} | {*GAP_QUERY}


def reasons(names: object) -> Iterator[str]:
    for part in get_args(names):
        yield from [part] if isinstance(part, str) else reasons(part)


def fields(part: dict[str, Any], path: str = "") -> Iterator[str]:
    """`sources.NAME.state`, for each."""
    for name, value in part.items():
        here = path + ("NAME" if path == "sources." else name)
        if isinstance(value, dict) and here not in OPEN:
            yield from fields(value, f"{here}.")
        else:
            yield here


def log_lines() -> list[str]:
    """The second cells under the heading: `Source … lost: …; retrying in … s`."""
    section = OPERATIONS.split("## What the log says\n", 1)[1].split("\n## ", 1)[0]
    return re.findall(r"^\| [A-Z]+ \| `(.+?)` \|", section, flags=re.MULTILINE)


def said_by_haunt() -> set[str]:
    """Every text in the code, with … for what is filled in."""
    texts: set[str] = set()
    for file in (ROOT / "haunt").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.add(re.sub(r"%[.\d]*[a-z]", "…", node.value))
            elif isinstance(node, ast.JoinedStr):
                parts = [part.value if isinstance(part, ast.Constant) else "…" for part in node.values]
                texts.add("".join(map(str, parts)))
    return texts


@pytest.mark.parametrize("line", log_lines())
def test_a_line_of_the_log_is_in_the_words_haunt_uses(line: str) -> None:
    """A source's complaint begins with its name, which is put before it elsewhere."""
    said = said_by_haunt()
    assert line in said or line.removeprefix("Source …: ") in said


def test_every_warning_and_error_of_the_core_is_documented() -> None:
    logged: set[str] = set()
    for file in (ROOT / "haunt").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(
                    ast.Attribute(ast.Name("logger"), "warning" | "error" | "exception"), [ast.Constant(text), *_]
                ):
                    logged.add(re.sub(r"%[.\d]*[a-z]", "…", text))
    assert logged - {"Source …: …"} <= {*log_lines()}
