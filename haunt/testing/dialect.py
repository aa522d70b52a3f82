"""What a venue's words are: what clients ask in them, and how its markets are told in them. No I/O."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from haunt.testing.market import Deal, Delta, Figures, Snapshot

if TYPE_CHECKING:
    from haunt.testing.exchange import FakeExchange

Frame: TypeAlias = Any
"""Text or bytes as they are, anything else as JSON."""

Channel: TypeAlias = Literal["book", "trades", "ticker", "quotes"]


class Ask(NamedTuple):
    """What a client asks for: one channel of one market, or (`ends`) no more of it.

    `depth`: the venue tells of that many levels a side, and not of those that fall out of them.
    """

    channel: Channel
    symbol: str
    depth: int | None = None
    ends: bool = False


class Request(NamedTuple):
    """A REST request; `query` has the last value of each name."""

    method: str
    path: str
    query: Mapping[str, str]


class Dialect:
    """One venue's words. Frames and bodies are text, bytes, or anything JSON can say.

    An instance is made for each WebSocket, so what a venue counts by connection is an attribute; REST requests
    have an instance of their own. `venue` has the markets: `book(symbol)`, `figures(symbol)`, `deals(symbol)`,
    `candles(symbol, start, end)`, `instruments`, `milliseconds()`; `url`, and `new_token()`.
    """

    symbol = "{base}-{quote}"
    """How the venue names a market."""
    lower_case = False
    """Whether it does so in small letters."""
    quote = "USD"
    """The currency its markets are quoted in."""
    numbered = True
    """Whether a client can tell from numbers that a change of a book is missing."""
    checksummed = False
    """Whether it can tell from a checksum, made of `Delta.after`, that its book is wrong."""
    token: str | None = None
    """The name in the URL's query of the token without which no WebSocket is accepted; None = there is none."""

    def __init__(self, venue: FakeExchange) -> None:
        self.venue = venue

    @staticmethod
    def options(ws: str, rest: str) -> Mapping[str, object]:
        """The options with which a source comes here: the addresses, and what else a test wants.

        `ws` and `rest` are `ws://host` and `http://host`.
        """
        return {"url": f"{ws}/", "rest_url": rest}

    def decode(self, frame: str | bytes) -> Any:
        """What `asks`, `answer` and the others are given."""
        try:
            return json.loads(frame)
        except ValueError:
            return frame

    def encode(self, frame: Frame) -> str | bytes:
        """What goes over the wire, such as gzip."""
        return frame if isinstance(frame, str | bytes) else json.dumps(frame, separators=(",", ":"))

    # -- REST

    def respond(self, request: Request) -> Frame | tuple[int, Frame, Mapping[str, str]] | None:
        """The body, or (status, body, headers); None or a KeyError = 404."""
        return None

    # -- a client's messages

    def welcome(self) -> Iterable[Frame]:
        """What every client hears first."""
        return ()

    def asks(self, message: Any) -> Iterable[Ask]:
        """What a message subscribes to or unsubscribes from."""
        return ()

    def accept(self, message: Any, asks: Sequence[Ask]) -> Iterable[Frame]:
        """Say that these of a message's asks are granted; what they are about is sent after it."""
        return ()

    def refuse(self, message: Any, asks: Sequence[Ask]) -> Iterable[Frame]:
        """Say that these are not; nothing where the venue says nothing."""
        return ()

    def answer(self, message: Any) -> Iterable[Frame] | None:
        """What is said to a message that asks for no channel, such as a ping. None = it makes no sense."""
        return None

    # -- what happens

    def snapshot(self, snapshot: Snapshot) -> Iterable[Frame]:
        """The first of a book's channel; nothing where books are fetched over REST."""
        return ()

    def delta(self, delta: Delta) -> Iterable[Frame]:
        return ()

    def trades(self, deals: Sequence[Deal], *, first: bool) -> Iterable[Frame]:
        """`first`: the latest ones, which many venues send to every new subscriber; else one that just happened."""
        return ()

    def ticker(self, figures: Figures) -> Iterable[Frame]:
        return ()

    def quotes(self, figures: Figures) -> Iterable[Frame]:
        """Best bid and ask, where the venue has a channel for them."""
        return ()

    def heartbeat(self) -> Iterable[Frame]:
        """What the venue says from time to time so that clients know it is there."""
        return ()

    def farewell(self) -> Iterable[Frame]:
        """What it says before it closes a connection, where it does."""
        return ()


def rfc3339(milliseconds: int) -> str:
    """`2026-08-09T21:05:48.228000Z`"""
    return f"{datetime.fromtimestamp(milliseconds // 1_000, UTC):%Y-%m-%dT%H:%M:%S}.{milliseconds % 1_000:03}000Z"
