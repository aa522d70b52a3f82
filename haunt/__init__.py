"""Haunt's public API: what a plugin may import, and nothing else.

A source:    `class Mine(StreamSource)` or `class Mine(Source)` with options of its own, registered by
             `@hookimpl def register_sources(register): register(Mine)`.
An indicator: `class Mine(Indicator)`, registered by `@hookimpl def register_indicators(register)`.
docs/plugins.md builds one of each from nothing.
"""

from haunt.clock import Clock, milliseconds
from haunt.errors import Farewell, HauntError, PluginError, SourceLost
from haunt.market.book import Book
from haunt.market.candles import Candle, candle_start, timeframe_milliseconds
from haunt.market.events import (
    BookDelta,
    BookSnapshot,
    Event,
    FrameNumber,
    Level,
    Quote,
    Refused,
    Side,
    Subscribed,
    Ticker,
    Trade,
)
from haunt.market.symbols import Symbol
from haunt.plugin.hookspecs import hookimpl
from haunt.plugin.indicator import Combination, Indicator, IndicatorOptions, Reading, Timeframe
from haunt.plugin.player import Player, find_adapter, make_player, paced
from haunt.plugin.rating import ROUNDING, LevelOptions, RatedOptions, Strength, Turn, apart, outside, rated
from haunt.plugin.relay import Instrument, Relay
from haunt.plugin.rolling import (
    AverageTrueRange,
    Change,
    Deviation,
    Ema,
    Highest,
    Lowest,
    Sum,
    Total,
    TrueRange,
    Wilder,
)
from haunt.plugin.source import Source, SourceOptions
from haunt.plugin.stream_source import StreamOptions, StreamSource
from haunt.recording import Line, Recording, RecordingError

__version__ = "0.1.0"

__all__ = [
    "ROUNDING", "AverageTrueRange", "Book", "BookDelta", "BookSnapshot", "Candle", "Change", "Clock", "Combination",
    "Deviation", "Ema", "Event", "Farewell", "FrameNumber", "HauntError", "Highest", "Indicator", "IndicatorOptions",
    "Instrument", "Level", "LevelOptions", "Line", "Lowest", "Player", "PluginError", "Quote", "RatedOptions",
    "Reading", "Recording", "RecordingError", "Refused", "Relay", "Side", "Source", "SourceLost",
    "SourceOptions", "StreamOptions", "StreamSource", "Strength", "Subscribed", "Sum", "Symbol", "Ticker",
    "Timeframe", "Total", "Trade", "TrueRange", "Turn", "Wilder", "apart", "candle_start", "find_adapter",
    "hookimpl", "make_player", "milliseconds", "outside", "paced", "rated", "timeframe_milliseconds",
]  # fmt: skip
