"""`haunt demo`: an invented market to look at, without a file or a network."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

import haunt.config
from haunt.cli.serve import run

if TYPE_CHECKING:
    from haunt.app import Haunt

FILE = Path(haunt.config.__file__).parent / "demo.yaml"


@click.command()
@click.option("--port", type=click.IntRange(0, 65535), help="Where to listen instead of 3000; 0 = any free port.")
def demo(port: int | None) -> None:
    """Serve an invented market until Ctrl-C: NOTHING IN IT IS REAL.

    No file and no network is needed. It is what Haunt ships as config/demo.yaml.

    Example: haunt demo --port 0
    """
    chosen = {} if port is None else {"HAUNT_SERVER__PORT": str(port)}
    run(str(FILE), {**os.environ, **chosen}, _welcome)


def _welcome(server: Haunt) -> None:
    page = "http" + server.address.removeprefix("ws").removesuffix("ws")
    click.echo(
        "An invented market; nothing in it is real. Ctrl-C ends it.\n"
        f"  in a browser   {page}\n"
        f"  for clients    {server.address}\n"
        f"  in a terminal  haunt watch --url {page} btc eth"
    )
