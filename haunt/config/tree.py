"""YAML text → a tree of nodes that know their lines, or a refusal in one sentence."""

from __future__ import annotations

from dataclasses import dataclass, field

import yaml

from haunt.errors import ConfigError, Problem

DEEPEST = 20
MOST_VALUES = 10_000

# PyYAML's words for what is wrong, and ours.
SYNTAX = (
    ("found character '\\t'", "there is a tab here; YAML is indented with spaces"),
    ("that cannot start any token", "text cannot begin with this character; put it in quotes"),
    ("mapping values are not allowed", "a ':' too many, or wrong indentation; put text that holds ': ' in quotes"),
    ("could not find expected ':'", "a 'key: value' line lacks its ':'"),
    ("expected <block end>", "the indentation does not fit the lines above"),
    ("found unexpected end of stream", "the quote that opens here is never closed"),
    ("expected the node content", "a value or a name is missing here"),
    ("expected ',' or ']'", "a '[' before this is not closed, or a ',' is missing"),
    ("expected ',' or '}'", "a '{' before this is not closed, or a ',' is missing"),
)


@dataclass(slots=True)
class Node:
    event: yaml.NodeEvent
    line: int
    children: list[Node] = field(default_factory=list)


def refusal(file: str, message: str, line: int | None = None) -> ConfigError:
    return ConfigError([Problem(file, line, "", message)])


def compose(text: str, file: str) -> Node | None:
    """The tree of the text, built from events with a list for a stack: PyYAML's own composer recurses,
    and its C twin crashes the process on deep nesting."""
    root: Node | None = None
    stack: list[Node] = []
    documents = values = 0
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            line = event.start_mark.line + 1 if event.start_mark else 0
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise refusal(file, "a second document begins here ('---'); a configuration is one", line)
            elif isinstance(event, yaml.CollectionEndEvent):
                stack.pop()
            elif isinstance(event, yaml.NodeEvent):
                node = Node(event, line)
                if stack:
                    stack[-1].children.append(node)
                else:
                    root = node
                if isinstance(event, yaml.CollectionStartEvent):
                    stack.append(node)
                values += 1
                if len(stack) > DEEPEST:
                    raise refusal(file, f"is nested more than {DEEPEST} levels deep", line)
                if values > MOST_VALUES:
                    raise refusal(file, f"holds more than {MOST_VALUES} values", line)
    except yaml.MarkedYAMLError as error:
        raise refusal(file, *_syntax(error)) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise refusal(file, f"holds a character that is not text (U+{ord(text[error.position]):04X})", line) from None
    except (ValueError, OverflowError):  # PyYAML on "\UFFFFFFFF" and on `%YAML` with a very long number
        raise refusal(file, "holds an escape or a directive that no YAML can mean") from None
    return root


def _syntax(error: yaml.MarkedYAMLError) -> tuple[str, int | None]:
    problem = str(error.problem or error.context or "")
    mark = error.problem_mark or error.context_mark
    if problem in ("found unexpected end of stream", "could not find expected ':'"):
        mark = error.context_mark or mark  # where the quote or the name begins
    line = None if mark is None else mark.line + 1
    for theirs, ours in SYNTAX:
        if theirs in problem:
            return ours, line
    return f"is not valid YAML: {printable(problem)}", line


def printable(text: str) -> str:
    """Text that cannot move a terminal's cursor or fill its screen."""
    text = text if len(text) <= 64 else text[:61] + "..."
    return text if text.isprintable() else repr(text)[1:-1]
