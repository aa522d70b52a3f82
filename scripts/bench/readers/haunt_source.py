"""URL [decode]: Haunt's own way, a StreamSource from the connection to `parse`.

Without `decode` the parser looks at nothing; with it each frame is decoded and published as a ticker.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress

import ujson
from meter import Meter

from haunt import Event, Instrument, SourceLost, StreamOptions, StreamSource, Ticker
from haunt.market.symbols import Symbol
from haunt.plugin.relay import Relay

meter = Meter()


class Reader(StreamSource):
    """Counts what it parses."""

    name = "reader"

    async def instruments(self) -> Iterable[Instrument]:
        return [Instrument("BTC-USD", "BTC", "USD")]

    def subscribe_messages(self, venue_symbols: Sequence[str]) -> Iterable[str]:
        return ()

    def parse(self, frame: str | bytes) -> Iterable[Event]:
        if not meter.frames:
            meter.start()
        meter.frames += 1
        return ()


class TickerReader(Reader):
    """Does besides what a venue's parser does with a ticker."""

    def parse(self, frame: str | bytes) -> Iterable[Event]:
        super().parse(frame)
        data = ujson.loads(frame)
        last, open_24h, volume = float(data["price"]), float(data["open_24h"]), float(data["volume_24h"])
        yield Ticker(data["product_id"], last, open_24h, volume, None, 1_700_000_000_000)


async def main() -> None:
    relay = Relay("reader", wanted=[Symbol("btc")], deliver=lambda feed, event: None)
    reader = TickerReader if "decode" in sys.argv else Reader
    with suppress(SourceLost):  # that is how a connection ends
        await reader(StreamOptions(url=sys.argv[1]), relay).run()
    meter.tell()


asyncio.run(main())
