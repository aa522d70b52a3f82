"""`haunt check`: every mistake in a configuration, or what it would run."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable

import click

from haunt.config.load import load
from haunt.config.model import Config, IndicatorConfig, SourceConfig
from haunt.errors import ConfigError
from haunt.plugin.registry import Registry

DEFAULT = "config/config.yaml"
EX_CONFIG = 78  # sysexits.h: something was found in an unconfigured or misconfigured state


@click.command()
@click.argument("file", type=click.Path(), default=DEFAULT)
def check(file: str) -> None:
    """Check the configuration FILE (config/config.yaml when absent) and start nothing.

    Prints every mistake and exits with 78, or prints what the configuration would run.

    Example: haunt check config/demo.yaml
    """
    try:
        config = load(file, Registry(), os.environ)
    except ConfigError as error:
        for problem in error.problems:
            click.echo(str(problem), err=True)
        sys.exit(EX_CONFIG)
    click.echo("\n".join([f"{file}: no mistakes", *summary(config)]))
    for broken in config.broken:
        click.echo(
            f"warning: {broken.kind} {broken.name} will not run: plugin {broken.plugin}: {broken.reason}", err=True
        )


def summary(config: Config) -> list[str]:
    """What the configuration would run, in a line for each section."""
    host = f"[{config.server.host}]" if ":" in config.server.host else config.server.host
    port = config.server.port or "(any free port)"
    symbols = ", ".join(symbol.name for symbol in config.symbols)
    return [
        f"  listens     http://{host}:{port}, WebSocket at /ws" + (", with a token" if config.server.token else ""),
        f"  sources     {_names(config.sources.values())}",
        f"  symbols     {symbols}",
        f"  indicators  {_names(config.indicators.values())}",
    ]


def _names(instances: Iterable[SourceConfig | IndicatorConfig]) -> str:
    return ", ".join(instance.name + _remarks(instance) for instance in instances) or "none"


def _remarks(instance: SourceConfig | IndicatorConfig) -> str:
    remarks = []
    if isinstance(instance, IndicatorConfig):
        remarks.append(instance.options.timeframe)
    elif instance.cls.simulated:
        remarks.append("simulated")
    if not instance.enabled:
        remarks.append("not enabled")
    return f" ({', '.join(remarks)})" if remarks else ""
