"""`haunt schema`: the JSON Schema of a configuration."""

from __future__ import annotations

import json

import click

from haunt.config.schema import schema as described
from haunt.plugin.registry import Registry


@click.command()
def schema() -> None:
    """Print the JSON Schema of a configuration with the installed plugins, for an editor or a program.

    `haunt init` writes it beside a configuration; after installing a plugin, write it anew.

    Example: haunt schema
    """
    click.echo(as_json())


def as_json() -> str:
    return json.dumps(described(Registry()), indent=2)
