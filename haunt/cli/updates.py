"""A server's updates as a person or a program reads them: as they are, a line each, or a table."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol, TypeAlias

import click
from rich.console import Group
from rich.text import Text

from haunt.cli.tables import plain_table

COLUMNS = ("symbol", "price", "24 h", "volume", "venues", "age", "signals")
UPDATES = ("price_update", "signal_update")
LATEST = 10**14  # milliseconds: the year 5138
OLD = 30.0  # seconds after which a price is shown dim
COLOURS = {"buy": "green", "sell": "red"}

Message: TypeAlias = Mapping[str, Any]


class View(Protocol):
    """Where messages are shown. `say` is for what became of the connection."""

    def show(self, text: str, message: Message) -> None: ...
    def say(self, sentence: str) -> None: ...


class Raw:
    """The messages as they are, for programs."""

    def show(self, text: str, message: Message) -> None:
        click.echo(text)

    def say(self, sentence: str) -> None:
        click.echo(sentence, err=True)


class Lines(Raw):
    """One line per update, for files and pipes."""

    def show(self, text: str, message: Message) -> None:
        if message.get("type") == "error":
            self.say(clean(message.get("message")))
        if message.get("type") in UPDATES:
            moment = datetime.fromtimestamp(min(max(_number(message, "timestamp"), 0.0), LATEST) / 1000)
            said = _signal(message) if message["type"] == "signal_update" else " ".join(_figures(message))
            click.echo(f"{moment:%H:%M:%S} {clean(message.get('symbol'))} {said}")


class Board:
    """A table with a row per symbol, for people."""

    def __init__(self, symbols: Sequence[str]) -> None:
        self._rows: dict[str, Row] = {symbol: Row() for symbol in symbols}
        self._errors: dict[str, None] = {}
        self._connection = "connecting"

    def show(self, text: str, message: Message) -> None:
        self._connection = ""
        if message.get("type") == "error":
            self._errors[clean(message.get("message"))] = None
        elif message.get("type") in UPDATES:
            row = self._rows.setdefault(clean(message.get("symbol")), Row())
            row.take(message)

    def say(self, sentence: str) -> None:
        self._connection = sentence

    def drawn(self) -> Group:
        """The table, and below it the server's errors and what became of the connection."""
        table = plain_table(COLUMNS, left=("symbol", "signals"))
        now = time.monotonic()
        for symbol, row in self._rows.items():
            table.add_row(Text(symbol, style="bold"), *row.cells(now))
        return Group(table, *[Text(sentence) for sentence in (*self._errors, self._connection) if sentence])


class Row:
    """What is known of one symbol."""

    def __init__(self) -> None:
        self._signals: dict[str, Message] = {}
        self._figures = ("", "", "")
        self._venues = ""
        self._price = 0.0
        self._colour = ""
        self._since: float | None = None

    def take(self, message: Message) -> None:
        if message["type"] == "signal_update":
            self._signals[clean(message.get("indicator"))] = message
            return
        price = _number(message, "price")
        if self._since is not None and price != self._price:
            self._colour = "green" if price > self._price else "red"
        self._price, self._since = price, time.monotonic()
        self._figures = _figures(message)
        venues = message.get("sources")
        self._venues = str(len(venues)) if isinstance(venues, list) else ""

    def cells(self, now: float) -> list[Text]:
        price, change, volume = self._figures
        age = now - self._since if self._since is not None else 0.0
        signals = [Text(_signal(one), style=COLOURS.get(str(one.get("signal")), "")) for one in self._signals.values()]
        return [
            Text(price, style="dim" if age > OLD else self._colour),
            Text(change, style="red" if change.startswith("-") else "green"),
            Text(volume),
            Text(self._venues),
            Text(f"{age:.0f} s" if price else ""),
            Text(", ").join(signals),
        ]


# -- as text


def _figures(message: Message) -> tuple[str, str, str]:
    """A price with all its digits, the change in percent, the volume in a few characters."""
    price = format(Decimal(repr(_number(message, "price"))).normalize(), ",f")
    return price, f"{_number(message, 'change_24h'):+.2f}%", short(_number(message, "volume_24h"))


def _signal(message: Message) -> str:
    words = [clean(message.get(name)) for name in ("indicator", "signal")]
    return " ".join([*words, f"{_number(message, 'value'):g}", f"({_number(message, 'confidence'):.0%})"])


def short(number: float) -> str:
    """In a few characters: 28.5B."""
    for unit in ("", "K", "M", "B"):
        if abs(number) < 999.5:
            return f"{number:.3g}{unit}"
        number /= 1000
    return f"{number:,.3g}T"


def _number(message: Message, name: str) -> float:
    """Zero for what is no number, or none that anyone means."""
    value = message.get(name)
    return value if isinstance(value, int | float) and abs(value) < 1e30 else 0.0


def clean(value: object) -> str:
    """Text of a stranger's that cannot move the cursor."""
    return "".join(character if character.isprintable() else "?" for character in str(value))
