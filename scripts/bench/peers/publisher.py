"""What the Python peers share: who subscribed to what, and which updates are published when."""

from __future__ import annotations

import asyncio
import math
import os
import time
from collections.abc import Awaitable, Callable

import ujson

PORT = int(os.environ["PORT"])
CLIENTS = int(os.environ["N"])
RATE = float(os.environ["RATE"])
BATCH = int(os.environ["B"])
SYMBOLS = [f"s{index:02}" for index in range(int(os.environ["K"]))]

SETTLE = 0.2  # seconds between the last client's subscription and the first update
FIRST_PRICE = 20_000.0  # rises by a cent with each update, so that order can be checked
TIMER_ERROR = 0.0015  # asyncio's timers ring up to a millisecond late
LOOK_EVERY = 16  # turns between two looks at what is unsent

clients: set[object] = set()
subscribers: dict[str, set[object]] = {symbol: set() for symbol in SYMBOLS}


def subscribe(client: object, message: str | bytes) -> None:
    clients.add(client)
    for symbol in ujson.loads(message)["symbols"]:
        subscribers[symbol].add(client)


def leave(client: object) -> None:
    clients.discard(client)
    for subscribed in subscribers.values():
        subscribed.discard(client)


async def publish(
    send: Callable[[str, str], Awaitable[None] | None],
    *,
    subscribed: Callable[[], int] = lambda: len(clients),
    unsent: Callable[[], bool] = lambda: False,
) -> None:
    """Call `send(symbol, text)` for each update once all clients have subscribed. At full speed nothing is
    published while bytes are `unsent`."""
    await _when(lambda: subscribed() >= CLIENTS, 0.05)
    await asyncio.sleep(SETTLE)
    if RATE > 0:
        await _publish_at_rate(send)
    elif RATE == 0:
        await _publish_at_full_speed(send, unsent)


async def _publish_at_full_speed(
    send: Callable[[str, str], Awaitable[None] | None], unsent: Callable[[], bool]
) -> None:
    turn = 0
    while True:
        await _publish_turn(send, turn, time.time_ns() // 1_000_000)
        turn += 1
        await asyncio.sleep(0)
        if turn % LOOK_EVERY == 0:
            await _when(lambda: not unsent(), 0.0005)


async def _publish_at_rate(send: Callable[[str, str], Awaitable[None] | None]) -> None:
    """Each update is stamped with the moment it was due, so that a late one shows as latency."""
    # On a whole millisecond, so that stamps in milliseconds tell the very moment.
    began = math.ceil(time.time() * 1_000) / 1_000
    turn = 0
    while True:
        due = began + turn * BATCH / RATE
        while due <= time.time():
            await _publish_turn(send, turn, round(due * 1_000))
            turn += 1
            due = began + turn * BATCH / RATE
        await asyncio.sleep(max(0.0, due - time.time() - TIMER_ERROR))


async def _publish_turn(send: Callable[[str, str], Awaitable[None] | None], turn: int, timestamp: int) -> None:
    for number in range(turn * BATCH, (turn + 1) * BATCH):
        symbol = SYMBOLS[number % len(SYMBOLS)]
        sending = send(symbol, ujson.dumps(_update(symbol, number, timestamp)))
        if sending is not None:
            await sending


async def _when(condition: Callable[[], bool], look_every: float) -> None:
    while not condition():  # noqa: ASYNC110 - what is waited for makes no event
        await asyncio.sleep(look_every)


def _update(symbol: str, number: int, timestamp: int) -> dict[str, str | float | int]:
    return {
        "type": "price_update",
        "symbol": symbol,
        "price": round(FIRST_PRICE + number * 0.01, 2),
        "change_24h": 2.3456,
        "volume_24h": 28_500_000_000,
        "timestamp": timestamp,
    }
