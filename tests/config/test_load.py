"""A configuration without mistakes says what it says, and what is broken in the code is not its fault."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from haunt.config.load import load
from haunt.config.model import Broken, Config, Limits, Log, Server, Stream
from haunt.errors import ConfigError
from haunt.market.composite import PriceRules
from haunt.market.symbols import Symbol
from haunt.plugin.registry import Registry

Load = Callable[..., Config]
Problems = Callable[..., list[str]]

NO_SUCH_FILE = "there is no such file; name another, or let `haunt init` write one"
SHORTEST = "symbols: [btc]\nsources: {southex: }\n"


def test_what_is_left_out_has_its_default(load_text: Load) -> None:
    config = load_text(SHORTEST)
    assert (config.server, config.limits, config.stream, config.log) == (Server(), Limits(), Stream(), Log())
    assert config.symbols == (Symbol("btc"),)
    assert config.indicators == {}
    assert config.broken == ()


def test_the_defaults_are_those_of_the_protocol() -> None:
    limits = Limits()
    assert (limits.subscriptions, limits.messages_per_second, limits.idle_timeout) == (100, 10, 300)
    assert (limits.message_size, limits.ping_interval, Stream().status_interval) == (65_536, 30, 30)
    assert (Server().host, Server().port, Server().token) == ("127.0.0.1", 3000, None)


def test_symbols_may_have_aliases_and_a_tick_and_digits_and_nothing(load_text: Load) -> None:
    text = "symbols:\n  btc: {aliases: [xbt, xxbt], tick: 0.01}\n  1inch:\n  usd.e: {}\nsources: {southex: }\n"
    assert load_text(text).symbols == (Symbol("btc", ("xbt", "xxbt"), 0.01), Symbol("1inch"), Symbol("usd.e"))


def test_a_symbol_may_have_price_options_of_its_own_and_has_all_others_from_the_section(load_text: Load) -> None:
    text = "price: {method: median, clamp: 0.01}\nsymbols: {btc: , eth: {price: {clamp: 0.02, stale_after: 60}}}\n"
    btc, eth = load_text(text + "sources: {southex: }\n").symbols
    assert btc.rules == PriceRules(method="median", clamp=0.01)
    assert eth.rules == PriceRules(method="median", clamp=0.02, stale_after=60)


def test_the_defaults_of_the_section_price_are_those_of_the_method(load_text: Load) -> None:
    assert load_text(SHORTEST).symbols[0].rules == PriceRules()


def test_the_history_is_in_the_folder_of_the_file_or_nowhere(load_text: Load, tmp_path: Path) -> None:
    paths = [
        load_text(SHORTEST + text).history.path for text in ("", "history: {path: /x.db}", "history: {path: null}")
    ]
    assert paths == [str(tmp_path / "history.db"), "/x.db", None]


def test_one_plugin_serves_several_names(load_text: Load) -> None:
    text = "symbols: [btc]\nsources:\n  southex:\n  other: {plugin: southex, depth: 9, symbols: [btc], weight: 2}\n"
    sources = load_text(text).sources
    assert [(source.name, source.plugin) for source in sources.values()] == [
        ("southex", "southex"),
        ("other", "southex"),
    ]
    assert (sources["other"].options.weight, sources["other"].options.symbols) == (2, ("btc",))
    assert sources["other"].cls is sources["southex"].cls


def test_an_indicator_has_its_class_and_options(load_text: Load) -> None:
    gauge = load_text(SHORTEST + "indicators: {slow: {plugin: gauge, timeframe: 4h, period: 99}}\n").indicators["slow"]
    assert (gauge.cls.name, gauge.options.timeframe, gauge.enabled) == ("gauge", "4h", True)


def test_pages_and_hosts_may_be_named_or_all(load_text: Load) -> None:
    pages, hosts = "[https://a.example:8080, 'null', '*']", "[market.example.com, '::1', 10.0.0.7, '*']"
    server = load_text(f"server: {{allowed_origins: {pages}, allowed_hosts: {hosts}}}\n{SHORTEST}").server
    assert server.allowed_origins == ("https://a.example:8080", "null", "*")
    assert server.allowed_hosts == ("market.example.com", "::1", "10.0.0.7", "*")


def test_no_on_and_their_like_are_text(load_text: Load) -> None:
    text = "symbols: [no, on, off, yes, y, n]\nsources: {southex: {code: NO}}\n"
    assert [symbol.name for symbol in load_text(text).symbols] == ["no", "on", "off", "yes", "y", "n"]


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(load_text: Load) -> None:
    assert load_text(b"\xef\xbb\xbf" + SHORTEST.replace("\n", "\r\n").encode()) == load_text(SHORTEST)


def test_equal_files_are_equal_configurations_and_a_changed_option_shows(load_text: Load) -> None:
    before, same, after = (load_text(f"symbols: [btc]\nsources: {{southex: {{depth: {n}}}}}\n") for n in (9, 9, 10))
    assert before == same
    assert before.sources["southex"] == same.sources["southex"]
    assert before.sources["southex"] != after.sources["southex"]


def test_a_configuration_cannot_be_changed(load_text: Load) -> None:
    with pytest.raises(FrozenInstanceError):
        load_text(SHORTEST).symbols = ()  # type: ignore[misc]


def test_the_token_is_not_in_the_text_of_a_configuration(load_text: Load) -> None:
    config = load_text("server: {token: {env: MINE}}\n" + SHORTEST, {"MINE": "hunter2"})
    assert config.secrets == {"hunter2"}
    assert "hunter2" not in repr(config)


def test_a_broken_plugin_is_not_the_files_mistake(load_text: Load) -> None:
    config = load_text("symbols: [btc]\nsources:\n  southex:\n  mine: {plugin: ruin, what: ever}\n")
    assert list(config.sources) == ["southex"]
    broken = config.broken[0]
    assert (broken.kind, broken.name, broken.plugin) == ("source", "mine", "ruin")
    assert broken.reason.startswith("its import raised ModuleNotFoundError: No module named 'no_such_library'")


def test_a_file_whose_every_source_is_broken_still_loads(load_text: Load) -> None:
    config = load_text("symbols: [btc]\nsources: {ruin: }\nindicators: {ruin: }\n")
    assert [broken.kind for broken in config.broken] == ["source", "indicator"]
    assert config.sources == {}


def test_a_plugin_whose_check_of_options_crashes_is_broken_alone(load_text: Load) -> None:
    config = load_text("symbols: [btc]\nsources:\n  southex: {crash: 1}\n  fine: {plugin: southex}\n")
    assert list(config.sources) == ["fine"]
    assert isinstance(config.broken[0], Broken)
    assert config.broken[0].reason.startswith("its check of the options raised ZeroDivisionError: ")
    assert "invented_southex.py, line " in config.broken[0].reason


def test_what_is_not_enabled_keeps_its_options(load_text: Load) -> None:
    config = load_text("symbols: [btc]\nsources:\n  southex:\n  x: {plugin: southex, enabled: false, depth: 7}\n")
    assert (config.sources["x"].enabled, config.sources["southex"].enabled) == (False, True)
    assert config.sources["x"].options.model_dump()["depth"] == 7


def test_the_options_of_what_is_not_enabled_are_checked(problems: Problems) -> None:
    text = "symbols: [btc]\nsources:\n  southex:\n  x: {plugin: southex, enabled: false, dept: 7}\n"
    assert problems(text) == ["haunt.yaml, line 4: sources.x.dept: unknown option; did you mean 'depth'?"]


def test_the_plugin_of_what_is_not_enabled_may_be_gone_or_broken(load_text: Load) -> None:
    config = load_text("symbols: [btc]\nsources:\n  southex:\n  gone: {enabled: false}\n  ruin: {enabled: false}\n")
    assert (list(config.sources), config.broken) == (["southex"], ())


def test_only_plugins_the_file_names_are_imported(load_text: Load, registry: Registry) -> None:
    load_text(SHORTEST)
    assert {record.name: record.state for record in registry.records()} == {
        "gauge": "installed",
        "northex": "installed",
        "ruin": "installed",
        "southex": "loaded",
    }


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("none.yaml", f"none.yaml: {NO_SUCH_FILE}"),
        ("folder", "folder: is a directory; name the file in it"),
        ("folder/x", f"folder/x: {NO_SUCH_FILE}"),
        ("bad\0name", "bad\0name: cannot be read: embedded null byte"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_read_is_named(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, sentence: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    with pytest.raises(ConfigError) as caught:
        load(path, registry, {})
    assert str(caught.value) == sentence


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="needs a file its owner may not read")
def test_a_file_without_permission_is_named(registry: Registry, tmp_path: Path) -> None:
    path = tmp_path / "secret.yaml"
    path.touch(mode=0)
    with pytest.raises(ConfigError, match=r"secret\.yaml: cannot be read: Permission denied"):
        load(path, registry, {})
