"""`haunt watch`: what a server says of some symbols, until Ctrl-C."""

from __future__ import annotations

import asyncio
import json
import random
import sys
from collections.abc import Sequence

import click
from rich.live import Live
from tornado.httpclient import HTTPError, HTTPRequest
from tornado.simple_httpclient import HTTPTimeoutError
from tornado.websocket import WebSocketClientConnection, WebSocketClosedError, WebSocketError, websocket_connect

from haunt.cli import completed
from haunt.cli.server import credentials, server_at, url_option
from haunt.cli.updates import UPDATES, Board, Lines, Message, Raw, View, clean

LONGEST_WAIT = 30.0
PING_INTERVAL = 20.0  # seconds; a line that died without a word is noticed within two of them
REDRAW_INTERVAL = 0.1


@click.command()
@click.argument("words", nargs=-1, metavar="[URL] SYMBOL...", shell_complete=completed.symbols)
@click.option("--json", "as_json", is_flag=True, help="Print the server's messages as they are, one per line.")
@click.option("--count", type=click.IntRange(min=1), metavar="N", help="Stop after N updates.")
@url_option
def watch(words: Sequence[str], url: str, as_json: bool, count: int | None) -> None:
    """Show prices and signals of each SYMBOL until Ctrl-C: a table in a terminal, else a line per update.

    The server's address may stand before the symbols, too.

    Example: haunt watch btc eth
    """
    if words and "://" in words[0]:
        url, words = words[0], words[1:]
    server = server_at(url)
    symbols = list(dict.fromkeys(word.lower() for word in words))
    if not symbols:
        raise click.UsageError("Name the symbols to watch, such as: haunt watch btc eth")
    try:
        asyncio.run(_watch(server.stream, symbols, as_json, count))
    except KeyboardInterrupt:
        return


async def _watch(url: str, symbols: Sequence[str], as_json: bool, count: int | None) -> None:
    if as_json:
        await _follow(url, symbols, Raw(), count)
    elif not sys.stdout.isatty():
        await _follow(url, symbols, Lines(), count)
    else:
        with Live(auto_refresh=False) as live:
            board = Board(symbols)
            url += "&ext=1" if "?" in url else "?ext=1"  # the number of venues is among the extended fields
            redrawing = asyncio.create_task(_redraw(live, board))
            try:
                await _follow(url, symbols, board, count)
            finally:
                redrawing.cancel()
                live.update(board.drawn(), refresh=True)


async def _redraw(live: Live, board: Board) -> None:
    while True:
        live.update(board.drawn(), refresh=True)
        await asyncio.sleep(REDRAW_INTERVAL)


# -- the connection


async def _follow(url: str, symbols: Sequence[str], view: View, count: int | None) -> None:
    """Show what the server says, `count` updates or for ever; connect again when the line is lost."""
    name = url.partition("?")[0]  # what follows may be a token
    watcher = _Watcher(symbols, view, count)
    wait = 1.0
    while True:
        heard = watcher.heard
        try:
            reason = await _listen(url, watcher)
        except HTTPError as error:
            reason = f"refuses: {_refusal(error)}"
            if 400 <= error.code < 500 and error.code != 429:
                raise click.ClickException(f"{name} {reason}") from None
        if watcher.done:
            return
        wait = 1.0 if watcher.heard > heard else wait
        pause = wait * random.uniform(0.5, 1.0)
        view.say(f"{name} {reason}; trying again in {pause:.1f} s")
        await asyncio.sleep(pause)
        wait = min(2 * wait, LONGEST_WAIT)


async def _listen(url: str, watcher: _Watcher) -> str:
    """Connect and listen to the end. Returns why it ended; raises HTTPError where the server answers with one."""
    try:
        request = HTTPRequest(url, headers=credentials())
        connection = await websocket_connect(request, ping_interval=PING_INTERVAL)
    except (OSError, WebSocketError, HTTPTimeoutError) as error:
        return f"cannot be reached: {clean(getattr(error, 'strerror', None) or error)}"
    try:
        await watcher.listen(connection)
    except WebSocketClosedError:
        pass
    finally:
        connection.close()
    return f"closed the connection ({clean(connection.close_reason or connection.close_code or 'no reason')})"


class _Watcher:
    """Subscribes, shows and counts. `heard` counts messages, `done` is when the updates asked for have come."""

    def __init__(self, symbols: Sequence[str], view: View, count: int | None) -> None:
        self.heard = 0
        self._symbols = symbols
        self._view = view
        self._left = count

    @property
    def done(self) -> bool:
        return self._left == 0

    async def listen(self, connection: WebSocketClientConnection) -> None:
        """Until the server closes the connection or all has come."""
        unknown = 0
        await connection.write_message(json.dumps({"type": "subscribe", "symbols": self._symbols, "snapshot": True}))
        while not self.done and (text := await connection.read_message()) is not None:
            message = _decoded(text)
            self.heard += 1
            self._view.show(str(text), message)
            if message.get("type") in UPDATES and self._left is not None:
                self._left -= 1
            unknown += message.get("type") == "error" and message.get("code") == "invalid_symbol"
            if unknown == len(self._symbols):
                raise click.ClickException("There is nothing to watch: the server knows none of these symbols")


def _decoded(text: str | bytes) -> Message:
    try:
        message = json.loads(text)
    except ValueError:
        message = None
    return message if isinstance(message, dict) else {}


def _refusal(error: HTTPError) -> str:
    body = _decoded(error.response.body) if error.response is not None else {}
    return clean(body.get("message") or f"{error.code} {error.message}")
