"""docs/sources.md has these sources and these scenarios; `haunt test-source --markdown > docs/sources.md` makes it."""

from __future__ import annotations

from collections.abc import Sequence

from blocks import ROOT

from haunt.testing.certification import Score, Verdict, scenario_names
from haunt.testing.report import MARKS, document

DOCUMENT = (ROOT / "docs" / "sources.md").read_text(encoding="utf-8")
FAKED = sorted(file.parent.name for file in ROOT.glob("plugins/haunt_sources/*/fake.py"))


def scores(verdict: Verdict = "passed") -> Sequence[Score]:
    return [Score(name, verdict, 1.0, "the venue is closed") for name in scenario_names()]


def without_verdicts(text: str) -> str:
    text = text.split("\n## What does not apply")[0]
    return text.replace(f"| {MARKS['not applicable']} ", f"| {MARKS['passed']} ")


def test_it_has_every_source_and_every_scenario_and_nobody_failed() -> None:
    assert without_verdicts(DOCUMENT) == without_verdicts(document(dict.fromkeys(FAKED, scores())))


def test_it_tells_who_failed_and_of_whom_a_scenario_makes_no_sense() -> None:
    written = document({"kind": scores(), "closed": scores("not applicable"), "broken": scores("failed")})
    assert "\n| calm | ✓ | · | **✗** |\n" in written
    assert "\n- calm: the venue is closed (closed)\n" in written
