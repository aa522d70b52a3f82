"""The shapes of what /api answers, where they are not the protocol's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, NotRequired, TypeAlias

from pydantic import Field
from typing_extensions import TypedDict

from haunt.market.composite import Method
from haunt.market.explain import WhyNoVote
from haunt.market.gaps import What
from haunt.market.published import Confidence, Direction, Flag
from haunt.plugin.registry import Described
from haunt.stream.messages import (
    Channel,
    ExtendedPrice,
    ExtendedSignal,
    Milliseconds,
    Share,
    SymbolName,
    Usd,
    UsdPrice,
)
from haunt.web.health import SourceHealth

Timeframe: TypeAlias = Annotated[str, Field(description="The length of a candle.", examples=["1m"])]
Seconds: TypeAlias = Annotated[float, Field(description="In seconds.", ge=0)]


class Mistake(TypedDict):
    """In the configuration."""

    file: str
    line: Annotated[int | None, Field(description="null where the file has no line to blame.")]
    path: Annotated[str, Field(description="The option, such as sources.kraken.depth.")]
    message: str


class Error(TypedDict):
    """Why a request was refused."""

    error: Annotated[str, Field(description="A code for programs.", examples=["invalid_symbol"])]
    message: Annotated[str, Field(description="For people: what to do about it.")]
    problems: NotRequired[Annotated[Sequence[Mistake], Field(description="Of `invalid_config`: every mistake.")]]


# -- the market


class SymbolAnswer(TypedDict):
    """An asset."""

    symbol: SymbolName
    aliases: Annotated[Sequence[str], Field(description="Its other names.")]
    tick: Annotated[float | None, Field(description="The step of its prices; null: ten significant digits.")]
    tracked: Annotated[bool, Field(description="Whether it has a live price.")]


class Symbols(TypedDict):
    symbols: Sequence[SymbolAnswer]
    timeframes: Annotated[Sequence[Timeframe], Field(description="The candles that are kept of each, shortest first.")]


class Prices(TypedDict):
    """Symbols without a price are not among them."""

    prices: Sequence[ExtendedPrice]


class CandleAnswer(TypedDict):
    """One interval of a symbol's price."""

    start: Milliseconds
    open: Usd
    high: Usd
    low: Usd
    close: Usd
    volume: Annotated[float, Field(description="In units of the asset itself.", ge=0)]
    volume_usd: Annotated[float, Field(description="In US dollars.", ge=0)]
    filled: Annotated[bool, Field(description="No price came in it; it repeats the close before.")]
    gap: Annotated[bool, Field(description="For a time a market of the symbol was missing.")]
    backfilled: Annotated[bool, Field(description="Made of the venues' own candles, as Haunt heard nothing then.")]
    closed: Annotated[bool, Field(description="False of the candle that still runs.")]


class Candles(TypedDict):
    """Oldest first."""

    symbol: SymbolName
    timeframe: Timeframe
    candles: Sequence[CandleAnswer]


class Signals(TypedDict):
    """Newest first."""

    signals: Sequence[ExtendedSignal]


class IndicatorAnswer(TypedDict):
    """An indicator of the configuration."""

    name: str
    plugin: str
    timeframe: Timeframe
    options: Mapping[str, Any]
    stopped: Annotated[str | None, Field(description="Why it was stopped; null while it runs.")]


class Indicators(TypedDict):
    indicators: Sequence[IndicatorAnswer]


class ReadingAnswer(TypedDict):
    """What an indicator says of one closed candle."""

    start: Milliseconds
    value: Annotated[float, Field(description="The indicator's main output.")]
    values: Annotated[Mapping[str, float], Field(description="Every output by name.")]
    signal: Direction
    confidence: Share


class IndicatorValues(TypedDict):
    """Oldest first, from the first candle after the warm-up."""

    symbol: SymbolName
    indicator: str
    timeframe: Timeframe
    values: Sequence[ReadingAnswer]


Rate: TypeAlias = Annotated[float | None, Field(ge=0, le=1)]
BasisPoints: TypeAlias = Annotated[float | None, Field(description="In basis points, without costs.")]


class ScoreAnswer(TypedDict):
    """What became of an indicator's signals so many candles later. No figures where there are too few."""

    symbol: SymbolName
    indicator: str
    timeframe: Timeframe
    horizon: Annotated[int, Field(description="So many candles later.", ge=1)]
    signals: Annotated[int, Field(description="Those that are old enough, `neutral` not among them.", ge=0)]
    hit_rate: Annotated[Rate, Field(description="The part of them that came true.")]
    hit_low: Annotated[Rate, Field(description="Where the rate lies by 95 %: not below this,")]
    hit_high: Annotated[Rate, Field(description="and not above this.")]
    returns: Annotated[BasisPoints, Field(description="What following one gave, the mean of all.")]
    always_up: Annotated[Rate, Field(description="The hit rate of a buy at every candle.")]
    always_up_returns: Annotated[BasisPoints, Field(description="What such a buy gave, the mean of all.")]
    shuffled: Annotated[Rate, Field(description="The hit rate of the same signals at other times, the mean of 400.")]
    shuffled_low: Annotated[Rate, Field(description="95 % of these are not below this,")]
    shuffled_high: Annotated[Rate, Field(description="and not above this.")]
    verdict: Annotated[str, Field(description="What follows from it, for people.")]


class Scores(TypedDict):
    scores: Sequence[ScoreAnswer]


class GapAnswer(TypedDict):
    """A time in which a market, or its order book, could not be trusted."""

    source: str
    symbol: SymbolName
    market: Annotated[str, Field(description="The venue's own name of it.")]
    what: What
    cause: str
    began: Milliseconds
    ended: Annotated[int | None, Field(description="Milliseconds UTC since 1970; null while it lasts.")]
    lasted: Seconds


class Gaps(TypedDict):
    """Those that last, the newest first, then those that ended."""

    gaps: Sequence[GapAnswer]


class MarketAnswer(TypedDict):
    """What one market says, and what it counts for."""

    venue: str
    market: Annotated[str, Field(description="The venue's own name of it.")]
    source: str
    quote: Annotated[str, Field(description="The currency it quotes in.")]
    price: Annotated[float | None, Field(description="In that currency.")]
    rate: Annotated[float | None, Field(description="What a unit of that is worth in US dollars.")]
    usd: Annotated[float | None, Field(description="The price in US dollars.")]
    age: Annotated[float | None, Field(description="Seconds since it said anything.")]
    deviation: Annotated[float | None, Field(description="How far it is from the median; 0.01 is a percent above.")]
    weight: Annotated[float, Field(description="Its part of all the weight.", ge=0, le=1)]
    vote: Annotated[float | None, Field(description="What it counts as, in US dollars.")]
    why_not: Annotated[WhyNoVote | None, Field(description="Why it does not count.")]


class CrossingAnswer(TypedDict):
    """Levels that would cross the order book: a venue's bids from this price up, or its asks from it down."""

    venue: str
    side: Literal["bids", "asks"]
    price: UsdPrice


class Explanation(TypedDict):
    """How a price came about. The mean of each vote by its weight is `unrounded`, and `price` is that on its step."""

    symbol: SymbolName
    price: Annotated[float | None, Field(description="As published last, in US dollars; null before the first.")]
    unrounded: Annotated[float | None, Field(description="What the votes give now.")]
    stale: Annotated[bool, Field(description="Whether nobody has a vote any more.")]
    method: Method
    median: Annotated[float | None, Field(description="The weighted median of the votes.")]
    low: Annotated[float | None, Field(description="The lower edge of the clamp.")]
    high: Annotated[float | None, Field(description="The upper edge.")]
    dispersion: Annotated[float, Field(description="How far the venues are apart, in US dollars.", ge=0)]
    confidence: Confidence
    flags: Sequence[Flag]
    change_24h: Annotated[float | None, Field(description="In percent; null while no venue tells.")]
    volume_24h: Annotated[float, Field(description="In US dollars.", ge=0)]
    timestamp: Annotated[int | None, Field(description="That of the price, in milliseconds UTC since 1970.")]
    markets: Sequence[MarketAnswer]
    left_out: Sequence[CrossingAnswer]


# -- the server


class SourceAnswer(SourceHealth):
    """How one source fares."""

    name: str
    since_seconds: Annotated[float, Field(description="It has been in its state for so long.", ge=0)]
    next_try_seconds: Annotated[float | None, Field(description="It is run again after so long; null while it runs.")]
    messages_per_second: Annotated[float, Field(description="Events, over the last ten seconds.", ge=0)]
    last_data_age: Annotated[float | None, Field(description="Seconds since it said anything; null before.")]


class Sources(TypedDict):
    sources: Sequence[SourceAnswer]


class Plugins(TypedDict):
    plugins: Sequence[Described]


class NamesChanged(TypedDict):
    added: Sequence[str]
    removed: Sequence[str]
    changed: Sequence[str]


class SourcesChanged(TypedDict):
    started: Sequence[str]
    stopped: Sequence[str]
    restarted: Annotated[Sequence[str], Field(description="Run anew with other options.")]
    adjusted: Annotated[Sequence[str], Field(description="Asked for other symbols.")]


class Changed(TypedDict):
    """What another configuration changed."""

    sources: SourcesChanged
    symbols: NamesChanged
    indicators: NamesChanged
    settings: Annotated[Sequence[str], Field(description="Options that are in force now.")]
    needs_restart: Annotated[Sequence[str], Field(description="Options that will be after a restart.")]


class Reloaded(TypedDict):
    changed: Changed


class SubscriptionAnswer(TypedDict):
    symbol: SymbolName
    channels: Sequence[Channel]


class ClientAnswer(TypedDict):
    """Who is connected to the WebSocket."""

    address: str
    user_agent: str
    connected_seconds: Seconds
    extended: Annotated[bool, Field(description="Whether it connected with ext=1.")]
    subscriptions: Sequence[SubscriptionAnswer]
    sent_bytes: Annotated[
        int | None, Field(description="What its computer has confirmed; null where this system does not tell.", ge=0)
    ]
    pending_bytes: Annotated[int, Field(description="What waits for it in Haunt.", ge=0)]


class Clients(TypedDict):
    clients: Sequence[ClientAnswer]
