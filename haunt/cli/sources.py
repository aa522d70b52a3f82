"""`haunt sources`: how each source of a server fares."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, TypeAlias

import click
from rich.table import Table
from rich.text import Text

from haunt.cli.server import ask, server_options
from haunt.cli.tables import plain_table, print_table
from haunt.cli.updates import clean

Data: TypeAlias = dict[str, Any]

STYLES = {"connected": "green", "starting": "yellow", "waiting": "yellow", "failed": "red", "stopped": "dim"}
COLUMNS = ("source", "state", "since", "fresh", "msg/s", "age", "gaps", "lost")


@click.command()
@server_options
def sources(url: str, as_json: bool) -> None:
    """Show each source of a server: its state and since when, how many of its markets are fresh, messages a second, age
    of its newest data, gaps that last, and how often it was lost. What is wrong stands below.

    Example: haunt sources
    """
    answer = ask(url, "/api/sources")
    if as_json:
        click.echo(answer.strip())
        return
    found = json.loads(answer)["sources"]
    print_table(table(found))
    for sentence in troubles(found):
        click.echo(sentence)


def table(found: Iterable[Data]) -> Table:
    columns = plain_table(COLUMNS, left=("source", "state"), overflow="fold")
    for one in found:
        columns.add_row(Text(clean(one["name"]), style="bold"), *row(one))
    return columns


def row(one: Data) -> list[Text]:
    state, symbols = clean(one["state"]), one["symbols"]
    age = one["last_data_age"]
    lame = symbols["fresh"] < symbols["subscribed"]
    return [
        Text(state, style=STYLES.get(state, "")),
        Text(span(one["since_seconds"])),
        Text(f"{symbols['fresh']}/{symbols['subscribed']}", style="yellow" if lame else ""),
        Text(f"{one['messages_per_second']:.1f}"),
        Text("" if age is None else span(age)),
        Text(str(one["open_gaps"]), style="yellow" if one["open_gaps"] else ""),
        Text(str(one["restarts"])),
    ]


def troubles(found: Iterable[Data]) -> list[str]:
    """A sentence for each source that is not well."""
    sentences = []
    for one in found:
        if one["active"]:
            continue
        wait = one["next_try_seconds"]
        again = "" if wait is None else f"; it tries again in {wait:.0f} s"
        if one["error"] or again:
            sentences.append(f"{clean(one['name'])}: {clean(one['error'] or 'not connected')}{again}")
    return sentences


def span(seconds: float) -> str:
    """A time as short as it can be told: 4.2s, 17m, 3h, 12d."""
    if seconds < 10:
        return f"{seconds:.1f}s"
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f}{unit}"
    return f"{seconds:.0f}s"
