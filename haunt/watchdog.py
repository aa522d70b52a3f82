"""Notices when the event loop stands still, and in whose code."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import time
import traceback
from types import FrameType

from haunt.histogram import Histogram
from haunt.plugin.indicator import Indicator
from haunt.plugin.relay import Relay
from haunt.plugin.source import Source

logger = logging.getLogger(__name__)

BEAT = 0.1  # seconds between two beats of the loop, and two looks of the thread
PATIENCE = 5  # looks without a beat between them
REPEAT_AFTER = 60.0  # seconds before the same culprit is named again
LAG_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Watchdog:
    """Has the loop beat ten times a second, and a thread that looks whether it does. `start` on the loop, then `stop`.

    `lag` is how late each beat was; `stalls` counts the times the loop missed five. A computer or process that was
    stopped is none: the thread, which counts its own looks and not the time, was stopped as well. Nor is it seen when
    code that is not Python keeps the interpreter from the thread; `lag` has it afterwards.
    """

    def __init__(self) -> None:
        self.lag = Histogram(LAG_SECONDS)
        self.stalls = 0
        self._beats = 0
        self._due = 0.0
        self._culprit: str | None = None
        self._named: dict[str, float] = {}
        self._ended = threading.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._next_beat(asyncio.get_running_loop())
        self._thread = threading.Thread(target=self._watch, args=(threading.get_ident(),), name="watchdog", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Nothing happens where it was not started."""
        self._ended.set()
        if self._timer is not None and self._thread is not None:
            self._timer.cancel()
            self._thread.join()

    # -- on the loop

    def _next_beat(self, loop: asyncio.AbstractEventLoop) -> None:
        self._due = loop.time() + BEAT
        self._timer = loop.call_at(self._due, self._beat, loop)

    def _beat(self, loop: asyncio.AbstractEventLoop) -> None:
        lag = max(0.0, loop.time() - self._due)
        self._beats += 1
        self.lag.observe(lag)
        culprit, self._culprit = self._culprit, None
        if culprit is not None:
            logger.warning("%s held everything up for %.1f s; the lines above say where", culprit, lag)
        self._next_beat(loop)

    # -- in the thread

    def _watch(self, watched: int) -> None:
        beats, looks = self._beats, 0
        while not self._ended.wait(BEAT):
            if beats != self._beats:
                beats, looks = self._beats, 0
                continue
            looks += 1
            if looks == PATIENCE:
                self._report(sys._current_frames()[watched])

    def _report(self, frame: FrameType) -> None:
        self.stalls += 1
        culprit, now = culprit_of(frame), time.monotonic()
        if now - self._named.get(culprit, -REPEAT_AFTER) < REPEAT_AFTER:
            return
        self._named[culprit] = now
        place = f"{frame.f_code.co_filename}, line {frame.f_lineno}"
        stack = "Stack (most recent call last):\n" + "".join(traceback.format_stack(frame)).rstrip()
        message = "%s holds everything up: no price moves, no client is answered; it stands in %s"
        # The logging methods know no other stack than that of this thread.
        logger.handle(
            logger.makeRecord(logger.name, logging.ERROR, __file__, 0, message, (culprit, place), None, sinfo=stack)
        )
        self._culprit = culprit


def culprit_of(frame: FrameType | None) -> str:
    """Whose code this frame runs in: that of the innermost plugin."""
    while frame is not None:
        owner = frame.f_locals.get("self")
        if isinstance(owner, Source):
            owner = getattr(owner, "relay", owner)
        if isinstance(owner, Relay):
            return f"Source {owner.source}"
        if isinstance(owner, Source | Indicator):
            return f"The plugin {owner.name}"
        frame = frame.f_back
    return "Haunt itself"
