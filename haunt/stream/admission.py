"""Who may connect."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from hmac import compare_digest
from ipaddress import ip_address
from urllib.parse import urlsplit

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class Refusal:
    """An HTTP answer instead of a WebSocket: status, a code for programs, a sentence that says what to do."""

    status: int
    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """The door. `host` is what the server is bound to; 0 connections per address means no limit."""

    host: str = "127.0.0.1"
    token: str | None = None
    admin_token: str | None = None
    allowed_origins: Collection[str] = ()
    allowed_hosts: Collection[str] = ()
    connections: int = 10_000
    connections_per_ip: int = 0

    def refusal(self, headers: Mapping[str, str], *, token: str | None, total: int, of_peer: int) -> Refusal | None:
        """Why this client may not connect, or None. `total` and `of_peer` count the open connections."""
        return (
            self.host_refusal(headers)
            or self.origin_refusal(headers)
            or self._token_refusal(headers, token)
            or self._crowd_refusal(total, of_peer)
        )

    def admin_refusal(self, headers: Mapping[str, str]) -> Refusal | None:
        """Why this one may not read or do what is the operator's alone, or None."""
        return self.host_refusal(headers) or self._page_refusal(headers) or self._admin_token_refusal(headers)

    def host_refusal(self, headers: Mapping[str, str]) -> Refusal | None:
        """A page that rebinds its name to this machine's address sends its own Host, and its own Origin with it."""
        host = _host_name(headers.get("Host", ""))
        if not {host, f"[{host}]", "*"}.isdisjoint(self.allowed_hosts):
            return None
        if not self.allowed_hosts and not self._on_loopback:
            return None
        # Only a name can be rebound: an address that led here is one of ours.
        if host in LOOPBACK or host == self.host or _is_address(host):
            return None
        return Refusal(403, "host_not_allowed", f"Host {host!r} is not allowed; add it to server.allowed_hosts")

    def origin_refusal(self, headers: Mapping[str, str]) -> Refusal | None:
        """Browsers name the page that connects; other programs send no Origin."""
        origin = headers.get("Origin")
        if origin is None:
            return None
        origin = origin.strip().lower()
        if "*" in self.allowed_origins or origin in (allowed.lower() for allowed in self.allowed_origins):
            return None
        if origin == "null" and self._on_loopback:
            return None
        netloc = origin.partition("://")[2]
        if netloc and netloc == headers.get("Host", "").lower():
            return None
        if _host_name(netloc) in LOOPBACK:
            return None
        return Refusal(403, "origin_not_allowed", f"Origin {origin!r} is not allowed; add it to server.allowed_origins")

    def _page_refusal(self, headers: Mapping[str, str]) -> Refusal | None:
        """Not even an allowed page of another server is the operator's."""
        origin = headers.get("Origin")
        if origin is None or origin.strip().lower().partition("://")[2] == headers.get("Host", "").lower():
            return None
        return Refusal(403, "origin_not_allowed", "What is the operator's is not for pages of other servers")

    def _admin_token_refusal(self, headers: Mapping[str, str]) -> Refusal | None:
        if self.admin_token is None:
            return Refusal(403, "no_admin", "This is for the operator alone; set server.admin_token to open it")
        if compare_digest(_bearer(headers).encode(), self.admin_token.encode()):
            return None
        return Refusal(401, "unauthorized", "Send server.admin_token as 'Authorization: Bearer …'")

    def _token_refusal(self, headers: Mapping[str, str], token: str | None) -> Refusal | None:
        if self.token is None:
            return None
        given = _bearer(headers) or (token or "").strip()
        if compare_digest(given.encode(), self.token.encode()):
            return None
        return Refusal(401, "unauthorized", "Send the server's token as 'Authorization: Bearer …' or '?token=…'")

    def _crowd_refusal(self, total: int, of_peer: int) -> Refusal | None:
        if self.connections and total >= self.connections:
            return Refusal(503, "server_full", f"The server is full ({total} connections); try again later")
        if self.connections_per_ip and of_peer >= self.connections_per_ip:
            return Refusal(429, "too_many_connections", f"Your address has {of_peer} connections; close some first")
        return None

    @property
    def _on_loopback(self) -> bool:
        return self.host in LOOPBACK


def _bearer(headers: Mapping[str, str]) -> str:
    scheme, _, given = headers.get("Authorization", "").partition(" ")
    return given.strip() if scheme.lower() == "bearer" else ""


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _host_name(netloc: str) -> str:
    """`[::1]:3000` → `::1`, `Localhost:3000` → `localhost`; empty for what is no address."""
    try:
        return urlsplit(f"//{netloc}").hostname or ""
    except ValueError:
        return ""
