"""One price from many: the weighted median of the venues' prices. No I/O, no state."""

from __future__ import annotations

from collections.abc import Sequence

# Weights such as 0.1 + 0.2 and 0.3 must count as equal halves.
ROUNDING = 1e-12


def weighted_median(votes: Sequence[tuple[float, float]]) -> float:
    """The weighted median of at least one (value, weight) pair: those with less than half of the weight cannot
    move it outside the others' range. Where the weight splits evenly, the middle of the two values.

    Source: Edgeworth 1888; price-index methodologies of Deribit and CF Benchmarks use it as their centre.
    """
    if len(votes) == 1 and votes[0][1] > 0:
        return votes[0][0]
    ordered = sorted(votes)
    half = sum([weight for _, weight in ordered]) / 2
    least, most = half * (1 - ROUNDING), half * (1 + ROUNDING)
    below = 0.0
    for index, (value, weight) in enumerate(ordered):
        below += weight
        if below > most:
            return value
        if below >= least:
            return (value + ordered[index + 1][0]) / 2
    raise ValueError("weights must be above zero and there must be some")
