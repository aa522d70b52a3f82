"""Sends to many sockets in one system call, by Linux's io_uring."""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import socket
import struct
import weakref
from array import array

# The numbers are the same on every architecture.
SETUP, ENTER = 425, 426
SQ_RING, SQ_ENTRIES = 0, 0x1000_0000  # what to map
PARAMETERS = struct.Struct("30I")
OPCODE_SEND = 26
GETEVENTS = 1
ENTRIES = 256
COMPLETIONS = 2 * ENTRIES
ENTRY, COMPLETION = 64, 16  # bytes
AT_ONCE = socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL


def open_ring() -> Ring | None:
    """A ring that has proved to work; None where the system has none, or forbids it."""
    try:
        ring = Ring()
        one, other = socket.socketpair()
        with one, other:
            sent = ring.send(array("i", [one.fileno()]).tobytes(), *_columns(ring, b"haunt"))
            return ring if sent == [5] and other.recv(6) == b"haunt" else None
    except (OSError, AttributeError, ValueError):
        return None


class Ring:
    """What the kernel shares with us: entries to fill in, and what came of each. Raises OSError where there is none.

    Nothing waits in it between two calls: each send is done, in order, when `send` returns. Sockets are named by
    their descriptors, so the caller sees to it that none of them is closed meanwhile.
    """

    def __init__(self) -> None:
        self._call = ctypes.CDLL(None, use_errno=True).syscall
        self._call.restype = ctypes.c_long
        parameters = ctypes.create_string_buffer(PARAMETERS.size)
        descriptor = self._call(SETUP, ENTRIES, parameters)
        if descriptor < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        weakref.finalize(self, os.close, descriptor)
        self._descriptor = ctypes.c_int(descriptor)
        # struct io_uring_params: entries of both rings, six words of others, then where each thing is in the rings.
        found = PARAMETERS.unpack(parameters.raw)
        if found[:2] != (ENTRIES, COMPLETIONS):
            raise OSError(errno.ENOTSUP, "the kernel made rings of another size")
        tail, array = found[11], found[16]
        head, completed, completions = found[20], found[21], found[25]
        flags, protection = mmap.MAP_SHARED | mmap.MAP_POPULATE, mmap.PROT_READ | mmap.PROT_WRITE
        length = max(array + 4 * ENTRIES, completions + COMPLETION * COMPLETIONS)
        ring = memoryview(mmap.mmap(descriptor, length, flags, protection, offset=SQ_RING))
        entries = memoryview(mmap.mmap(descriptor, ENTRY * ENTRIES, flags, protection, offset=SQ_ENTRIES))
        self._tail = ring[tail : tail + 4].cast("I")
        self._head = ring[head : head + 4].cast("I")
        self._completed = ring[completed : completed + 4].cast("I")
        ring[array : array + 4 * ENTRIES].cast("I")[:] = memoryview(struct.pack(f"{ENTRIES}I", *range(ENTRIES))).cast(
            "I"
        )
        results = ring[completions : completions + COMPLETION * COMPLETIONS]
        self._numbers = results.cast("Q")[0::2]
        self._results = results.cast("i")[2::4]
        # struct io_uring_sqe: first the opcode, the descriptor at byte 4, the address at 16, the length at 24, the
        # flags of the send at 28, and at 32 a number that comes back with the result.
        self._descriptors = entries.cast("i")[1::16]
        self._addresses = entries.cast("Q")[2::8]
        self._lengths = entries.cast("I")[6::16]
        words, numbers = entries.cast("I"), entries.cast("Q")
        for entry in range(ENTRIES):
            words[16 * entry] = OPCODE_SEND
            words[16 * entry + 7] = AT_ONCE
            numbers[8 * entry + 4] = entry
        self._order = list(range(ENTRIES))
        self._sent = 0

    def address(self, data: bytes) -> int:
        """Where these bytes are, for as long as somebody holds them."""
        return ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p).value or 0

    def send(self, descriptors: bytes, addresses: memoryview[int], lengths: memoryview[int]) -> list[int]:
        """Send to each descriptor (a C int) the bytes at its address: how many it took, or less than 0: minus errno."""
        named = memoryview(descriptors).cast("i")
        results: list[int] = []
        while (done := len(results)) < len(named):
            first = self._sent % ENTRIES
            until = done + min(len(named) - done, ENTRIES - first)
            entries = slice(first, first + until - done)
            self._descriptors[entries] = named[done:until]
            self._addresses[entries] = addresses[done:until]
            self._lengths[entries] = lengths[done:until]
            results += self._submit(entries)
        return results

    def _submit(self, entries: slice) -> list[int]:
        count = left = entries.stop - entries.start
        self._tail[0] = (self._sent + count) & 0xFFFF_FFFF
        while left:
            taken = self._call(ENTER, self._descriptor, left, left, GETEVENTS, None, 0)
            if taken > 0:
                left -= taken
            elif ctypes.get_errno() != errno.EINTR:
                break
        first = self._sent % COMPLETIONS
        self._sent += count - left
        # What the kernel did not look at is taken back; the caller tries it in another way.
        self._tail[0] = self._sent & 0xFFFF_FFFF
        while self._completed[0] != self._tail[0]:
            self._call(ENTER, self._descriptor, 0, 1, GETEVENTS, None, 0)
        done = slice(first, first + count - left)
        results, numbers = self._results[done].tolist(), self._numbers[done].tolist()
        self._head[0] = self._tail[0]
        if numbers != self._order[entries.start : entries.stop - left]:
            results = [result for _, result in sorted(zip(numbers, results, strict=True))]
        return results + [-errno.EAGAIN] * left


def _columns(ring: Ring, data: bytes) -> tuple[memoryview[int], memoryview[int]]:
    return memoryview(array("Q", [ring.address(data)])), memoryview(array("I", [len(data)]))
