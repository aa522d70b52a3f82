"""The benchmark of what venues say plays recordings as Haunt would hear them."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path

from servers import HERE

NOON = 1_700_000_000_000
STREAM = "wss://stream.binance.com:9443/stream"
TRADE = {"e": "trade", "E": NOON, "s": "AB", "t": 7, "p": "3.50", "q": "1", "T": NOON, "m": True}
DELTA = {"e": "depthUpdate", "E": NOON, "s": "AB", "U": 5, "u": 6, "b": [["3.10", "2"], ["3.00", "0.00"]], "a": []}
DEPTH = {"lastUpdateId": 4, "bids": [["3.00", "1.50"]], "asks": [["4.00", "1"]]}


def line(data: dict[str, object], channel: str = "", **fields: str) -> str:
    raw = json.dumps({"stream": f"ab@{channel}", "data": data} if channel else data, separators=(",", ":"))
    return json.dumps({"ts": 1.5, "kind": "ws", "url_or_channel": STREAM, "raw": raw} | fields) + "\n"


def test_the_player_tells_the_books_it_ends_with(tmp_path: Path) -> None:
    file = tmp_path / "recording.jsonl.gz"
    depth = "https://api.binance.com/api/v3/depth?symbol=AB&limit=1000"
    with gzip.open(file, "wt") as recording:
        recording.write(line({}, dir="connect"))
        recording.write(line(DEPTH, kind="rest", url_or_channel=depth))
        recording.writelines([line(TRADE, "trade"), line(DELTA, "depth@100ms")])
    command = [sys.executable, str(HERE / "players" / "haunt_player.py"), "binance", str(file), "2"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["messages"], told["events"], len(told["seconds"])) == (2, 3, 2)
    assert told["tops"] == {"AB": [[["3.10", "2"]], [["4.00", "1"]]]}
