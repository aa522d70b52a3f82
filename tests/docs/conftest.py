"""The demonstration, running, for the examples of the documents."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from blocks import ROOT
from serving import HAUNT, Running, serving


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """What `scripts/run` starts, on a port of its own."""
    log = tmp_path_factory.mktemp("demo") / "log"
    with serving(
        [HAUNT, "serve", ROOT / "config" / "demo.yaml"],
        log,
        environ={"HAUNT_SERVER__ADMIN_TOKEN": "operator"},
        cwd=ROOT,
    ) as running:
        yield running
