"""One price from many: the weighted median of the venues' prices. No I/O, no state."""

from __future__ import annotations

from collections.abc import Sequence


def weighted_median(votes: Sequence[tuple[float, float]]) -> float:
    """The weighted median of (value, weight) pairs: venues with less than half of the weight cannot move it
    outside the others' range. Where the weight splits evenly, the middle of the two values.

    Source: Edgeworth 1888; price-index methodologies of Deribit and CF Benchmarks use it as their centre.
    """
    ordered = sorted(votes)
    half = sum(weight for _, weight in ordered) / 2
    below = 0.0
    for index, (value, weight) in enumerate(ordered):
        below += weight
        if below > half * (1 + 1e-12):
            return value
        if below >= half * (1 - 1e-12) and index + 1 < len(ordered):
            return (value + ordered[index + 1][0]) / 2
    return ordered[-1][0]
