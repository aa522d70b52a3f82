"""Haunt itself: builds the parts, starts and stops them. Reads top to bottom."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Mapping
from ipaddress import ip_network
from operator import attrgetter
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.ioloop import PeriodicCallback
from tornado.web import Application

from haunt.certificate import Unusable, present, renew
from haunt.clock import Clock
from haunt.config.changes import Changes, wanted
from haunt.config.model import Broken, Config, SourceConfig
from haunt.market.backfill import Backfill
from haunt.market.gaps import Gaps
from haunt.market.history import History
from haunt.market.market import Market
from haunt.market.published import Signal
from haunt.market.rates import Rates
from haunt.market.readings import Instance
from haunt.market.restart import leave, recall, remember
from haunt.market.signals import Signals
from haunt.market.supervisor import Supervisor
from haunt.market.symbols import Symbols
from haunt.plugin.budget import Budgets
from haunt.plugin.relay import Relay
from haunt.reload import Reloads
from haunt.stream import protocol
from haunt.stream.admission import LOOPBACK, Admission
from haunt.stream.clients import Clients, Timing
from haunt.stream.fanout import Fanout
from haunt.stream.handler import Stream, StreamHandler
from haunt.stream.listening import listen, most_connections
from haunt.stream.ring import open_ring
from haunt.stream.router import Router
from haunt.stream.subscriptions import Subscriptions, Topic
from haunt.watchdog import Watchdog
from haunt.web.health import active_sources
from haunt.web.pages import page_handlers

logger = logging.getLogger(__name__)

TICK_MS = 250
RATE_MS = 1_000
HANDSHAKE_TIMEOUT = 10.0  # seconds for an HTTP request to come whole
# Of `limits.drain`, for clients to answer the goodbye.
FAREWELL_SHARE = 0.9
DAY = 86_400_000


class Haunt:
    """The whole server. `start`, then `stop`; `address` says where it listens.

    `read` reads the configuration again for `reload`; `configured` is told of each that is in force from then on.
    """

    def __init__(
        self,
        config: Config,
        clock: Clock | None = None,
        *,
        read: Callable[[], Config] | None = None,
        configured: Callable[[Config], None] = lambda config: None,
    ) -> None:
        self.config = config
        self.clock = clock or Clock()
        self.started_at = self.clock.monotonic()
        self.symbols = Symbols(config.symbols)
        ring = open_ring() if config.stream.io_uring else None
        self.subscriptions = Subscriptions(attrgetter("descriptor" if ring else "send_now"))
        self.fanout = Fanout(
            self.subscriptions, self._encode, intervals=_intervals(config), batch=ring, clock=self.clock
        )
        self.gaps = Gaps(self.clock)
        self.history = History(self._history_path(), _ages(config), self.clock)
        self.signals = Signals(
            self.indicators,
            [symbol.name for symbol in self.symbols],
            self._announce,
            interrupted=self.gaps.interrupted,
            timeframes=config.history.keep,
            keep=self.history.keep,
            clock=self.clock,
        )
        self.market = Market(
            self.symbols,
            self.signals,
            self.fanout.mark,
            first_price_wait=config.stream.first_price_wait,
            clock=self.clock,
        )
        self.supervisor = Supervisor(clock=self.clock)
        self.backfill = Backfill(
            market=self.market,
            signals=self.signals,
            history=self.history,
            symbols=self.symbols,
            find_source=self.supervisor.source,
            minutes=config.history.backfill,
            clock=self.clock,
        )
        self.relays: dict[str, Relay] = {}
        self.budgets = Budgets()
        self.rates = Rates()
        self.scoring = asyncio.Lock()
        self.broken = list(config.broken)
        self.router = Router(
            self.symbols,
            self.subscriptions,
            self.fanout,
            last_signals=self.signals.last,
            most_subscriptions=config.limits.subscriptions,
            default_depth=config.stream.orderbook_depth,
            clock=self.clock,
        )
        self.clients = Clients(_timing(config), self.clock)
        self.watchdog = Watchdog()
        self.started = False
        self._configured = configured
        self._reloads = Reloads(self, read)
        self._door: dict[str, Stream] = {}
        tls = config.server.tls
        self._tls = present(tls.certificate, tls.key) if tls else None
        self._server: HTTPServer | None = None
        self._sockets: list[socket.socket] = []
        self._periodic: list[PeriodicCallback] = []
        self._telling: PeriodicCallback | None = None
        self._remembering: asyncio.Task[None] | None = None
        self._filling: asyncio.Task[None] | None = None

    # -- life

    async def start(self) -> None:
        """Listen, then start the sources. Raises HauntError when the address or the history cannot be had."""
        self._sockets = listen(self.config.server.host, self.config.server.port)
        self._door["stream"] = self._stream()
        self._server = HTTPServer(
            Application(
                [
                    (r"/ws/?", StreamHandler, self._door),
                    *page_handlers(self),
                ],
                log_function=_log_request,
            ),
            ssl_options=self._tls,
            idle_connection_timeout=HANDSHAKE_TIMEOUT,
            max_header_size=65_536,
            max_body_size=65_536,
        )
        self._server.add_sockets(self._sockets)
        await recall(self.signals, self.history, self._symbol_names, self.clock, hold=self.config.history.backfill > 0)
        self._remembering = asyncio.create_task(
            remember(self.signals, self.history, lambda: self.config.history.flush_interval), name="history"
        )
        self._remembering.add_done_callback(_report_end)
        self._filling = asyncio.create_task(self.backfill.run(), name="back-fill")
        self._filling.add_done_callback(_report_end_of_filling)
        self._periodic = [PeriodicCallback(self.market.tick, TICK_MS), PeriodicCallback(self.clients.sweep, TICK_MS)]
        self._periodic.append(PeriodicCallback(self._look_at_rates, RATE_MS))
        for callback in self._periodic:
            callback.start()
        self._tell_status_regularly()
        self.watchdog.start()
        for broken in self.broken:
            logger.error("The %s %s cannot run: %s; everything else does", broken.kind, broken.name, broken.reason)
        for source in self.config.sources.values():
            if source.enabled:
                self.start_source(source)
        self.started = True
        logger.info("Haunt listens on %s", self.address)
        if self.simulated:
            logger.warning("SIMULATED DATA from %s: these prices are made up", ", ".join(self.simulated))

    async def stop(self) -> None:
        """Take no more clients, stop the sources, say goodbye to everyone: done within `limits.drain` seconds."""
        await self._reloads.close()
        if self._server is not None:
            self._server.stop()
        for callback in self._periodic:
            callback.stop()
        if self._telling is not None:
            self._telling.stop()
        self.signals.finish()
        farewell = self.clients.farewell(self.config.limits.drain * FAREWELL_SHARE)
        await asyncio.gather(self._stop_market(), farewell)
        self.watchdog.stop()
        if self._server is not None:
            await self._server.close_all_connections()

    def renew_certificate(self) -> None:
        """Show who connects from now on the certificate as it is now, or the one before where that cannot be used."""
        tls = self.config.server.tls
        if self._tls is None or tls is None:
            return
        try:
            renew(self._tls, tls.certificate, tls.key)
        except Unusable as error:
            logger.error(
                "The certificate is not renewed: the %s %s; clients are shown the one before", error.file, error
            )

    async def _stop_market(self) -> None:
        await self._end_filling()
        await self.supervisor.stop_all()
        if self._remembering is not None:
            self._remembering.cancel()
            await leave(self.signals, self.history, self._symbol_names)

    async def _end_filling(self) -> None:
        if self._filling is not None:
            self._filling.cancel()
            await asyncio.wait([self._filling])

    # -- what a reload does

    async def reload(self) -> Changes:
        """Read the configuration again, and do what it changes. Raises ConfigError, and then nothing changed;
        HauntError where nothing can be reloaded."""
        return await self._reloads.ask()

    def configure(self, config: Config) -> None:
        """Go by these settings. Clients keep what was agreed on as they connected."""
        status_interval, self.config = self.config.stream.status_interval, config
        self.router.most_subscriptions = config.limits.subscriptions
        self.router.default_depth = config.stream.orderbook_depth
        self.fanout.space(_intervals(config))
        self.market.first_price_wait = config.stream.first_price_wait
        self.clients.timing = _timing(config)
        self.history.keep_for(_ages(config))
        self._door["stream"] = self._stream()
        self.renew_certificate()
        if config.stream.status_interval != status_interval:
            self._tell_status_regularly()
        self._configured(config)

    async def let_go_of_the_past(self) -> None:
        """Ask for no more candles of before the start; the indicators go on with those that came."""
        await self._end_filling()
        await self.backfill.release()

    def start_source(self, source: SourceConfig) -> None:
        """Run it from now on. One that cannot be made is told of among the `broken`."""
        options = source.options
        relay = Relay(
            source.name,
            wanted=wanted(source, self.symbols),
            deliver=self.market.apply,
            quotes=options.quotes,
            checksum=source.cls.checksum,
            weight=options.weight,
            stale_after=options.stale_after,
            venue=source.plugin,
            clock=self.clock,
            budgets=self.budgets,
            gaps=self.gaps,
        )
        try:
            made = source.cls(options, relay)
        except Exception as error:
            reason = f"{type(error).__name__} while it was made: {error}"
            logger.exception("The %s %s cannot run: %s; everything else does", "source", source.name, reason)
            self.broken.append(Broken("source", source.name, source.plugin, reason))
            return
        self.relays[source.name] = relay
        self.supervisor.start(source.name, made, relay)

    async def stop_source(self, name: str) -> None:
        """End it, and keep nothing of it. Nothing happens where it does not run."""
        await self.supervisor.stop(name)
        relay = self.relays.pop(name, None)
        if relay is not None:
            self.market.forget(relay.feeds.values())

    # -- what it is doing

    @property
    def port(self) -> int:
        return int(self._sockets[0].getsockname()[1])

    @property
    def address(self) -> str:
        host = self.config.server.host
        name = "localhost" if host in LOOPBACK else f"[{host}]" if ":" in host else host
        return f"{'ws' if self._tls is None else 'wss'}://{name}:{self.port}/ws"

    @property
    def simulated(self) -> list[str]:
        """The running sources whose data is made up."""
        return [one.name for one in self.config.sources.values() if one.enabled and one.cls.simulated]

    @property
    def indicators(self) -> list[Instance]:
        """Those that run."""
        return [(one.name, one.cls, one.options) for one in self.config.indicators.values() if one.enabled]

    @property
    def uptime_seconds(self) -> int:
        return int(self.clock.monotonic() - self.started_at)

    # -- between the parts

    def _encode(self, topic: Topic) -> bytes | None:
        sent = self.clock.milliseconds() if topic.extended else None
        if topic.channel == "price":
            price = self.market.price(topic.symbol)
            doubt = self.market.doubt(topic.symbol) if topic.extended else None
            return None if price is None else protocol.price_update(price, sent=sent, doubt=doubt)
        book = self.market.book(topic.symbol, topic.depth, attributed=topic.extended)
        return None if book is None else protocol.orderbook_update(book, sent=sent)

    def _announce(self, signal: Signal) -> None:
        self.history.keep_signal(signal)

        def encode(topic: Topic) -> bytes:
            return protocol.signal_update(signal, sent=self.clock.milliseconds() if topic.extended else None)

        self.fanout.announce(("signal", signal.symbol), encode)

    def _tell_status_regularly(self) -> None:
        if self._telling is not None:
            self._telling.stop()
        interval = self.config.stream.status_interval
        self._telling = PeriodicCallback(self._tell_status, interval * 1000) if interval else None
        if self._telling is not None:
            self._telling.start()

    async def _tell_status(self) -> None:
        await self.clients.tell_all(
            protocol.server_status(
                connected_peers=len(self.clients),
                active_sources=active_sources(self),
                symbols_tracked=self.market.symbols_tracked,
                uptime_seconds=self.uptime_seconds,
            )
        )

    def _look_at_rates(self) -> None:
        self.rates.look({name: relay.events for name, relay in self.relays.items()}, self.clock.monotonic())

    def _history_path(self) -> str | None:
        """Invented prices are not kept."""
        return None if self.simulated else self.config.history.path

    @property
    def _symbol_names(self) -> list[str]:
        return [symbol.name for symbol in self.symbols]

    def _stream(self) -> Stream:
        server, limits = self.config.server, self.config.limits
        return Stream(
            router=self.router,
            fanout=self.fanout,
            clients=self.clients,
            admission=Admission(
                host=server.host,
                token=server.revealed("token"),
                allowed_origins=server.allowed_origins,
                allowed_hosts=server.allowed_hosts,
                connections=limits.connections or most_connections(),
                connections_per_ip=limits.connections_per_ip,
            ),
            trusted_proxies=[ip_network(one) for one in server.trusted_proxies],
            clock=self.clock,
            message_size=limits.message_size,
            messages_per_second=limits.messages_per_second,
            abuse=limits.abuse,
            control_frames_per_second=limits.control_frames_per_second,
            send_buffer=limits.send_buffer,
            compression=self.config.stream.compression,
        )


def _ages(config: Config) -> Mapping[str, int | None]:
    """How long candles are kept, in milliseconds; None = for ever."""
    return {timeframe: round(days * DAY) or None for timeframe, days in config.history.keep.items()}


def _timing(config: Config) -> Timing:
    limits = config.limits
    return Timing(limits.idle_timeout, limits.ping_interval, limits.slow_timeout, limits.pending_bytes)


def _intervals(config: Config) -> Mapping[str, float]:
    """Least seconds between two sendings of a state, per channel."""
    most = config.stream.max_updates_per_second
    return {"price": 1 / most if most else 0.0, "orderbook": config.stream.orderbook_interval}


def _report_end(remembering: asyncio.Task[None]) -> None:
    if not remembering.cancelled():
        logger.error("The history is no longer written; restart Haunt", exc_info=remembering.exception())


def _report_end_of_filling(filling: asyncio.Task[None]) -> None:
    if not filling.cancelled() and filling.exception() is not None:
        logger.error("Nothing is back-filled any more; restart Haunt", exc_info=filling.exception())


def _log_request(handler: Any) -> None:
    logger.debug("%s %s %s", handler.get_status(), handler.request.method, handler.request.path)


async def run_until(haunt: Haunt, stopped: asyncio.Event, started: Callable[[Haunt], None]) -> None:
    """Serve until the event is set, then drain. `started` is called when it listens."""
    await haunt.start()
    started(haunt)
    await stopped.wait()
    await haunt.stop()
