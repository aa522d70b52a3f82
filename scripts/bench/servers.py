"""How each server of the comparison is started. All of them find PORT, N, K, RATE and B in their environment."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BUILD = Path(os.environ.get("BENCH_BUILD", Path.home() / ".cache" / "haunt-bench"))
PEERS_PYTHON = str(BUILD / "venv" / "bin" / "python")
CRYPTOFEED_PYTHON = str(BUILD / "cryptofeed" / "bin" / "python")
NODE_MODULES = BUILD / "node" / "node_modules"
BUN = str(NODE_MODULES / "@oven" / "bun-linux-x64" / "bin" / "bun")


@dataclass(frozen=True)
class Server:
    """One server: what it is, and what starts it; {N} stands for the value of N, and so on."""

    what: str
    command: tuple[str, ...]


def haunt_python() -> str:
    """The Python that has Haunt: the one that runs this, else the repository's own .venv."""
    if importlib.util.find_spec("haunt") is not None:
        return sys.executable
    python = ROOT / ".venv" / "bin" / "python"
    if not python.exists():
        sys.exit(
            "Haunt is not installed; run scripts/test once, or run this with the Python of an environment that has it"
        )
    return str(python)


def known_servers() -> dict[str, Server]:
    python, peers = PEERS_PYTHON, HERE / "peers"
    return {
        "haunt": Server("Haunt", (haunt_python(), str(HERE / "serve"))),
        "c": Server("C send loop", (str(BUILD / "bin" / "sendloop"), "{PORT}", "{N}", "{K}", "{RATE}", "{B}")),
        "bun": Server("Bun publish()", (BUN, str(peers / "bun.js"))),
        "node": Server("Node, ws", ("node", str(peers / "node_ws.js"))),
        "socketify": Server("socketify publish()", (python, str(peers / "socketify_server.py"))),
        "picows": Server("picows", (python, str(peers / "picows_server.py"))),
        "aiohttp": Server("aiohttp", (python, str(peers / "aiohttp_server.py"))),
        "websockets": Server("websockets broadcast()", (python, str(peers / "websockets_server.py"))),
        "tornado": Server("Tornado write_message()", (python, str(peers / "tornado_server.py"))),
    }


def set_up() -> None:
    """Build and install what is missing."""
    if subprocess.run([HERE / "setup"], check=False).returncode:
        sys.exit("The benchmarks could not be set up; mend what scripts/bench/setup complains of")
