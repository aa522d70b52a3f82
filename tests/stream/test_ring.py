"""One system call sends to many sockets, and each result comes back to its own."""

from __future__ import annotations

import os
import socket
from array import array
from collections.abc import Iterator
from errno import EAGAIN, EBADF, EPIPE

import pytest

from haunt.stream.ring import ENTRIES, Ring, open_ring

NOBODY = -1


@pytest.fixture
def ring() -> Ring:
    ring = open_ring()
    if ring is None:
        pytest.skip("this system has no io_uring, or forbids it")
    return ring


@pytest.fixture
def pairs() -> Iterator[list[tuple[socket.socket, socket.socket]]]:
    pairs = [socket.socketpair() for _ in range(ENTRIES + 44)]
    for ours, _ in pairs:
        ours.setblocking(False)
    yield pairs
    for ours, theirs in pairs:
        ours.close()
        theirs.close()


def send(ring: Ring, sendings: list[tuple[int, bytes]]) -> list[int]:
    descriptors = array("i", [descriptor for descriptor, _ in sendings]).tobytes()
    addresses = array("Q", [ring.address(data) for _, data in sendings])
    lengths = array("I", [len(data) for _, data in sendings])
    return ring.send(descriptors, memoryview(addresses), memoryview(lengths))


def test_everyone_gets_its_own_however_many_there_are(ring, pairs):
    for turn in range(5):
        texts = [f"{turn} to {index}".encode() for index in range(len(pairs))]
        sendings = [(ours.fileno(), text) for (ours, _), text in zip(pairs, texts, strict=True)]
        assert send(ring, sendings) == [len(text) for text in texts]
        assert [theirs.recv(100) for _, theirs in pairs] == texts


def test_nobody_is_sent_nothing_without_a_call_to_make(ring):
    assert send(ring, []) == []


def test_a_full_socket_takes_a_part_and_then_nothing_and_the_others_are_served(ring, pairs):
    (full, _), (free, reader) = pairs[0], pairs[1]
    full.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    much = bytes(1_000_000)
    (taken, whole) = send(ring, [(full.fileno(), much), (free.fileno(), b"all")])
    assert (0 < taken < len(much), whole, reader.recv(10)) == (True, 3, b"all")
    while taken > 0:
        (taken, whole) = send(ring, [(full.fileno(), much), (free.fileno(), b"all")])
        assert whole == 3
    assert taken == -EAGAIN


def test_one_that_is_gone_or_nobody_fails_alone(ring, pairs):
    (ours, theirs), (other, reader) = pairs[0], pairs[1]
    theirs.close()
    sendings = [(other.fileno(), b"a"), (ours.fileno(), b"b"), (NOBODY, b"c"), (other.fileno(), b"d")]
    assert send(ring, sendings) == [1, -EPIPE, -EBADF, 1]
    assert reader.recv(10) == b"ad"


def test_results_that_come_in_another_order_find_their_senders(ring, pairs, monkeypatch):
    class Shuffled:
        def __init__(self, values: memoryview[int]) -> None:
            self.values = values

        def __getitem__(self, places: slice) -> memoryview[int]:
            return memoryview(array("q", self.values[places].tolist()[::-1]))

    monkeypatch.setattr(ring, "_results", Shuffled(ring._results))
    monkeypatch.setattr(ring, "_numbers", Shuffled(ring._numbers))
    assert send(ring, [(ours.fileno(), bytes(length)) for length, (ours, _) in enumerate(pairs[:20])]) == list(
        range(20)
    )


def test_what_the_kernel_does_not_look_at_is_reported_as_not_taken(ring, pairs, monkeypatch):
    call = ring._call
    asked = []

    def refuse(number, descriptor, count, least, *others):
        asked.append(count)
        return call(number, descriptor, 3, 3, *others) if len(asked) == 1 else -1

    monkeypatch.setattr(ring, "_call", refuse)
    sendings = [(ours.fileno(), b"x") for ours, _ in pairs[:10]]
    assert send(ring, sendings) == [1, 1, 1] + [-EAGAIN] * 7
    monkeypatch.setattr(ring, "_call", call)
    assert send(ring, sendings) == [1] * 10
    assert [theirs.recv(10) for _, theirs in pairs[:10]] == [b"xx"] * 3 + [b"x"] * 7


def test_a_ring_that_nobody_holds_is_closed():
    before = os.listdir("/proc/self/fd")
    for _ in range(3):
        open_ring()
    assert len(os.listdir("/proc/self/fd")) == len(before)


def test_where_the_system_forbids_it_there_is_none(monkeypatch):
    monkeypatch.setattr("haunt.stream.ring.SETUP", 999_999)
    assert open_ring() is None
