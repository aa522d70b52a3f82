"""One connection takes over from another, and no book notices."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from haunt import BookDelta, BookSnapshot, Event, Instrument, Relay, Ticker, Trade
from haunt.market.feed import Feed
from haunt.plugin.handover import Handover
from haunt.plugin.relay import Numbering, Read

NOW = 1_700_000_000_000


def read(frame: str | bytes) -> Iterator[Event]:
    """`[previous, number]` is a delta, `[number]` a snapshot in the stream, a number a trade."""
    said = json.loads(frame)
    if isinstance(said, int):
        yield Trade("BTC-USD", f"{said}", 100.0, 1.0, "buy", NOW)
    elif len(said) == 1:
        yield BookSnapshot("BTC-USD", [("99", "1")], [("101", "1")], said[0], None, NOW)
    else:
        yield BookDelta("BTC-USD", [("98", f"{said[1] or 1}")], [], *said, None, NOW)


class Stage:
    """A market whose book stands at number 10, and two connections that carry it."""

    def __init__(self, number: int | None = 10) -> None:
        self.told: list[Event] = []
        self.relay = Relay("acme", wanted=(), deliver=lambda feed, event: self.told.append(event))
        self.feed: Feed = self.relay.add(Instrument("BTC-USD", "BTC", "USD"), "btc")
        self.carried = {"BTC-USD"}
        self.numbering: Numbering = self.relay.open(self.carried)
        self.relay.publish(BookSnapshot("BTC-USD", [("99", "1")], [("101", "1")], number, None, NOW))
        self.handover = Handover(self.relay, self.carried)
        self._old: Read = self.handover.old(read)
        self._new: Read = self.handover.new(read)

    def old(self, *said: object) -> None:
        for one in said:
            self.relay.receive(json.dumps(one), self._old, self.numbering)

    def new(self, *said: object) -> None:
        for one in said:
            self.relay.receive(json.dumps(one), self._new)

    @property
    def whole(self) -> bool:
        return self.feed.book_state == "synced" and self.relay.integrity.gaps == 0 and self.relay.rejected == 0


def test_a_book_moves_when_the_new_connection_begins_where_it_stands() -> None:
    stage = Stage()
    stage.new([10, 11])
    assert (stage.feed.proven.sequence, stage.carried, stage.handover.done()) == (11, set(), True)
    stage.old([10, 11], [11, 12])
    stage.new([11, 12], [12, 13])
    assert (stage.feed.proven.sequence, stage.whole) == (13, True)


def test_a_new_connection_that_is_ahead_is_held_until_the_old_one_is_there() -> None:
    stage = Stage()
    stage.new([12, 13], [13, 14])
    assert (stage.feed.proven.sequence, stage.handover.done()) == (10, False)
    stage.old([10, 11], [11, 12], [12, 13])
    stage.new([14, 15])
    assert (stage.feed.proven.sequence, stage.whole, stage.handover.done()) == (15, True, True)


def test_a_new_connection_that_is_behind_repeats_nothing() -> None:
    stage = Stage()
    stage.new([7, 8], [8, 9], [9, 10])
    assert stage.feed.proven.sequence == 10
    stage.new([10, 11])
    assert (stage.feed.proven.sequence, stage.whole) == (11, True)


@pytest.mark.parametrize("previous", [None, 11])
def test_changes_that_are_only_ordered_move_too(previous: int | None) -> None:
    stage = Stage()
    stage.new([None, 12])
    stage.old([None, 11], [None, 12])
    stage.new([previous, 13])
    assert (stage.feed.proven.sequence, stage.whole) == (13, True)


def test_a_book_without_numbers_moves_with_its_snapshot() -> None:
    stage = Stage(number=None)
    stage.new([None, None])
    assert stage.carried == {"BTC-USD"}
    stage.new([None])
    stage.old([None, None])
    assert stage.feed.book.bids.top(5) == [("99", "1")], "the old connection no longer feeds it"
    stage.new([None, None])
    assert stage.feed.book.bids.top(5) == [("99", "1"), ("98", "1")]


def test_it_is_done_when_all_that_was_said_is_said_again() -> None:
    stage = Stage()
    stage.new(1)
    assert not stage.handover.done(), "the book has not moved"
    stage.relay.feeds["BTC-USD"].proven.lose("a gap")
    assert stage.handover.done(), "there is none"


def test_a_trade_said_twice_counts_once() -> None:
    stage = Stage()
    stage.old(1, 2)
    stage.new(1, 2, 3)
    assert [type(event) for event in stage.told] == [BookSnapshot, Trade, Trade, Trade]


def test_at_the_end_numbers_prove_a_book_that_did_not_move() -> None:
    stage = Stage()
    stage.new([12, 13])
    stage.old([10, 11], [11, 12])
    stage.handover.end()
    assert (stage.feed.proven.sequence, stage.whole) == (13, True)


def test_at_the_end_a_book_without_numbers_that_did_not_move_is_lost() -> None:
    stage = Stage(number=None)
    stage.old(1)
    stage.handover.end()
    assert (stage.feed.book_state, stage.feed.price, stage.relay.lost) == ("lost", 100.0, {"BTC-USD"})


def test_figures_of_a_market_nobody_asked_for_harm_nothing() -> None:
    stage = Stage()
    other = stage.handover.new(lambda frame: [BookDelta("X", [], [], 1, 2, None, NOW), Ticker("X", 1, 1, 1, 1, NOW)])
    stage.relay.receive("", other)
    assert stage.relay.rejected == 1
