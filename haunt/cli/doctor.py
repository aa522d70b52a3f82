"""`haunt doctor`: what on this computer Haunt would stumble over."""

from __future__ import annotations

import asyncio
import json
import os
import platform
import resource
import shutil
import socket
import sys
import time
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from textwrap import fill
from typing import Literal, NamedTuple
from urllib.error import URLError
from urllib.request import urlopen

import click

from haunt.cli.check import DEFAULT, probed
from haunt.config.load import load
from haunt.config.model import Config
from haunt.errors import ConfigError
from haunt.plugin.registry import Registry

LIBRARIES = ("haunt", "tornado", "pluggy", "pydantic", "pyyaml", "ujson", "click", "rich")
DEFAULT_PORT = 3000
WIDTH = 80
FEW_FILES = 1_024
LITTLE_ROOM, NO_ROOM = 1_000_000_000, 100_000_000  # bytes
CLOCK_WATCH = 0.2  # seconds
UNSTEADY = 0.05  # a clock that is set meanwhile differs by more
WRONG_CLOCK = 2.0  # seconds; an answer's `Date` tells whole ones
STYLES = {"ok": "green", "look": "yellow", "wrong": "red"}


class Finding(NamedTuple):
    """One line. `cure` is empty where nothing needs to be done."""

    verdict: Literal["ok", "look", "wrong"]
    what: str
    sentence: str
    cure: str = ""


@click.command()
@click.argument("file", type=click.Path(), default=DEFAULT)
@click.option("--probe", is_flag=True, help="Also ask the venues, and compare the clock with theirs.")
@click.option("--json", "as_json", is_flag=True, help="Print data instead of lines.")
def doctor(file: str, probe: bool, as_json: bool) -> None:
    """Look this computer over for what Haunt needs, by the configuration FILE (config/config.yaml) if it is there.

    Each line is ok, look (it works, but look at it) or wrong, with a cure. The exit code is 1 when something is wrong.

    Example: haunt doctor config/demo.yaml
    """
    found = list(findings(file, probe))
    if as_json:
        click.echo(json.dumps([one._asdict() for one in found], indent=2))
    else:
        for one in found:
            mark = click.style(f"{one.verdict:<5}", fg=STYLES[one.verdict])
            text = "; ".join(filter(None, (one.sentence, one.cure)))
            first, *rest = fill(f"{one.what:<9} {text}", WIDTH - 7, subsequent_indent=" " * 10).splitlines()
            click.echo("\n".join([f"{mark}  {first}", *(" " * 7 + line for line in rest)]))
    sys.exit(any(one.verdict == "wrong" for one in found))


def findings(file: str, probe: bool) -> Iterator[Finding]:
    registry = Registry()
    yield from versions()
    config: Config | None = None
    if not Path(file).exists():
        yield Finding("look", "config", f"there is no {file}", "`haunt init` writes one to start from")
    else:
        try:
            config = load(file, registry, os.environ)
            yield Finding("ok", "config", f"{file} has no mistakes")
        except ConfigError as error:
            number = len(error.problems)
            yield Finding("wrong", "config", f"{number} mistakes in {file}", f"`haunt check {file}` names each")
    yield from plugins(registry, config)
    yield port(config)
    yield files()
    yield from room(file, config)
    yield clock()
    if probe and config is not None:
        yield from venues(config)


def versions() -> Iterator[Finding]:
    told = ", ".join(f"{name} {metadata.version(name)}" for name in LIBRARIES)
    yield Finding("ok", "versions", f"Python {platform.python_version()} on {platform.system()}, {told}")


def plugins(registry: Registry, config: Config | None) -> Iterator[Finding]:
    """What is installed and does not work, or is of no use to this configuration, or the other way round."""
    named: set[str] = set()
    if config is not None:
        named = {one.plugin for one in config.sources.values()} | {one.plugin for one in config.indicators.values()}
    for record in map(registry.load, registry.installed_names()):
        if record.state != "loaded":
            verdict: Literal["look", "wrong"] = "wrong" if record.name in named else "look"
            cure = f"repair or uninstall {record.distribution}".strip()
            yield Finding(verdict, "plugins", f"{record.name} cannot be used: {record.reason}", cure)
    if config is None:
        yield Finding("ok", "plugins", f"{len(registry.installed_names())} are installed")
        return
    for broken in config.broken:
        yield Finding("wrong", "plugins", f"the {broken.kind} {broken.name} cannot run: {broken.reason}", "see above")
    idle = [record.name for record in registry.records() if record.source and record.name not in named]
    rest = f"; sources installed but not named: {', '.join(idle)}" if idle else ""
    yield Finding("ok", "plugins", f"{len(named)} in use{rest}")


def port(config: Config | None) -> Finding:
    """Whether Haunt could listen, or does already."""
    host, number = ("127.0.0.1", DEFAULT_PORT) if config is None else (config.server.host, config.server.port)
    if not number:
        return Finding("ok", "port", "any free one is taken")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as attempt:
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            attempt.bind((host, number))
        except OSError as error:
            return _taken(host, number, error)
    return Finding("ok", "port", f"{host} port {number} is free")


def _taken(host: str, number: int, error: OSError) -> Finding:
    near = "127.0.0.1" if host in ("0.0.0.0", "localhost") else f"[{host}]" if ":" in host else host
    try:
        with urlopen(f"http://{near}:{number}/health", timeout=2) as answer:
            health = json.load(answer)
        return Finding("ok", "port", f"a Haunt runs on port {number} already; its health is {health['status']}")
    except (OSError, URLError, ValueError, KeyError, TypeError):
        cure = f"`ss -ltnp` names what holds it; stop that, or set server.port (HAUNT_SERVER__PORT={number + 1})"
        return Finding("wrong", "port", f"{host} port {number} cannot be had: {error.strerror}", cure)


def files() -> Finding:
    """Every client is an open file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft <= FEW_FILES:
        cure = f"`ulimit -n {hard}` before the start, or LimitNOFILE= of its unit, allows more"
        return Finding("look", "files", f"{soft} may be open, so some {max(soft - 200, 0)} clients can connect", cure)
    return Finding("ok", "files", f"{soft} may be open")


def room(file: str, config: Config | None) -> Iterator[Finding]:
    """For the history."""
    path = Path(file).parent if config is None else config.history.path and Path(config.history.path).parent
    if not path or not path.is_dir():
        return
    free = shutil.disk_usage(path).free
    told = f"{free / 1e9:.1f} GB are free for the history in {path.resolve()}"
    if not os.access(path, os.W_OK):
        yield Finding(
            "wrong", "disk", f"the history may not be written in {path}", "change the folder's rights, or history.path"
        )
    elif free < NO_ROOM:
        yield Finding("wrong", "disk", told, "make room, or set history.path to another disk")
    elif free < LITTLE_ROOM:
        yield Finding("look", "disk", told, "make room soon")
    else:
        yield Finding("ok", "disk", told)


def clock() -> Finding:
    """Whether the wall clock runs as the monotonic one does."""
    wall, monotonic = time.time(), time.monotonic()
    time.sleep(CLOCK_WATCH)
    drift = (time.time() - wall) - (time.monotonic() - monotonic)
    if abs(drift) > UNSTEADY:
        return Finding("look", "clock", f"it jumped by {drift:+.2f} s", "let one program alone set it, such as chrony")
    return Finding("ok", "clock", "it runs steadily; --probe compares it with the venues'")


def venues(config: Config) -> Iterator[Finding]:
    """Which addresses answer, and what time they think it is."""
    probes = asyncio.run(probed(config))
    for one in probes:
        if not one.reach.ok:
            yield Finding("wrong", "venues", f"{one.source}.{one.option}: {one.reach.sentence}")
    yield Finding("ok", "venues", f"{sum(one.reach.ok for one in probes)} of {len(probes)} addresses answer")
    ahead = sorted(one.reach.ahead for one in probes if one.reach.ahead is not None)
    if not ahead:
        return
    middle = ahead[len(ahead) // 2]
    if abs(middle) > WRONG_CLOCK:
        where = "behind" if middle > 0 else "ahead of"
        cure = "set it, and keep it by chrony or systemd-timesyncd"
        yield Finding("wrong", "clock", f"it is {abs(middle):.0f} s {where} the venues'", cure)
    else:
        yield Finding("ok", "clock", "it agrees with the venues'")
