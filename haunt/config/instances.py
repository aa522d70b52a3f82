"""The sections `sources` and `indicators`: named uses of plugins, checked against their own options."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

from haunt.config.document import Data, Document, Key
from haunt.config.model import INSTANCE_NAME, Broken, IndicatorConfig, InstanceOptions, SourceConfig
from haunt.config.problems import MAPPING, did_you_mean, shown, validate
from haunt.config.symbols import written_names
from haunt.errors import PluginError
from haunt.plugin.indicator import IndicatorOptions
from haunt.plugin.registry import RESERVED, PluginRecord, Registry, described, options_class
from haunt.plugin.source import SourceOptions

Kind = Literal["source", "indicator"]


class _Instance(NamedTuple):
    """A name under `sources:` or `indicators:`, without mistakes, whose plugin works."""

    name: str
    plugin: str
    enabled: bool
    record: PluginRecord
    options: SourceOptions | IndicatorOptions


def read_sources(document: Document, registry: Registry, broken: list[Broken]) -> dict[str, SourceConfig]:
    """The sources without mistakes, enabled or not; an enabled one whose plugin is broken is added to `broken`."""
    sources: dict[str, SourceConfig] = {}
    for name, plugin, enabled, record, options in _instances(document, "source", registry, broken):
        assert record.source is not None
        assert isinstance(options, SourceOptions)
        sources[name] = SourceConfig(name, plugin, record.source, options, enabled)
    if not _names_enabled(document.data.get("sources")):
        document.report(("sources",), "no source can run; name at least one that is not `enabled: false`")
    return sources


def read_indicators(document: Document, registry: Registry, broken: list[Broken]) -> dict[str, IndicatorConfig]:
    """Like `read_sources`, but there may be none."""
    indicators: dict[str, IndicatorConfig] = {}
    for name, plugin, enabled, record, options in _instances(document, "indicator", registry, broken):
        assert record.indicator is not None
        assert isinstance(options, IndicatorOptions)
        indicators[name] = IndicatorConfig(name, plugin, record.indicator, options, enabled)
    return indicators


def check_symbols(document: Document) -> None:
    """Report each name in a source's own `symbols` that is not one of Haunt's."""
    known = written_names(document)
    sources = document.data.get("sources")
    for source, given in sources.items() if known and isinstance(sources, dict) else ():
        wanted = given.get("symbols") if isinstance(given, dict) else None
        if wanted == []:
            document.report(("sources", source, "symbols"), "must name at least one; leave it out to take all")
        for index, name in enumerate(wanted if isinstance(wanted, list) else ()):
            key: Key = ("sources", source, "symbols", index)
            if isinstance(name, str) and name not in known:
                guess = "" if document.is_full else did_you_mean(name, known)
                document.report(key, f"{shown(name)} is not under symbols{guess}")
            elif isinstance(name, str) and known[name] != name:
                document.report(key, f"{shown(name)} is an alias; write {shown(known[name])}")


def _instances(document: Document, kind: Kind, registry: Registry, broken: list[Broken]) -> Iterator[_Instance]:
    section = f"{kind}s"
    data = document.data.get(section)
    if data is None:
        return
    if not isinstance(data, dict):
        first = (
            f", each name as a line '{data[0]}:'"
            if isinstance(data, list) and data and isinstance(data[0], str)
            else ""
        )
        document.report((section,), MAPPING.format(value=shown(data)) + first)
        return
    for name, given in data.items():
        if not re.fullmatch(INSTANCE_NAME, name):
            document.report((section, name), "a name here must be up to 32 of the letters a-z, digits and _")
        elif not isinstance(given, dict | None):
            document.report((section, name), MAPPING.format(value=shown(given)))
        else:
            found = _instance(document, kind, name, given or {}, registry)
            if isinstance(found, Broken):
                broken.append(found)
            elif found is not None:
                yield found


def _instance(
    document: Document, kind: Kind, name: str, given: dict[str, Data], registry: Registry
) -> _Instance | Broken | None:
    """None: mistakes were reported, or it is not enabled and its plugin is of no use."""
    key: Key = (f"{kind}s", name)
    settings = validate(InstanceOptions, {word: given[word] for word in RESERVED if word in given}, document, key)
    enabled = settings is None or settings.enabled
    plugin = given.get("plugin") or name
    if not isinstance(plugin, str):
        return None
    place: Key = (*key, "plugin") if given.get("plugin") else key
    try:
        record = registry.load(plugin)
    except PluginError:
        if enabled:
            document.report(place, registry.missing(plugin))
        return None
    if record.state != "loaded":
        return Broken(kind, name, plugin, record.reason) if enabled else None
    cls = record.source if kind == "source" else record.indicator
    if cls is None:
        document.report(place, f"plugin {plugin} is not for {kind}s; it belongs under {record.kinds[0]}s")
        return None
    theirs: dict[str, Data] = {word: value for word, value in given.items() if word not in RESERVED}
    try:
        options = validate(options_class(cls), theirs, document, key, also=RESERVED)
    except Exception as error:  # a bug in the plugin's own validators: the file is not to blame
        return (
            Broken(kind, name, plugin, document.hide(f"its check of the options raised {described(error)}"))
            if enabled
            else None
        )
    return _Instance(name, plugin, enabled, record, options) if options is not None else None


def _names_enabled(sources: Data) -> bool:
    if not isinstance(sources, dict):
        return sources is not None
    return any(not (isinstance(given, dict) and given.get("enabled") is False) for given in sources.values())
