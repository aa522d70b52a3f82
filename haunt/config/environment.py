"""Environment variables that override the file: `HAUNT_SERVER__PORT=3001`."""

from __future__ import annotations

from collections.abc import Mapping

from haunt.config.document import Data, Document, Key, dotted, parse_value
from haunt.config.model import SECTIONS
from haunt.config.problems import unknown
from haunt.config.tree import DEEPEST, printable
from haunt.errors import ConfigError, Problem

PREFIX = "haunt_"
BETWEEN = "__"


def override(document: Document, environ: Mapping[str, str]) -> None:
    """Set what the environment names. Names of one level (`HAUNT_URL`) are not ours."""
    for variable in sorted(environ):
        section, *names = variable.lower().removeprefix(PREFIX).split(BETWEEN)
        if not variable.lower().startswith(PREFIX) or not names:
            continue
        if section in SECTIONS:
            _set(document, variable, (section, *names), environ[variable])
        else:
            place = f"environment {printable(variable)}"
            document.problems.append(Problem(place, None, printable(section), unknown("section", section, SECTIONS)))


def _set(document: Document, variable: str, key: tuple[str, ...], text: str) -> None:
    if not all(name.isprintable() and name for name in key) or len(key) > DEEPEST:
        place = f"environment {printable(variable)}"
        document.problems.append(Problem(place, None, "", "names no option; write it like HAUNT_SERVER__PORT"))
        return
    holder = _holder(document, variable, key)
    if holder is None:
        return
    _forget(document, key)
    document.variables[key] = variable
    for length in range(1, len(key)):
        if key[:length] not in document.lines:
            document.variables.setdefault(key[:length], variable)
    if not text.strip():
        document.spoil(key, "is empty; give it a value, null for none, or unset it")
        return
    holder[key[-1]] = _value(document, key, text)


def _holder(document: Document, variable: str, key: tuple[str, ...]) -> dict[str, Data] | None:
    """The mapping the last name goes into, made where it is absent."""
    data = document.data
    for length, name in enumerate(key[:-1], start=1):
        inner = data.get(name)
        if inner is None:
            inner = data[name] = {}
        if not isinstance(inner, dict):
            document.variables[key] = variable
            document.spoil(
                key,
                f"cannot be set: {dotted(key[:length])} holds no 'name: value' lines",
            )
            return None
        data = inner
    return data


def _value(document: Document, key: Key, text: str) -> Data:
    try:
        value = parse_value(text, "")
    except ConfigError as error:
        document.spoil(key, error.problems[0].message)
        return None
    for problem in value.problems:
        document.report(key, problem.message)
    if value.problems:
        document.spoiled.add(key)
    return value.data["value"]


def _forget(document: Document, key: Key) -> None:
    """What the file said at `key` and below no longer counts."""
    size = len(key)
    document.lines = {one: line for one, line in document.lines.items() if one[:size] != key}
    document.spoiled = {one for one in document.spoiled if one[:size] != key}
