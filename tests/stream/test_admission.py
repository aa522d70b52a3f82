"""The door: which Host, Origin, token and crowd it lets through."""

from __future__ import annotations

import pytest

from haunt.stream.admission import Admission


def status(door, host="localhost:3000", origin=None, *, token=None, authorization=None, total=0, of_peer=0):
    headers = {"Host": host, "Origin": origin, "Authorization": authorization}
    given = {name: value for name, value in headers.items() if value is not None}
    refusal = door.refusal(given, token=token, total=total, of_peer=of_peer)
    return None if refusal is None else refusal.status


LOOPBACK = Admission(host="127.0.0.1")
PUBLIC = Admission(host="0.0.0.0")
NAMED = Admission(
    host="0.0.0.0", allowed_hosts=["market.example", "[2001:db8::1]"], allowed_origins=["https://app.example"]
)


@pytest.mark.parametrize("host", ["localhost", "localhost:3000", "127.0.0.1:3000", "[::1]:3000", "LOCALHOST:1"])
def test_on_loopback_its_own_names_are_answered(host):
    assert status(LOOPBACK, host) is None


@pytest.mark.parametrize("host", ["evil.example", "evil.example:3000", "localhost.evil.example", "", "[", "a b", "@"])
def test_on_loopback_other_names_are_not(host):
    assert status(LOOPBACK, host) == 403


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_each_name_of_loopback_is_loopback(host):
    assert status(Admission(host=host), "evil.example") == 403
    assert status(Admission(host=host), origin="null") is None


def test_a_request_without_host_is_refused_on_loopback():
    assert LOOPBACK.refusal({}, token=None, total=0, of_peer=0).status == 403


def test_on_a_public_address_every_name_is_answered_unless_some_are_listed():
    assert status(PUBLIC, "anything.example") is None
    assert status(NAMED, "anything.example") == 403


@pytest.mark.parametrize("host", ["market.example", "Market.Example:443", "[2001:db8::1]:3000", "localhost:3000",
                                  "192.0.2.7:3000", "[2001:db8::7]:3000"])  # fmt: skip
def test_listed_names_and_addresses_are_answered(host):
    assert status(NAMED, host) is None


@pytest.mark.parametrize(("origin", "expected"), [
    (None, None),
    ("https://app.example", None),
    ("HTTPS://App.Example ", None),
    ("https://app.example:8443", 403),
    ("http://app.example", 403),
    ("https://other.example", 403),
    ("http://market.example", None),
    ("https://market.example", None),
    ("http://market.example:81", 403),
    ("http://localhost:5173", None),
    ("null", 403),
    ("", 403),
    ("file://", 403),
    ("http://[", 403),
    ("http://[::1", 403),
    ("nonsense", 403),
    ("http://localhost.evil.example", 403),
    ("http://127.0.0.1.evil.example", 403),
    ("http://localhost@evil.example", 403),
])  # fmt: skip
def test_which_pages_may_connect_to_a_public_server(origin, expected):
    assert status(NAMED, "market.example", origin) == expected


def test_a_local_file_may_connect_to_loopback_alone():
    assert status(LOOPBACK, origin="null") is None
    assert status(PUBLIC, origin="null") == 403
    assert status(Admission(host="0.0.0.0", allowed_origins=["null"]), origin="null") is None


def test_a_refusal_says_what_to_set():
    refusal = LOOPBACK.refusal({"Host": "evil.example"}, token=None, total=0, of_peer=0)
    assert (refusal.code, "server.allowed_hosts" in refusal.message) == ("host_not_allowed", True)
    refusal = LOOPBACK.refusal({"Host": "localhost", "Origin": "http://evil"}, token=None, total=0, of_peer=0)
    assert (refusal.code, "server.allowed_origins" in refusal.message) == ("origin_not_allowed", True)


def test_what_a_client_wrote_is_quoted_in_the_refusal():
    refusal = LOOPBACK.host_refusal({"Host": "evil\r\nX: y"})
    assert "\n" not in refusal.message


@pytest.mark.parametrize(("given", "expected"), [
    ({}, 401),
    ({"token": "wrong"}, 401),
    ({"token": ""}, 401),
    ({"token": "s3cret"}, None),
    ({"token": " s3cret "}, None),
    ({"authorization": "Bearer s3cret"}, None),
    ({"authorization": "BEARER  s3cret"}, None),
    ({"authorization": "Bearer wrong"}, 401),
    ({"authorization": "Bearer wrong", "token": "s3cret"}, 401),
    ({"authorization": "Basic abc", "token": "s3cret"}, None),
    ({"authorization": "s3cret"}, 401),
    ({"token": "s3crét"}, 401),
])  # fmt: skip
def test_the_token_comes_in_a_header_or_in_the_address(given, expected):
    assert status(Admission(token="s3cret"), **given) == expected


def test_without_a_token_none_is_asked():
    assert status(LOOPBACK, token="anything") is None


@pytest.mark.parametrize(("total", "of_peer", "expected"), [(9, 2, None), (10, 0, 503), (11, 0, 503), (0, 3, 429)])
def test_a_crowd_is_refused_in_total_and_by_address(total, of_peer, expected):
    assert status(Admission(connections=10, connections_per_ip=3), total=total, of_peer=of_peer) == expected


def test_zero_is_no_limit():
    assert status(Admission(connections=0, connections_per_ip=0), total=10**6, of_peer=10**6) is None


def test_who_may_not_connect_does_not_learn_how_full_it_is():
    assert status(Admission(token="s3cret", connections=1), total=1) == 401
