"""The environment overrides the file, and its mistakes name the variable."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from haunt.config.model import Config

Load = Callable[..., Config]
Problems = Callable[..., list[str]]

WRONG_KIND = "plugin southex is not for indicators; it belongs under sources"
TEXT = "symbols: [btc, eth]\nsources: {southex: {depth: 9}}\n"


@pytest.mark.parametrize("variable", ["HAUNT_SERVER__PORT", "haunt_server__port", "Haunt_Server__Port"])
def test_a_variable_sets_an_option_whatever_its_case(load_text: Load, variable: str) -> None:
    assert load_text(TEXT, {variable: "3001"}).server.port == 3001


def test_a_variable_is_stronger_than_the_file(load_text: Load) -> None:
    config = load_text("server: {port: 1, host: 0.0.0.0}\n" + TEXT, {"HAUNT_SERVER__PORT": "2"})
    assert (config.server.port, config.server.host) == (2, "0.0.0.0")


def test_a_variable_mends_what_the_file_says_wrong(load_text: Load) -> None:
    assert load_text("server: {port: x}\n" + TEXT, {"HAUNT_SERVER__PORT": "2"}).server.port == 2


def test_a_variable_sets_an_option_of_a_source(load_text: Load) -> None:
    config = load_text(TEXT, {"HAUNT_SOURCES__SOUTHEX__DEPTH": "11"})
    assert config.sources["southex"].options.model_dump()["depth"] == 11


def test_a_variable_adds_a_source_and_a_symbol(load_text: Load) -> None:
    environ = {"HAUNT_SOURCES__NEW__PLUGIN": "southex", "HAUNT_SYMBOLS__SOL": "{aliases: [sl], tick: 0.1}"}
    config = load_text("symbols: {btc: }\nsources: {southex: }\n", environ)
    assert list(config.sources) == ["southex", "new"]
    assert config.symbols[1].aliases == ("sl",)


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("null", None),
        ("~", None),
        ("#x*&!%@`y", "#x*&!%@`y"),
        ("'12'", "12"),
        ('"a\\tb"', None),
        ("a:b", "a:b"),
    ],
)
def test_a_plain_value_is_taken_as_it_is_and_a_quoted_one_as_text(
    load_text: Load, problems: Problems, written: str, value: str | None
) -> None:
    environ = {"HAUNT_SERVER__TOKEN": written}
    if "\\t" in written:
        assert problems(TEXT, environ)[0].startswith("environment HAUNT_SERVER__TOKEN: server.token: must be visible")
    else:
        assert load_text(TEXT, environ).server.revealed("token") == value


def test_a_list_is_written_as_in_the_file(load_text: Load) -> None:
    config = load_text(TEXT, {"HAUNT_SERVER__ALLOWED_ORIGINS": "[https://a.example, 'null']"})
    assert config.server.allowed_origins == ("https://a.example", "null")


@pytest.mark.parametrize("variable", ["HAUNT_URL", "HAUNT_SERVER", "HAUNT_SERVER_PORT", "SERVER__PORT", "HAUNT_"])
def test_other_variables_are_not_haunts(load_text: Load, variable: str) -> None:
    assert load_text(TEXT, {variable: "nonsense"}) == load_text(TEXT)


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("HAUNT_SERVR__PORT", "1", "servr: unknown section; did you mean 'server'?"),
        ("HAUNT_SERVER__PROT", "1", "server.prot: unknown option; did you mean 'port'?"),
        ("HAUNT_SERVER__PORT", "x", "server.port: must be a whole number, not 'x'"),
        ("HAUNT_SERVER__PORT", "012", "server.port: must be a whole number, not '012'"),
        ("HAUNT_STREAM__COMPRESSION", "yes", "stream.compression: must be true or false, not 'yes'; write true"),
        ("HAUNT_SERVER__TOKEN", " ", "server.token: is empty; give it a value, null for none, or unset it"),
        ("HAUNT_SERVER__PORT__X", "1", "server.port.x: cannot be set: server.port holds no 'name: value' lines"),
        ("HAUNT_SYMBOLS__SOL", "null", "symbols.sol: cannot be set: symbols holds no 'name: value' lines"),
        ("HAUNT_LOG__LEVEL", "[a", "log.level: a '[' before this is not closed, or a ',' is missing"),
        ("HAUNT_LOG__LEVEL", "[*a]", "log.level: aliases (*a) are not supported; write the value out"),
        ("HAUNT_SERVER__ALLOWED_HOSTS", "[1]", "server.allowed_hosts[0]: must be text, not 1; write it in quotes: '1'"),
        ("HAUNT_SERVER__HOST", "a\udcff", "server.host: holds half a character (U+DCFF); write the character itself"),
        ("HAUNT_SOURCES__SOUTHEX__DEPTH", "0", "sources.southex.depth: must be at least 1, not 0"),
        ("HAUNT_INDICATORS__NEW__PLUGIN", "southex", "indicators.new.plugin: " + WRONG_KIND),
        ("HAUNT_SERVER__\udcff", "1", "names no option; write it like HAUNT_SERVER__PORT"),
        ("HAUNT_SERVER__", "1", "names no option; write it like HAUNT_SERVER__PORT"),
        ("HAUNT_SERVER" + "__A" * 30, "1", "names no option; write it like HAUNT_SERVER__PORT"),
    ],
)  # fmt: skip
def test_a_mistake_names_the_variable(problems: Problems, variable: str, value: str, sentence: str) -> None:
    shown = variable.replace("\udcff", "\\udcff") if len(variable) <= 64 else variable[:61] + "..."
    text = "server: {port: 1}\n" + TEXT
    assert problems(text, {variable: value}) == [f"environment {shown}: {sentence}"]


def test_the_files_mistakes_come_before_the_environments(problems: Problems) -> None:
    found = problems("server: {prot: 1}\n" + TEXT, {"HAUNT_LOG__LEVEL": "x", "HAUNT_LOG__COLOUR": "x"})
    assert [problem.split(":")[0] for problem in found] == [
        "haunt.yaml, line 1",
        "environment HAUNT_LOG__LEVEL",
        "environment HAUNT_LOG__COLOUR",
    ]
