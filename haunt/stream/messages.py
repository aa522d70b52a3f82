"""The shapes of the protocol's messages, with the units of what is in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, NotRequired, TypeAlias

from pydantic import Field
from typing_extensions import TypedDict

from haunt.errors import ErrorCode
from haunt.market.published import Confidence, Direction, Flag

Channel: TypeAlias = Literal["price", "signal", "orderbook"]

LONGEST_ID = 64
LARGEST_INTEGER = 2**53
MOST_SYMBOLS = 1_000  # each unknown one costs an error frame
SLOWEST_THROTTLE_MS = 3_600_000
DEEPEST_BOOK = 100

SymbolName: TypeAlias = Annotated[str, Field(description="An asset by its code, in lower case.", examples=["btc"])]
Usd: TypeAlias = Annotated[float, Field(description="In US dollars.")]
UsdPrice: TypeAlias = Annotated[float, Field(description="In US dollars.", gt=0)]
Quantity: TypeAlias = Annotated[float, Field(description="In units of the asset itself.", gt=0)]
Percent: TypeAlias = Annotated[float, Field(description="In percent; 2.34 is up by 2.34 %.")]
Share: TypeAlias = Annotated[float, Field(ge=0, le=1)]
Count: TypeAlias = Annotated[int, Field(ge=0)]
Milliseconds: TypeAlias = Annotated[int, Field(description="Milliseconds UTC since 1970.", ge=0)]
Venues: TypeAlias = Annotated[Sequence[str], Field(description="The venues in it.")]
RequestId: TypeAlias = Annotated[
    Annotated[str, Field(max_length=LONGEST_ID)] | Annotated[int, Field(ge=-LARGEST_INTEGER, le=LARGEST_INTEGER)],
    Field(description="The client's own; every answer to the message carries it."),
]


# -- what a client says


class SubscribeRequest(TypedDict):
    """Hear of these symbols from now on."""

    type: Literal["subscribe"]
    symbols: Annotated[Sequence[str], Field(max_length=MOST_SYMBOLS)]
    channels: NotRequired[Annotated[Sequence[Channel], Field(description="Without it: price and signal.")]]
    channel: NotRequired[Annotated[Channel, Field(description="One more of them.")]]
    throttle_ms: NotRequired[
        Annotated[
            int, Field(description="The least time between two states of one symbol.", ge=0, le=SLOWEST_THROTTLE_MS)
        ]
    ]
    depth: NotRequired[
        Annotated[
            int, Field(description="Levels of each side of the order book; without it 20.", ge=1, le=DEEPEST_BOOK)
        ]
    ]
    snapshot: NotRequired[Annotated[bool, Field(description="Also the last signal of each indicator.")]]
    id: NotRequired[RequestId]


class UnsubscribeRequest(TypedDict):
    """Hear no more of these symbols."""

    type: Literal["unsubscribe"]
    symbols: Annotated[Sequence[str], Field(max_length=MOST_SYMBOLS)]
    channels: NotRequired[Annotated[Sequence[Channel], Field(description="Without it: all.")]]
    channel: NotRequired[Annotated[Channel, Field(description="One more of them.")]]
    id: NotRequired[RequestId]


class PingRequest(TypedDict):
    """Is answered with a pong."""

    type: Literal["ping"]
    id: NotRequired[RequestId]


# -- what Haunt says of the market


class Price(TypedDict):
    """What the venues agree on."""

    symbol: SymbolName
    price: UsdPrice
    change_24h: Percent
    volume_24h: Annotated[float, Field(description="In US dollars, of 24 hours over all venues.", ge=0)]
    timestamp: Milliseconds


class ExtendedPrice(Price):
    """What the venues agree on, who they are and how sure it is."""

    seq: Annotated[int, Field(description="Counts the changes of this price.", ge=0)]
    sources: Venues
    stale: Annotated[bool, Field(description="Whether every venue has fallen silent since.")]
    dispersion: Annotated[float, Field(description="How far the venues are apart, in US dollars.", ge=0)]
    confidence: Confidence
    flags: Sequence[Flag]


class Level(TypedDict):
    """One price of an order book, summed over the venues."""

    price: UsdPrice
    quantity: Quantity


class VenueLevel(Level):
    """One price of an order book, and what each venue has of it."""

    venues: Mapping[str, Quantity]


class Orderbook(TypedDict):
    """The whole book to the depth that was asked for, best levels first, never crossed."""

    symbol: SymbolName
    bids: Sequence[Level]
    asks: Sequence[Level]
    timestamp: Milliseconds


class ExtendedOrderbook(TypedDict):
    """The whole book to the depth that was asked for, best levels first, never crossed, with its venues."""

    symbol: SymbolName
    bids: Sequence[VenueLevel]
    asks: Sequence[VenueLevel]
    timestamp: Milliseconds
    seq: Annotated[int, Field(description="Counts the changes of this book.", ge=0)]
    sources: Venues


class Signal(TypedDict):
    """An indicator changed its mind when a candle closed."""

    symbol: SymbolName
    indicator: Annotated[str, Field(description="Its name in the configuration.")]
    signal: Direction
    value: Annotated[float, Field(description="The indicator's main output.")]
    confidence: Share
    timestamp: Annotated[int, Field(description="When the candle closed, in milliseconds UTC since 1970.", ge=0)]


class ExtendedSignal(Signal):
    """An indicator changed its mind when a candle closed, with all its outputs."""

    timeframe: Annotated[str, Field(description="The length of the candle.", examples=["1m"])]
    bar_closed: Literal[True]
    values: Annotated[Mapping[str, float], Field(description="Every output by name.")]


# -- its frames


class PriceUpdate(Price):
    """A subscribed symbol's price changed, or this is the last one."""

    type: Literal["price_update"]


class ExtendedPriceUpdate(ExtendedPrice):
    """A subscribed symbol's price changed, or this is the last one, for a client with ext=1."""

    type: Literal["price_update"]
    sent: Milliseconds


class OrderbookUpdate(Orderbook):
    """A subscribed symbol's order book changed."""

    type: Literal["orderbook_update"]


class ExtendedOrderbookUpdate(ExtendedOrderbook):
    """A subscribed symbol's order book changed, for a client with ext=1."""

    type: Literal["orderbook_update"]
    sent: Milliseconds


class SignalUpdate(Signal):
    """An indicator changed its mind when a candle closed."""

    type: Literal["signal_update"]


class ExtendedSignalUpdate(ExtendedSignal):
    """An indicator changed its mind when a candle closed, for a client with ext=1."""

    type: Literal["signal_update"]
    sent: Milliseconds


class ServerStatus(TypedDict):
    """How the server fares."""

    type: Literal["server_status"]
    connected_peers: Count
    active_sources: Count
    symbols_tracked: Count
    uptime_seconds: Count


class Pong(TypedDict):
    """The answer to a ping."""

    type: Literal["pong"]
    timestamp: Milliseconds
    id: NotRequired[RequestId]


class Error(TypedDict):
    """A message could not be done, or not all of it. The connection stays."""

    type: Literal["error"]
    code: ErrorCode
    message: Annotated[str, Field(description="For people.")]
    id: NotRequired[RequestId]
    symbol: NotRequired[Annotated[str, Field(description="As the client wrote it.")]]


class Acknowledgement(TypedDict):
    """What became of a message that had an id."""

    type: Literal["subscribed", "unsubscribed"]
    id: RequestId
    symbols: Sequence[SymbolName]
    channels: Sequence[Channel]
    rejected: Annotated[Sequence[str], Field(description="As the client wrote them.")]
