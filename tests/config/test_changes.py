"""What is another in a new configuration, and what that asks for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from blocks import ROOT

from haunt.config.changes import LIVE, Changes, changes, in_force, told
from haunt.config.model import FIXED, Config

BASE = """
server: {port: 3000}
symbols:
  btc: {aliases: [xbt]}
  eth:
sources:
  southex: {depth: 10}
  all: {plugin: southex}
  some: {plugin: southex, symbols: [btc]}
  idle: {plugin: southex, enabled: false}
indicators:
  gauge: {period: 20}
"""
Load = Callable[..., Config]
NOTHING: Mapping[str, list[str]] = {}


def flat(found: Changes) -> dict[str, list[str]]:
    """Only what is another, such as {"sources.started": […]}."""
    named = {
        f"{kind}.{done}": names
        for kind in ("sources", "symbols", "indicators")
        for done, names in getattr(found, kind)._asdict().items()
    }
    named |= {"settings": found.settings, "needs_restart": found.needs_restart}
    return {name: names for name, names in named.items() if names}


def changed(text: str, **words: str) -> str:
    for old, new in words.items():
        assert old in text
        text = text.replace(old, new)
    return text


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("{port: 3000}", "{}", NOTHING),
        ("southex: {depth: 10}", "southex: {mode: live, depth: 10}", NOTHING),
        ("southex: {depth: 10}", "southex: {depth: 11}", {"sources.restarted": ["southex"]}),
        ("southex: {depth: 10}", "southex: {depth: 10, enabled: false}", {"sources.stopped": ["southex"]}),
        (", enabled: false", "", {"sources.started": ["idle"]}),
        ("enabled: false", "enabled: false, depth: 7", NOTHING),
        ("  some:", "  other:", {"sources.started": ["other"], "sources.stopped": ["some"]}),
        ("  eth:", "  eth:\n  sol:", {"symbols.added": ["sol"], "sources.adjusted": ["southex", "all"]}),
        ("  eth:", "", {"symbols.removed": ["eth"], "sources.adjusted": ["southex", "all"]}),
        ("  eth:", "  eth: {tick: 0.1}", {"symbols.changed": ["eth"]}),
        ("  eth:", "  eth: {price: {clamp: 0.01}}", {"symbols.changed": ["eth"]}),
        ("server:", "price: {clamp: 0.01}\nserver:", {"symbols.changed": ["btc", "eth"]}),
        ("[xbt]", "[xbt, xb]", {"symbols.changed": ["btc"], "sources.restarted": ["southex", "all", "some"]}),
        ("symbols: [btc]", "symbols: [eth]", {"sources.restarted": ["some"]}),
        ("{period: 20}", "{period: 21}", {"indicators.changed": ["gauge"]}),
        ("gauge: {period: 20}", "", {"indicators.removed": ["gauge"]}),
        ("{period: 20}", "{period: 20}\n  slow: {plugin: gauge}", {"indicators.added": ["slow"]}),
        ("port: 3000", "port: 3000, allowed_hosts: [abc]", {"settings": ["server.allowed_hosts"]}),
        ("port: 3000", "port: 3001", {"needs_restart": ["server.port"]}),
        ("server:", "limits: {drain: 1}\nserver:", {"settings": ["limits.drain"]}),
        ("server:", "history: {path: other.db}\nserver:", {"needs_restart": ["history.path"]}),
    ],
)  # fmt: skip
def test_only_what_says_something_else_is_a_change(load_text: Load, old: str, new: str, expected: dict[str, list[str]]):
    before = load_text(BASE)
    assert flat(changes(before, load_text(changed(BASE, **{old: new})))) == expected


def test_what_needs_a_restart_stays_as_it_was(load_text: Load):
    before = load_text(BASE)
    after = in_force(before, load_text(changed(BASE, **{"port: 3000": "port: 3001, allowed_hosts: [abc]"})))
    assert (after.server.port, after.server.allowed_hosts) == (3000, ("abc",))
    assert flat(changes(before, after)) == {"settings": ["server.allowed_hosts"]}


def test_a_change_is_told_in_one_sentence(load_text: Load):
    before = load_text(BASE)
    after = changed(BASE, **{"depth: 10": "depth: 11", "port: 3000": "port: 3001", "  eth:": "  sol:\n  ltc:"})
    assert told(changes(before, load_text(after))) == (
        "source restarted: southex; source adjusted: all; symbols added: sol, ltc; symbol removed: eth; "
        "needs a restart: server.port"
    )
    assert told(changes(before, before)) == "nothing is another"


def test_every_option_is_known_to_be_live_or_documented_to_need_a_restart():
    options = {f"{section}.{option}" for section, model in FIXED.items() for option in model.model_fields}
    assert options >= LIVE
    text = (Path(ROOT) / "docs" / "operations.md").read_text(encoding="utf-8")
    documented = text.partition("## Reload")[2].partition("\n## ")[0]
    # The options of a symbol's price are the symbol's.
    needs_restart = {option for option in options - LIVE if not option.startswith("price.")}
    assert {option for option in needs_restart if f"`{option}`" not in documented} == set()
