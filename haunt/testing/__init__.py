"""For tests, Haunt's own and a plugin author's: a clock, fakes of venues, and the certification of sources."""

from haunt.testing.certification import Score, certify
from haunt.testing.clock import FakeClock, eventually
from haunt.testing.dialect import Ask, Channel, Dialect, Frame, Request, rfc3339
from haunt.testing.exchange import FakeExchange
from haunt.testing.market import Deal, Delta, Figures, Level, Snapshot
from haunt.testing.venue import FakeVenue

__all__ = [
    "Ask", "Channel", "Deal", "Delta", "Dialect", "FakeClock", "FakeExchange", "FakeVenue", "Figures", "Frame",
    "Level", "Request", "Score", "Snapshot", "certify", "eventually", "rfc3339",
]  # fmt: skip
