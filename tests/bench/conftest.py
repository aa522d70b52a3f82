"""The modules of scripts/bench can be imported."""

from __future__ import annotations

import sys
from pathlib import Path

BENCH = Path(__file__).parents[2] / "scripts" / "bench"
sys.path.append(str(BENCH))
