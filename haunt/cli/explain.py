"""`haunt explain`: how a server's price of a symbol came about."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeAlias
from urllib.parse import quote

import click
from rich.table import Table
from rich.text import Text

from haunt.cli import completed
from haunt.cli.server import ask, server_options
from haunt.cli.tables import plain_table, print_table
from haunt.cli.updates import clean

COLUMNS = ("venue", "market", "price", "rate", "in USD", "age", "off", "weight", "vote", "")

Data: TypeAlias = Mapping[str, Any]


@click.command()
@click.argument("symbol", shell_complete=completed.symbols)
@server_options
def explain(symbol: str, url: str, as_json: bool) -> None:
    """Show what each venue says of SYMBOL, what it counts for or why not, and the price that follows.

    The address of the WebSocket will do for URL, too.

    Example: haunt explain btc
    """
    answer = ask(url, f"/api/explain/{quote(symbol, safe='')}")
    if as_json:
        click.echo(answer.strip())
        return
    said = json.loads(answer)
    click.echo("\n".join(summary(said)))
    print_table(table(said["markets"]))


# -- as text


def summary(said: Data) -> list[str]:
    """The price and what is to be known of it, a line each."""
    if said["price"] is None:
        return [f"{clean(said['symbol'])} has no price yet"]
    lines = [
        f"{clean(said['symbol'])} {number(said['price'])}"
        + (" (stale: nobody says anything any more)" if said["stale"] else "")
    ]
    if said["unrounded"] is not None:
        lines.append(
            f"{said['method']} {number(said['unrounded'])}, median {number(said['median'])}, "
            f"clamped to {number(said['low'])} to {number(said['high'])}"
        )
    flags = "".join(f", {clean(flag)}" for flag in said["flags"])
    lines.append(f"confidence {clean(said['confidence'])}, dispersion {number(said['dispersion'])}{flags}")
    lines += [
        f"left out of the order book: the {clean(one['side'])} of {clean(one['venue'])} from {number(one['price'])}"
        for one in said["left_out"]
    ]
    return lines


def table(markets: list[Data]) -> Table:
    columns = plain_table(COLUMNS, left=("venue", "market", ""))
    for one in markets:
        columns.add_row(*[Text(cell, style="dim" if one["why_not"] else "") for cell in row(one)])
    return columns


def row(one: Data) -> list[str]:
    return [
        clean(one["venue"]),
        clean(one["market"]),
        number(one["price"]),
        f"{number(one['rate'])} {clean(one['quote'])}".strip(),
        number(one["usd"]),
        "" if one["age"] is None else f"{one['age']:.1f} s",
        "" if one["deviation"] is None else f"{one['deviation']:+.3%}",
        "" if one["vote"] is None else f"{one['weight']:.1%}",
        number(one["vote"]),
        clean(one["why_not"] or ""),
    ]


def number(value: float | None) -> str:
    return "" if value is None else f"{value:.10g}"
