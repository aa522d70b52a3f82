"""`haunt test-source`: whether a source is right or openly absent whatever its venue does."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Sequence

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from haunt.errors import HauntError
from haunt.plugin.registry import Registry
from haunt.testing.certification import Score, examine, scenario_names

STYLES = {"passed": "green", "failed": "red", "not applicable": "dim"}


@click.command("test-source")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print data instead of a table.")
@click.option("--scenario", "names", multiple=True, type=click.Choice(scenario_names()), help="Only this one.")
def test_source(name: str, as_json: bool, names: Sequence[str]) -> None:
    """Run the source NAME against a fake of its venue that misbehaves in every way Haunt knows of.

    The exit code is 0 when it passed all that applies to its venue, else 1.
    """
    # What goes wrong here does so on purpose.
    logging.getLogger("haunt").propagate = False
    try:
        scores = asyncio.run(examine(Registry().source(name), names or None))
    except HauntError as error:
        raise click.ClickException(str(error)) from None
    if as_json:
        click.echo(json.dumps([score._asdict() for score in scores], indent=2))
    else:
        Console().print(_table(name, scores))
    if any(score.verdict == "failed" for score in scores):
        raise SystemExit(1)


def _table(name: str, scores: Sequence[Score]) -> Table:
    columns = Table(title=name, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for heading in ("scenario", "verdict", "seconds", "reason"):
        columns.add_column(heading, overflow="fold", justify="right" if heading == "seconds" else "left")
    for score in scores:
        verdict = Text(score.verdict, style=STYLES[score.verdict])
        columns.add_row(score.scenario, verdict, f"{score.seconds:.1f}", Text(score.reason))
    return columns
