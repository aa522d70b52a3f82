"""What systemd is told of the process, where it started it with Type=notify."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Mapping
from contextlib import suppress


def tell(state: str, environ: Mapping[str, str] = os.environ) -> None:
    """Send `READY=1` and the like; to nobody where nobody listens."""
    address = environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sending:
        sending.sendto(state.encode(), "\0" + address[1:] if address.startswith("@") else address)


async def keep_alive(environ: Mapping[str, str] = os.environ) -> None:
    """Say for ever that the event loop turns, twice within the time that systemd waits for it; or end at once."""
    within = environ.get("WATCHDOG_USEC", "")
    if not within.isdecimal() or environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return
    while True:
        tell("WATCHDOG=1", environ)
        await asyncio.sleep(int(within) / 2_000_000)
