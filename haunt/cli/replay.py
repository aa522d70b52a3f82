"""`haunt replay`: plays a recording through the source of its venue and tells what came of it."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from contextlib import suppress
from math import inf
from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from haunt.cli import completed
from haunt.errors import HauntError
from haunt.market.events import BookDelta, BookSnapshot, Event, FrameNumber, Quote, Ticker, Trade
from haunt.market.feed import Feed
from haunt.plugin.player import find_adapter, make_player, paced
from haunt.plugin.relay import Instrument, Relay
from haunt.plugin.stream_source import StreamSource
from haunt.recording import Recording, RecordingError

KINDS = {
    Ticker: "ticker",
    Quote: "quote",
    Trade: "trade",
    BookSnapshot: "book_snapshot",
    BookDelta: "book_delta",
}
SHOWN_LEVELS = 10
PROGRESS_SECONDS = 1.0


def _speed(text: str) -> float | None:
    """None = as fast as possible."""
    if text == "max":
        return None
    with suppress(ValueError):
        if 0 < (speed := float(text)) < inf:
            return speed
    raise click.BadParameter(f"must be a number above zero or 'max', not {text!r}")


class Tally:
    """What came of a recording. Every venue symbol in it is taken, whatever is configured."""

    def __init__(self, adapter: type[StreamSource]) -> None:
        self.source = adapter.name
        self.messages = 0
        self.events = dict.fromkeys(KINDS.values(), 0)
        self.trades: Counter[str] = Counter()
        self.relay = Relay(adapter.name, wanted=(), deliver=self._count_trade, checksum=adapter.checksum)

    def admit(self, event: Event) -> Event:
        if not isinstance(event, FrameNumber) and event.venue_symbol not in self.relay.feeds and event.venue_symbol:
            self.relay.add(Instrument(event.venue_symbol, event.venue_symbol, ""), event.venue_symbol)
        kind = KINDS.get(type(event))
        if kind is not None:
            self.events[kind] += 1
        return event

    def _count_trade(self, feed: Feed, event: Event) -> None:
        if isinstance(event, Trade):
            self.trades[feed.venue_symbol] += 1


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")
@click.option(
    "--speed",
    type=_speed,
    default="max",
    metavar="N|max",
    help="Times the recorded speed; max, the default: no waiting.",
)
@click.option(
    "--venue",
    shell_complete=completed.plugins,
    metavar="NAME",
    help="The source that reads it, where the recorded url does not tell.",
)
def replay(file: Path, as_json: bool, speed: float | None, venue: str | None) -> None:
    """Play the recording FILE through the source of its venue and print what came of it.

    Example: haunt replay kraken.jsonl.gz
    """
    try:
        recording = Recording(file)
        adapter = find_adapter(recording, venue)
        tally = Tally(adapter)
        try:
            asyncio.run(_play(recording, adapter, tally, speed))
        except RecordingError:
            if tally.messages:
                _print(tally, as_json)
            raise
    except HauntError as error:
        raise click.ClickException(str(error)) from None
    _print(tally, as_json)


async def _play(recording: Recording, adapter: type[StreamSource], tally: Tally, speed: float | None) -> None:
    player = make_player(adapter, tally.relay, tally.admit)
    progress = asyncio.create_task(_show_progress(recording))
    try:
        tally.relay.open()
        async for line in paced(recording, speed):
            tally.messages += line.kind == "ws" and line.direction == "receive"
            player.play(line)
    finally:
        progress.cancel()


async def _show_progress(recording: Recording) -> None:
    console = Console(stderr=True)
    if not console.is_terminal:
        while True:
            await asyncio.sleep(PROGRESS_SECONDS)
            click.echo(f"{recording.position / recording.size:.0%} of {recording.size:,} bytes", err=True)
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task(recording.path.name, total=recording.size)
        while True:
            await asyncio.sleep(0.1)
            progress.update(task, completed=recording.position)


def _print(tally: Tally, as_json: bool) -> None:
    if tally.relay.rejected:
        click.echo(f"{tally.relay.rejected} made no sense, the last: {tally.relay.last_rejection}", err=True)
    if as_json:
        click.echo(json.dumps(_summary(tally), allow_nan=False))
        return
    console = Console()
    console.print(_table(tally))
    integrity = tally.relay.integrity
    console.print(
        f"{tally.messages:,} messages of {tally.source}: "
        + ", ".join(f"{count:,} {kind.replace('_', ' ')}s" for kind, count in tally.events.items()),
        soft_wrap=True,
    )
    console.print(
        f"Sequence numbers: {integrity.links:,} follow, {integrity.gaps:,} gaps. "
        f"Checksums: {integrity.checksums_ok:,} hold, {integrity.checksums_bad:,} do not.",
        soft_wrap=True,
    )


def _summary(tally: Tally) -> dict[str, object]:
    integrity = tally.relay.integrity
    return {
        "source": tally.source,
        "messages": tally.messages,
        "events": tally.events,
        "trades": tally.trades,
        "integrity": {
            "links": integrity.links,
            "gaps": integrity.gaps,
            "checksums_ok": integrity.checksums_ok,
            "checksums_bad": integrity.checksums_bad,
        },
        "books": {
            feed.venue_symbol: {
                "bids": [[price, size] for price, size, *_ in feed.book.bids.top(SHOWN_LEVELS)],
                "asks": [[price, size] for price, size, *_ in feed.book.asks.top(SHOWN_LEVELS)],
            }
            for feed in tally.relay.feeds.values()
            if feed.book_state == "synced"
        },
    }


def _table(tally: Tally) -> Table:
    table = Table()
    for heading in ("Symbol", "Trades", "Last", "Bid", "Ask", "Levels", "Book"):
        table.add_column(heading, justify="left" if heading in ("Symbol", "Book") else "right", overflow="fold")
    for feed in tally.relay.feeds.values():
        bids, asks = feed.book.bids.top(1), feed.book.asks.top(1)
        table.add_row(
            feed.venue_symbol,
            f"{tally.trades[feed.venue_symbol]:,}",
            "" if feed.last is None else f"{feed.last:.10f}".rstrip("0").rstrip("."),
            bids[0][0] if bids else "",
            asks[0][0] if asks else "",
            f"{len(feed.book.bids) + len(feed.book.asks):,}",
            "synced" if feed.book_state == "synced" else feed.proven.lost_because,
        )
    return table
