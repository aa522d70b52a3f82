"""What can happen between a source and its venue, and what an operator wants to see then.

A scenario is given a trial whose source does not run yet. It raises AssertionError for what an operator would not
want, and NotApplicable where the venue has no such thing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

from haunt.testing.exchange import Data
from haunt.testing.market import Delta
from haunt.testing.trial import Trial

Scenario: TypeAlias = Callable[[Trial], Awaitable[None]]


class NotApplicable(Exception):
    """The venue has no such thing; the words say why."""


async def calm(trial: Trial) -> None:
    """Nothing goes wrong: books, prices, trades and figures of 24 hours are those of the venue."""
    trial.start()
    await trial.right()
    assert not trial.exchange.misunderstood, f"the venue does not understand {trial.exchange.misunderstood[0]!r:.120}"
    assert trial.relay.rejected == 0, trial.relay.last_rejection
    assert trial.exchange.connections == 1


async def gap(trial: Trial) -> None:
    """A change of a book is missing: that book leaves at once, and is built anew."""
    if not trial.exchange.dialect.numbered and not trial.exchange.dialect.checksummed:
        raise NotApplicable("the venue neither numbers the changes of its books nor sends checksums")
    trial.start()
    await trial.right()
    await tampered(trial, lambda frames: [])
    await trial.right()


async def tampered(trial: Trial, how: Callable[[list[str | bytes]], Sequence[str | bytes]]) -> None:
    """Until the frames of one change of a book were sent in another way."""
    done = False

    def tamper(data: Data | None, frames: list[str | bytes]) -> Sequence[str | bytes]:
        nonlocal done
        # One that moves the price may cross the book, which is noticed without any numbers.
        if done or not isinstance(data, Delta) or len(data.bids) > 1 or len(data.asks) > 1:
            return frames
        done = True
        return how(frames)

    trial.exchange.tamper = tamper
    await trial.until(lambda: done)


SCENARIOS: tuple[Scenario, ...] = (calm, gap)
