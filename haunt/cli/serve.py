"""`haunt serve`: run the server until it is told to stop."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys

import click

from haunt.app import run_until
from haunt.cli.check import DEFAULT, EX_CONFIG
from haunt.config.load import load
from haunt.config.model import Config
from haunt.errors import ConfigError, HauntError
from haunt.plugin.registry import Registry

logger = logging.getLogger(__name__)


class OneLine(logging.Formatter):
    """What venues and clients say stays in its line and cannot move the cursor; only tracebacks have lines."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the base class's own name
        if not record.message.isprintable():
            characters = (one if one.isprintable() else repr(one)[1:-1] for one in record.message)
            record.message = "".join(characters)
        return super().formatMessage(record)


@click.command()
@click.argument("file", type=click.Path(), default=DEFAULT)
def serve(file: str) -> None:
    """Run the server on FILE (config/config.yaml when absent) until SIGTERM or Ctrl-C.

    Example: haunt serve config/demo.yaml
    """
    try:
        config = load(file, Registry(), os.environ)
    except ConfigError as error:
        click.echo(error, err=True)
        sys.exit(EX_CONFIG)
    console = logging.StreamHandler()
    console.setFormatter(OneLine("%(asctime)s %(levelname)-7s %(message)s", datefmt="%H:%M:%S"))
    logging.basicConfig(level=config.log.level.upper(), handlers=[console])
    try:
        asyncio.run(_serve(config))
    except HauntError as error:
        click.echo(error, err=True)
        sys.exit(1)


async def _serve(config: Config) -> None:
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
    await run_until(config, stopped)
