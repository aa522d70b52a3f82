"""Binance.US: 24-hour tickers, quotes, trades and order books of the spot market."""

from __future__ import annotations

from collections.abc import Callable

from pydantic import Field

from haunt import Source, hookimpl
from haunt_sources.binance import Binance, BinanceOptions


class BinanceUsOptions(BinanceOptions):
    url: str = Field(
        "wss://stream.binance.us:9443/stream",
        description="Binance.US's WebSocket for combined streams; a mirror or a fake works too.",
    )
    rest_url: str = Field(
        "https://api.binance.us", description="Where the list of markets, book snapshots and candles are fetched."
    )


class BinanceUs(Binance):
    """Another exchange that speaks Binance's dialect. Its limits and its keep-alive are taken to be Binance's."""

    name = "binance_us"
    options: BinanceUsOptions


@hookimpl
def register_sources(register: Callable[[type[Source]], None]) -> None:
    register(BinanceUs)
