"""A table on a terminal as wide as that is, elsewhere as wide as it needs."""

from __future__ import annotations

import sys

from rich.console import Console, RenderableType

PIPE_WIDTH = 200  # columns where there is no terminal


def print_table(table: RenderableType) -> None:
    Console(width=None if sys.stdout.isatty() else PIPE_WIDTH).print(table)
