"""`haunt completion`: what makes a shell complete Haunt's words."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> None:
    """Print the script by which SHELL completes commands, options, symbols and names of sources.

    \b
    bash, in ~/.bashrc:                 eval "$(haunt completion bash)"
    zsh, in ~/.zshrc after compinit:    eval "$(haunt completion zsh)"
    fish, in config.fish:               haunt completion fish | source

    Example: haunt completion bash
    """
    found = get_completion_class(shell)
    assert found is not None
    # Not `source()`: for bash it asks which bash there is, and complains into a script that is not run by it.
    made = found(click.Command("haunt"), {}, "haunt", "_HAUNT_COMPLETE")
    click.echo(made.source_template % made.source_vars())
