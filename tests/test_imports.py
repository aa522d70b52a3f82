"""Who may import whom: the tables of docs/architecture.md, held."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from blocks import ROOT

VAGUE = {"utils", "util", "helpers", "helper", "manager", "managers", "misc", "common"}
FILES = {
    ".".join(file.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): file
    for root in (ROOT, ROOT / "plugins")
    for package in root.glob("haunt*/__init__.py")
    for file in package.parent.rglob("*.py")
}
CORE = sorted(module for module in FILES if module.split(".")[0] == "haunt")
PLUGINS = sorted(FILES.keys() - CORE)


def table(heading: str) -> list[tuple[str, list[str]]]:
    """(first cell, the modules in the second) of each row."""
    lines = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8").splitlines()
    start = lines.index(heading) + 2
    end = lines.index("", start)
    cells = [line.strip("| ").split(" | ") for line in lines[start:end]]
    return [(first.strip("`"), second.replace("`", "").split()) for first, second in cells]


ROWS = {module: number for number, (_, modules) in enumerate(table("| Row | Modules |")) for module in modules}
LIBRARIES = dict(table("| Library | Where |"))
DIALECTS = dict(table("| Plugin | Builds on |"))


def imported(file: Path, module: str) -> Iterator[str]:
    """The modules a file imports when it runs. `from haunt.market import book` counts as haunt.market.book."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for_types = {
        id(node)
        for test in ast.walk(tree)
        if isinstance(test, ast.If) and ast.unparse(test.test) == "TYPE_CHECKING"
        for node in ast.walk(test)
    }
    for node in ast.walk(tree):
        if id(node) in for_types:
            continue
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively"
            submodules = [f"{node.module}.{name.name}" for name in node.names]
            yield from (name if name in FILES else str(node.module) for name in submodules)


def closest(module: str, names: Iterable[str]) -> str | None:
    """The longest of the names that is this module or a package it is in. `haunt` itself stands for no other."""
    fitting = [name for name in names if module == name or (name != "haunt" and module.startswith(f"{name}."))]
    return max(fitting, key=len, default=None)


def room(module: str) -> str:
    return ".".join(module.split(".")[:2])


@pytest.mark.parametrize("module", CORE)
def test_a_module_imports_only_from_rows_below_it_and_from_its_own_room(module: str) -> None:
    row = closest(module, ROWS)
    assert row is not None, f"give {module} a place in docs/architecture.md"
    for name in imported(FILES[module], module):
        if name.split(".")[0] != "haunt":
            continue
        other = closest(name, ROWS)
        assert other is not None, f"{module} imports {name}"
        beside = ROWS[other] == ROWS[row] and room(name) == room(module)
        assert ROWS[other] > ROWS[row] or beside, f"{module} imports {name}"


@pytest.mark.parametrize("module", [*CORE, *PLUGINS])
def test_a_library_is_imported_only_where_it_may_be(module: str) -> None:
    for name in imported(FILES[module], module):
        library = name.split(".")[0]
        if library in LIBRARIES or (library not in sys.stdlib_module_names and not library.startswith("haunt")):
            assert library in LIBRARIES, f"{module} imports {library}, which docs/architecture.md does not have"
            assert closest(module, LIBRARIES[library]), f"{module} imports {library}"


@pytest.mark.parametrize("module", PLUGINS)
def test_a_plugin_imports_nothing_of_haunt_but_its_public_names(module: str) -> None:
    own = room(module)
    for name in imported(FILES[module], module):
        beside = room(name) in (own, *DIALECTS.get(own, ()))
        public = name == "haunt" or (name == "haunt.testing" and module == f"{own}.fake")
        assert public or beside or not name.startswith("haunt"), f"{module} imports {name}"
        assert module.endswith(".fake") or not name.endswith(".fake"), f"{module} imports {name}, which is for tests"


def test_no_module_has_a_name_that_says_nothing() -> None:
    assert not [module for module in FILES if VAGUE & set(module.split("."))]


def test_every_module_the_tables_name_is_there() -> None:
    named = {*ROWS, *DIALECTS, *(module for table in (LIBRARIES, DIALECTS) for row in table.values() for module in row)}
    assert named <= FILES.keys()
