"""What is served to the browser, and what its console may say."""

from __future__ import annotations

import os
from pathlib import Path

SCREENSHOTS = Path(os.environ.get("HAUNT_SCREENSHOTS", Path(__file__).parent.parent / "screenshots"))

CONFIGURATION = """
symbols: [btc, eth, sol, doge, usdt]
limits: {drain: 0.2}
sources:
  simulator: {updates_per_second: 200, volatility: 10}
indicators:
  rsi: {timeframe: 1s, period: 3}
  macd: {timeframe: 1s, fast: 2, slow: 3, signal: 2}
"""
# A browser names on its console what a server that is gone does not answer.
GONE = ("ERR_CONNECTION_REFUSED", "ERR_CONNECTION_RESET", "ERR_EMPTY_RESPONSE", "WebSocket connection to")
