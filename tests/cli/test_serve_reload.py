"""`haunt serve` reads its file again: at SIGHUP, and when it has changed."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from blocks import ROOT
from serving import HAUNT, Running, serving

DEMO = (ROOT / "config" / "demo.yaml").read_text(encoding="utf-8")
DEPTH = {"HAUNT_STREAM__ORDERBOOK_DEPTH": "7"}


@contextmanager
def served(folder: Path, more: str = "") -> Iterator[tuple[Running, Path]]:
    """The demonstration on a copy of its file."""
    file = folder / "haunt.yaml"
    file.write_text(DEMO + more)
    with serving([HAUNT, "serve", file], folder / "log", environ=DEPTH, cwd=folder) as server:
        server.wait_for(re.compile("SIMULATED DATA"))
        yield server, file


def test_at_a_hang_up_the_file_is_read_again_and_the_environment_outranks_it_still(tmp_path: Path):
    with served(tmp_path) as (server, file):
        file.write_text(DEMO + "\nstream: {orderbook_depth: 9, status_interval: 7}\nlimits: {drain: 1}\n")
        server.process.send_signal(signal.SIGHUP)
        server.wait_for(re.compile("Reloaded: set: limits.drain, stream.status_interval$", re.MULTILINE))
        file.write_text("symbols: [btc\n")
        server.process.send_signal(signal.SIGHUP)
        server.wait_for(re.compile(r"Not reloaded, all goes on as it was: .+haunt\.yaml, line \d"))
        assert "Traceback" not in server.log


def test_a_changed_file_is_read_again_where_it_is_watched(tmp_path: Path):
    with served(tmp_path, "\nreload: {watch: true}\n") as (server, file):
        file.write_text(DEMO + "\nlimits: {drain: 1}\n")
        server.wait_for(re.compile("Reloaded: set: limits.drain, reload.watch"))
