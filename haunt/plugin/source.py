"""What a source is: a venue's data, published until cancelled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from haunt.market.book import Book
from haunt.market.candles import Candle
from haunt.plugin.relay import DEFAULT_QUOTES, Relay


class SourceOptions(BaseModel):
    """Options every source has. A plugin inherits and adds its own; config.yaml is checked against them."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    symbols: tuple[str, ...] | None = Field(
        None, description="Which of Haunt's symbols to take from here; all of them when absent."
    )
    quotes: tuple[str, ...] = Field(
        DEFAULT_QUOTES, min_length=1, description="Quote currencies, the preferred one first."
    )
    weight: float = Field(1.0, gt=0, le=100, description="This source's say in the composite price.")
    stale_after: float = Field(
        30.0, gt=0, description="Seconds without data after which a symbol leaves the composite price at the latest."
    )


class Source:
    """One source of market data, made once for each name under `sources:` in config.yaml.

    A subclass sets `name` (the plugin's, equal to its entry point), annotates `options` with its own
    options class, and implements `run`. `checksum`, where the venue has one, computes it from a book.
    """

    name: ClassVar[str]
    simulated: ClassVar[bool] = False
    """True when the data is made up: clients, logs and pages are told so."""
    checksum: ClassVar[staticmethod[[Book], int] | None] = None

    options: SourceOptions

    def __init__(self, options: SourceOptions, relay: Relay) -> None:
        self.options = options
        self.relay = relay

    async def run(self) -> None:
        """Publish events until cancelled.

        Raise when the venue is lost (`SourceLost` with a sentence for the operator): the supervisor logs
        the reason, waits, and calls run() again. Returning means there is nothing more to publish.
        """
        raise NotImplementedError

    @property
    def spare(self) -> bool:
        """Whether it may be asked for candles now: nothing more urgent needs what its venue allows."""
        return True

    async def candles(self, venue_symbol: str, start: int, end: int) -> Sequence[Candle]:
        """The venue's own closed candles of one minute that begin in [start, end), oldest first.

        Times are milliseconds UTC, prices in the quote currency, volume in base units. They may be fewer than
        asked for; none where the venue has no such list. Raises SourceLost.
        """
        return ()
