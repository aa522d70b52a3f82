"""Each indicator, each series."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from definitions import NAMES
from series import GENERATED, RECORDED, recorded

from haunt import Candle


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    """Each indicator in turn."""
    return str(request.param)


@pytest.fixture(params=sorted(GENERATED))
def generated(request: pytest.FixtureRequest) -> Sequence[Candle]:
    """Each invented series in turn."""
    return GENERATED[request.param]


@pytest.fixture(scope="session", params=RECORDED)
def recording(request: pytest.FixtureRequest, shared: Path) -> tuple[str, Sequence[Candle]]:
    """Each recorded series in turn, with its name."""
    return request.param, recorded(request.param, shared)
