"""Links between the documents lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from blocks import ROOT

DOCUMENTS = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
LINKS = [
    (document, link)
    for document in DOCUMENTS
    for link in re.findall(r"\]\(([^)\s]+)\)", document.read_text(encoding="utf-8"))
    if "://" not in link
]


def anchors(document: Path) -> set[str]:
    """The names GitHub gives to headings: `## /health` is #health."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize(("document", "link"), LINKS, ids=lambda part: part if isinstance(part, str) else part.name)
def test_a_link_leads_somewhere(document: Path, link: str) -> None:
    path, _, anchor = link.partition("#")
    target = (document.parent / path) if path else document
    assert target.exists()
    assert not anchor or anchor in anchors(target)
