"""The benchmarks' C programs."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from servers import HERE

GCC = shutil.which("gcc")


@pytest.mark.skipif(GCC is None, reason="needs gcc, as the benchmarks do")
@pytest.mark.parametrize("program", ["loadgen", "sendloop", "blast"])
def test_the_program_compiles_without_a_warning(program: str) -> None:
    assert GCC is not None
    command = [GCC, "-fsyntax-only", "-Wall", "-Wextra", "-Werror", str(HERE / f"{program}.c")]
    assert subprocess.run(command, capture_output=True, text=True, check=False).stderr == ""
