"""What an invented asset is worth."""

from __future__ import annotations

from math import cos, exp, log, pi, sin, sqrt
from random import Random
from typing import Literal, TypeAlias
from zlib import crc32

Scenario: TypeAlias = Literal["calm", "trend", "crash", "outage"]

WELL_KNOWN = {
    "btc": 67_000.0, "eth": 3_500.0, "bnb": 600.0, "sol": 150.0, "xrp": 0.6, "doge": 0.12, "ada": 0.45,
    "avax": 30.0, "link": 15.0, "dot": 6.5, "ltc": 80.0, "bch": 400.0, "trx": 0.14, "shib": 0.000018,
    "usdt": 1.0, "usdc": 1.0, "dai": 1.0,
}  # fmt: skip
STABLE = frozenset(("usdt", "usdc", "dai"))

SECONDS_PER_YEAR = 365.25 * 86_400
# The random walk is pulled back to its start within a day or so: a demonstration that runs for weeks stays plausible.
PULL = 1e-5
FURTHEST = 1.0  # in log price: between a third and three times the start

TREND_HEIGHT = 0.03
TREND_SECONDS = 600.0
CRASH_DEPTH = log(0.8)
CRASH_SECONDS = 240.0
CRASH_BEGINS, CRASH_LOWEST, CRASH_RECOVERS, CRASH_ENDS = 45.0, 60.0, 70.0, 130.0


def base_price(name: str) -> float:
    """The price to begin with: about the real one of well-known assets, else invented from the name."""
    return WELL_KNOWN.get(name) or float(f"{10 ** (crc32(name.encode()) % 6_000 / 1_000 - 3):.4g}")


def drift(scenario: Scenario, seconds: float) -> float:
    """How far the scenario alone has moved prices `seconds` after the start, in log price."""
    if scenario == "trend":
        return TREND_HEIGHT * sin(2 * pi * seconds / TREND_SECONDS)
    if scenario != "crash":
        return 0.0
    moment = seconds % CRASH_SECONDS
    if moment < CRASH_LOWEST:
        return CRASH_DEPTH * _eased(moment, CRASH_BEGINS, CRASH_LOWEST)
    return CRASH_DEPTH * (1 - _eased(moment, CRASH_RECOVERS, CRASH_ENDS))


class FairPrice:
    """The price all venues quote around: a random walk plus the scenario's drift."""

    def __init__(self, name: str, *, seed: int, scenario: Scenario, volatility: float) -> None:
        self.base = base_price(name)
        self._random = Random(f"{seed} {name}")
        self.open_24h = self.base * (1 + self._random.uniform(-0.04, 0.04) * (name not in STABLE))
        self._seed = f"{seed} {name} past"
        self._scenario: Scenario = "calm" if name in STABLE else scenario
        self._volatility = volatility * (0.005 if name in STABLE else 1.0) / sqrt(SECONDS_PER_YEAR)
        self._walked = 0.0
        self._seconds = 0.0

    def before(self, minutes: int) -> list[float]:
        """The price at the start, one minute before it, two minutes before it and so on: the same at each call."""
        random, walked = Random(self._seed), [0.0]
        for _ in range(minutes):
            walked.append(walked[-1] * 0.999 + random.gauss(0.0, self._volatility * sqrt(60.0)))
        return [self.base * exp(one) for one in walked]

    def at(self, seconds: float) -> float:
        """The price `seconds` after the start; time does not go back."""
        passed = max(0.0, seconds - self._seconds)
        self._seconds += passed
        step = self._random.gauss(0.0, self._volatility * sqrt(passed)) - self._walked * min(1.0, PULL * passed)
        self._walked = max(-FURTHEST, min(FURTHEST, self._walked + step))
        return self.base * exp(self._walked + drift(self._scenario, self._seconds))


def _eased(moment: float, begin: float, end: float) -> float:
    """From 0 before `begin` to 1 after `end`, slow at both ends."""
    part = min(1.0, max(0.0, (moment - begin) / (end - begin)))
    return (1 - cos(pi * part)) / 2
