"""The venues' parsers on messages that another program normalised too: where both read a message, they agree."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from haunt_sources.binance.parser import parse as parse_binance
from haunt_sources.bitfinex.parser import Reader as BitfinexReader
from haunt_sources.bitget.parser import parse as parse_bitget
from haunt_sources.bitstamp.parser import parse as parse_bitstamp
from haunt_sources.bybit.parser import parse as parse_bybit
from haunt_sources.cryptocom.parser import parse as parse_cryptocom
from haunt_sources.gate.parser import parse as parse_gate
from haunt_sources.gemini.parser import Reader as GeminiReader
from haunt_sources.htx.parser import parse as parse_htx
from haunt_sources.kucoin.parser import parse as parse_kucoin
from haunt_sources.okx.parser import parse as parse_okx

from haunt import BookDelta, BookSnapshot, Event, Quote, Trade, milliseconds
from haunt.plugin.stream_source import NONSENSE


def parse_bitfinex(frame: str) -> Iterable[Event]:
    """As on a connection that has named the channel of the recorded book."""
    read = BitfinexReader({})
    list(read('{"event":"subscribed","channel":"book","chanId":6959,"symbol":"ETHUSD"}'))
    return read(frame)


# The recording's name of a venue → its parser, and how many of the recording's messages both programs read: it
# holds older formats of many a venue too.
VENUES: dict[str, tuple[Callable[[str], Iterable[Event]], int]] = {
    "binance": (parse_binance, 2),
    "bitfinex": (parse_bitfinex, 1),
    "bitget": (parse_bitget, 2),
    "bitstamp": (parse_bitstamp, 1),
    "bybit": (parse_bybit, 2),
    "bybit-spot": (parse_bybit, 2),
    "crypto-com": (parse_cryptocom, 5),
    "gate-io": (parse_gate, 2),
    "gemini": (lambda frame: GeminiReader()(frame), 4),
    "huobi": (parse_htx, 3),
    "kucoin": (parse_kucoin, 2),
    "okex": (parse_okx, 1),
}


@pytest.mark.parametrize("venue", VENUES)
def test_messages_both_programs_read_mean_the_same(shared: Path, venue: str) -> None:
    (parse, messages), compared = VENUES[venue], 0
    for message in received(shared, venue):
        ours, theirs = list(our_words(parse, message["raw"])), list(map(their_words, message["expected"] or ()))
        both = {words[0] for words in ours} & {words[0] for words in theirs}
        assert [words for words in ours if words[0] in both] == [words for words in theirs if words[0] in both]
        compared += bool(both)
    assert compared == messages


def received(shared: Path, venue: str) -> Iterator[dict[str, Any]]:
    with gzip.open(shared / "data" / "tardis_mapped_messages.jsonl.gz", "rt") as lines:
        yield from (message for message in map(json.loads, lines) if message["url_or_channel"] == venue)


def our_words(parse: Callable[[str], Iterable[Event]], frame: str) -> Iterator[tuple[object, ...]]:
    try:
        events = list(parse(frame))
    except NONSENSE:
        return
    for event in events:
        if isinstance(event, Trade):
            symbol, trade_id, price, quantity, side, timestamp = event
            yield "trade", symbol.upper(), trade_id, price, quantity, side, timestamp
        elif isinstance(event, Quote):
            yield "quote", event.venue_symbol.upper(), event.bid, event.ask
        elif isinstance(event, BookSnapshot | BookDelta):
            levels = sides(event.bids), sides(event.asks)
            yield "book", event.venue_symbol.upper(), isinstance(event, BookSnapshot), *levels, event.timestamp


def their_words(event: dict[str, Any]) -> tuple[object, ...]:
    kind, symbol = event["type"], event["symbol"].upper()
    # They give a message without a time that of its receipt.
    timestamp = milliseconds(event["timestamp"]) if event["timestamp"] != event["localTimestamp"] else None
    if kind == "trade":
        return kind, symbol, event["id"], event["price"], event["amount"], event["side"], timestamp
    if kind == "book_ticker":
        return "quote", symbol, event["bidPrice"], event["askPrice"]
    if kind == "book_change":
        bids, asks = ([(level["price"], level["amount"]) for level in event[side]] for side in ("bids", "asks"))
        return "book", symbol, event["isSnapshot"], bids, asks, timestamp
    return (kind,)


def sides(levels: Sequence[Sequence[str]]) -> list[tuple[float, float]]:
    return [(float(level[0]), float(level[1])) for level in levels]
