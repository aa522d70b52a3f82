"""`haunt serve`: run the server until it is told to stop."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from haunt import notify
from haunt.app import Haunt, run_until
from haunt.cli.check import DEFAULT, EX_CONFIG
from haunt.config.load import load
from haunt.config.model import Config
from haunt.errors import ConfigError, HauntError
from haunt.log import console
from haunt.plugin.registry import Registry

logger = logging.getLogger(__name__)

TELL_EVERY = 10.0  # seconds
LAST_MOMENT = 0.1  # seconds
LOOK_EVERY = 1.0  # seconds


@click.command()
@click.argument("file", type=click.Path(), default=DEFAULT)
def serve(file: str) -> None:
    """Run the server on FILE (config/config.yaml when absent) until SIGTERM or Ctrl-C.

    Example: haunt serve config/demo.yaml
    """
    run(file, os.environ)


def run(file: str, environ: Mapping[str, str], started: Callable[[Haunt], None] = lambda server: None) -> None:
    """Run the server on the file until it is told to stop, and exit with the code of the reason where it cannot.

    `started` is called when it listens.
    """
    try:
        config = load(file, Registry(), environ)
    except ConfigError as error:
        click.echo(error, err=True)
        sys.exit(EX_CONFIG)
    _log(config)
    try:
        asyncio.run(_serve(config, Path(file), environ, started))
    except HauntError as error:
        click.echo(error, err=True)
        sys.exit(1)


def _log(config: Config) -> None:
    console.start(config.log.format, config.log.level, config.log.levels, secrets=config.secrets)
    for warning in config.warnings:
        logger.warning("%s; it is used all the same", warning)


async def _serve(config: Config, file: Path, environ: Mapping[str, str], started: Callable[[Haunt], None]) -> None:
    haunt = Haunt(config, read=lambda: load(file, Registry(), environ), configured=_log)
    stopped = asyncio.Event()

    def stop(name: str) -> None:
        if stopped.is_set():
            logger.warning("%s again: stopping at once", name)
            os._exit(1)
        logger.info("%s: stopping", name)
        notify.tell("STOPPING=1")
        stopped.set()

    def tell_started(server: Haunt) -> None:
        started(server)
        notify.tell("READY=1")

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop, number.name)
    hung_up = asyncio.Event()
    loop.add_signal_handler(signal.SIGHUP, hung_up.set)
    beside = [
        asyncio.create_task(one)
        for one in (_tell_repeats(), _reload_when(hung_up, haunt), _watch(file, haunt), notify.keep_alive())
    ]
    await run_until(haunt, stopped, tell_started)
    await _end({*beside, *asyncio.all_tasks()} - {asyncio.current_task()})


async def _end(tasks: Collection[asyncio.Task[Any] | None]) -> None:
    """End them, or the process with those that ignore it: the event loop would wait for them for ever."""
    left = [task for task in tasks if task is not None]
    for task in left:
        task.cancel()
    _, stubborn = await asyncio.wait(left, timeout=LAST_MOMENT)
    if stubborn:
        console.stop()
        os._exit(0)


async def _tell_repeats() -> None:
    while True:
        await asyncio.sleep(TELL_EVERY)
        console.tell_repeats()


async def _reload_when(asked: asyncio.Event, haunt: Haunt) -> None:
    while True:
        await asked.wait()
        asked.clear()
        await _reload(haunt)


async def _watch(file: Path, haunt: Haunt) -> None:
    """Reload once the file is another and has been left alone since the last look: an editor may still write it."""
    loaded = seen = _written(file)
    while True:
        await asyncio.sleep(LOOK_EVERY)
        before, seen = seen, _written(file)
        if not haunt.config.reload.watch:
            loaded = seen
        elif before == seen != loaded and seen is not None:
            loaded = seen
            await _reload(haunt)


def _written(file: Path) -> tuple[int, int, int] | None:
    """What is another when the file is; None while there is none."""
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


async def _reload(haunt: Haunt) -> None:
    # Whatever went wrong is in the log.
    with suppress(Exception):
        await haunt.reload()
