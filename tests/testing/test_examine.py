"""The certification finds those out who publish what never was."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import pytest
from haunt_sources.coinbase import Coinbase
from haunt_sources.replay import Replay

from haunt import Event, FrameNumber, PluginError, Trade
from haunt.testing.certification import Score, examine, find_dialect


class Careless(Coinbase):
    """Does not look at the numbers of the frames."""

    def parse(self, frame: str | bytes) -> Iterable[Event]:
        return (event for event in super().parse(frame) if not isinstance(event, FrameNumber))


class Inverted(Coinbase):
    """Takes the maker's side for the taker's."""

    def parse(self, frame: str | bytes) -> Iterable[Event]:
        for event in super().parse(frame):
            if isinstance(event, Trade):
                event = event._replace(side="sell" if event.side == "buy" else "buy")
            yield event


@pytest.fixture(autouse=True)
def _with_the_fake_of_coinbase(monkeypatch: pytest.MonkeyPatch) -> None:
    for cls in (Careless, Inverted):
        monkeypatch.setattr(cls, "__module__", Coinbase.__module__)


def score(cls: type[Coinbase], scenario: str) -> Score:
    (only,) = asyncio.run(examine(cls, [scenario]))
    return only


def test_who_overlooks_a_gap_fails() -> None:
    failed = score(Careless, "gap")
    assert failed.verdict == "failed"
    assert "a book that never was" in failed.reason


def test_who_takes_the_makers_side_fails() -> None:
    failed = score(Inverted, "calm")
    assert failed.verdict == "failed"
    assert "counted as a" in failed.reason


def test_a_source_without_a_fake_is_told_where_to_write_one() -> None:
    with pytest.raises(PluginError, match=r"write one in haunt_sources\.replay\.fake"):
        find_dialect(Replay)
