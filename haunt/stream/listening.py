"""Where clients arrive: the sockets the server listens on."""

from __future__ import annotations

import errno
import logging
import resource
import socket
import time
from typing import Any

from tornado.ioloop import IOLoop
from tornado.netutil import bind_sockets

from haunt.errors import HauntError
from haunt.stream.admission import LOOPBACK

logger = logging.getLogger(__name__)

MOST_CONNECTIONS = 10_000
# Descriptors Haunt needs for itself: sources, listening sockets, files.
RESERVED_FILES = 200
REST = 1.0  # seconds
COMPLAIN_EVERY = 60.0


def listen(host: str, port: int) -> list[socket.socket]:
    """Sockets bound to the address. Loopback means both of its addresses: browsers try ::1 first for localhost.

    Raises HauntError when the address cannot be had.
    """
    addresses = ["127.0.0.1", "::1"] if host in LOOPBACK else [host]
    sockets: list[socket.socket] = []
    for address in addresses:
        try:
            bound = bind_sockets(port or (sockets[0].getsockname()[1] if sockets else 0), address)
        except OSError as error:
            if sockets and address == "::1":
                logger.info("No IPv6 on this machine (%s); listening on 127.0.0.1 only", error)
                continue
            for one in sockets:
                one.close()
            raise HauntError(
                f"Cannot listen on {address} port {port}: {error.strerror}; "
                "stop what uses it or set server.host and server.port"
            ) from None
        sockets += (ListeningSocket(fileno=one.detach()) for one in bound)
    for one in sockets:
        one.setblocking(False)
    return sockets


def most_connections() -> int:
    """As many clients as the open files limit leaves room for, ten thousand at most."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST_CONNECTIONS if soft == resource.RLIM_INFINITY else max(1, min(MOST_CONNECTIONS, soft - RESERVED_FILES))


class ListeningSocket(socket.socket):
    """Rests when the process has no file descriptor left. Tornado would try again at once, without end, and log
    each time: eight megabytes in three seconds."""

    complained_at = float("-inf")

    def accept(self) -> tuple[socket.socket, Any]:
        try:
            return super().accept()
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE):
                raise
            self._rest()
            raise BlockingIOError from None

    def _rest(self) -> None:
        now = time.monotonic()
        if now - self.complained_at >= COMPLAIN_EVERY:
            self.complained_at = now
            logger.error(
                "No file descriptor is left: new clients wait until others leave; "
                "raise the limit of open files (ulimit -n)"
            )
        loop = IOLoop.current()
        loop.update_handler(self.fileno(), 0)
        loop.call_later(REST, self._resume)

    def _resume(self) -> None:
        if self.fileno() >= 0:
            IOLoop.current().update_handler(self.fileno(), IOLoop.READ)
