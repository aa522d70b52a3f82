"""The certification of all sources as a document: docs/sources.md."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from inspect import getdoc

from haunt.testing.certification import Score, scenario_name
from haunt.testing.scenarios import SCENARIOS

MARKS = {"passed": "✓", "not applicable": "·", "failed": "**✗**"}
HEAD = """\
# The sources, certified

Made by `haunt test-source --markdown`. Each source ran against a fake of its venue, which spoke the venue's words and
broke down in one way after the other. To pass, it had to be right again within seconds, and nothing that was not so
may have been published at any moment. [plugins.md](plugins.md#a-fake-of-your-venue) tells how a source of your own is
put on trial.

✓ passed, · not applicable, **✗** failed
"""


def document(certified: Mapping[str, Sequence[Score]]) -> str:
    """What docs/sources.md says of these sources."""
    rows = [
        f"| {scenario_name(scenario)} | {' | '.join(MARKS[scores[place].verdict] for scores in certified.values())} |"
        for place, scenario in enumerate(SCENARIOS)
    ]
    return "\n".join(
        [
            HEAD,
            f"| | {' | '.join(certified)} |",
            "|---" * (len(certified) + 1) + "|",
            *rows,
            "\n## What happened\n",
            "| | |",
            "|---|---|",
            *(f"| {scenario_name(scenario)} | {_told(scenario)} |" for scenario in SCENARIOS),
            "\n## What does not apply\n",
            *_exceptions(certified),
            "",
        ]
    )


def _told(scenario: object) -> str:
    return " ".join((getdoc(scenario) or "").split())


def _exceptions(certified: Mapping[str, Sequence[Score]]) -> Iterable[str]:
    sources: dict[tuple[str, str], list[str]] = {}
    for name, scores in certified.items():
        for score in scores:
            if score.verdict == "not applicable":
                sources.setdefault((score.scenario, score.reason), []).append(name)
    for (scenario, reason), names in sources.items():
        yield f"- {scenario}: {reason} ({', '.join(names)})"
