"""The resources under /api: what the market and the server are doing, for any program."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from functools import cache
from time import monotonic
from typing import TYPE_CHECKING, cast

from haunt.errors import ConfigError, HauntError, Refused
from haunt.market.candles import Candle, timeframe_milliseconds
from haunt.market.published import Signal
from haunt.market.readings import replayed, rounded
from haunt.market.scores import MOST_SIGNALS, Score, score_card
from haunt.stream import protocol
from haunt.stream.messages import DEEPEST_BOOK, ExtendedOrderbook, ExtendedPrice, ExtendedSignal
from haunt.stream.protocol import CHANNELS, shortened
from haunt.web.answers import (
    CandleAnswer,
    Candles,
    ClientAnswer,
    Clients,
    Explanation,
    GapAnswer,
    Gaps,
    Indicators,
    IndicatorValues,
    Plugins,
    Prices,
    ReadingAnswer,
    Reloaded,
    ScoreAnswer,
    Scores,
    Signals,
    SourceAnswer,
    Sources,
    Symbols,
)
from haunt.web.asyncapi import document as asyncapi_document
from haunt.web.health import data_age, source_health
from haunt.web.openapi import document as openapi_document
from haunt.web.resource import Parameter, Resource, find_symbol, one_of, whole_number

if TYPE_CHECKING:
    from haunt.app import Haunt
    from haunt.market.supervisor import SourceStatus
    from haunt.stream.clients import Client

MOST_CANDLES = 1_000
MOST_VALUES = 1_000
MOST_WARMING = 1_000  # candles before those asked for
MOST_TOLD = 1_000  # signals
MOST_CLIENTS = 1_000
MOST_SCORED = 100  # indicators on symbols: some 40 ms each
MOST_SCORED_CANDLES = 10_000
SLICE = 100  # clients described before others get their turn: some 10 µs each
LONGEST_SLICE = 0.004  # seconds of computing before others get their turn
LATEST = 2**53


# -- the market


def symbols(haunt: Haunt) -> Symbols:
    """The assets Haunt tracks."""
    return {
        "symbols": [
            {
                "symbol": one.name,
                "aliases": list(one.aliases),
                "tick": one.tick,
                "tracked": haunt.market.is_tracked(one.name),
            }
            for one in haunt.symbols
        ],
        "timeframes": list(haunt.signals.timeframes),
    }


def prices(haunt: Haunt, symbols: list[str] | None) -> Prices:
    """The prices of all symbols, or of some."""
    asked = [one.name for one in haunt.symbols] if symbols is None else symbols
    found = [_price(haunt, symbol) for symbol in asked]
    return {"prices": [price for price in found if price is not None]}


def price(haunt: Haunt, symbol: str) -> ExtendedPrice:
    """The price of a symbol."""
    found = _price(haunt, symbol)
    if found is None:
        raise Refused(404, "no_price", f"{symbol} has no price yet; ask again later")
    return found


def orderbook(haunt: Haunt, symbol: str, depth: int) -> ExtendedOrderbook:
    """The order book of a symbol, merged over its venues."""
    book = haunt.market.book(symbol, depth, attributed=True)
    if book is None:
        raise Refused(404, "no_orderbook", f"No venue has a whole order book of {symbol} now; ask again later")
    return cast(ExtendedOrderbook, _fields(protocol.orderbook_update(book, sent=0)))


async def candles(haunt: Haunt, symbol: str, timeframe: str, limit: int, before: int) -> Candles:
    """The newest candles of a symbol, oldest first; the one that still runs is the last."""
    found = [_candle(one) for one in await haunt.history.candles(symbol, timeframe, limit, before=before)]
    running = haunt.signals.running(symbol, timeframe)
    if running is not None and running.start < before:
        found.append(_candle(running, closed=False))
    return {"symbol": symbol, "timeframe": timeframe, "candles": found[-limit:]}


def explain(haunt: Haunt, symbol: str) -> Explanation:
    """How the price of a symbol came about."""
    explanation = haunt.market.explain(symbol)
    answer = {
        **explanation._asdict(),
        "markets": [say._asdict() for say in explanation.markets],
        "left_out": [crossing._asdict() for crossing in explanation.left_out],
    }
    return cast(Explanation, answer)


def gaps(haunt: Haunt, symbol: str | None, source: str | None, open: bool | None) -> Gaps:  # noqa: A002
    """When which market could not be trusted."""
    found = haunt.gaps.find(symbol=symbol, source=source, is_open=open)
    return {"gaps": [cast(GapAnswer, gap._asdict()) for gap in found]}


# -- the indicators


def indicators(haunt: Haunt) -> Indicators:
    """The indicators that read every symbol's candles."""
    return {
        "indicators": [
            {
                "name": one.name,
                "plugin": one.plugin,
                "timeframe": one.options.timeframe,
                "options": one.options.model_dump(mode="json"),
                "stopped": haunt.signals.stopped.get(one.name),
            }
            for one in haunt.config.indicators.values()
            if one.enabled
        ]
    }


async def indicator_values(haunt: Haunt, symbol: str, name: str, limit: int) -> IndicatorValues:
    """What an indicator says of a symbol's newest candles, oldest first, computed anew from those that are kept."""
    running = [one for one in haunt.config.indicators.values() if one.enabled]
    timeframe = haunt.config.indicators[name].options.timeframe
    beside = [(one.name, one.cls, one.options) for one in running if one.options.timeframe == timeframe]
    candles = await haunt.history.candles(symbol, timeframe, limit + MOST_WARMING)
    values: list[ReadingAnswer] = []
    began = monotonic()
    for candle, reading in replayed(beside, name, candles):
        if reading is not None:
            value, signal, confidence, outputs = rounded(reading)
            values.append(
                {"start": candle.start, "value": value, "values": outputs, "signal": signal, "confidence": confidence}
            )
        if monotonic() - began > LONGEST_SLICE:
            await asyncio.sleep(0)
            began = monotonic()
    return {"symbol": symbol, "indicator": name, "timeframe": timeframe, "values": values[-limit:]}


async def signals(haunt: Haunt, symbol: str | None, limit: int) -> Signals:
    """The latest signals, newest first."""
    return {"signals": [_signal(signal) for signal in await haunt.history.signals(symbol, limit)]}


async def scores(haunt: Haunt, symbol: str | None, indicator: str | None) -> Scores:
    """How often signals came true, beside chance, of the indicators that run."""
    asked = [one.name for one in haunt.symbols] if symbol is None else [symbol]
    running = [one for one in haunt.config.indicators.values() if one.enabled and indicator in (None, one.name)]
    if len(asked) * len(running) > MOST_SCORED:
        raise Refused(
            400, "bad_request",
            f"{len(running)} indicators on {len(asked)} symbols are too many at once; name a symbol or an indicator",
        )  # fmt: skip
    found: list[ScoreAnswer] = []
    # Each takes a processor for a while.
    async with haunt.scoring:
        for name in asked:
            for one in running:
                found += await _scores(haunt, name, one.name, one.options.timeframe)
    return {"scores": found}


# -- the server


def sources(haunt: Haunt) -> Sources:
    """Where the data comes from, and how each source fares."""
    return {"sources": [_source(haunt, status) for status in haunt.supervisor.statuses()]}


def plugins(haunt: Haunt) -> Plugins:
    """The plugins that were installed when the configuration was read; those it names are loaded."""
    return {"plugins": [record.described() for record in haunt.config.plugins]}


async def clients(haunt: Haunt, limit: int) -> Clients:
    """Who is connected to the WebSocket, those first who have been there longest."""
    found: list[ClientAnswer] = []
    for client in haunt.clients.longest(limit):
        found.append(_client(haunt, client))
        if len(found) % SLICE == 0:
            await asyncio.sleep(0)
    return {"clients": found}


# -- the documents


async def openapi(haunt: Haunt) -> dict[str, object]:
    """This description of all there is."""
    return await asyncio.to_thread(_openapi)


async def asyncapi(haunt: Haunt) -> dict[str, object]:
    """The description of what is said over the WebSocket."""
    return await asyncio.to_thread(_asyncapi)


@cache
def _openapi() -> dict[str, object]:
    return openapi_document(RESOURCES)


@cache
def _asyncapi() -> dict[str, object]:
    return asyncapi_document()


async def reload(haunt: Haunt) -> Reloaded:
    """Read the configuration again; only what is another in it restarts.

    A file with a mistake changes nothing, and is answered with 422 and all its mistakes.
    """
    try:
        found = await haunt.reload()
    except ConfigError as error:
        problems = [asdict(problem) for problem in error.problems]
        message = f"Nothing was changed: {'; '.join(str(problem) for problem in error.problems)}"
        raise Refused(422, "invalid_config", message, problems=problems) from None
    except HauntError as error:
        raise Refused(503, "no_reload", str(error)) from None
    changed = {
        "sources": found.sources._asdict(),
        "symbols": found.symbols._asdict(),
        "indicators": found.indicators._asdict(),
        "settings": found.settings,
        "needs_restart": found.needs_restart,
    }
    return cast(Reloaded, {"changed": changed})


# -- parts of them


def _price(haunt: Haunt, symbol: str) -> ExtendedPrice | None:
    found = haunt.market.price(symbol)
    if found is None:
        return None
    doubt = haunt.market.doubt(symbol)
    return cast(ExtendedPrice, _fields(protocol.price_update(found, sent=0, doubt=doubt)))


def _signal(signal: Signal) -> ExtendedSignal:
    return cast(ExtendedSignal, _fields(protocol.signal_update(signal, sent=0)))


def _fields(message: bytes) -> object:
    """What a client of the WebSocket is told, but for what is of the message alone."""
    told = json.loads(message)
    del told["type"], told["sent"]
    return told


def _candle(candle: Candle, *, closed: bool = True) -> CandleAnswer:
    return {
        "start": candle.start,
        "open": candle.open,
        "high": candle.high,
        "low": candle.low,
        "close": candle.close,
        "volume": candle.volume,
        "volume_usd": candle.volume_usd,
        "filled": candle.filled,
        "gap": candle.gap,
        "backfilled": candle.backfilled,
        "closed": closed,
    }


async def _scores(haunt: Haunt, symbol: str, indicator: str, timeframe: str) -> list[ScoreAnswer]:
    length = timeframe_milliseconds(timeframe)
    kept = await haunt.history.signals(symbol, MOST_SIGNALS, indicator)
    given = [signal for signal in kept if signal.timeframe == timeframe]
    since = min((signal.timestamp for signal in given), default=LATEST) - length
    candles = await haunt.history.candles(symbol, timeframe, MOST_SCORED_CANDLES, since)
    closes = {candle.start: candle.close for candle in candles}
    by_horizon = await asyncio.to_thread(score_card, given, closes, length)
    return [_score(symbol, indicator, timeframe, score) for score in by_horizon]


def _score(symbol: str, indicator: str, timeframe: str, score: Score) -> ScoreAnswer:
    hits, shuffled = score.hits or (None, None, None), score.shuffled or (None, None, None)
    return {
        "symbol": symbol,
        "indicator": indicator,
        "timeframe": timeframe,
        "horizon": score.horizon,
        "signals": score.signals,
        "hit_rate": _shown(hits[0], 4),
        "hit_low": _shown(hits[1], 4),
        "hit_high": _shown(hits[2], 4),
        "returns": _shown(score.returns, 2),
        "always_up": _shown(score.always_up, 4),
        "always_up_returns": _shown(score.always_up_returns, 2),
        "shuffled": _shown(shuffled[0], 4),
        "shuffled_low": _shown(shuffled[1], 4),
        "shuffled_high": _shown(shuffled[2], 4),
        "verdict": score.verdict,
    }


def _shown(figure: float | None, decimals: int) -> float | None:
    return None if figure is None else round(figure, decimals)


def _source(haunt: Haunt, status: SourceStatus) -> SourceAnswer:
    now = haunt.clock.monotonic()
    age = data_age(haunt, status.name)
    return {
        "name": status.name,
        **source_health(haunt, status),
        "since_seconds": round(now - status.since, 3),
        "next_try_seconds": None if status.next_try is None else round(max(0.0, status.next_try - now), 3),
        "messages_per_second": round(haunt.rates.of(status.name), 3),
        "last_data_age": None if age is None else round(age, 3),
    }


def _client(haunt: Haunt, client: Client) -> ClientAnswer:
    transport = client.connection.transport
    return {
        "address": client.peer,
        "user_agent": client.agent,
        "connected_seconds": round(haunt.clock.monotonic() - client.since, 3),
        "extended": client.session.form.extended,
        "subscriptions": [
            {"symbol": symbol, "channels": [channel for channel in CHANNELS if channel in wanted.channels]}
            for symbol, wanted in client.session.subscriptions.items()
        ],
        "sent_bytes": transport.confirmed,
        "pending_bytes": transport.waiting + client.session.waiting_bytes,
    }


# -- what may be asked


def _find_symbols(haunt: Haunt, text: str) -> list[str]:
    return list(dict.fromkeys(find_symbol(haunt, name) for name in text.split(",")))


def _find_source(haunt: Haunt, text: str) -> str:
    if text not in haunt.relays:
        raise Refused(404, "invalid_source", f"Source '{shortened(text)}' not found")
    return text


def _find_indicator(haunt: Haunt, text: str) -> str:
    found = haunt.config.indicators.get(text)
    if found is None or not found.enabled:
        raise Refused(404, "invalid_indicator", f"Indicator '{shortened(text)}' not found; see /api/indicators")
    return text


def _find_timeframe(haunt: Haunt, text: str) -> str:
    if text not in haunt.signals.timeframes:
        raise Refused(400, "bad_request", f"timeframe must be one of {', '.join(haunt.signals.timeframes)}")
    return text


def _limit(most: int, default: int) -> Parameter:
    schema = {"type": "integer", "minimum": 1, "maximum": most, "default": default}
    return Parameter("limit", "At most so many, the newest.", whole_number("limit", 1, most), schema, default)


TEXT = {"type": "string"}
SYMBOL = Parameter("symbol", "An asset by any of its names.", find_symbol, {**TEXT, "examples": ["btc"]})
TIMEFRAME = Parameter(
    "timeframe", "The length of a candle: one that is kept.", _find_timeframe, {**TEXT, "default": "1m"}, "1m"
)
RESOURCES = (
    Resource("/api/symbols", symbols, Symbols),
    Resource(
        "/api/prices",
        prices,
        Prices,
        [Parameter("symbols", "Assets by any of their names, with commas between them; without it all.",
                   _find_symbols, {**TEXT, "examples": ["btc,eth"]})],
    ),
    Resource("/api/prices/{symbol}", price, ExtendedPrice, [SYMBOL]),
    Resource(
        "/api/orderbook/{symbol}",
        orderbook,
        ExtendedOrderbook,
        [
            SYMBOL,
            Parameter("depth", "Levels of each side.", whole_number("depth", 1, DEEPEST_BOOK),
                      {"type": "integer", "minimum": 1, "maximum": DEEPEST_BOOK, "default": 20}, 20),
        ],
    ),
    Resource(
        "/api/candles/{symbol}",
        candles,
        Candles,
        [
            SYMBOL,
            TIMEFRAME,
            _limit(MOST_CANDLES, 500),
            Parameter("before", "Those alone that start before this time, in milliseconds UTC.",
                      whole_number("before", 0, LATEST), {"type": "integer", "minimum": 0, "maximum": LATEST}, LATEST),
        ],
    ),
    Resource("/api/explain/{symbol}", explain, Explanation, [SYMBOL]),
    Resource(
        "/api/gaps",
        gaps,
        Gaps,
        [
            SYMBOL,
            Parameter("source", "Of this source alone.", _find_source, TEXT),
            Parameter("open", "true: those that last; false: those that ended.",
                      one_of("open", {"true": True, "false": False}), {"type": "boolean"}),
        ],
    ),
    Resource("/api/indicators", indicators, Indicators),
    Resource(
        "/api/indicators/{symbol}/{name}",
        indicator_values,
        IndicatorValues,
        [
            SYMBOL,
            Parameter("name", "An indicator's name in the configuration.", _find_indicator,
                      {**TEXT, "examples": ["rsi"]}),
            _limit(MOST_VALUES, 500),
        ],
    ),
    Resource("/api/signals", signals, Signals, [SYMBOL, _limit(MOST_TOLD, 100)]),
    Resource(
        "/api/scores",
        scores,
        Scores,
        [SYMBOL, Parameter("indicator", "Of this indicator alone.", _find_indicator, {**TEXT, "examples": ["rsi"]})],
    ),
    Resource("/api/sources", sources, Sources),
    Resource("/api/plugins", plugins, Plugins),
    Resource("/api/reload", reload, Reloaded, method="POST", admin=True),
    Resource("/api/clients", clients, Clients, [_limit(MOST_CLIENTS, 100)], admin=True),
    Resource("/api/openapi.json", openapi, dict[str, object]),
    Resource("/api/asyncapi.json", asyncapi, dict[str, object]),
)  # fmt: skip
