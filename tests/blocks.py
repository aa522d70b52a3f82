"""The fenced code blocks of a Markdown file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
FENCE = re.compile(r"(?:^`([^`\n]+)`[^`\n]*\n\n)?^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """`name` is the file a block is, where the paragraph before it begins with that name as code: `venue.py`."""

    document: str
    line: int
    language: str
    text: str
    name: str | None

    def __str__(self) -> str:
        return f"{self.document}:{self.line}"


def blocks(document: Path) -> list[Block]:
    markdown = document.read_text(encoding="utf-8")
    return [
        Block(document.name, markdown.count("\n", 0, found.start(2)) + 1, found[2], found[3], found[1])
        for found in FENCE.finditer(markdown)
    ]
