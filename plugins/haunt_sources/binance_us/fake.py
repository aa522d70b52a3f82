"""Binance.US speaks as Binance does."""

from __future__ import annotations

from haunt_sources.binance.fake import BinanceDialect


class BinanceUsDialect(BinanceDialect):
    quote = "USD"
