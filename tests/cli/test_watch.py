"""`haunt watch`: a server's updates in the terminal, in a pipe, or as they come."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import re
import signal
from collections.abc import Callable, Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from serving import HAUNT
from strangers import SIMULATED, running

from haunt.cli.updates import Board, Lines
from haunt.testing import FakeVenue, eventually

AT = 1_700_000_000_000
ERROR = {"type": "error", "code": "invalid_symbol", "message": "Symbol 'xyz' not found"}


def price(symbol: str, number: float, **figures: Any) -> dict[str, Any]:
    figures = {"change_24h": 2.34, "volume_24h": 28_500_000_000, "timestamp": AT} | figures
    return {"type": "price_update", "symbol": symbol, "price": number, **figures}


def signalled(symbol: str, state: str, **figures: Any) -> dict[str, Any]:
    figures = {"indicator": "rsi", "value": 28.5, "confidence": 0.85, "timestamp": AT} | figures
    return {"type": "signal_update", "symbol": symbol, "signal": state, **figures}


def answers(*frames: object) -> Callable[[object], Sequence[object]]:
    return lambda request: frames


class Watching:
    """`haunt watch` as a process. `ended` gives its exit code and all it printed to stdout and stderr."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def line(self) -> str:
        assert self.process.stdout is not None
        return (await asyncio.wait_for(self.process.stdout.readline(), 10)).decode()

    async def ended(self) -> tuple[int | None, str, str]:
        out, err = await asyncio.wait_for(self.process.communicate(), 10)
        return self.process.returncode, (out or b"").decode(), err.decode()


async def watching(*words: str, environ: Mapping[str, str] | None = None, stdout: int = -1) -> Watching:
    return Watching(
        await asyncio.create_subprocess_exec(
            HAUNT, "watch", *words, stdout=stdout, stderr=-1, env={**os.environ, "TZ": "UTC", **(environ or {})}
        )
    )


# -- what it prints


@pytest.mark.gen_test
async def test_each_update_is_a_line_where_nobody_looks():
    async with FakeVenue() as venue:
        venue.on_message = answers(
            price("btc", 67234.56), signalled("btc", "buy"), {"type": "pong"}, price("btc", 1e-7)
        )
        code, out, err = await (await watching(venue.url, "btc", "--count", "3")).ended()
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "22:13:20 btc 67,234.56 +2.34% 28.5B",
        "22:13:20 btc rsi buy 28.5 (85%)",
        "22:13:20 btc 0.0000001 +2.34% 28.5B",
    ]


@pytest.mark.gen_test
async def test_json_prints_every_message_as_it_came():
    frames = ['{"type": "server_status","x":1}', json.dumps(price("btc", 5)), json.dumps(price("btc", 6))]
    async with FakeVenue() as venue:
        venue.on_message = answers(*frames)
        code, out, err = await (await watching(venue.url, "--json", "--count", "2", "btc")).ended()
    assert (code, out.splitlines(), err) == (0, frames, "")


@pytest.mark.gen_test
async def test_address_comes_from_the_environment_where_none_is_given():
    async with FakeVenue() as venue:
        venue.on_message = answers(price("btc", 5))
        running = await watching("BTC", "btc", "eth", "--count=1", environ={"HAUNT_URL": venue.url})
        code, _, _ = await running.ended()
    assert code == 0
    assert venue.received == [{"type": "subscribe", "symbols": ["btc", "eth"], "snapshot": True}]


@pytest.mark.gen_test
async def test_address_of_the_server_and_a_token_in_the_environment_do(tmp_path: Path):
    async with running(tmp_path, SIMULATED.replace("{port: 0}", "{port: 0, token: {env: SECRET}}")) as haunt:
        address = f"--url=http://localhost:{haunt.port}"
        process = await watching(address, "btc", "--count=1", environ={"HAUNT_TOKEN": "secret"})
        shown = await process.ended()
        refused = await (await watching(address, "btc", environ={"HAUNT_TOKEN": "guess"})).ended()
    assert (shown[0], shown[1].split()[1], shown[2]) == (0, "btc", "")
    assert refused[0] == 1


@pytest.mark.gen_test
async def test_unknown_symbol_is_told_and_the_others_go_on():
    async with FakeVenue() as venue:
        venue.on_message = answers(ERROR, price("btc", 5))
        code, out, err = await (await watching(venue.url, "xyz", "btc", "--count", "1")).ended()
    assert (code, out, err) == (0, "22:13:20 btc 5 +2.34% 28.5B\n", "Symbol 'xyz' not found\n")


@pytest.mark.gen_test
async def test_nothing_but_unknown_symbols_is_the_end():
    async with FakeVenue() as venue:
        venue.on_message = answers(ERROR)
        code, out, err = await (await watching(venue.url, "xyz")).ended()
    assert (code, out) == (1, "")
    assert err.splitlines()[1] == "Error: There is nothing to watch: the server knows none of these symbols"


@pytest.mark.gen_test
async def test_nonsense_is_passed_over():
    nonsense = ["", "not json", "[]", "{}", b"\xff", '{"type": "price_update", "price": NaN, "timestamp": 1e400}']
    async with FakeVenue() as venue:
        venue.on_message = answers(*nonsense, price("b\x1b[2Jtc", 5, timestamp=-1))
        code, out, err = await (await watching(venue.url, "btc", "--count", "2")).ended()
    assert (code, err) == (0, "")
    assert out.splitlines() == ["00:00:00 None 0 +0.00% 0", "00:00:00 b?[2Jtc 5 +2.34% 28.5B"]


# -- its connection


@pytest.mark.gen_test
async def test_lost_connection_is_told_and_made_again():
    async with FakeVenue() as venue:
        venue.on_message = answers(price("btc", 5))
        running = await watching(venue.url + "?token=secret", "btc", "--count", "2")
        await running.line()
        await venue.disconnect(1001, "server restarting")
        code, _, err = await running.ended()
    assert (code, venue.connections) == (0, 2)
    assert re.fullmatch(
        rf"{venue.url}ws closed the connection \(server restarting\); trying again in (0\.\d|1\.0) s\n", err
    )


@pytest.mark.gen_test
async def test_server_that_is_not_there_yet_is_waited_for():
    venue = FakeVenue()
    venue.on_message = answers(price("btc", 5))
    venue.start()
    await venue.stop()
    running = await watching(venue.url, "btc", "--count", "1")
    assert running.process.stderr is not None
    assert b"cannot be reached: Connection refused; trying again in" in await running.process.stderr.readline()
    async with venue:
        code, _, _ = await running.ended()
    assert code == 0


@pytest.mark.gen_test
async def test_server_that_refuses_is_not_asked_again():
    async with FakeVenue() as venue:
        venue.refuse(401)
        code, _, err = await (await watching(venue.url, "btc")).ended()
        assert (code, venue.handshakes) == (1, 1)
        assert err == f"Error: {venue.url}ws refuses: 401 Unauthorized\n"


@pytest.mark.gen_test
async def test_full_server_is_asked_again():
    async with FakeVenue() as venue:
        venue.on_message = answers(price("btc", 5))
        venue.refuse(503)
        running = await watching(venue.url, "btc", "--count", "1")
        await eventually(lambda: venue.handshakes)
        venue.accept()
        code, _, err = await running.ended()
    assert code == 0
    assert f"{venue.url}ws refuses: 503 Service Unavailable; trying again in" in err


@pytest.mark.gen_test
async def test_interrupt_ends_it_without_a_word():
    async with FakeVenue() as venue:
        venue.on_message = answers(price("btc", 5))
        running = await watching(venue.url, "btc")
        await running.line()
        running.process.send_signal(signal.SIGINT)
        code, out, err = await running.ended()
    assert (code, out, err) == (0, "", "")


@pytest.mark.gen_test
async def test_reader_that_left_ends_it_without_a_word():
    reading, writing = os.pipe()
    async with FakeVenue() as venue:
        venue.on_message = answers(price("btc", 5), price("btc", 6))
        os.close(reading)
        running = await watching(venue.url, "btc", stdout=writing)
        os.close(writing)
        _, _, err = await running.ended()
    assert (err, venue.connections) == ("", 1)


# -- the command line


@pytest.mark.gen_test
@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "Name the symbols to watch, such as: haunt watch btc eth"),
        (["ws://localhost:1/ws"], "Name the symbols to watch, such as: haunt watch btc eth"),
        (["ftp://localhost", "btc"], "ftp://localhost is no address of a server; write it like http://localhost:3000"),
        (["ws://", "btc"], "ws:// is no address of a server; write it like http://localhost:3000"),
        (["--url", "ws://localhost:x/", "btc"], "ws://localhost:x/ is no address of a server; write it like"),
    ],
)
async def test_mistake_in_the_command_line_is_told(words: list[str], sentence: str):
    code, _, err = await (await watching(*words)).ended()
    assert code == 2
    assert sentence in err


# -- the table


def drawn(board: Board, *, width: int = 100, colours: bool = False) -> list[str]:
    console = Console(
        file=StringIO(), width=width, force_terminal=colours, color_system="standard" if colours else None
    )
    console.print(board.drawn())
    assert isinstance(console.file, StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def test_table_has_a_row_for_each_symbol_with_its_last_signals():
    board = Board(["btc", "eth"])
    for message in (
        price("btc", 67234.56, sources=["coinbase", "kraken"]),
        signalled("btc", "buy"),
        signalled("btc", "sell"),
        signalled("btc", "buy", indicator="macd", value=-1),
    ):
        board.show("", message)
    titles, btc, eth = drawn(board)
    assert titles.split() == ["symbol", "price", "24", "h", "volume", "venues", "age", "signals"]
    assert btc.split() == [
        "btc",
        "67,234.56",
        "+2.34%",
        "28.5B",
        "2",
        "0",
        "s",
        "rsi",
        "sell",
        "28.5",
        "(85%),",
        "macd",
        "buy",
        "-1",
        "(85%)",
    ]
    assert eth.split() == ["eth"]


def test_price_is_green_after_a_rise_and_red_after_a_fall():
    board = Board(["btc"])
    colours = []
    for number in (100, 101, 101, 99):
        board.show("", price("btc", number))
        colours.append(re.findall(rf"(?:\x1b\[(3\d)m)? *{number}", drawn(board, colours=True)[1])[0])
    assert colours == ["", "32", "32", "31"]


def test_table_tells_of_errors_and_of_the_connection():
    board = Board(["btc", "xyz"])
    assert drawn(board)[-1] == "connecting"
    board.show("", ERROR)
    board.say("ws://localhost:3000/ws closed the connection; trying again in 1.0 s")
    assert drawn(board)[-2:] == [
        "Symbol 'xyz' not found",
        "ws://localhost:3000/ws closed the connection; trying again in 1.0 s",
    ]
    board.show("", price("btc", 5))
    assert drawn(board)[-1] == "Symbol 'xyz' not found"


@pytest.mark.parametrize(
    ("volume", "text"),
    [(0, "0"), (0.5, "0.5"), (999, "999"), (999.6, "1K"), (1_234_000, "1.23M"), (28.5e9, "28.5B"), (1.2e12, "1.2T")],
)
def test_volume_is_short(capsys: pytest.CaptureFixture[str], volume: float, text: str):
    Lines().show("", price("btc", 5, volume_24h=volume))
    assert capsys.readouterr().out.split()[-1] == text


@pytest.mark.gen_test
async def test_terminal_shows_the_table_until_interrupted():
    terminal, its_end = pty.openpty()
    screen = b""
    async with FakeVenue() as venue:
        venue.on_message = answers(price("btc", 67234.56))
        running = await watching(venue.url, "btc", stdout=its_end, environ={"TERM": "xterm", "COLUMNS": "80"})
        os.close(its_end)
        while b"67,234.56" not in screen:
            screen += await asyncio.to_thread(os.read, terminal, 4096)
        running.process.send_signal(signal.SIGINT)
        code, _, err = await running.ended()
    os.close(terminal)
    assert (code, err) == (0, "")
    assert b"symbol" in screen
