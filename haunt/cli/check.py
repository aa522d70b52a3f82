"""`haunt check`: every mistake in a configuration, or what it would run and whether that can be reached."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Iterable
from dataclasses import asdict
from textwrap import fill
from typing import NamedTuple

import click

from haunt.cli.reach import Reach, reach
from haunt.cli.updates import clean
from haunt.config.load import load
from haunt.config.model import Broken, Config, IndicatorConfig, SourceConfig
from haunt.errors import ConfigError, Problem
from haunt.plugin.registry import Registry

DEFAULT = "config/config.yaml"
EX_CONFIG = 78  # sysexits.h: something was found in an unconfigured or misconfigured state
WIDTH = 80
ADDRESSES = ("url", "rest_url")
"""The options by which a source says where its venue is."""


class Probe(NamedTuple):
    """What came of asking one address of a source."""

    source: str
    option: str
    address: str
    reach: Reach


@click.command()
@click.argument("file", type=click.Path(), default=DEFAULT)
@click.option("--probe", is_flag=True, help="Also ask every enabled source's addresses whether they answer.")
@click.option("--json", "as_json", is_flag=True, help="Print data instead of sentences.")
def check(file: str, probe: bool, as_json: bool) -> None:
    """Check the configuration FILE (config/config.yaml when absent) and start nothing.

    Prints every mistake and exits with 78, or prints what the configuration would run. With --probe it exits with 1
    when an address does not answer.

    Example: haunt check config/demo.yaml
    """
    try:
        config = load(file, Registry(), os.environ)
    except ConfigError as error:
        click.echo(_as_json(file, problems=error.problems) if as_json else error, err=not as_json)
        sys.exit(EX_CONFIG)
    probes = asyncio.run(probed(config)) if probe else []
    if as_json:
        click.echo(_as_json(file, broken=config.broken, probes=probes))
    else:
        _print(file, config, probes)
    sys.exit(0 if all(one.reach.ok for one in probes) else 1)


async def probed(config: Config) -> list[Probe]:
    """What came of asking the addresses of every enabled source, all at once."""
    asked = [
        (source.name, option, getattr(source.options, option))
        for source in config.sources.values()
        for option in ADDRESSES
        if source.enabled and hasattr(source.options, option)
    ]
    answers = await asyncio.gather(*[reach(address) for _, _, address in asked])
    return [Probe(*one, answer) for one, answer in zip(asked, answers, strict=True)]


# -- as text


def _print(file: str, config: Config, probes: Iterable[Probe]) -> None:
    click.echo("\n".join([f"{file}: no mistakes", *summary(config)]))
    for warning in config.warnings:
        click.echo(f"warning: {warning}", err=True)
    for broken in config.broken:
        click.echo(
            f"warning: {broken.kind} {broken.name} will not run: plugin {broken.plugin}: {broken.reason}", err=True
        )
    for source, option, address, answer in probes:
        mark = click.style("ok   ", fg="green") if answer.ok else click.style("wrong", fg="red")
        click.echo(f"{mark}  {source}.{option}  {clean(address.partition('?')[0])}")
        each = ", ".join(f"{step} {taken:.0f} ms" for step, taken in answer.steps.items())
        text = answer.sentence + (f" ({each})" if each else "")
        click.echo(fill(text, WIDTH, initial_indent=" " * 7, subsequent_indent=" " * 7))


def _as_json(
    file: str, *, problems: Iterable[Problem] = (), broken: Iterable[Broken] = (), probes: Iterable[Probe] = ()
) -> str:
    data = {
        "file": file,
        "problems": [asdict(problem) for problem in problems],
        "broken": [asdict(one) for one in broken],
        "addresses": [
            {"source": source, "option": option, "address": address, **answer._asdict()}
            for source, option, address, answer in probes
        ],
    }
    return json.dumps(data, indent=2)


def summary(config: Config) -> list[str]:
    """What the configuration would run, in a line for each section."""
    host = f"[{config.server.host}]" if ":" in config.server.host else config.server.host
    port = config.server.port or "(any free port)"
    scheme = "https" if config.server.tls else "http"
    symbols = ", ".join(symbol.name for symbol in config.symbols)
    lines = {
        "listens": f"{scheme}://{host}:{port}, WebSocket at /ws" + (", with a token" if config.server.token else ""),
        "sources": _names(config.sources.values()),
        "symbols": symbols,
        "indicators": _names(config.indicators.values()),
    }
    return [
        fill(line, WIDTH, initial_indent=f"  {name:<12}", subsequent_indent=" " * 14) for name, line in lines.items()
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
