"""What a configuration holds: every option with its type, bounds, default and one line of description."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, WithJsonSchema

from haunt.config import loggers
from haunt.config.problems import unknown
from haunt.errors import Problem
from haunt.market.composite import Method
from haunt.market.symbols import Symbol
from haunt.plugin.indicator import Indicator, IndicatorOptions, Timeframe
from haunt.plugin.registry import PluginRecord
from haunt.plugin.source import Source, SourceOptions

SYMBOL_NAME = r"[a-z0-9][a-z0-9._-]{0,31}"
INSTANCE_NAME = r"[a-z0-9_]{1,32}"


def _host(host: str) -> str:
    if re.fullmatch(r"[A-Za-z0-9._-]+", host):
        return host
    try:
        ip_address(host)
    except ValueError:
        raise ValueError(
            "must be an address or a host name alone, such as 127.0.0.1; the port is server.port"
        ) from None
    return host


def _token(token: SecretStr) -> SecretStr:
    if not re.fullmatch(r"[!-~]+", token.get_secret_value()):
        raise ValueError("must be visible ASCII characters without spaces; it travels in a header")
    return token


def _origin(origin: str) -> str:
    if origin not in ("*", "null") and not re.fullmatch(r"[a-z][a-z0-9+.-]*://[^/\s@?#*]+", origin):
        raise ValueError("must be an origin such as https://app.example.com, in lower case and without a path")
    return origin


def _allowed_host(host: str) -> str:
    if host == "*" or re.fullmatch(r"[a-z0-9._-]+", host):
        return host
    try:
        return str(ip_address(host))
    except ValueError:
        raise ValueError(
            "must be a host name such as market.example.com, in lower case and without http:// or port"
        ) from None


def _network(text: str) -> str:
    try:
        return str(ip_network(text))
    except ValueError:
        raise ValueError("must be an address or a network, such as 127.0.0.1 or 10.0.0.0/8") from None


def _symbol(name: str) -> str:
    if name != name.lower():
        raise ValueError(f"must be lower case: '{name.lower()}'")
    if not re.fullmatch(SYMBOL_NAME, name):
        raise ValueError("must be up to 32 letters and digits (inside it also . _ -), such as btc or 1inch")
    return name


def _logger(name: str) -> str:
    if not loggers.known(name):
        raise ValueError(unknown("module", name, loggers.names()))
    return name


Level: TypeAlias = Literal["debug", "info", "warning", "error"]
SymbolName: TypeAlias = Annotated[
    str, AfterValidator(_symbol), WithJsonSchema({"type": "string", "pattern": f"^{SYMBOL_NAME}$"})
]


class Section(BaseModel):
    """A part of the configuration with fixed options."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Tls(Section):
    """The certificate of this server."""

    certificate: str = Field(min_length=1, description="The PEM file of the certificate and those it follows from.")
    key: str = Field(min_length=1, description="The PEM file of its private key, without a password.")


class Server(Section):
    """Where Haunt listens, and to whom."""

    host: Annotated[str, AfterValidator(_host)] = Field(
        "127.0.0.1", description="Address to listen on: 127.0.0.1 = this computer alone, 0.0.0.0 = every network."
    )
    port: int = Field(3000, ge=0, le=65535, description="Port to listen on; 0 = any free one, named in the log.")
    token: Annotated[SecretStr, AfterValidator(_token)] | None = Field(
        None,
        description="Clients must show it as `Authorization: Bearer …` or `?token=…`; null = everyone may connect.",
    )
    admin_token: Annotated[SecretStr, AfterValidator(_token)] | None = Field(
        None,
        description="Shown as `Authorization: Bearer …` it opens what is the operator's; null = nobody may.",
    )
    allowed_origins: tuple[Annotated[str, AfterValidator(_origin)], ...] = Field(
        (), description="Web pages that may connect besides this server's and those of localhost; '*' = all."
    )
    allowed_hosts: tuple[Annotated[str, AfterValidator(_allowed_host)], ...] = Field(
        (),
        description="Host names this server answers to besides localhost; '*' = all, as is [] off 127.0.0.1.",
    )
    tls: Tls | None = Field(
        None, description="Speak TLS by this certificate, as https:// and wss://; null = http:// and ws:// only."
    )
    trusted_proxies: tuple[Annotated[str, AfterValidator(_network)], ...] = Field(
        (), description="Addresses and networks of proxies that are believed when they name a client's address."
    )

    def revealed(self, option: Literal["token", "admin_token"]) -> str | None:
        """The secret itself."""
        secret: SecretStr | None = getattr(self, option)
        return None if secret is None else secret.get_secret_value()


class Limits(Section):
    """What one client, and all of them, may use."""

    subscriptions: int = Field(100, ge=1, le=10_000, description="Symbols one connection may subscribe to.")
    messages_per_second: int = Field(10, ge=1, le=10_000, description="Messages one connection may send in a second.")
    idle_timeout: float = Field(
        300, gt=0, le=86_400, description="Seconds without any frame from a client before it is closed."
    )
    ping_interval: float = Field(30, ge=0, le=3_600, description="Seconds between two pings to a client; 0 = none.")
    message_size: int = Field(65_536, ge=128, le=16_777_216, description="Bytes of the longest message accepted.")
    connections: int = Field(
        0, ge=0, le=1_000_000, description="Clients at once; 0 = 10000, or what the open files limit leaves."
    )
    connections_per_ip: int = Field(
        0, ge=0, le=1_000_000, description="Clients at once from one IP address; 0 = any number."
    )
    send_buffer: int = Field(
        131_072, ge=4_096, le=16_777_216, description="Bytes the kernel may hold for one client (SO_SNDBUF)."
    )
    pending_bytes: int = Field(
        1_048_576,
        ge=1_024,
        le=1_073_741_824,
        description="Bytes that may wait in Haunt for a client before it is closed.",
    )
    slow_timeout: float = Field(
        10, gt=0, le=3_600, description="Seconds a client may take nothing before it is closed."
    )
    abuse: int = Field(
        100, ge=1, le=1_000_000, description="Refused messages within 10 seconds after which a client is closed."
    )
    control_frames_per_second: int = Field(
        50, ge=1, le=10_000, description="Pings and pongs one connection may send in a second."
    )
    drain: float = Field(5, ge=0, le=300, description="Seconds given to clients at shutdown.")


class Stream(Section):
    """What clients are sent, and how often."""

    status_interval: float = Field(30, ge=0, le=3_600, description="Seconds between two server_status; 0 = none.")
    orderbook_interval: float = Field(
        0.25, ge=0.01, le=60, description="Least seconds between two order books of one symbol."
    )
    orderbook_depth: int = Field(20, ge=1, le=100, description="Levels of each side of an order book.")
    max_updates_per_second: float = Field(
        0, ge=0, le=1_000, description="Most price updates of one symbol in a second; 0 = every change."
    )
    first_price_wait: float = Field(
        5, ge=0, le=60, description="Seconds a symbol's first price waits for a venue's 24-hour figures."
    )
    compression: bool = Field(False, description="Offer compressed WebSockets; each frame is compressed once for all.")
    io_uring: bool = Field(True, description="Send to many clients in one system call, where Linux allows it.")


class Log(Section):
    """What is logged, and how."""

    level: Level = Field("info", description="The least important line shown.")
    levels: dict[Annotated[str, AfterValidator(_logger)], Level] = Field(
        {}, description="The same for single modules and what is in them, such as haunt.market: debug."
    )
    format: Literal["auto", "pretty", "json"] = Field(
        "auto", description="Lines for people or JSON for programs; auto = people at a terminal, programs elsewhere."
    )


class Reload(Section):
    """When this file is read again."""

    watch: bool = Field(False, description="When it has changed, too; else when it is asked for.")


class Price(Section):
    """How the prices of a symbol's venues become one."""

    method: Method = Field(
        "hcp", description="The mean of prices clamped around their median (hcp), their median, or the last that moved."
    )
    clamp: float = Field(
        0.005, gt=0, le=0.5, description="Share of the median; a price farther from it counts as if it were that far."
    )
    clamp_mads: float = Field(
        0, ge=0, le=100, description="Widens the clamp to so many median absolute deviations; 3 suits illiquid symbols."
    )
    outlier: float = Field(
        0.03, gt=0, le=10, description="Share of the median; a venue farther off for 5 seconds has no vote."
    )
    weigh_by: Literal["source", "volume"] = Field(
        "source", description="A venue's say: the weight of its source, or that times the square root of its volume."
    )
    weights: dict[str, Annotated[float, Field(ge=0, le=100)]] = Field(
        {},
        description="Weights of venues instead of those of their sources; 0 = neither a vote nor a place in the book.",
    )
    stale_after: Annotated[float, Field(gt=0, le=86_400)] | None = Field(
        None, description="Seconds without data after which a venue has no vote; null = as its source says."
    )


class History(Section):
    """Which candles are kept, where and how long."""

    path: Annotated[str, Field(min_length=1)] | None = Field(
        "history.db", description="The file, relative to the folder of this one; null = memory, until Haunt ends."
    )
    keep: dict[Timeframe, Annotated[float, Field(ge=0, le=36_500)]] = Field(
        {"1m": 30, "5m": 90, "15m": 180, "1h": 730, "4h": 3_650, "1d": 0},
        description="The candles made of every symbol, and the days each is kept; 0 = for ever.",
    )
    backfill: int = Field(
        720, ge=0, le=1_000, description="Minutes before the start whose candles are asked of the venues; 0 = none."
    )
    flush_interval: float = Field(1, ge=0.1, le=60, description="Seconds between two writings; a crash loses so much.")


class SymbolOptions(Section):
    """What may stand under a symbol's name."""

    aliases: tuple[SymbolName, ...] = Field((), description="Other names clients and venues use for it.")
    tick: float | None = Field(
        None, gt=0, le=1_000_000, description="Step its prices are rounded to; null = ten significant digits."
    )
    price: Price | None = Field(None, description="Options of the section price that are others for this symbol.")


class InstanceOptions(Section):
    """What may stand under a source's or an indicator's name besides its plugin's own options."""

    plugin: str | None = Field(None, description="The plugin to use; the name itself when absent.")
    enabled: bool = Field(True, description="false = keep the options, run nothing.")


SECTIONS = ("server", "limits", "stream", "log", "reload", "price", "history", "symbols", "sources", "indicators")
FIXED: Mapping[str, type[Section]] = {
    "server": Server, "limits": Limits, "stream": Stream, "log": Log, "reload": Reload, "price": Price,
    "history": History,
}  # fmt: skip
"""The sections whose options do not depend on plugins."""


@dataclass(frozen=True, slots=True)
class SourceConfig:
    """One entry under `sources:`."""

    name: str
    plugin: str
    cls: type[Source]
    options: SourceOptions
    enabled: bool


@dataclass(frozen=True, slots=True)
class IndicatorConfig:
    """One entry under `indicators:`."""

    name: str
    plugin: str
    cls: type[Indicator]
    options: IndicatorOptions
    enabled: bool


@dataclass(frozen=True, slots=True)
class Broken:
    """An enabled source or indicator that cannot run because its plugin is broken, and why."""

    kind: Literal["source", "indicator"]
    name: str
    plugin: str
    reason: str


@dataclass(frozen=True, slots=True)
class Config:
    """A configuration without mistakes. Two are equal when they say the same."""

    server: Server
    limits: Limits
    stream: Stream
    log: Log
    reload: Reload
    history: History
    symbols: tuple[Symbol, ...]
    sources: Mapping[str, SourceConfig]
    indicators: Mapping[str, IndicatorConfig]
    broken: tuple[Broken, ...]
    plugins: tuple[PluginRecord, ...] = field(default=(), compare=False)
    """All that are installed, as they stood when this was read."""
    secrets: frozenset[str] = field(default=frozenset(), repr=False)
    """What must be shown to nobody."""
    warnings: tuple[Problem, ...] = field(default=(), compare=False)
