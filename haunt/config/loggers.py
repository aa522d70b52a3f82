"""The loggers there are: one for each module, by its name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path

OURS = ("haunt", "haunt_sources", "haunt_indicators")


def known(name: str) -> bool:
    """Whether there may be such a logger. What does not bear one of our names belongs to others, and may."""
    return name.partition(".")[0] not in OURS or name in names()


def names() -> Iterable[str]:
    """Of the modules that come with Haunt; none is imported for it."""
    return [name for root in OURS for name in _modules(root)]


def _modules(root: str) -> Iterator[str]:
    spec = find_spec(root)
    for folder in map(Path, (spec and spec.submodule_search_locations) or ()):
        for file in sorted(folder.rglob("*.py")):
            yield ".".join((root, *file.relative_to(folder).with_suffix("").parts)).removesuffix(".__init__")
