"""`haunt scores`: how often signals came true, beside chance."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import click
from rich.text import Text

from haunt.cli import completed
from haunt.cli.server import ask, server_options
from haunt.cli.tables import plain_table, print_table
from haunt.cli.updates import clean

NAMED = ("symbol", "indicator")
FIGURES = ("after", "signals", "hits", "always up", "shuffled", "return", "always up's")


@click.command()
@click.option("--symbol", shell_complete=completed.symbols, help="Of this symbol alone.")
@click.option("--indicator", shell_complete=completed.indicators, help="Of this indicator alone.")
@server_options
def scores(symbol: str | None, indicator: str | None, url: str, as_json: bool) -> None:
    """Show how often an indicator's signals came true so many candles later, beside a buy at every candle and the same
    signals at other times; returns are in basis points, without costs.

    Example: haunt scores --symbol btc
    """
    query = {"symbol": symbol, "indicator": indicator}
    answer = ask(url, "/api/scores", {name: value for name, value in query.items() if value is not None})
    if as_json:
        click.echo(answer.strip())
        return
    found = json.loads(answer)["scores"]
    if not found:
        click.echo("no indicator runs")
        return
    table = plain_table(NAMED, left=NAMED)
    for column in FIGURES:
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("verdict")
    for score in found:
        table.add_row(*map(Text, row(score)))
    print_table(table)


def row(score: Mapping[str, Any]) -> list[str]:
    what = [clean(score["symbol"]), clean(score["indicator"]), f"{score['horizon']} x {clean(score['timeframe'])}"]
    if score["hit_rate"] is None:
        return [*what, str(score["signals"]), "", "", "", "", "", clean(score["verdict"])]
    return [
        *what,
        str(score["signals"]),
        f"{score['hit_rate']:.0%} ({score['hit_low']:.0%} to {score['hit_high']:.0%})",
        f"{score['always_up']:.0%}",
        f"{score['shuffled_low']:.0%} to {score['shuffled_high']:.0%}",
        f"{score['returns']:+.1f}",
        f"{score['always_up_returns']:+.1f}",
        clean(score["verdict"]),
    ]
