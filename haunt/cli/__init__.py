"""The command `haunt`: one small file per command, imported when it is run."""

from __future__ import annotations

from importlib import import_module

import click

COMMANDS = ("check", "explain", "gaps", "plugins", "replay", "serve", "test-source", "watch")


class Commands(click.Group):
    """Finds the command `a-name` as `a_name` in the module `haunt.cli.a_name`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        name = cmd_name.replace("-", "_")
        command = getattr(import_module(f"haunt.cli.{name}"), name)
        assert isinstance(command, click.Command)
        return command


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="haunt")
def main() -> None:
    """Haunt brings the crypto market to any program over one WebSocket."""
