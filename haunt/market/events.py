"""What a source says. NamedTuples: as immutable as frozen dataclasses, and built three times as fast.

Symbols here are the venue's own (`BTC-USD`): the relay knows which of ours they are, so a parser need not.
Times are integer milliseconds UTC by the venue's clock. Prices and quantities of levels are the venue's own
text, because checksums are computed over it; all other numbers are floats.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias

Side: TypeAlias = Literal["buy", "sell"]
Level: TypeAlias = Sequence[str]
"""(price, quantity) as the venue wrote them; a quantity of zero removes the level."""


class Ticker(NamedTuple):
    """A venue's 24-hour figures. None where the venue does not say.

    `open_24h` is the price 24 hours ago (not today's open); `volume_24h` is in base units,
    `quote_volume_24h` in the quote currency. `apart`: fetched apart from the stream (REST), so it does not
    prove that the stream lives.
    """

    venue_symbol: str
    last: float
    open_24h: float | None
    volume_24h: float | None
    quote_volume_24h: float | None
    timestamp: int | None
    apart: bool = False


class Quote(NamedTuple):
    """The best bid and ask, from a feed apart from the book.

    `sequence` is the book's own numbering where the venue shares it, so that the newer of the two can be told.
    """

    venue_symbol: str
    bid: float
    ask: float
    sequence: int | None
    timestamp: int | None


class Trade(NamedTuple):
    """One trade. `side` is the taker's; `quantity` is in base units; `id` is unique per venue symbol."""

    venue_symbol: str
    id: str
    price: float
    quantity: float
    side: Side
    timestamp: int


class BookSnapshot(NamedTuple):
    """A whole order book, replacing the one before. `sequence` is the number of the last change it contains.

    `apart`: fetched apart from the stream of deltas (REST), so deltas around it may overlap it.
    """

    venue_symbol: str
    bids: Sequence[Level]
    asks: Sequence[Level]
    sequence: int | None
    checksum: int | None
    timestamp: int | None
    apart: bool = False


class BookDelta(NamedTuple):
    """Changed levels, absolute quantities.

    Where the venue numbers its changes, `previous` is the number of the change before this delta's first and
    `sequence` that of its last: equal where nothing changed, lower where the venue begins to number anew. A venue
    that only orders its changes, as by their time, gives no `previous`. `checksum` is what the venue says the book
    has after this delta, which may be empty.
    """

    venue_symbol: str
    bids: Sequence[Level]
    asks: Sequence[Level]
    previous: int | None
    sequence: int | None
    checksum: int | None
    timestamp: int | None


class FrameNumber(NamedTuple):
    """The number of a frame, on venues that number every frame of a connection, one up each time."""

    number: int


class Subscribed(NamedTuple):
    """The venue confirmed a subscription. `depth`: it keeps a book of that many levels per side."""

    venue_symbol: str
    channel: str
    depth: int | None = None


class Refused(NamedTuple):
    """The venue refused a subscription. `venue_symbol` is empty where it does not say which."""

    venue_symbol: str
    channel: str
    reason: str


Event: TypeAlias = Ticker | Quote | Trade | BookSnapshot | BookDelta | FrameNumber | Subscribed | Refused
