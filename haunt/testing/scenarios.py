"""What can happen between a source and its venue, and what an operator wants to see then.

A scenario is given a trial whose source does not run yet. It raises AssertionError for what an operator would not
want, and NotApplicable where the venue has no such thing. That nothing is published that never was is seen to by
the trial, all along.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from itertools import cycle
from typing import Any, TypeAlias

from haunt.plugin.stream_source import StreamSource
from haunt.testing.exchange import Data, honest
from haunt.testing.market import Deal, Delta, Figures, Snapshot
from haunt.testing.trial import STALE_AFTER, Trial

Scenario: TypeAlias = Callable[[Trial], Awaitable[None]]
Frames: TypeAlias = Sequence[str | bytes]

MINUTE = 60_000
BAN = 1  # second
HUGE = 5_000_000  # bytes: Coinbase's book of BTC-USD
GARBAGE: Frames = (
    "", "{", "null", "[]", "0", '"x"', "{}", "[[[[]]]]", '{"data": {}}', '{"channel": 7, "type": [], "events": {}}',
    "[" * 50_000, "\N{SNOWMAN}" * 100, b"\x00\xff\x1f\x8b", b"\x1f\x8b\x08\x00broken",
)  # fmt: skip
ABSURD = ("NaN", "1e300", "-1", "0", "Infinity", "1e-300")


class NotApplicable(Exception):
    """The venue has no such thing; the words say why."""


# -- what is usual


async def calm(trial: Trial) -> None:
    """Nothing goes wrong: books, prices, trades and the figures of 24 hours are the venue's."""
    trial.start()
    await trial.right()
    assert not trial.exchange.misunderstood, f"the venue does not understand {trial.exchange.misunderstood[0]!r:.120}"
    twice = [ask for ask, count in trial.exchange.asked.items() if count > 1]
    assert not twice, f"the {twice[0][0]} of {twice[0][1]} is subscribed twice"
    assert trial.relay.rejected == 0, trial.relay.last_rejection
    assert not trial.relay.refused, f"refused: {trial.relay.refused}"
    assert trial.supervisor.statuses()[0].restarts == 0, trial.supervisor.statuses()[0].error


async def keep_alive(trial: Trial) -> None:
    """The venue hears now and then that somebody is there."""
    trial.start()
    if isinstance(trial.source, StreamSource) and trial.source.ping_interval:
        trial.source.ping_interval = 0.2
    await trial.until(lambda: trial.exchange.pings or trial.exchange.answered)
    await trial.right()
    assert not trial.exchange.misunderstood, f"the venue does not understand {trial.exchange.misunderstood[0]!r:.120}"


async def candles(trial: Trial) -> None:
    """The venue's candles of the last minutes are those it has, without the one that runs."""
    trial.start()
    await trial.right()
    symbol, *_ = trial.exchange.markets
    # In the first second of a minute the last one need not be there.
    end = trial.exchange.milliseconds() // MINUTE * MINUTE + MINUTE
    closed = trial.exchange.candles(symbol, end - 6 * MINUTE, end - MINUTE)
    given = list(await trial.source.candles(symbol, end - 6 * MINUTE, end))
    if not given:
        raise NotApplicable("the source does not fetch candles")
    assert given[:4] == closed[:4], f"{given[:1]} instead of {closed[:1]}"
    assert given[-1].start + MINUTE <= trial.exchange.milliseconds(), f"a candle that is not closed: {given[-1]}"


# -- what happens to the line


async def silence(trial: Trial) -> None:
    """The venue takes everything and answers nothing, neither on old lines nor on new ones."""
    trial.start()
    await trial.right()
    trial.exchange.silent()
    await trial.absent()
    await trial.until(lambda: not trial.relay.connected)
    trial.exchange.speak()
    await trial.right()


async def half_open(trial: Trial) -> None:
    """The line stands, and nothing passes either way; a new one would work."""
    trial.start()
    await trial.right()
    trial.exchange.wire.freeze()
    await trial.absent()
    await trial.right()


async def slow_drip(trial: Trial) -> None:
    """Bytes trickle in, too slowly for whole frames to arrive."""
    trial.start()
    await trial.right()
    trial.exchange.wire.rate = 5.0
    await trial.absent()
    await trial.until(lambda: not trial.relay.connected)
    trial.exchange.wire.rate = None
    await trial.right()


async def stalled_stream(trial: Trial) -> None:
    """The subscriptions are dead, and heartbeats go on as if nothing was."""
    trial.start()
    await trial.right()
    # Silences shorter than seconds mean nothing otherwise.
    for feed in trial.relay.feeds.values():
        for rhythm in feed.streams.values():
            rhythm.least = STALE_AFTER
    trial.exchange.stall()
    await trial.absent()
    await trial.right()


async def goodbye(trial: Trial) -> None:
    """The venue closes the connection, with the words it has for that."""
    trial.start()
    await trial.right()
    await trial.exchange.leave()
    await trial.right()


async def cut_line(trial: Trial) -> None:
    """The line breaks without a word."""
    trial.start()
    await trial.right()
    trial.exchange.wire.cut()
    await trial.right()


async def refused_connection(trial: Trial) -> None:
    """The venue answers 429 to new connections, and says how long to wait."""
    trial.start()
    await trial.right()
    trial.exchange.refuse(429, {"Retry-After": str(BAN)})
    handshakes = trial.exchange.handshakes
    trial.exchange.wire.cut()
    await trial.until(lambda: trial.exchange.handshakes > handshakes)
    await _wait_out(lambda: trial.exchange.handshakes)
    trial.exchange.accept()
    await trial.right()


async def refused_request(trial: Trial) -> None:
    """The venue answers 429 to REST requests, and says how long to wait."""
    trial.exchange.request_refusal = (429, "", {"Retry-After": str(BAN)})
    trial.start()
    await trial.until(lambda: trial.exchange.requests)
    await _wait_out(lambda: len(trial.exchange.requests))
    trial.exchange.request_refusal = None
    await trial.right()


async def expired_token(trial: Trial) -> None:
    """The token of the last connection is not good for the next."""
    if trial.exchange.dialect.token is None:
        raise NotApplicable("the venue asks for no token")
    trial.start()
    await trial.right()
    trial.exchange.expire_tokens()
    trial.exchange.wire.cut()
    await trial.right()


async def _wait_out(attempts: Callable[[], int]) -> None:
    before, until = attempts(), time.monotonic() + BAN * 0.9
    while time.monotonic() < until:
        await asyncio.sleep(0.02)
        assert attempts() == before, "it did not wait as long as the venue said"


# -- what happens to subscriptions


async def refused_symbol(trial: Trial) -> None:
    """The venue does not want to tell of one market: it is named to the operator, and the others do not suffer."""
    refused, *others = trial.exchange.markets
    trial.exchange.refused.add(refused)
    trial.start()
    await trial.right(*others)
    await trial.until(lambda: trial.complaints(refused))


async def lost_subscription(trial: Trial) -> None:
    """A subscription is neither confirmed nor refused, and no data comes: it is asked for again."""
    lost, *others = trial.exchange.markets
    trial.exchange.ignored.add(lost)
    trial.start()
    await trial.right(*others)
    trial.exchange.ignored.clear()
    await trial.right()


async def lost_resubscription(trial: Trial) -> None:
    """After the line broke, only a part of what was subscribed to comes back."""
    lost, *others = trial.exchange.markets
    trial.start()
    await trial.right()
    trial.exchange.ignored.add(lost)
    trial.exchange.wire.cut()
    await trial.right(*others)
    await trial.absent(lost)
    trial.exchange.ignored.clear()
    await trial.right()


# -- what happens to books


async def gap(trial: Trial) -> None:
    """A change is missing: the book leaves at once, and is built anew."""
    await _with_proof(trial, lambda frames: ())


async def doubled_change(trial: Trial) -> None:
    """A change comes twice."""
    await _with_proof(trial, lambda frames: (*frames, *frames))


async def late_change(trial: Trial) -> None:
    """A change comes after the next one."""
    _must_have_proof(trial)
    trial.start()
    await trial.right()
    held: dict[str, Frames] = {}
    late: set[str] = set()

    def tamper(data: Data | None, frames: list[str | bytes]) -> Frames:
        if not isinstance(data, Delta) or data.symbol in late:
            return frames
        if data.symbol in held:
            late.add(data.symbol)
            return (*frames, *held[data.symbol])
        held[data.symbol] = frames
        return ()

    trial.exchange.tamper = tamper
    await trial.until(lambda: len(late) == len(trial.exchange.markets))
    await trial.right()


async def wrong_checksum(trial: Trial) -> None:
    """The checksum is that of another book."""
    if not trial.exchange.dialect.checksummed:
        raise NotApplicable("the venue sends no checksums")
    trial.start()
    await trial.right()

    def distort(data: Data) -> Data:
        return replace(data, after=replace(data.after, bids=data.after.bids[1:])) if isinstance(data, Delta) else data

    trial.exchange.distort = distort
    await trial.until(lambda: trial.relay.integrity.checksums_bad)
    trial.exchange.distort = honest
    await trial.right()


async def crossed_book(trial: Trial) -> None:
    """A new book has bids above its asks: it is not published, and asked for again."""
    crossed: list[str] = []

    def distort(data: Data) -> Data:
        if not isinstance(data, Snapshot) or data.symbol in crossed:
            return data
        crossed.append(data.symbol)
        return replace(data, bids=data.asks, asks=data.bids)

    trial.exchange.distort = distort
    trial.start()
    await trial.until(lambda: len(crossed) == len(trial.exchange.markets))
    await trial.right()


def _must_have_proof(trial: Trial) -> None:
    if not trial.exchange.dialect.numbered and not trial.exchange.dialect.checksummed:
        raise NotApplicable("the venue neither numbers the changes of its books nor sends checksums")


async def _with_proof(trial: Trial, how: Callable[[Frames], Frames]) -> None:
    """One change of a book is sent in another way, by a venue that gives the means to notice."""
    _must_have_proof(trial)
    trial.start()
    await trial.right()
    done = False

    def tamper(data: Data | None, frames: list[str | bytes]) -> Frames:
        nonlocal done
        # One that moves the price may cross the book, which is noticed without any numbers.
        if done or not isinstance(data, Delta) or len(data.bids) > 1 or len(data.asks) > 1:
            return frames
        done = True
        return how(frames)

    trial.exchange.tamper = tamper
    await trial.until(lambda: done)
    await trial.right()


# -- what is sent


async def garbage(trial: Trial) -> None:
    """Frames that make no sense come between those that do."""
    trial.start()
    await trial.right()
    for frame in GARBAGE:
        trial.exchange.inject(frame)
        await asyncio.sleep(0.02)
    await trial.right()


async def huge_frame(trial: Trial) -> None:
    """A frame of 5 MB: a whole book of thousands of levels, and blanks where that is not enough."""
    await trial.deepen(5_000)
    largest = 0

    def tamper(data: Data | None, frames: list[str | bytes]) -> Frames:
        nonlocal largest
        if largest < HUGE and isinstance(data, Snapshot | Delta) and frames:
            frames = [frame.ljust(HUGE) if isinstance(frame, str) else frame for frame in frames]
            largest = max(len(frame) for frame in frames)
        return frames

    trial.exchange.tamper = tamper
    trial.start()
    await trial.right()
    assert trial.exchange.connections == 1, "the connection was given up"


async def absurd_numbers(trial: Trial) -> None:
    """Prices that cannot be: not a number, infinite, negative."""
    values = cycle(ABSURD)

    def distort(data: Data) -> Any:
        if isinstance(data, Delta):
            return replace(data, bids=[(next(values), quantity) for _, quantity in data.bids])
        return _priced(data, lambda price: next(values))

    await _distorted(trial, distort)


async def misplaced_point(trial: Trial) -> None:
    """Trades and tickers a hundred times too high or too low."""
    too_high, too_low = misplaced(100.0), misplaced(0.01)
    ways = cycle((too_high, too_low))
    await _distorted(trial, lambda data: next(ways)(data))


async def seconds(trial: Trial) -> None:
    """Times in seconds where milliseconds are usual."""
    await _distorted(trial, lambda data: replace(data, time=data.time // 1_000))


def misplaced(factor: float) -> Callable[[Data], Data]:
    """Trades and tickers at so many times their price."""
    return lambda data: _priced(data, lambda price: f"{float(price) * factor:.6f}")


def _priced(data: Data, change: Callable[[str], str]) -> Data:
    """A trade or a ticker with another price."""
    match data:
        case Deal():
            return replace(data, price=change(data.price))
        case Figures():
            return replace(data, last=change(data.last))
    return data


async def _distorted(trial: Trial, distort: Callable[[Data], Any]) -> None:
    trial.start()
    await trial.right()
    trial.exchange.distort = distort
    await asyncio.sleep(1.0)
    trial.exchange.distort = honest
    await trial.right()


SCENARIOS: tuple[Scenario, ...] = (
    calm, keep_alive, candles,
    silence, half_open, slow_drip, stalled_stream, goodbye, cut_line,
    refused_connection, refused_request, expired_token,
    refused_symbol, lost_subscription, lost_resubscription,
    gap, doubled_change, late_change, wrong_checksum, crossed_book,
    garbage, huge_frame, absurd_numbers, misplaced_point, seconds,
)  # fmt: skip
