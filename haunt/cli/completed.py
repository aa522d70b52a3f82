"""Words a shell completes on the command line: symbols and sources, from a configuration at hand."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import click

FILES = ("config.yaml", "config/config.yaml")


def symbols(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    return _begun(_names("symbols"), incomplete)


def indicators(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    return _begun(_names("indicators"), incomplete)


def sources(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    return _begun(_names("sources"), incomplete)


def plugins(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    return _begun([entry_point.name for entry_point in metadata.entry_points(group="haunt")], incomplete)


def _names(section: str) -> list[str]:
    """What stands under the section of the first configuration that is there. Mistakes are for `haunt check`."""
    from haunt.config.document import read
    from haunt.errors import ConfigError

    for file in filter(Path.is_file, map(Path, FILES)):
        try:
            found = read(file).data.get(section)
        except ConfigError:
            return []
        return [str(name) for name in found] if isinstance(found, list | dict) else []
    return []


def _begun(words: list[str], incomplete: str) -> list[str]:
    return sorted(word for word in words if word.startswith(incomplete.lower()))
