"""VENUE RECORDING ROUNDS: cryptofeed's message handler, with the top ten of each changed book read in its callback."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from cryptofeed.defines import L2_BOOK, TICKER, TRADES
from cryptofeed.exchanges import OKX, Binance
from cryptofeed.symbols import Symbols
from recorded import processor_time, received, tell

DEPTH = 10
EXCHANGES = {"binance": Binance, "okx": OKX}
# The recording of Binance has no list of markets.
BINANCE = {"BTC-USDT": "BTCUSDT"}, {"tick_size": {"BTC-USDT": "0.01"}, "instrument_type": {"BTC-USDT": "spot"}}


class Round:
    """A feed that hears of a venue for the first time."""

    def __init__(self, exchange: type[Any], venue_symbols: dict[str, str], snapshot: str) -> None:
        self.events = 0
        self.snapshot = snapshot
        self.books: dict[str, Any] = {}
        self.tops: dict[str, tuple[list[Any], list[Any]]] = {}
        self.feed = exchange(
            symbols=list(venue_symbols),
            channels=[L2_BOOK, TRADES, TICKER],
            callbacks={L2_BOOK: self.on_book, TRADES: self.on_event, TICKER: self.on_event},
            checksum_validation=True,
        )
        self.feed.http_conn = self
        self.feed._l2_book, self.feed.seq_no = {}, {}
        if hasattr(self.feed, "_ensure_symbol_mapping"):
            self.feed._ensure_symbol_mapping()

    async def read(self, *args: object, **kwargs: object) -> str:
        """The book over REST, as the feed asks for it."""
        return self.snapshot

    async def on_event(self, event: Any, receipt: float) -> None:
        self.events += 1

    async def on_book(self, book: Any, receipt: float) -> None:
        self.events += 1
        bids, asks = book.book.bids, book.book.asks
        self.tops[book.symbol] = (
            [bids.index(place) for place in range(min(DEPTH, len(bids)))],
            [asks.index(place) for place in range(min(DEPTH, len(asks)))],
        )

    def play(self, frames: list[str]) -> None:
        asyncio.run(self._play(frames))

    async def _play(self, frames: list[str]) -> None:
        handle = self.feed.message_handler
        for frame in frames:
            await handle(frame, None, 0.0)


def main() -> None:
    venue, path, rounds = sys.argv[1:]
    exchange, lines = EXCHANGES[venue], received(path)
    rest = [text for kind, _, text in lines if kind == "rest"]
    frames = [text for kind, _, text in lines if kind == "ws"]
    named = BINANCE if venue == "binance" else exchange._parse_symbol_data([json.loads(text) for text in rest[:3]])
    Symbols.set(exchange.id, *named)
    told = set(json.dumps(frames).replace("\\", "").split('"'))
    venue_symbols = {symbol: name for symbol, name in named[0].items() if name in told}
    seconds = []
    for _ in range(int(rounds) + 1):
        played = Round(exchange, venue_symbols, rest[0])
        seconds.append(processor_time(lambda played=played: played.play(frames)))
    tops = {venue_symbols[symbol]: top for symbol, top in played.tops.items()}
    tell(len(frames), seconds[1:], played.events, tops)


main()
