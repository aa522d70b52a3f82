"""The command `haunt`: one small file per command, imported when it is run."""

from __future__ import annotations

import os
from difflib import get_close_matches
from importlib import import_module

import click
from click.shell_completion import CompletionItem

GROUPS = {
    "Start": {
        "demo": "Serve an invented market at once.",
        "init": "Write a configuration to start from.",
        "serve": "Run the server on a configuration.",
        "reload": "Let a running server read its configuration again.",
    },
    "Look": {
        "clients": "List who is connected to a server.",
        "explain": "Show how a price came about.",
        "gaps": "Show when which data could not be trusted.",
        "scores": "Show how often signals came true.",
        "sources": "Show how a server's sources fare.",
        "top": "Show how a server fares, live.",
        "watch": "Show prices and signals as they come.",
    },
    "Check": {
        "check": "Name every mistake in a configuration.",
        "completion": "Print what makes a shell complete these words.",
        "doctor": "Look this computer over for what Haunt needs.",
        "plugins": "List what is installed.",
        "replay": "Play a recording and tell what came of it.",
        "schema": "Print the JSON Schema of a configuration.",
        "test-source": "Run a source against a fake that misbehaves.",
    },
}
"""Each command and what it is for, without importing it: a shell that completes words waits for the answer."""
COMMANDS = [name for commands in GROUPS.values() for name in commands]


class Commands(click.Group):
    """Finds the command `a-name` as `a_name` in the module `haunt.cli.a_name`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return COMMANDS

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        name = cmd_name.replace("-", "_")
        command = getattr(import_module(f"haunt.cli.{name}"), name)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        word = args[0]
        if word.isprintable() and word not in COMMANDS and not word.startswith("-") and not ctx.resilient_parsing:
            close = get_close_matches(word, COMMANDS, n=1)
            guess = f"did you mean '{close[0]}'?" if close else "`haunt --help` lists them"
            raise click.UsageError(f"There is no command '{word}'; {guess}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for heading, commands in GROUPS.items():
            with formatter.section(heading):
                formatter.write_dl(list(commands.items()))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        options = click.Command.shell_complete(self, ctx, incomplete)
        words = [(name, text) for commands in GROUPS.values() for name, text in commands.items()]
        return options + [CompletionItem(name, help=text) for name, text in words if name.startswith(incomplete)]


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="haunt")
@click.pass_context
def main(ctx: click.Context) -> None:
    """Haunt brings the crypto market to any program over one WebSocket."""
    if os.environ.get("NO_COLOR"):  # see no-color.org; Rich knows it, Click does not
        ctx.color = False
