"""A source that is a venue's WebSocket: what its plugin says of it, and the connections it runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import ClassVar

from pydantic import Field, field_validator

from haunt.errors import SourceLost
from haunt.market.events import Event
from haunt.market.feed import Stream
from haunt.plugin.asking import Asking
from haunt.plugin.budget import Budget, Limit
from haunt.plugin.recovery import Recovery
from haunt.plugin.relay import NONSENSE, Instrument, Read, Relay
from haunt.plugin.rest import fetch
from haunt.plugin.source import Source, SourceOptions
from haunt.plugin.succession import Succession


class StreamOptions(SourceOptions):
    """Options of every source that is a WebSocket."""

    url: str = Field(description="The venue's WebSocket; a test net, a mirror or a fake works too.")
    connect_timeout: float = Field(10.0, gt=0, description="Seconds to wait for the connection.")
    silence_timeout: float = Field(
        30.0, gt=0, description="Seconds without any frame after which the connection is given up."
    )
    first_data_timeout: float = Field(
        30.0,
        gt=0,
        description="Seconds after subscribing until a market without data is named in the log and subscribed again.",
    )
    resync_interval: float = Field(
        5.0, gt=0, description="Least seconds between two attempts to rebuild one order book; up to 16 times that."
    )

    @field_validator("url")
    @classmethod
    def _is_websocket(cls, url: str) -> str:
        if not url.startswith(("ws://", "wss://")):
            raise ValueError("must begin with ws:// or wss://")
        return url


class StreamSource(Source):
    """A venue's WebSocket. A subclass says what to send and what the answers mean:

    `instruments` the markets the venue offers, `subscribe_messages` what to send first, `parse` the pure
    function from a frame to events; where needed `snapshot_url` and `parse_response` for books whose
    snapshot is fetched over REST, `resubscribe_messages` to get one book anew, `ping_message`, `address` where
    the URL is not known beforehand, and `reader` where a frame needs an answer or those before it.
    """

    options: StreamOptions
    ping_interval: float = 20.0
    """Seconds between two pings; zero for none."""
    subscribe_delay: float = 0.0
    """Seconds between connecting and the first message, for venues that want a pause there."""
    message_interval: float = 0.0
    """Seconds between two messages to the venue on one connection, for venues that count them."""
    message_limit: Limit | None = None
    """At most so many messages in so many seconds, of all sources and connections to one host; None = no limit."""
    connection_limit: Limit | None = None
    """The same for connections: (300, 300.0) is three hundred in five minutes."""
    request_limit: Limit | None = None
    """The same for `fetch`."""
    connection_life: float | None = None
    """Seconds after which the venue ends every connection: another takes over before."""
    streams: Sequence[Stream] = ()
    """What every market must say within `first_data_timeout` of subscribing: "book", "quote", "ticker"."""
    symbols_per_connection: int | None = None
    """How many markets one connection carries; None = all. As many are opened as are needed."""
    waits_for_welcome: bool = False
    """The venue speaks first, and need not hear what it is sent before."""
    hosts: ClassVar[tuple[str, ...]] = ()
    """Hosts of the venue besides that of `url`, by which its recordings are known."""

    def __init__(self, options: StreamOptions, relay: Relay) -> None:
        super().__init__(options, relay)
        self._rest_budget: Budget | None = None
        self._asking = Asking(self)
        self._recovery = Recovery(self, self._asking)

    # -- what a venue's plugin provides

    @property
    def ping_message(self) -> str | None:
        """The venue's own ping; a ping of the WebSocket protocol is sent where it has none."""
        return None

    @property
    def figures_interval(self) -> float:
        """Seconds between two requests for the `figures` of one market; zero for none."""
        return 0.0

    @property
    def review_interval(self) -> float:
        """Seconds between two comparisons of a book with the one behind `snapshot_url`, for venues whose deltas prove
        nothing; zero for none."""
        return 0.0

    async def instruments(self) -> Iterable[Instrument]:
        """The markets the venue offers, usually from its REST list. Called before each run."""
        raise NotImplementedError

    async def address(self) -> str:
        """The URL to connect to, asked before each connection."""
        return self.options.url

    def subscribe_messages(self, venue_symbols: Sequence[str]) -> Iterable[str]:
        """The text frames that subscribe to everything Haunt wants of these venue symbols."""
        raise NotImplementedError

    def parse(self, frame: str | bytes) -> Iterable[Event]:
        """The events of one frame. Pure: no state, no I/O.

        ValueError, KeyError, TypeError, IndexError or OverflowError mean that the frame makes no sense: it is
        dropped and counted. Anything else is a bug: the connection is closed, the supervisor logs it and runs again.
        """
        raise NotImplementedError

    def reader(self, send: Callable[[str], None]) -> Read:
        """For a new connection, the function from its frames to events: `parse`.

        Another one where a frame means something only with those before it on the same connection, or must be
        answered: `send` sends a text frame on that connection. It raises what `parse` may raise.
        """
        return self.parse

    def serves(self, url: str) -> bool:
        """Whether frames recorded at this address are of this source's markets: some venues have others of the same
        names at another. Asked of recordings alone."""
        return True

    def snapshot_url(self, venue_symbol: str) -> str | None:
        """Where this venue's book snapshot is fetched; None when it comes in the stream."""
        return None

    def parse_response(self, url: str, body: str) -> Iterable[Event]:
        """The events of a REST response. Pure, like `parse`."""
        return ()

    def resubscribe_messages(self, venue_symbol: str) -> Iterable[str]:
        """What to send to get this book's snapshot anew; nothing = only a new connection does it."""
        return ()

    async def figures(self, venue_symbol: str) -> Iterable[Event]:
        """The 24-hour figures of one market, fetched, for venues that do not stream them. Raises SourceLost."""
        return ()

    # -- what it may use

    async def fetch(self, url: str, *, method: str = "GET") -> str:
        """The body of the answer to a GET, or to a POST without a body. Raises SourceLost with the venue's own
        Retry-After when it refuses."""
        budget = self._rest_budget = self.relay.budgets.of(url)
        await budget.take("requests", self.request_limit)
        try:
            return await fetch(url, method=method, connect_timeout=self.options.connect_timeout)
        except SourceLost as error:
            budget.note(error)
            raise

    @property
    def spare(self) -> bool:
        return self._rest_budget is None or self._rest_budget.spare("requests", self.request_limit)

    def receive(self, frame: str | bytes) -> None:
        """Publish the events of a frame that came another way; one that makes no sense is dropped and counted."""
        self.relay.receive(frame, self.parse)

    # -- its connections

    async def run(self) -> None:
        """Connect, subscribe and publish until no connection is left. Nothing it started outlives it."""
        venue_symbols = self.relay.choose(await self._offered())
        if not venue_symbols:
            raise SourceLost(
                f"{self.options.url} offers none of the symbols it is asked for; change `symbols` or `quotes`",
                retry_after=60.0,
            )
        most = self.symbols_per_connection or len(venue_symbols)
        standing: set[Succession] = set()
        try:
            async with asyncio.TaskGroup() as tasks:
                for start in range(0, len(venue_symbols), most):
                    share = venue_symbols[start : start + most]
                    tasks.create_task(Succession(self, share, self._recovery, standing).run())
                tasks.create_task(self._asking.figures(venue_symbols))
                tasks.create_task(self._asking.reviews(venue_symbols))
        except ExceptionGroup as group:
            raise group.exceptions[0] from None

    async def _offered(self) -> list[Instrument]:
        try:
            return list(await self.instruments())
        except NONSENSE as error:
            raise SourceLost(f"its list of markets makes no sense: {type(error).__name__}: {error}") from error
