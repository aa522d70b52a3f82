"""A client behind a proxy is known by its own address, and nobody makes himself another."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from haunt.stream.proxies import client_address

TRUSTED = [ip_network("127.0.0.1"), ip_network("10.0.0.0/8"), ip_network("fd00::/8")]


@pytest.mark.parametrize(
    ("peer", "said", "address"),
    [
        ("127.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("::ffff:127.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("fd00::1", "2001:db8::7", "2001:db8::7"),
        # Two proxies, the outer one of which heard from the client.
        ("127.0.0.1", "198.51.100.7, 10.1.2.3", "198.51.100.7"),
        # What the client itself wrote stands first.
        ("127.0.0.1", "203.0.113.1, 198.51.100.7", "198.51.100.7"),
        ("127.0.0.1", "10.9.9.9, 198.51.100.7, 10.1.2.3", "198.51.100.7"),
        # Nobody but a proxy is believed.
        ("198.51.100.7", "203.0.113.1", "198.51.100.7"),
        ("198.51.100.7", "", "198.51.100.7"),
        # Nothing is said, or no address: the last who is known.
        ("127.0.0.1", "", "127.0.0.1"),
        ("127.0.0.1", "unknown", "127.0.0.1"),
        ("127.0.0.1", "203.0.113.1, <script>, 10.1.2.3", "10.1.2.3"),
        ("127.0.0.1", "10.1.1.1, 10.1.2.3", "10.1.1.1"),
        ("?", "203.0.113.1", "?"),
    ],
)
def test_the_address_is_the_last_that_a_trusted_one_names(peer: str, said: str, address: str) -> None:
    assert client_address(peer, said, TRUSTED) == address


def test_without_trusted_proxies_nobody_is_believed() -> None:
    assert client_address("127.0.0.1", "203.0.113.1", []) == "127.0.0.1"
