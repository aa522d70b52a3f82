"""`haunt serve`: run the server until it is told to stop."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable, Mapping

import click

from haunt.app import Haunt, run_until
from haunt.cli.check import DEFAULT, EX_CONFIG
from haunt.config.load import load
from haunt.config.model import Config
from haunt.errors import ConfigError, HauntError
from haunt.log import console
from haunt.plugin.registry import Registry

logger = logging.getLogger(__name__)

TELL_EVERY = 10.0  # seconds


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
    log = console.start(config.log.format, config.log.level, config.log.levels, secrets=config.secrets)
    for warning in config.warnings:
        logger.warning("%s; it is used all the same", warning)
    try:
        asyncio.run(_serve(config, log, started))
    except HauntError as error:
        click.echo(error, err=True)
        sys.exit(1)


async def _serve(config: Config, log: console.Console, started: Callable[[Haunt], None]) -> None:
    stopped = asyncio.Event()

    def stop(name: str) -> None:
        if stopped.is_set():
            logger.warning("%s again: stopping at once", name)
            os._exit(1)
        logger.info("%s: stopping", name)
        stopped.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop, number.name)
    telling = asyncio.create_task(_tell_repeats(log))
    await run_until(config, stopped, started)
    telling.cancel()


async def _tell_repeats(log: console.Console) -> None:
    while True:
        await asyncio.sleep(TELL_EVERY)
        log.tell_repeats()
