"""`haunt top`: how a server fares, in a terminal."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from typing import Any, TypeAlias

import click
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from haunt.cli import sources
from haunt.cli.server import ask, server_at, url_option
from haunt.cli.updates import clean, short

Data: TypeAlias = Mapping[str, Any]

INTERVAL = 1.0  # seconds
PIPE_WIDTH = 80
RESOURCES = {"health": "/health", "sources": "/api/sources", "prices": "/api/prices", "metrics": "/metrics"}
SAMPLE = re.compile(r"^(haunt_\w+)(?:\{([^}]*)\})? (\S+)$", re.MULTILINE)
LAG = "haunt_loop_lag_seconds"


@click.command()
@click.option("--once", is_flag=True, help="Print one picture and end.")
@click.option("--json", "as_json", is_flag=True, help="Print what the server says once, as data.")
@url_option
def top(url: str, once: bool, as_json: bool) -> None:
    """Show how a server fares, every second until Ctrl-C: its sources, clients, rates, and the lag of its loop.

    What the server shows to nobody without a token is left out, and said so: HAUNT_TOKEN holds it.

    Example: haunt top --once
    """
    name = server_at(url).name
    if as_json:
        click.echo(json.dumps(look(url), indent=2))
        return
    console = Console()
    if once or not console.is_terminal:
        Console(width=None if console.is_terminal else PIPE_WIDTH).print(picture(name, look(url)))
        return
    try:
        with Live(console=console, screen=True, auto_refresh=False) as live:
            before: Data = {}
            while True:
                seen = _look_or_say(url)
                live.update(picture(name, seen, before), refresh=True)
                before = seen
                time.sleep(INTERVAL)
    except KeyboardInterrupt:
        return


def look(url: str) -> dict[str, Any]:
    """What the server says of itself. `missing` has the reason of each resource it does not show; /health it must."""
    seen: dict[str, Any] = {"at": time.time(), "health": json.loads(ask(url, RESOURCES["health"])), "missing": {}}
    for name in ("sources", "prices", "metrics"):
        try:
            answer = ask(url, RESOURCES[name])
            seen[name] = samples(answer) if name == "metrics" else json.loads(answer)[name]
        except (click.ClickException, ValueError, KeyError) as error:
            seen["missing"][name] = clean(getattr(error, "message", error))
    return seen


def _look_or_say(url: str) -> dict[str, Any]:
    try:
        return look(url)
    except click.ClickException as error:
        return {"at": time.time(), "lost": error.message}


def samples(text: str) -> dict[str, float]:
    """The sums of Prometheus' text over all labels, by name; buckets are left out."""
    found: dict[str, float] = {}
    for name, _, value in SAMPLE.findall(text):
        if not name.endswith("_bucket"):
            found[name] = found.get(name, 0.0) + float(value)
    return found


# -- as a picture


def picture(name: str, seen: Data, before: Data | None = None) -> Group:
    """Of what was seen now and, for rates, a moment before."""
    if "lost" in seen:
        return Group(Text(f"{seen['lost']}; trying again", style="red"))
    health = seen["health"]
    style = "green" if health["status"] == "ok" else "yellow"
    head = Text.assemble(
        (clean(name), "bold"), "  ", (clean(health["status"]), style), f"  up {sources.span(health['uptime_seconds'])}"
    )
    if health["simulated"]:
        head.append("  SIMULATED DATA", style="magenta")
    parts: list[Any] = [head, *map(Text, figures(seen, before or {})), Text()]
    if "sources" in seen:
        parts += [
            sources.table(seen["sources"]),
            *[Text(one, style="yellow") for one in sources.troubles(seen["sources"])],
        ]
    parts += [Text(f"no {what}: {why}", style="dim") for what, why in seen["missing"].items()]
    return Group(*parts)


def figures(seen: Data, before: Data) -> list[str]:
    """What the server counts, a line each."""
    health = seen["health"]
    clients, symbols = health["clients"]["connected"], health["symbols"]
    lines = [f"clients {clients:,}   symbols {symbols['tracked']} of {symbols['configured']} with a price"]
    if "sources" in seen:
        rate = sum(one["messages_per_second"] for one in seen["sources"])
        lines[0] += f"   messages {rate:,.0f}/s"
    if "prices" in seen:
        stale = [clean(price["symbol"]) for price in seen["prices"] if price.get("stale")]
        lines += [f"stale prices: {' '.join(stale)}"] if stale else []
    lines += _sending(seen, before)
    lag = _mean(seen.get("metrics", {}), before.get("metrics", {}), LAG)
    if lag is not None:
        lines.append(f"lag of the loop {lag * 1000:.1f} ms")
    if health["history"]["error"]:
        lines.append(f"history: {clean(health['history']['error'])}")
    lines += [
        f"indicator {clean(one)} is stopped: {clean(why)}" for one, why in health["indicators"]["stopped"].items()
    ]
    return lines


def _sending(seen: Data, before: Data) -> list[str]:
    """What clients are sent a second, once it was seen twice."""
    now, then = seen.get("metrics"), before.get("metrics")
    if not now or not then:
        return []
    seconds = seen["at"] - before["at"]
    frames, sent = (
        (now.get(name, 0.0) - then.get(name, 0.0)) / seconds
        for name in ("haunt_frames_sent_total", "haunt_sent_bytes_total")
    )
    return [f"sends {frames:,.0f} updates and {short(sent)} bytes a second"]


def _mean(now: Mapping[str, float], before: Mapping[str, float], name: str) -> float | None:
    """Of a histogram: since it was seen before, else since the start."""
    count = now.get(f"{name}_count", 0.0) - before.get(f"{name}_count", 0.0)
    return (now[f"{name}_sum"] - before.get(f"{name}_sum", 0.0)) / count if count > 0 else None
