"""Tables without lines: on a terminal as wide as that is, elsewhere as wide as they need."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable
from typing import Any

from rich.console import Console, RenderableType
from rich.table import Table

PIPE_WIDTH = 200  # columns where there is no terminal


def print_table(table: RenderableType) -> None:
    Console(width=None if sys.stdout.isatty() else PIPE_WIDTH).print(table)


def plain_table(titles: Iterable[str], left: Collection[str], **column: Any) -> Table:
    """Columns of figures, but for those in `left`. The rest is said of each column, as to `Table.add_column`."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in titles:
        table.add_column(title, justify="left" if title in left else "right", **column)
    return table
