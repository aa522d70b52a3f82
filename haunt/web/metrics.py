"""What Prometheus reads: every counter of Haunt, collected when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.metadata import version
from typing import TYPE_CHECKING, NamedTuple, get_args

from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector, CollectorRegistry
from prometheus_client.utils import floatToGoString

from haunt.errors import ErrorCode
from haunt.histogram import Histogram
from haunt.market.published import SourceState
from haunt.web.health import SourceHealth, data_age, source_health
from haunt.web.page import Page
from haunt.web.ready import obstacles

if TYPE_CHECKING:
    from haunt.app import Haunt
    from haunt.market.market import Market
    from haunt.plugin.relay import Relay

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
# Told from the start, so that the first one shows as an increase.
CLOSED = ("idle", "slow", "too large", "violation")


class OfSource(NamedTuple):
    """A metric of each source; None where it says nothing of it."""

    name: str
    help: str
    read: Callable[[SourceHealth, Relay], float]


class OfSymbol(NamedTuple):
    """A gauge of each symbol."""

    name: str
    help: str
    read: Callable[[Market, str], float | None]


SOURCES = (
    OfSource(
        "haunt_source_active",
        "Whether it is connected, and at least one market is fresh.",
        lambda health, relay: health["active"],
    ),
    OfSource(
        "haunt_source_markets",
        "Markets it is expected to tell of.",
        lambda health, relay: health["symbols"]["subscribed"],
    ),
    OfSource(
        "haunt_source_markets_fresh", "Those that are not silent.", lambda health, relay: health["symbols"]["fresh"]
    ),
    OfSource(
        "haunt_source_markets_refused",
        "Subscriptions its venue refused.",
        lambda health, relay: len(health["symbols"]["refused"]),
    ),
    OfSource("haunt_source_events_total", "Events it published.", lambda health, relay: health["events"]),
    OfSource(
        "haunt_source_rejected_total",
        "Events and frames dropped because they cannot be.",
        lambda health, relay: health["rejected"],
    ),
    OfSource(
        "haunt_source_late_trades_total",
        "Trades that count in no candle.",
        lambda health, relay: health["late_trades"],
    ),
    OfSource("haunt_source_connections_total", "Connections it opened.", lambda health, relay: relay.connections),
    OfSource("haunt_source_restarts_total", "How often it was run again.", lambda health, relay: health["restarts"]),
    OfSource(
        "haunt_source_sequence_gaps_total",
        "Missing numbers in its venue's sequence.",
        lambda health, relay: health["gaps"],
    ),
    OfSource(
        "haunt_source_open_gaps",
        "Markets whose data or book cannot be trusted now.",
        lambda health, relay: health["open_gaps"],
    ),
    OfSource(
        "haunt_source_checksums_bad_total",
        "Books that were not what the venue says they are.",
        lambda health, relay: health["checksums_bad"],
    ),
)

SYMBOLS = (
    OfSymbol("haunt_symbol_live", "Whether it has a live price.", lambda market, symbol: market.is_tracked(symbol)),
    OfSymbol("haunt_symbol_votes", "Venues its price is made of.", lambda market, symbol: market.votes(symbol)),
    OfSymbol(
        "haunt_symbol_age_seconds",
        "Seconds since a venue with a vote said something of it.",
        lambda market, symbol: market.age(symbol),
    ),
)


class Metrics(Page):
    """For those who may connect to the WebSocket."""

    guarded = True

    def initialize(self, haunt: Haunt, registry: CollectorRegistry) -> None:  # type: ignore[override]
        super().initialize(haunt)
        self.registry = registry

    def get(self) -> None:
        self.let_pages_read()
        self.set_header("Content-Type", CONTENT_TYPE)
        self.finish(generate_latest(self.registry) + _of_symbols(self.haunt).encode())


class HauntCollector(Collector):
    """All metrics of Haunt but those of its symbols."""

    def __init__(self, haunt: Haunt) -> None:
        self._haunt = haunt

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterator[Metric]:
        yield from _of_server(self._haunt)
        yield from _of_clients(self._haunt)
        yield from _of_sources(self._haunt)


def registry(haunt: Haunt) -> CollectorRegistry:
    """All that is measured of one server, but for its symbols."""
    made = CollectorRegistry()
    made.register(HauntCollector(haunt))
    ProcessCollector(registry=made)
    return made


def _of_server(haunt: Haunt) -> Iterator[Metric]:
    history, watchdog = haunt.history, haunt.watchdog
    yield _family("haunt_build_info", "The version that runs.", {version("haunt"): 1}, "version")
    yield _family("haunt_ready", "Whether clients can be served, as /ready says.", not obstacles(haunt))
    yield _family("haunt_simulated", "Whether a running source invents its data.", bool(haunt.simulated))
    yield _family("haunt_symbols", "Symbols in the configuration.", len(haunt.symbols))
    yield _family("haunt_symbols_tracked", "Those with a live price.", haunt.market.symbols_tracked)
    yield _family("haunt_broken", "Sources and indicators whose plugin cannot be used.", len(haunt.broken))
    yield _family("haunt_indicators_stopped", "Indicators that failed too often.", len(haunt.signals.stopped))
    yield _family("haunt_history_waiting_candles", "Candles that are not written yet.", history.waiting)
    yield _family("haunt_history_dropped_candles", "Candles that never will be.", history.dropped)
    yield _family("haunt_history_trouble", "Whether the history cannot be used.", bool(history.trouble))
    yield _histogram("haunt_loop_lag_seconds", "How late the event loop did what was due.", watchdog.lag)
    yield _family("haunt_loop_stalls_total", "How often the event loop stood still.", watchdog.stalls)


def _of_clients(haunt: Haunt) -> Iterator[Metric]:
    clients, fanout = haunt.clients, haunt.fanout
    closed = dict.fromkeys(CLOSED, 0) | clients.closed
    refused = dict.fromkeys(get_args(ErrorCode), 0) | haunt.router.errors
    yield _family("haunt_clients", "Clients connected now.", len(clients))
    yield _family("haunt_connections_total", "Clients that connected.", clients.joined)
    yield _family("haunt_connections_refused_total", "Clients that were not let in.", clients.refused, "code")
    yield _family("haunt_clients_closed_total", "Clients that had to go.", closed, "reason")
    yield _family("haunt_requests_refused_total", "Messages answered with an error.", refused, "code")
    yield _family("haunt_frames_sent_total", "Updates sent, one for each client and state.", fanout.deliveries)
    yield _family("haunt_sent_bytes_total", "The bytes of these updates.", fanout.sent_bytes)
    yield _family("haunt_states_merged_total", "Changes sent together with a later one.", fanout.merged)
    yield _family("haunt_states_left_out_total", "Updates put off for clients that are behind.", fanout.left_out)
    yield _histogram("haunt_flush_seconds", "From the beginning of a flush to its last write.", fanout.flush_seconds)


def _of_sources(haunt: Haunt) -> Iterator[Metric]:
    healths = {status.name: source_health(haunt, status) for status in haunt.supervisor.statuses()}
    states = GaugeMetricFamily("haunt_source_state", "1 for the state it is in.", labels=["source", "state"])
    for name, health in healths.items():
        for state in get_args(SourceState):
            states.add_metric([name, state], float(state == health["state"]))
    yield states
    for name, text, read in SOURCES:
        yield _family(name, text, {one: read(health, haunt.relays[one]) for one, health in healths.items()}, "source")
    ages = {name: age for name in healths if (age := data_age(haunt, name)) is not None}
    yield _family("haunt_source_data_age_seconds", "Seconds since its newest data.", ages, "source")


def _family(name: str, text: str, values: float | Mapping[str, float], label: str = "") -> Metric:
    """What ends in _total is a counter, all else a gauge; with a label there is a value for each of its values."""
    kind = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
    if not isinstance(values, Mapping):
        return kind(name, text, value=float(values))
    family = kind(name, text, labels=[label])
    for value, number in values.items():
        family.add_metric([value], float(number))
    return family


def _histogram(name: str, text: str, histogram: Histogram) -> Metric:
    bounds = [*map(floatToGoString, histogram.bounds), "+Inf"]
    buckets = list(zip(bounds, histogram.counts, strict=True))
    return HistogramMetricFamily(name, text, buckets=buckets, sum_value=histogram.total)


def _of_symbols(haunt: Haunt) -> str:
    """Written here: prometheus_client takes seven microseconds for each line, and there may be thousands."""
    market, names = haunt.market, [symbol.name for symbol in haunt.symbols]
    lines = []
    for name, text, read in SYMBOLS:
        lines.append(f"# HELP {name} {text}\n# TYPE {name} gauge\n")
        values = [(symbol, read(market, symbol)) for symbol in names]
        lines += [f'{name}{{symbol="{symbol}"}} {value:.6g}\n' for symbol, value in values if value is not None]
    return "".join(lines)
