"""The consensus is the mean vote of those that have one."""

from __future__ import annotations

import pytest
from definitions import made

from haunt import Combination, Reading

VOTE = {"b": Reading(1.0, "buy", 0.1), "s": Reading(1.0, "sell", 0.9), "n": Reading(1.0, "neutral", 0.0)}


def consensus(votes: str, **options: object) -> Reading | None:
    """Of one candle: `bbs` is two that say buy and one that says sell."""
    indicator = made("consensus", **options)
    assert isinstance(indicator, Combination)
    return indicator.combine({f"{place}": VOTE[vote] for place, vote in enumerate(votes)})


@pytest.mark.parametrize(
    ("votes", "signal", "confidence"),
    [
        ("bbbb", "buy", 1.0), ("ssss", "sell", 1.0), ("bbbs", "buy", 0.375), ("sssb", "sell", 0.375),
        ("bs", "neutral", 0.0), ("nnnn", "neutral", 0.0), ("bnnnn", "neutral", 0.0), ("bnnn", "buy", 0.0625),
    ],
)  # fmt: skip
def test_the_mean_vote_past_the_agreement_is_the_signal(votes, signal, confidence):
    reading = consensus(votes)
    assert (reading.signal, reading.confidence) == (signal, pytest.approx(confidence))


def test_all_votes_are_told():
    assert consensus("bbsn").values == {"consensus": 0.25, "buys": 2.0, "sells": 1.0, "neutrals": 1.0}


@pytest.mark.parametrize(("votes", "speaks"), [("", False), ("b", False), ("bb", True)])
def test_it_warms_up_until_enough_others_have(votes, speaks):
    assert (consensus(votes) is not None) == speaks


def test_a_consensus_is_confirmed_by_a_second_candle():
    indicator = made("consensus", rule="confirmed")
    both = {"one": VOTE["b"], "other": VOTE["b"]}
    assert [indicator.combine(both).signal for _ in range(2)] == ["neutral", "buy"]


def test_an_agreement_that_nobody_asks_for_is_any_majority():
    assert consensus("bnnnnnnnnn", agreement=0.0).signal == "buy"
