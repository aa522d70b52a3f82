"""Writes docs/asyncapi.yaml and docs/schemas/; `scripts/asyncapi` runs it."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from haunt.web.asyncapi import document, schema_files

DOCS = Path(__file__).parent.parent.parent / "docs"
HEAD = "# Written by scripts/asyncapi from haunt/stream/messages.py; change that, and run it.\n"


class Dumper(yaml.SafeDumper):
    """Writes all out: an anchor is not for readers."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def files() -> dict[Path, str]:
    """What stands in each file."""
    written = yaml.dump(document(), Dumper=Dumper, sort_keys=False, allow_unicode=True, width=120)
    return {DOCS / "asyncapi.yaml": HEAD + written} | {
        DOCS / "schemas" / f"{name}.json": json.dumps(schema, indent=2) + "\n"
        for name, schema in schema_files().items()
    }


if __name__ == "__main__":
    (DOCS / "schemas").mkdir(exist_ok=True)
    for left in set((DOCS / "schemas").glob("*.json")) - files().keys():
        left.unlink()
    for path, text in files().items():
        path.write_text(text, encoding="utf-8")
