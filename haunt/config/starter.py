"""A first configuration: few sections, each option with its default and a line of comment."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from textwrap import fill

import yaml
from pydantic import BaseModel

from haunt.config.model import FIXED, InstanceOptions, Server, SymbolOptions
from haunt.errors import PluginError
from haunt.plugin.registry import PluginRecord, Registry, options_class
from haunt.plugin.source import SourceOptions

HEAD = """\
# yaml-language-server: $schema=./{schema}
#
# Haunt's configuration. What is left out has its default. `haunt check {file}` names every mistake
# with its line, `haunt serve {file}` runs it. An environment variable overrides any option:
# HAUNT_SERVER__PORT=3001. There are more sections, and the schema beside this file knows their options:
{sections}
"""
SYMBOLS = """\

# The assets to track, by the lower-case code clients use. Below a name may stand
"""
SOURCES = """\

# Where the data comes from: every venue that is installed. Below a name may stand options of its plugin, such as
"""
INDICATORS = """\

# What is computed from the prices. The name is the indicator's name in signals. Installed are
# {installed}.
indicators:
"""


def starter(registry: Registry, *, file: str, schema: str, symbols: Iterable[str], indicators: Iterable[str]) -> str:
    """The text of it. Imports every installed plugin to see which are venues.

    `indicators` that are not installed are left out. Raises PluginError when no source is installed that could run
    without options.
    """
    records = [record for record in map(registry.load, registry.installed_names()) if record.state == "loaded"]
    others = [f"#   {name:<8} {model.__doc__}" for name, model in FIXED.items() if name != "server"]
    parts = [HEAD.format(file=file, schema=schema, sections="\n".join(others))]
    parts += [f"\n# {Server.__doc__}\n", "server:\n", *_options(Server)]
    parts += [SYMBOLS, *_remarks(SymbolOptions), "symbols:\n", *(f"  {symbol}:\n" for symbol in symbols)]
    parts += [SOURCES, *_remarks(InstanceOptions), *_remarks(SourceOptions)]
    parts += ["sources:\n", *(f"  {name}:\n" for name in _sources(records))]
    installed = {record.name: record for record in records if record.indicator}
    parts.append(INDICATORS.format(installed=fill(", ".join(installed), 110).replace("\n", "\n# ")))
    chosen = [name for name in indicators if name in installed]
    for name in chosen:
        parts += [f"  {name}:\n", *_options(options_class(registry.indicator(name)), indent="    ")]
    return "".join(parts) if chosen else "".join(parts).removesuffix("\n") + " {}\n"


def _sources(records: Iterable[PluginRecord]) -> list[str]:
    """Those that need no options: the real ones, or invented ones where there are none."""
    ready = [record for record in records if record.source and not _required(options_class(record.source))]
    found = [record.name for record in ready if not record.simulated] or [record.name for record in ready]
    if not found:
        raise PluginError("no source is installed; `haunt plugins` lists what there is, and why what is broken is")
    return found


def _required(model: type[BaseModel]) -> bool:
    return any(field.is_required() for field in model.model_fields.values())


def _options(model: type[BaseModel], indent: str = "  ") -> Iterator[str]:
    """Every option with its default, below its description."""
    for name, field in model.model_fields.items():
        yield f"{indent}# {field.description}\n{indent}{name}: {_written(field.get_default())}\n"


def _remarks(model: type[BaseModel]) -> Iterator[str]:
    """The same, as a comment."""
    for name, field in model.model_fields.items():
        yield f"#   {f'{name}: {_written(field.get_default())}':<30} # {field.description}\n"


def _written(value: object) -> str:
    plain = list(value) if isinstance(value, tuple) else value
    return yaml.safe_dump(plain, default_flow_style=True, width=1000).splitlines()[0]
