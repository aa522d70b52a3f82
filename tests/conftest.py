"""What several rooms of tests share."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).parent.parent
SHARED = ROOT.parent / "shared"

# A test that is slow on a busy machine is not wrong.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of recordings and the specification beside the repository."""
    if not SHARED.is_dir():
        pytest.skip(f"needs {SHARED.name}/ beside the repository (recordings and the specification)")
    return SHARED


@pytest.fixture(autouse=True, scope="session")
def _no_stray_event_loop() -> None:
    """Tornado asks for the current event loop before it makes its own; asyncio would make one nobody closes."""
    asyncio.set_event_loop(None)
