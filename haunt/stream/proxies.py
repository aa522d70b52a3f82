"""Who a client is that comes through a proxy."""

from __future__ import annotations

from collections.abc import Collection
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network


def client_address(peer: str, forwarded_for: str, trusted: Collection[Network]) -> str:
    """The address of the client: `peer`, or what a trusted one says in X-Forwarded-For.

    Each proxy adds whom it heard from at the end, and what stands before was said by that one. So it is read from the
    end as long as the one who said it is trusted. What is no address ends it too.
    """
    current = _address(peer)
    if current is None or not _is_trusted(current, trusted):
        return peer
    for said in reversed(forwarded_for.split(",")):
        address = _address(said.strip())
        if address is None:
            break
        current = address
        if not _is_trusted(current, trusted):
            break
    return str(current)


def _address(text: str) -> Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    # A socket that listens on both families shows 1.2.3.4 as ::ffff:1.2.3.4.
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _is_trusted(address: Address, trusted: Collection[Network]) -> bool:
    return any(address.version == network.version and address in network for network in trusted)
