"""YAML text → plain data that remembers the line of everything in it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import TypeAlias

import yaml

from haunt.config.tree import Node, compose, printable, refusal
from haunt.errors import ConfigError, Problem

Key: TypeAlias = tuple[str | int, ...]
"""Where a value stands: `("sources", "kraken", "symbols", 0)`."""
Data: TypeAlias = "bool | int | float | str | list[Data] | dict[str, Data] | None"

LARGEST = 256 * 1024
MOST_PROBLEMS = 100
LONGEST_NUMBER = 100

NULL = {"", "~", "null", "Null", "NULL"}
TRUE = {"true", "True", "TRUE"}
FALSE = {"false", "False", "FALSE"}
INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
FLOAT = re.compile(r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?")


@dataclass(slots=True)
class Document:
    """Data with the place of each part and the problems found so far.

    `variables` names the environment variable that set a part; `spoiled` parts were refused already, so
    nothing more is said of them. `secrets` are shown nowhere; `warnings` do not keep Haunt from starting.
    """

    file: str
    data: dict[str, Data] = field(default_factory=dict)
    lines: dict[Key, int] = field(default_factory=dict)
    variables: dict[Key, str] = field(default_factory=dict)
    spoiled: set[Key] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    environ: Mapping[str, str] = field(default_factory=dict)
    secrets: dict[Key, str] = field(default_factory=dict)

    @property
    def is_full(self) -> bool:
        """Whether more problems would only be counted, not shown."""
        return len(self.problems) >= MOST_PROBLEMS

    def report(self, key: Key, message: str, *, line: int | None = None) -> None:
        """Add a problem, placed at `key` or, where that is not written down, at what should hold it."""
        if any(key[:length] in self.spoiled for length in range(len(key) + 1)):
            return
        file, known_line = self._place(key)
        self.problems.append(Problem(file, line or known_line, dotted(key), self.hide(message)))

    def warn(self, key: Key, message: str) -> None:
        """Add what is no mistake and yet wants mending."""
        file, line = self._place(key)
        self.warnings.append(Problem(file, line, dotted(key), message))

    def hide(self, text: str) -> str:
        """The text without the secrets found so far."""
        for secret in sorted(self.secrets.values(), key=len, reverse=True):
            text = text.replace(secret, "***")
        return text

    def spoil(self, key: Key, message: str, *, line: int | None = None) -> None:
        """Report, and say no more about this part."""
        self.report(key, message, line=line)
        self.spoiled.add(key)

    def raise_problems(self) -> None:
        """Raise ConfigError if there are any: in the order of the file, then those of the environment."""
        if not self.problems:
            return
        found = list(dict.fromkeys(self.problems))
        found.sort(key=lambda problem: (problem.file != self.file, problem.line or 0))
        if len(found) > MOST_PROBLEMS:
            rest = Problem(self.file, None, "", f"{len(found) - MOST_PROBLEMS} more mistakes; mend these first")
            found[MOST_PROBLEMS:] = [rest]
        raise ConfigError(found)

    def _place(self, key: Key) -> tuple[str, int | None]:
        for length in range(len(key), 0, -1):
            part = key[:length]
            if part in self.variables:
                return f"environment {printable(self.variables[part])}", None
            if part in self.lines:
                return self.file, self.lines[part]
        return self.file, None


def dotted(key: Key) -> str:
    """`sources.kraken.symbols[0]`."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{printable(part)}" for part in key)
    return "".join(parts).removeprefix(".")


def read(path: str | Path) -> Document:
    """The file as data. Raises ConfigError if it cannot be read at all; lesser problems are in the document."""
    file = str(path)
    try:
        with open(path, "rb") as opened:
            content = opened.read(LARGEST + 1)
    except FileNotFoundError:
        raise refusal(file, "there is no such file; name another, or let `haunt init` write one") from None
    except IsADirectoryError:
        raise refusal(file, "is a directory; name the file in it") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise refusal(file, f"cannot be read: {reason}") from None
    if len(content) > LARGEST:
        raise refusal(file, f"is larger than {LARGEST // 1024} KiB, which no configuration is")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise refusal(file, f"is not UTF-8 text (byte 0x{content[error.start]:02x}); save it as UTF-8", line) from None
    return parse(text, file)


def parse(text: str, file: str) -> Document:
    """The text of a configuration as data. Raises ConfigError as `read` does."""
    document = Document(file)
    root = compose(text, file)
    if root is None or _is_null(root):
        raise refusal(file, "is empty; start from what `haunt init` writes")
    data = _plain(root, (), document)
    if isinstance(data, dict):
        document.data = data
    else:
        document.report((), "must be 'section:' lines with options under them, such as server, symbols and sources")
        document.raise_problems()
    return document


def parse_value(text: str, file: str) -> Document:
    """One value as it may stand in an environment variable, under the key `value`: a plain scalar as it is,
    or a quoted text, `[list]` or `{mapping}` as in the file."""
    document = Document(file)
    text = text.strip()
    if not text.startswith(("[", "{", "'", '"')):
        document.data["value"] = _resolve(text) if _is_whole(text, ("value",), document) else None
        return document
    root = compose(text, file)
    assert root is not None
    document.data["value"] = _plain(root, ("value",), document)
    return document


def _is_null(node: Node) -> bool:
    event = node.event
    return isinstance(event, yaml.ScalarEvent) and event.implicit[0] and event.tag is None and event.value in NULL


def _plain(node: Node, key: Key, document: Document) -> Data:
    event = node.event
    if isinstance(event, yaml.AliasEvent):
        document.spoil(key, f"aliases (*{event.anchor}) are not supported; write the value out", line=node.line)
        return None
    if event.anchor is not None:
        document.report(key, f"anchors (&{event.anchor}) are not supported; write each value out", line=node.line)
    if event.tag is not None:  # type: ignore[attr-defined]  # every node but an alias has one
        document.spoil(key, "tags (!) are not supported; write the plain value", line=node.line)
        return None
    if isinstance(event, yaml.ScalarEvent):
        if not _is_whole(event.value, key, document, node.line):
            return None
        return _resolve(event.value) if event.implicit[0] else str(event.value)
    if isinstance(event, yaml.SequenceStartEvent):
        for index, child in enumerate(node.children):
            document.lines[*key, index] = child.line
        return [_plain(child, (*key, index), document) for index, child in enumerate(node.children)]
    return _mapping(zip(node.children[::2], node.children[1::2], strict=True), key, document)


def _mapping(pairs: Iterable[tuple[Node, Node]], key: Key, document: Document) -> Data:
    data: dict[str, Data] = {}
    for name_node, value_node in pairs:
        line = name_node.line
        if not isinstance(name_node.event, yaml.ScalarEvent):
            document.report(key, "the name before a ':' must be plain text", line=line)
            continue
        name = str(name_node.event.value)
        if name == "<<" and name_node.event.implicit[0]:
            document.report(key, "merge keys (<<) are not supported; write the options out", line=line)
            continue
        here = (*key, name)
        if name in data:
            document.report(here, f"is here a second time; the first is in line {document.lines[here]}", line=line)
            continue
        document.lines[here] = line
        meaning = _plain(name_node, here, document)
        if here in document.spoiled:
            continue
        if not name and meaning is None:
            document.report(key, "there is no name before the ':'", line=line)
            continue
        if not isinstance(meaning, str):
            document.report(here, f"YAML does not read this name as text; write it in quotes: '{name}'", line=line)
        data[name] = _plain(value_node, here, document)
    return data


def _resolve(text: str) -> Data:
    """A plain scalar by the core rules of YAML 1.2: `no`, `012`, `22:30`, `1_000` and `.inf` are text."""
    if text in NULL:
        return None
    if text in TRUE:
        return True
    if text in FALSE:
        return False
    if len(text) > LONGEST_NUMBER:
        return text
    if INTEGER.fullmatch(text):
        return int(text)
    if FLOAT.fullmatch(text) and isfinite(number := float(text)):
        return number
    return text


def _is_whole(text: str, key: Key, document: Document, line: int | None = None) -> bool:
    """Whether the text can be written down: an escape, or a variable that is not UTF-8, may hold half a character."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        half = ord(text[error.start])
        document.spoil(key, f"holds half a character (U+{half:04X}); write the character itself", line=line)
        return False
    return True
