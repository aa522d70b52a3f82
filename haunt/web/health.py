"""Whether the process lives, and how each of its parts fares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field
from typing_extensions import TypedDict

from haunt.market.published import SourceState
from haunt.stream.messages import Count
from haunt.web.page import Page

if TYPE_CHECKING:
    from haunt.app import Haunt
    from haunt.market.supervisor import SourceStatus


class Markets(TypedDict):
    """The markets of a source."""

    subscribed: Annotated[int, Field(description="It is expected to tell of so many.", ge=0)]
    fresh: Annotated[int, Field(description="Those that are not silent.", ge=0)]
    refused: Annotated[Mapping[str, str], Field(description="What its venue refused, and why.")]


class SourceHealth(TypedDict):
    """How one source fares."""

    plugin: str
    state: SourceState
    active: Annotated[bool, Field(description="Connected, and at least one market is fresh.")]
    simulated: Annotated[bool, Field(description="Whether its data is made up.")]
    symbols: Markets
    events: Count
    rejected: Count
    late_trades: Count
    gaps: Count
    open_gaps: Count
    checksums_bad: Count
    restarts: Count
    error: Annotated[str, Field(description="Why it ended the last time.")]


class Health(Page):
    """Everything an operator asks first; status 200 while the process lives."""

    def get(self) -> None:
        self.answer(200, health(self.haunt))


def health(haunt: Haunt) -> dict[str, Any]:
    """How the server fares, as JSON data."""
    sources = {status.name: source_health(haunt, status) for status in haunt.supervisor.statuses()}
    active = sum(source["active"] for source in sources.values())
    troubled = active < len(sources) or haunt.broken or haunt.signals.stopped or haunt.history.trouble
    return {
        "status": "degraded" if troubled else "ok",
        "simulated": bool(haunt.simulated),
        "uptime_seconds": haunt.uptime_seconds,
        "clients": {"connected": len(haunt.clients), "closed": dict(haunt.clients.closed)},
        "errors": dict(haunt.router.errors),
        "symbols": {"configured": len(haunt.symbols), "tracked": haunt.market.symbols_tracked},
        "sources": sources,
        "indicators": {"stopped": dict(haunt.signals.stopped)},
        "history": {
            "path": haunt.history.path,
            "waiting": haunt.history.waiting,
            "dropped": haunt.history.dropped,
            "error": haunt.history.trouble,
        },
        "seeding": asdict(haunt.backfill.seeding),
        "broken": [{"kind": one.kind, "name": one.name, "reason": one.reason} for one in haunt.broken],
    }


def source_health(haunt: Haunt, status: SourceStatus) -> SourceHealth:
    """How one source fares, as JSON data."""
    relay = haunt.relays[status.name]
    now = haunt.clock.monotonic()
    fresh = sum(feed.fresh(now) for feed in relay.feeds.values())
    return {
        "plugin": status.plugin,
        "state": status.state,
        "active": status.state == "connected" and fresh > 0,
        "simulated": status.simulated,
        "symbols": {"subscribed": len(relay.feeds), "fresh": fresh, "refused": dict(relay.refused)},
        "events": relay.events,
        "rejected": relay.rejected,
        "late_trades": sum(feed.late_trades for feed in relay.feeds.values()),
        "gaps": relay.integrity.gaps,
        "open_gaps": haunt.gaps.counts()[status.name],
        "checksums_bad": relay.integrity.checksums_bad,
        "restarts": status.restarts,
        "error": status.error,
    }


def data_age(haunt: Haunt, source: str) -> float | None:
    """Seconds since its newest data; None while it has none."""
    heard = [feed.received for feed in haunt.relays[source].feeds.values() if feed.received is not None]
    return haunt.clock.monotonic() - max(heard) if heard else None


def active_sources(haunt: Haunt) -> int:
    """Sources that are connected and have fresh data now."""
    return sum(source_health(haunt, status)["active"] for status in haunt.supervisor.statuses())
