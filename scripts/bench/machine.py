"""What the figures were measured on: the machine, and the version of everything that took part."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
from pathlib import Path

from servers import BUN, NODE_MODULES, PEERS_PYTHON, ROOT, haunt_python

ASK_VERSIONS = """
import sys
from importlib import metadata
print("Python", sys.version.split()[0])
for name in sys.argv[1:]:
    print(name, metadata.version(name))
"""


def machine() -> str:
    """One line: processor, cores, memory, kernel."""
    model = _first(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text()) or platform.machine()
    memory = int(_first(r"MemTotal:\s+(\d+) kB", Path("/proc/meminfo").read_text())) / 1024 / 1024
    return f"{model}, {os.cpu_count()} cores, {memory:.0f} GiB; Linux {platform.release()}"


def versions() -> str:
    """One line: Haunt and its parts, then the peers."""
    ours = _ask(haunt_python(), "haunt", "tornado", "ujson")
    theirs = _ask(PEERS_PYTHON, "aiohttp", "picows", "socketify", "tornado", "uvloop", "websockets")
    ws = json.loads((NODE_MODULES / "ws" / "package.json").read_text())["version"]
    commit = _said("git", "-C", str(ROOT), "rev-parse", "--short", "HEAD")
    node = _said("node", "--version").removeprefix("v")
    gcc = _said("gcc", "-dumpfullversion")
    return f"{ours}, commit {commit}. Peers: {theirs}; Bun {_said(BUN, '--version')}, Node {node}, ws {ws}, gcc {gcc}"


def _ask(python: str, *packages: str) -> str:
    return ", ".join(_said(python, "-c", ASK_VERSIONS, *packages).splitlines())


def _said(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() or "?"
    except (OSError, subprocess.CalledProcessError):
        return "?"


def _first(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    return found.group(1).strip() if found else ""
