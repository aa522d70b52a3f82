"""docs/indicators.md is what `scripts/indicators` writes."""

from __future__ import annotations

import re
from pathlib import Path

from document import DOCUMENT, measured, written
from series import GENERATED

FIGURE = re.compile(r"\| (\de-\d\d|none) \|$", re.MULTILINE)


def sure(text: str) -> str:
    """All but the digits of the differences, and what they were measured over."""
    return re.sub(r"\*Difference\*.*?\n\n", "", FIGURE.sub("", text), flags=re.DOTALL)


def test_the_document_is_up_to_date_but_for_figures() -> None:
    assert sure(DOCUMENT.read_text()) == sure(written({"a walk": GENERATED["a walk"]}, "one series"))


def figures(text: str) -> list[float]:
    return [0.0 if figure == "none" else float(figure) for figure in FIGURE.findall(text)]


def test_its_figures_are_what_is_measured_but_for_the_last_digits(shared: Path) -> None:
    kept, now = figures(DOCUMENT.read_text()), figures(measured(shared))
    assert len(kept) == len(now) == 16
    for one, other in zip(kept, now, strict=True):
        assert one <= 1e-9
        assert abs(one - other) <= max(one, 1e-12)
