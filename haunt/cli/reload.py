"""`haunt reload`: a running server reads its configuration again."""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from haunt.cli.check import EX_CONFIG
from haunt.cli.server import ADMIN_TOKEN, Refusal, ask, server_options
from haunt.cli.updates import clean
from haunt.errors import Problem


@click.command()
@server_options
def reload(url: str, as_json: bool) -> None:
    """Let a running server read its configuration again; only what is another in it restarts.

    Shows the server the token in HAUNT_ADMIN_TOKEN, which is its server.admin_token. Where the file has mistakes,
    nothing changes: it prints them and exits with 78.

    Example: haunt reload --json
    """
    try:
        answer = ask(url, "/api/reload", token=ADMIN_TOKEN, method="POST")
    except Refusal as refusal:
        if refusal.answer.get("error") != "invalid_config":
            raise
        for problem in refusal.answer["problems"]:
            click.echo(clean(Problem(**problem)), err=True)
        sys.exit(EX_CONFIG)
    if as_json:
        click.echo(answer, nl=False)
        return
    for line in _lines(json.loads(answer)["changed"]) or ["nothing is another"]:
        click.echo(clean(line))


def _lines(changed: dict[str, Any]) -> list[str]:
    lists = {
        f"{kind} {done}": names
        for kind in ("sources", "symbols", "indicators")
        for done, names in changed[kind].items()
    }
    lists |= {"set": changed["settings"], "needs a restart": changed["needs_restart"]}
    return [f"{what}: {', '.join(names)}" for what, names in lists.items() if names]
