"""Every source that has a fake of its venue is right or absent, whatever the venue does."""

from __future__ import annotations

import pytest
from blocks import ROOT

from haunt.testing import certify

FAKED = sorted(file.parent.name for file in ROOT.glob("plugins/haunt_sources/*/fake.py"))


@pytest.mark.parametrize("name", FAKED)
def test_a_source_is_certified(name: str) -> None:
    certify(name)
