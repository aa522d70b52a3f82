"""Small recordings of invented frames."""

from __future__ import annotations

import json
from pathlib import Path

from haunt import Recording


def line(**changes: object) -> bytes:
    record = {"ts": 1.5, "kind": "ws", "url_or_channel": "wss://toy.example", "raw": "1"} | changes
    return json.dumps(record).encode() + b"\n"


def recording(tmp_path: Path, *lines: bytes, name: str = "toy.jsonl") -> Recording:
    path = tmp_path / name
    path.write_bytes(b"".join(lines))
    return Recording(path)
