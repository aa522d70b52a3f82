"""What is another in a new configuration."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from typing import NamedTuple

from haunt.config.model import Config, Section, SourceConfig
from haunt.market.symbols import Symbol

LIVE = frozenset((
    "server.token", "server.admin_token", "server.allowed_origins", "server.allowed_hosts",
    "server.trusted_proxies",
    "limits.subscriptions", "limits.messages_per_second", "limits.idle_timeout", "limits.ping_interval",
    "limits.message_size", "limits.connections", "limits.connections_per_ip", "limits.send_buffer",
    "limits.pending_bytes", "limits.slow_timeout", "limits.abuse", "limits.control_frames_per_second", "limits.drain",
    "stream.status_interval", "stream.orderbook_interval", "stream.orderbook_depth", "stream.max_updates_per_second",
    "stream.first_price_wait", "stream.compression",
    "log.level", "log.levels", "log.format", "reload.watch",
    "history.keep", "history.flush_interval",
))  # fmt: skip
"""The options that take effect while Haunt runs; for any other of a fixed section it must be started again."""


class Difference(NamedTuple):
    """Names, in the order of the file."""

    added: list[str]
    removed: list[str]
    changed: list[str]


class SourceChanges(NamedTuple):
    """The sources that must be started, stopped or run anew, and those that are asked for other symbols alone."""

    started: list[str]
    stopped: list[str]
    restarted: list[str]
    adjusted: list[str]


class Changes(NamedTuple):
    """`settings` take effect at once, `needs_restart` when Haunt is started again: both `section.option`."""

    sources: SourceChanges
    symbols: Difference
    indicators: Difference
    settings: list[str]
    needs_restart: list[str]


def changes(old: Config, new: Config) -> Changes:
    """Options are compared by value: what says the same in other words is no change."""
    sources = difference(_enabled(old.sources), _enabled(new.sources))
    kept = {name: (_asked(old, name), _asked(new, name)) for name in _kept(new, sources)}
    renamed = [
        name for name, (before, now) in kept.items() if any(before.get(one, now[one]) != now[one] for one in now)
    ]
    restarted = [name for name in new.sources if name in sources.changed or name in renamed]
    adjusted = [name for name, (before, now) in kept.items() if before.keys() != now.keys() and name not in restarted]
    other = list(_settings(old, new))
    return Changes(
        SourceChanges(sources.added, sources.removed, restarted, adjusted),
        difference({one.name: one for one in old.symbols}, {one.name: one for one in new.symbols}),
        difference(_enabled(old.indicators), _enabled(new.indicators)),
        [name for name in other if name in LIVE],
        [name for name in other if name not in LIVE],
    )


def difference(old: Mapping[str, object], new: Mapping[str, object]) -> Difference:
    """Of two mappings by name."""
    return Difference(
        [name for name in new if name not in old],
        [name for name in old if name not in new],
        [name for name in new if name in old and new[name] != old[name]],
    )


def wanted(source: SourceConfig, symbols: Iterable[Symbol]) -> list[Symbol]:
    """What a source is asked for."""
    asked = source.options.symbols
    return [symbol for symbol in symbols if asked is None or symbol.name in asked]


def in_force(old: Config, new: Config) -> Config:
    """The new configuration, but for what needs a restart."""
    waiting = changes(old, new).needs_restart
    sections: dict[str, Section] = {}
    for name, section in _sections(new):
        before = getattr(old, name)
        kept = {
            option: getattr(before, option) for option in type(section).model_fields if f"{name}.{option}" in waiting
        }
        sections[name] = section.model_copy(update=kept)
    return replace(new, **sections)  # type: ignore[arg-type]


def told(changes: Changes) -> str:
    """In one sentence for the log."""
    sources, symbols, indicators, settings, needs_restart = changes
    parts = [
        *_named("source", sources._asdict()),
        *_named("symbol", symbols._asdict()),
        *_named("indicator", indicators._asdict()),
        *_named("", {"set": settings, "needs a restart": needs_restart}),
    ]
    return "; ".join(parts) or "nothing is another"


def _named(kind: str, lists: Mapping[str, list[str]]) -> Iterator[str]:
    for done, names in lists.items():
        if names:
            plural = "s" if kind and len(names) > 1 else ""
            yield f"{kind}{plural} {done}: {', '.join(names)}".strip()


def _enabled(instances: Mapping[str, object]) -> dict[str, object]:
    return {name: one for name, one in instances.items() if one.enabled}  # type: ignore[attr-defined]


def _kept(new: Config, sources: Difference) -> list[str]:
    """The sources that say the same as before."""
    other = {*sources.added, *sources.changed}
    return [name for name, one in new.sources.items() if one.enabled and name not in other]


def _asked(config: Config, source: str) -> dict[str, Sequence[str]]:
    """The symbols a source is asked for, and their other names, by which venues may know them."""
    return {symbol.name: symbol.aliases for symbol in wanted(config.sources[source], config.symbols)}


def _sections(config: Config) -> Iterator[tuple[str, Section]]:
    for one in fields(config):
        section = getattr(config, one.name)
        if isinstance(section, Section):
            yield one.name, section


def _settings(old: Config, new: Config) -> Iterator[str]:
    for name, section in _sections(new):
        before = getattr(old, name)
        for option in type(section).model_fields:
            if getattr(section, option) != getattr(before, option):
                yield f"{name}.{option}"
