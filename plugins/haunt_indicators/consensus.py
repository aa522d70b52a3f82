"""Consensus: what the other indicators of a symbol agree on."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pydantic import Field

from haunt import Combination, Indicator, RatedOptions, Reading, hookimpl, rated

VOTES = {"buy": 1, "sell": -1, "neutral": 0}


class ConsensusOptions(RatedOptions):
    agreement: float = Field(0.2, ge=0, lt=1, description="The mean vote past which there is a consensus, of 1.")
    at_least: int = Field(2, ge=1, le=1000, description="Indicators that must have warmed up.")


class Consensus(Combination):
    """The mean vote of all other indicators of the symbol in the same timeframe, -1..1.

    Each votes 1 while it says buy, -1 while sell, 0 while neutral, in the style of TradingView's technical rating:

        consensus = (buys - sells) / (buys + sells + neutrals), the primary value

    Who warms up or fails has no vote; neither has another consensus.

    Warm-up: until `at_least` indicators have warmed up.
    Level: buy while consensus > agreement, sell while consensus < -agreement.
    Confirmed: only from the second such candle in a row.
    Confidence: (|consensus| - agreement) / (1 - agreement), and 0 when neutral.
    """

    name = "consensus"
    options: ConsensusOptions

    def __init__(self, options: ConsensusOptions) -> None:
        super().__init__(options)
        self._strength = 0.0

    def combine(self, readings: Mapping[str, Reading]) -> Reading | None:
        if len(readings) < self.options.at_least:
            return None
        votes = [VOTES[reading.signal] for reading in readings.values()]
        mean, agreement = sum(votes) / len(votes), self.options.agreement
        past = (abs(mean) - agreement) / (1 - agreement)
        before, self._strength = self._strength, past * ((mean > 0) - (mean < 0)) if past > 0 else 0.0
        counts = {f"{signal}s": float(votes.count(vote)) for signal, vote in VOTES.items()}
        return rated(self.options.rule, mean, self._strength, before, {"consensus": mean, **counts})


@hookimpl
def register_indicators(register: Callable[[type[Indicator]], None]) -> None:
    register(Consensus)
