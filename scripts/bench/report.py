"""Medians, ratios and verdicts of the runs, as Markdown."""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

from measure import QUIET, Result
from rows import Column, Goal, Row

TIE = 1.15
"""Differences below this factor are within what two runs of the same server differ by."""

FAULTS = {
    "bad": "frames that are no frames of the protocol",
    "backwards": "prices or times that went back",
    "closed": "clients that were closed while they read",
}
HEADER = """# Performance

Figures of one machine, each table measured in one go by the command its section names: they compare those in it with
each other, and with nothing else. [scripts/bench](../scripts/bench/README.md) says what is measured and how.
"""

Runs = Mapping[str, Sequence[Result]]
"""The results of one row by contestant, one for each repetition."""


class Figure(NamedTuple):
    """A metric over the repetitions."""

    median: float
    least: float
    most: float


class Verdict(NamedTuple):
    """How a goal fared: `value` is the ratio, or the figure where the goal is a number."""

    value: float
    word: str


def figure(results: Sequence[Result], metric: str) -> Figure | None:
    """None when nothing was measured. What never happened (None in a result) counts as infinite."""
    values = [math.inf if result[metric] is None else float(result[metric]) for result in results if metric in result]
    return Figure(median(values), min(values), max(values)) if values else None


def verdict(goal: Goal, runs: Runs) -> Verdict:
    """met; tie = a ratio missed by less than 15 %; missed; or not measured."""
    who, of = _medians(goal.who, goal.metric, runs), _medians(goal.of, goal.metric, runs)
    if who is None or of is None:
        return Verdict(math.nan, "not measured")
    worst, best = (min, max) if goal.at_least is not None else (max, min)
    value = worst(who)
    if of:
        value = value / best(of) if best(of) else math.inf
    tolerance = TIE if of else 1.0
    if goal.at_least is not None:
        met, nearly = value >= goal.at_least, value * tolerance > goal.at_least
    else:
        assert goal.at_most is not None
        met, nearly = value <= goal.at_most, value / tolerance < goal.at_most
    return Verdict(value, "met" if met else "tie" if nearly and of else "missed")


def _medians(contestants: Sequence[str], metric: str, runs: Runs) -> list[float] | None:
    """None when one of them has no figure."""
    figures = [figure(runs.get(name, ()), metric) for name in contestants]
    return None if None in figures else [one.median for one in figures if one is not None]


# -- Markdown


def summary(measured: Sequence[tuple[Row, Runs]]) -> str:
    lines = ["| row | goal | measured | verdict |", "|---|---|---|---|"]
    for row, runs in measured:
        for goal in row.goals:
            found = verdict(goal, runs)
            lines.append(f"| {row.title} | {goal.words} | {_written(row, goal, found.value)} | {found.word} |")
    return "\n".join(lines)


def row_report(row: Row, runs: Runs, titles: Mapping[str, str]) -> str:
    """The row's table, what was wrong with any of it, and what limits it."""
    ratio = ["Haunt ÷ it"] if row.ratios else []
    titled = [column.title for column in row.columns]
    lines = [
        f"### {row.title}",
        "",
        _line([row.kind, *titled, *ratio]),
        _line(["---", *["---:"] * len(titled + ratio)]),
    ]
    for contestant in row.contestants:
        results = runs.get(contestant.name, ())
        cells = [_cell(column, results) for column in row.columns]
        if ratio:
            cells.append(_ratio(row, runs, contestant.name))
        lines.append(_line([titles.get(contestant.name, contestant.name), *cells]))
    remarks = _remarks(runs, titles)
    return "\n".join([*lines, "", *([paragraph(remarks), ""] if remarks else []), paragraph(row.limits)])


def paragraph(text: str, hang: str = "") -> str:
    return textwrap.fill(text, 119, subsequent_indent=hang, break_long_words=False, break_on_hyphens=False)


def replace_section(document: str, name: str, body: str) -> str:
    """The document with this section's text between its marks; at the end where it has none yet."""
    begin, end = f"<!-- {name}: written by scripts/bench/{name}, do not edit -->", f"<!-- end of {name} -->"
    section = f"{begin}\n{body.strip()}\n{end}"
    found = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    if found.search(document):
        return found.sub(lambda _: section, document)
    return f"{(document or HEADER).rstrip()}\n\n{section}\n"


def write_section(file: Path, name: str, body: str) -> None:
    document = file.read_text(encoding="utf-8") if file.exists() else ""
    file.write_text(replace_section(document, name, body), encoding="utf-8")


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(column: Column, results: Sequence[Result]) -> str:
    """The median, and between what the repetitions lay."""
    found = figure(results, column.metric)
    if found is None:
        return ""
    middle, least, most = (_number(column.written, value) for value in found)
    return middle if least == most else f"{middle} ({least} to {most})"


def _ratio(row: Row, runs: Runs, name: str) -> str:
    found = _medians(("haunt", name), row.columns[0].metric, runs)
    return "" if found is None or not found[1] else f"{found[0] / found[1]:.2f}"


def _written(row: Row, goal: Goal, value: float) -> str:
    if math.isnan(value):
        return ""
    if goal.of:
        return f"{value:.2f}"
    columns = [column for column in row.columns if column.metric == goal.metric]
    return _number(columns[0].written if columns else "{:.2f}", value)


def _number(written: str, value: float) -> str:
    return "never" if math.isinf(value) else written.format(value)


def _remarks(runs: Runs, titles: Mapping[str, str]) -> str:
    remarks = []
    for name, results in runs.items():
        title = titles.get(name, name)
        failed = [str(result["error"]) for result in results if "error" in result]
        if failed:
            remarks.append(
                f"{title}: {len(failed)} of {len(results)} runs failed: {' '.join(failed[0].split())[:200]}."
            )
        noisy = sum(result.get("others", 0) > QUIET for result in results)
        if noisy:
            remarks.append(f"{title}: {noisy} of {len(results)} runs noisy (others used over {QUIET} cores).")
        for fault, words in FAULTS.items():
            number = sum(result.get(fault, 0) for result in results)
            if number:
                remarks.append(f"{title}: {number:,} {words}.")
    return " ".join(remarks)
