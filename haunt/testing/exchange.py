"""A whole venue on 127.0.0.1: made-up markets in a venue's dialect, that misbehaves when told."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from secrets import token_hex
from typing import Any, TypeAlias, TypeVar

from tornado.httputil import HTTPServerRequest

from haunt.clock import Clock
from haunt.market.candles import Candle
from haunt.plugin.relay import Instrument
from haunt.testing.dialect import Ask, Dialect, Frame, Request
from haunt.testing.market import SHOWN, Deal, Delta, FakeMarket, Figures, Level, Snapshot
from haunt.testing.venue import Client, FakeVenue, Response
from haunt.testing.wire import Wire

Data: TypeAlias = Snapshot | Delta | Deal | Figures
Told = TypeVar("Told", Snapshot, Delta, Deal, Figures)

PRICES = {"BTC": 67_000.0, "ETH": 3_500.0}
HEARTBEAT = 0.5  # seconds


def honest(data: Data) -> Any:
    """What an honest venue says of `data`."""
    return data


def unchanged(data: Data | None, frames: list[str | bytes]) -> list[str | bytes]:
    """What an honest venue sends of the frames about `data`; None for those about no market."""
    return frames


@dataclass(slots=True)
class _Line:
    """One WebSocket: its dialect, what it asked for, and the books it knows of those that are told in part."""

    dialect: Dialect
    asks: dict[tuple[str, str], Ask] = field(default_factory=dict)
    known: dict[str, Snapshot] = field(default_factory=dict)


class FakeExchange(FakeVenue):
    """A venue that speaks a dialect. Every `interval` seconds each market changes and its subscribers hear of it.

    It misbehaves when told: `distort` changes data before it is put into words, `tamper` frames before they are sent;
    `refused` and `ignored` are markets whose subscriptions it refuses, or forgets; `wire` is the line to it.
    """

    def __init__(
        self,
        dialect: type[Dialect],
        *,
        prices: Mapping[str, float] = PRICES,
        levels: int = 20,
        interval: float = 0.02,
        seed: int = 1,
        clock: Clock | None = None,
    ) -> None:
        super().__init__()
        self.dialect = dialect
        self.wire = Wire()
        self.markets: dict[str, FakeMarket] = {}
        for base, price in prices.items():
            symbol = dialect.symbol.format(base=base, quote=dialect.quote)
            if dialect.lower_case:
                symbol = symbol.lower()
            market = FakeMarket(symbol, base, dialect.quote, price, levels=levels, seed=seed, clock=clock)
            self.markets[symbol] = market
        self.distort: Callable[[Data], Any] = honest
        self.tamper: Callable[[Data | None, list[str | bytes]], Sequence[str | bytes]] = unchanged
        self.request_refusal: tuple[int, Frame, Mapping[str, str]] | None = None
        """What REST requests are answered meanwhile: (status, body, headers)."""
        self.refused: set[str] = set()
        self.ignored: set[str] = set()
        self.asked: Counter[tuple[str, str]] = Counter()
        """How often each (channel, symbol) was subscribed."""
        self.granted: list[Ask] = []
        self.answered: list[Any] = []
        """Messages that asked for no channel and were answered, such as pings."""
        self.misunderstood: list[Any] = []
        """Messages and REST requests that made no sense."""
        self.pings = 0
        """Pings of the WebSocket protocol."""
        self.told: dict[str, list[Deal]] = {symbol: [] for symbol in self.markets}
        """The trades of each market that were sent as they happened."""
        self._clock = clock or Clock()
        self._interval = interval
        self._lines: dict[Client, _Line] = {}
        self._tokens: set[str] = set()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.wire.port}/"

    @property
    def rest_url(self) -> str:
        return f"http://127.0.0.1:{self.wire.port}"

    # -- what a dialect asks of it

    @property
    def instruments(self) -> list[Instrument]:
        return [Instrument(one.symbol, one.base, one.quote) for one in self.markets.values()]

    def milliseconds(self) -> int:
        return self._clock.milliseconds()

    def book(self, symbol: str, depth: int | None = None) -> Snapshot:
        """The whole book, or its best `depth` levels a side. Raises KeyError for what is no market."""
        return self._tell(self.markets[symbol].snapshot(depth))

    def figures(self, symbol: str) -> Figures:
        return self._tell(self.markets[symbol].figures())

    def deals(self, symbol: str) -> list[Deal]:
        """The latest trades, oldest first."""
        return [self._tell(deal) for deal in self.markets[symbol].deals]

    def candles(self, symbol: str, start: int, end: int) -> list[Candle]:
        """The minutes that begin in [start, end), oldest first, the running one included."""
        return self.markets[symbol].candles(start, end)

    def new_token(self) -> str:
        """A token with which a WebSocket is accepted until `expire_tokens`."""
        token = token_hex(8)
        self._tokens.add(token)
        return token

    # -- life

    def start(self) -> None:
        super().start()
        self.wire.start(self._port)
        self._tasks = [asyncio.create_task(self._trade()), asyncio.create_task(self._beat())]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)
        await self.wire.stop()
        await super().stop()

    async def __aenter__(self) -> FakeExchange:
        self.start()
        return self

    # -- misbehaviour

    def stall(self) -> None:
        """Forget every subscription without a word; the connections stand, and heartbeats go on."""
        for line in self._lines.values():
            line.asks.clear()

    def expire_tokens(self) -> None:
        self._tokens.clear()

    async def leave(self) -> None:
        """Close every connection, with the words the venue has for that."""
        for client, line in list(self._lines.items()):
            self._say(client, None, line.dialect.farewell())
        await self.disconnect(1001, "going away")

    def inject(self, *frames: str | bytes) -> None:
        """Send these to every client as they are."""
        for client in list(self._lines):
            for frame in frames:
                client.hurl(frame)

    # -- a client

    def _respond(self, request: HTTPServerRequest) -> Response:
        if self.request_refusal is not None:
            return self.request_refusal
        query = {name: values[-1].decode() for name, values in request.query_arguments.items()}
        dialect = self.dialect(self)
        try:
            response = dialect.respond(Request(request.method or "", request.path, query))
        except KeyError:
            response = None
        if response is None:
            self.misunderstood.append(request.uri)
        if response is None or isinstance(response, tuple):
            return response
        return dialect.encode(response)

    def _why_refused(self, request: HTTPServerRequest) -> tuple[int, Mapping[str, str]] | None:
        name = self.dialect.token
        if name is not None and request.query_arguments.get(name, [b""])[-1].decode() not in self._tokens:
            return 401, {}
        return super()._why_refused(request)

    def _pinged(self) -> None:
        self.pings += 1

    def _opened(self, client: Client) -> Iterable[Frame]:
        line = self._lines[client] = _Line(self.dialect(self))
        self._say(client, None, line.dialect.welcome())
        return ()

    def _closed(self, client: Client) -> None:
        del self._lines[client]

    def _heard(self, client: Client, message: str | bytes) -> Iterable[Frame]:
        line = self._lines[client]
        dialect, frame = line.dialect, line.dialect.decode(message)
        self.received.append(frame)
        if not self._talking.is_set():
            return ()
        asks = list(dialect.asks(frame))
        if not asks:
            answer = dialect.answer(frame)
            (self.misunderstood if answer is None else self.answered).append(frame)
            self._say(client, None, answer or ())
            return ()
        self.asked.update((ask.channel, ask.symbol) for ask in asks if not ask.ends)
        asks = [ask for ask in asks if ask.symbol not in self.ignored]
        refused = [ask for ask in asks if ask.symbol in self.refused or ask.symbol not in self.markets]
        granted = [ask for ask in asks if ask not in refused]
        if granted:
            self._say(client, None, dialect.accept(frame, granted))
        if refused:
            self._say(client, None, dialect.refuse(frame, refused))
        for ask in granted:
            self._grant(client, line, ask)
        return ()

    def _grant(self, client: Client, line: _Line, ask: Ask) -> None:
        channel, symbol, depth, ends = ask
        if ends:
            line.asks.pop((channel, symbol), None)
            return
        self.granted.append(ask)
        line.asks[channel, symbol] = ask
        dialect = line.dialect
        if channel == "book":
            line.known.pop(symbol, None)
            if depth is not None:
                line.known[symbol] = self.markets[symbol].snapshot(depth)
            snapshot = self.book(symbol, depth)
            self._say(client, snapshot, dialect.snapshot(snapshot))
        elif channel == "trades":
            self._say(client, None, dialect.trades(self.deals(symbol), first=True))
        else:
            self._say_figures(client, dialect, channel, self.figures(symbol))

    # -- what happens

    async def _trade(self) -> None:
        while True:
            await asyncio.sleep(self._interval)
            for market in self.markets.values():
                self._tell_all(market, market.step(), market.deal(), market.figures())

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT)
            if self._talking.is_set():
                for client, line in list(self._lines.items()):
                    self._say(client, None, line.dialect.heartbeat())

    def _tell_all(self, market: FakeMarket, delta: Delta, deal: Deal, figures: Figures) -> None:
        if not self._talking.is_set():
            return
        deal, figures = self._tell(deal), self._tell(figures)
        for client, line in list(self._lines.items()):
            dialect = line.dialect
            for channel, symbol in line.asks:
                if symbol != market.symbol:
                    continue
                if channel == "book":
                    seen = self._seen(line, market, delta)
                    if seen is not None:
                        self._say(client, seen, dialect.delta(self._tell(seen)))
                elif channel == "trades":
                    self.told[symbol].append(deal)
                    self._say(client, deal, dialect.trades([deal], first=False))
                else:
                    self._say_figures(client, dialect, channel, figures)

    def _seen(self, line: _Line, market: FakeMarket, delta: Delta) -> Delta | None:
        """A change as those see it who asked for some levels only; None when they see nothing of it."""
        known = line.known.get(market.symbol)
        if known is None:
            return delta
        depth = line.asks["book", market.symbol].depth or SHOWN
        now = line.known[market.symbol] = market.snapshot(depth)
        bids = _difference(known.bids, now.bids, delta.bids)
        asks = _difference(known.asks, now.asks, delta.asks)
        return replace(delta, bids=bids, asks=asks) if bids or asks else None

    def _say_figures(self, client: Client, dialect: Dialect, channel: str, figures: Figures) -> None:
        self._say(client, figures, dialect.ticker(figures) if channel == "ticker" else dialect.quotes(figures))

    def _tell(self, data: Told) -> Told:
        told: Told = self.distort(data)
        return told

    def _say(self, client: Client, data: Data | None, frames: Iterable[Frame]) -> None:
        encode = self._lines[client].dialect.encode
        for frame in self.tamper(data, [encode(frame) for frame in frames]):
            client.hurl(frame)


def _difference(before: Sequence[Level], now: Sequence[Level], changes: Sequence[Level]) -> list[Level]:
    """The levels that are new or other now, and those that were removed; not those that fell out."""
    known, seen = dict(before), dict(now)
    removed = [level for level in changes if level[0] in known and level[0] not in seen and not float(level[1])]
    return [level for level in now if known.get(level[0]) != level[1]] + removed
