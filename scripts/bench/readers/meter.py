"""What the readers share: count frames from the first to the last, and tell."""

from __future__ import annotations

import json
import resource
import sys
import time


class Meter:
    """`frames` is counted by the reader; the clocks run from `start`, at the first frame, to `tell`."""

    def __init__(self) -> None:
        self.frames = 0
        self._began = self._cpu = 0.0

    def start(self) -> None:
        self._began, self._cpu = time.perf_counter(), _cpu_seconds()

    def tell(self) -> None:
        seconds = time.perf_counter() - self._began
        cpu = _cpu_seconds() - self._cpu
        sys.stdout.write(json.dumps({"read": self.frames, "seconds": seconds, "cpu": cpu}) + "\n")


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
