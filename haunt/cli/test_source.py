"""`haunt test-source`: whether sources are right or openly absent whatever their venues do."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from haunt.cli import completed
from haunt.errors import HauntError
from haunt.plugin.registry import Registry
from haunt.testing.certification import Score, examine, faked_sources, scenario_names
from haunt.testing.report import document

STYLES = {"passed": "green", "failed": "red", "not applicable": "dim"}


@click.command("test-source")
@click.argument("names", metavar="[NAME]...", nargs=-1, shell_complete=completed.plugins)
@click.option("--json", "as_json", is_flag=True, help="Print data instead of a table.")
@click.option("--markdown", is_flag=True, help="Print what docs/sources.md says of them.")
@click.option(
    "--scenario",
    "scenarios",
    multiple=True,
    type=click.Choice(scenario_names()),
    metavar="NAME",
    help="Only this one, such as 'gap'; a wrong name is answered with all of them.",
)
def test_source(names: Sequence[str], as_json: bool, markdown: bool, scenarios: Sequence[str]) -> None:
    """Run the source NAME against a fake of its venue that misbehaves in every way Haunt knows of.

    All sources that have a fake are run when none is named. The exit code is 0 when they passed all that applies to
    their venues, else 1.

    Example: haunt test-source kraken --scenario calm
    """
    registry = Registry()
    certified = {}
    try:
        for name in names or faked_sources(registry):
            scores = certified[name] = asyncio.run(examine(registry.source(name), scenarios or None))
            if not as_json and not markdown:
                Console().print(_table(name, scores))
    except HauntError as error:
        raise click.ClickException(str(error)) from None
    if as_json:
        click.echo(
            json.dumps({name: [one._asdict() for one in scores] for name, scores in certified.items()}, indent=2)
        )
    elif markdown:
        click.echo(document(certified), nl=False)
    if any(score.verdict == "failed" for scores in certified.values() for score in scores):
        raise SystemExit(1)


def _table(name: str, scores: Sequence[Score]) -> Table:
    columns = Table(title=name, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for heading in ("scenario", "verdict", "seconds", "reason"):
        columns.add_column(heading, overflow="fold", justify="right" if heading == "seconds" else "left")
    for score in scores:
        verdict = Text(score.verdict, style=STYLES[score.verdict])
        columns.add_row(score.scenario, verdict, f"{score.seconds:.1f}", Text(score.reason))
    return columns
