"""`haunt plugins`: what is installed, and why what does not work does not."""

from __future__ import annotations

import json

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from haunt.plugin.registry import PluginRecord, Registry

STYLES = {"loaded": "green"}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print data instead of a table.")
def plugins(as_json: bool) -> None:
    """List the installed plugins. Imports every one of them to see whether it works.

    Example: haunt plugins
    """
    registry = Registry()
    records = [registry.load(name) for name in registry.installed_names()]
    if as_json:
        click.echo(json.dumps([record.described() for record in records], indent=2))
    elif records:
        Console().print(table(records))
    else:
        click.echo("No plugin is installed; `pip install -e .` in Haunt's folder installs those under plugins/.")


def table(records: list[PluginRecord]) -> Table:
    columns = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("name", "package", "kind", "state", "reason"):
        columns.add_column(title, overflow="fold")
    for record in records:
        kinds = [f"simulated {kind}" if record.simulated and kind == "source" else kind for kind in record.kinds]
        columns.add_row(
            Text(record.name),
            Text(f"{record.distribution} {record.version}".strip()),
            Text(", ".join(kinds)),
            Text(record.state, style=STYLES.get(record.state, "red")),
            Text(record.reason),
        )
    return columns
