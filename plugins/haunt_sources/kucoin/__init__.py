"""KuCoin: 24-hour tickers, quotes, trades and order books of the spot market."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from urllib.parse import urlencode
from uuid import uuid4

import ujson
from pydantic import Field

from haunt import Candle, Event, Instrument, Refused, Relay, Source, StreamOptions, StreamSource, hookimpl
from haunt_sources.kucoin.parser import (
    LEVELS,
    Asked,
    parse,
    parse_candles,
    parse_door,
    parse_instruments,
    parse_response,
)

CHANNELS = ("level2", "match", "ticker", "snapshot")
TOPICS_PER_CONNECTION = 300  # and a hundred markets in a message
MOST_CANDLES = 1500
MINUTE = 60_000
USUAL_URL = "wss://ws-api-spot.kucoin.com/"


class KuCoinOptions(StreamOptions):
    url: str = Field(
        USUAL_URL,
        description="KuCoin's WebSocket. The usual one gives way to the one KuCoin names with each token; "
        "a mirror or a fake is used as it is.",
    )
    rest_url: str = Field(
        "https://api.kucoin.com", description="Where tokens, the list of markets, books and past candles are fetched."
    )
    review_interval: float = Field(
        60.0, ge=0, description="Seconds between two comparisons of one book with a fetched one; 0 = none."
    )


class KuCoin(StreamSource):
    """Books are rebuilt from a REST snapshot of 100 levels and the changes of the stream around it.

    What lies beyond those levels and does not change is unknown, and comes nearer as the price moves: a book is
    reviewed by a new snapshot for that. Whole books are for clients with a key.
    """

    name = "kucoin"
    streams = ("book", "ticker")
    connection_limit = (30, 60.0)
    # A token is good for a day.
    connection_life = 86_400.0
    waits_for_welcome = True
    hosts = ("push-private.kucoin.com", "ws-api.kucoin.com")
    # KuCoin takes a hundred messages in ten seconds.
    message_interval = 0.1
    symbols_per_connection = TOPICS_PER_CONNECTION // len(CHANNELS)
    options: KuCoinOptions

    def __init__(self, options: KuCoinOptions, relay: Relay) -> None:
        super().__init__(options, relay)
        self._asked: dict[str, Asked] = {}

    @property
    def ping_message(self) -> str:
        return ujson.dumps({"id": str(time.time_ns()), "type": "ping"})

    @property
    def review_interval(self) -> float:
        return self.options.review_interval

    async def instruments(self) -> Iterable[Instrument]:
        return parse_instruments(await self.fetch(f"{self.options.rest_url}/api/v2/symbols"))

    async def address(self) -> str:
        door = parse_door(await self.fetch(f"{self.options.rest_url}/api/v1/bullet-public", method="POST"))
        self.ping_interval = door.ping_interval
        endpoint = door.endpoint if self.options.url == USUAL_URL else self.options.url
        return f"{endpoint}?{urlencode({'token': door.token, 'connectId': uuid4().hex})}"

    async def candles(self, venue_symbol: str, start: int, end: int) -> Sequence[Candle]:
        end = min(end, start + MOST_CANDLES * MINUTE, int(time.time() * 1000) - MINUTE)
        query = urlencode({"symbol": venue_symbol, "type": "1min", "startAt": start // 1000, "endAt": end // 1000})
        candles = parse_candles(await self.fetch(f"{self.options.rest_url}/api/v1/market/candles?{query}"))
        return [candle for candle in candles if start <= candle.start < end]

    def subscribe_messages(self, venue_symbols: Sequence[str]) -> Iterator[str]:
        for channel in CHANNELS:
            yield self._subscription(channel, venue_symbols)

    def parse(self, frame: str | bytes) -> Sequence[Event]:
        return parse(frame)

    def reader(self, send: Callable[[str], None]) -> Callable[[str | bytes], Iterable[Event]]:
        def read(frame: str | bytes) -> Iterable[Event]:
            events = parse(frame, self._asked)
            # One bad market refuses its whole message: each is asked for again, alone.
            refused = [event for event in events if isinstance(event, Refused)] if len(events) > 1 else []
            for one in refused:
                send(self._subscription(one.channel, [one.venue_symbol]))
            return () if refused else events

        return read

    def snapshot_url(self, venue_symbol: str) -> str:
        query = urlencode({"symbol": venue_symbol})
        return f"{self.options.rest_url}/api/v1/market/orderbook/level2_{LEVELS}?{query}"

    def parse_response(self, url: str, body: str) -> Sequence[Event]:
        return parse_response(url, body)

    def _subscription(self, channel: str, venue_symbols: Sequence[str]) -> str:
        number = f"{channel}:{venue_symbols[0]}:{len(venue_symbols)}"
        self._asked[number] = Asked(channel, venue_symbols)
        topic = f"/market/{channel}:{','.join(venue_symbols)}"
        return ujson.dumps(
            {"id": number, "type": "subscribe", "topic": topic, "privateChannel": False, "response": True}
        )


@hookimpl
def register_sources(register: Callable[[type[Source]], None]) -> None:
    register(KuCoin)
