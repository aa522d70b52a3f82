"""`haunt clients`: who is connected to a server."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import click
from rich.text import Text

from haunt.cli.server import ADMIN_TOKEN, ask, server_options
from haunt.cli.sources import span
from haunt.cli.tables import plain_table, print_table
from haunt.cli.updates import clean, short

MOST_SYMBOLS = 5
COLUMNS = ("address", "for", "symbols", "sent", "waiting", "program")


@click.command()
@server_options
def clients(url: str, as_json: bool) -> None:
    """List who is connected to a server: since when, to what they subscribed, what they were sent and what waits for
    them, in bytes.

    This is for the operator alone: HAUNT_ADMIN_TOKEN holds the server's server.admin_token.

    Example: haunt clients
    """
    answer = ask(url, "/api/clients", token=ADMIN_TOKEN)
    if as_json:
        click.echo(answer.strip())
        return
    found = json.loads(answer)["clients"]
    if not found:
        click.echo("no clients")
        return
    table = plain_table(COLUMNS, left=("address", "symbols", "program"), overflow="fold")
    for one in found:
        table.add_row(*map(Text, row(one)))
    print_table(table)


def row(one: Mapping[str, Any]) -> list[str]:
    return [
        clean(one["address"]),
        span(one["connected_seconds"]),
        _few([clean(subscription["symbol"]) for subscription in one["subscriptions"]]),
        "" if one["sent_bytes"] is None else short(one["sent_bytes"]),
        short(one["pending_bytes"]),
        clean(one["user_agent"]),
    ]


def _few(symbols: Sequence[str]) -> str:
    more = f" and {len(symbols) - MOST_SYMBOLS} more" if len(symbols) > MOST_SYMBOLS else ""
    return " ".join(symbols[:MOST_SYMBOLS]) + more
