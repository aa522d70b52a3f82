"""`haunt plugins`: what is installed, and why what does not work does not."""

from __future__ import annotations

import json

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from haunt.cli.tables import plain_table, print_table
from haunt.plugin.registry import PluginRecord, Registry

COLUMNS = ("name", "package", "kind", "state", "reason")
HOOKS = ("name", "state", "hooks")
STYLES = {"loaded": "green"}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print data instead of a table.")
@click.option("--hooks", is_flag=True, help="Show which hooks each implements instead.")
def plugins(as_json: bool, hooks: bool) -> None:
    """List the installed plugins. Imports every one of them to see whether it works.

    Example: haunt plugins
    """
    registry = Registry()
    records = [registry.load(name) for name in registry.installed_names()]
    if as_json:
        more = {record.name: {"hooks": registry.hooks(record.name)} for record in records if hooks}
        click.echo(json.dumps([{**record.described(), **more.get(record.name, {})} for record in records], indent=2))
    elif records and hooks:
        print_table(_hooks(registry, records))
    elif records:
        Console().print(table(records))
    else:
        click.echo("No plugin is installed; `pip install -e .` in Haunt's folder installs those under plugins/.")


def _hooks(registry: Registry, records: list[PluginRecord]) -> Table:
    columns = plain_table(HOOKS, left=HOOKS)
    for record in records:
        state = Text(record.state, style=STYLES.get(record.state, "red"))
        columns.add_row(Text(record.name), state, ", ".join(registry.hooks(record.name)))
    return columns


def table(records: list[PluginRecord]) -> Table:
    columns = plain_table(COLUMNS, left=COLUMNS, overflow="fold")
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
