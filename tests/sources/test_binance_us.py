"""Binance.US is another exchange that speaks Binance's dialect."""

from __future__ import annotations

import asyncio
import json

import pytest
from haunt_sources.binance_us import BinanceUs, BinanceUsOptions

from haunt import Relay
from haunt.market.symbols import Symbol
from haunt.testing import FakeVenue, eventually

MARKETS = [
    {"symbol": f"BTC{quote}", "status": status, "baseAsset": "BTC", "quoteAsset": quote, "isSpotTradingAllowed": True}
    for quote, status in (("USD", "BREAK"), ("USDT", "TRADING"))
]
SNAPSHOT = {"lastUpdateId": 12, "bids": [["30000.00", "1.00"]], "asks": [["30000.20", "3.00"]]}
DELTA = {"e": "depthUpdate", "E": 1700000000200, "s": "BTCUSDT", "U": 11, "u": 13,
         "b": [["30000.10", "1.50"]], "a": []}  # fmt: skip


@pytest.mark.gen_test
async def test_a_book_of_its_own_is_built_by_binances_rule() -> None:
    async with FakeVenue() as venue:
        venue.responses["/api/v3/exchangeInfo"] = {"symbols": MARKETS}
        venue.responses["/api/v3/depth?symbol=BTCUSDT&limit=1000"] = SNAPSHOT
        venue.on_message = lambda message: [json.dumps({"stream": "btcusdt@depth@100ms", "data": DELTA})]
        relay = Relay("binance_us", wanted=[Symbol("btc")], deliver=lambda feed, event: None)
        options = BinanceUsOptions(url=venue.url, rest_url=venue.rest_url)
        run = asyncio.create_task(BinanceUs(options, relay).run())
        await eventually(lambda: relay.feeds and relay.feeds["BTCUSDT"].book_state == "synced")
        run.cancel()
    feed = relay.feeds["BTCUSDT"]
    assert (feed.venue, feed.proven.sequence, feed.bid, feed.ask) == ("binance_us", 13, 30000.1, 30000.2)
