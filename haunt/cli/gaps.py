"""`haunt gaps`: when which market could not be trusted, and why."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import click
from rich.text import Text

from haunt.cli import completed
from haunt.cli.server import ask, server_options
from haunt.cli.tables import plain_table, print_table
from haunt.cli.updates import clean

COLUMNS = ("source", "symbol", "what", "began", "lasted", "cause")


@click.command()
@click.option("--symbol", shell_complete=completed.symbols, help="Of this symbol alone.")
@click.option("--source", shell_complete=completed.sources, help="Of this source alone.")
@click.option("--open", "only_open", is_flag=True, help="Those alone that have not ended.")
@server_options
def gaps(symbol: str | None, source: str | None, only_open: bool, url: str, as_json: bool) -> None:
    """Show when a source's data, or its order book, of a symbol could not be trusted: the newest first.

    Example: haunt gaps --symbol btc
    """
    query = {"symbol": symbol, "source": source, "open": "true" if only_open else None}
    answer = ask(url, "/api/gaps", {name: value for name, value in query.items() if value is not None})
    if as_json:
        click.echo(answer.strip())
        return
    found = json.loads(answer)["gaps"]
    if not found:
        click.echo("no gaps")
        return
    table = plain_table(COLUMNS, left=COLUMNS)
    for gap in found:
        table.add_row(*map(Text, row(gap)))
    print_table(table)


def row(gap: Mapping[str, Any]) -> list[str]:
    """Times are those of this computer."""
    lasted = str(timedelta(seconds=round(gap["lasted"]))) if gap["lasted"] >= 60 else f"{gap['lasted']:.1f} s"
    return [
        clean(gap["source"]),
        clean(gap["symbol"]),
        clean(gap["what"]),
        moment(gap["began"]),
        lasted if gap["ended"] is not None else f"{lasted} so far",
        clean(gap["cause"]),
    ]


def moment(milliseconds: int) -> str:
    return f"{datetime.fromtimestamp(milliseconds / 1000):%Y-%m-%d %H:%M:%S}"
