"""`haunt init`: writes a configuration to start from."""

from __future__ import annotations

from pathlib import Path

import click

from haunt.cli.schema import as_json
from haunt.config.starter import starter
from haunt.errors import PluginError
from haunt.plugin.registry import Registry

SCHEMA = "haunt.schema.json"
# Two coins everyone knows, and the two dollar coins that convert what venues quote in them.
SYMBOLS = ("btc", "eth", "usdt", "usdc")
INDICATORS = ("rsi", "macd")


@click.command()
@click.argument("file", type=click.Path(path_type=Path), default="config.yaml")
@click.option("--force", is_flag=True, help="Write over what is there.")
def init(file: Path, force: bool) -> None:
    """Write a commented configuration FILE (config.yaml when absent) that takes prices from every installed venue.

    Beside it goes haunt.schema.json, by which editors know every option.

    Example: haunt init haunt.yaml
    """
    beside = file.parent / SCHEMA
    try:
        text = starter(Registry(), file=file.name, schema=SCHEMA, symbols=SYMBOLS, indicators=INDICATORS)
        _write({file: text, beside: as_json() + "\n"}, force)
    except PluginError as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        raise click.ClickException(f"{error.filename} cannot be written: {error.strerror}") from None
    click.echo(f"{file} and {beside} are written. Next: haunt check {file}, then haunt serve {file}")


def _write(texts: dict[Path, str], force: bool) -> None:
    """All of them, or none where one would be written over."""
    for path in texts:
        if not force and path.exists():
            raise click.ClickException(f"{path} is there already; name another file, or write over it with --force")
    for path, text in texts.items():
        path.write_text(text, encoding="utf-8")
