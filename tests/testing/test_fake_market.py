"""Made-up markets are whole: what they say of themselves agrees."""

from __future__ import annotations

from haunt.market.book import Book
from haunt.testing import FakeClock
from haunt.testing.market import FakeMarket


def market(seed: int = 1, levels: int = 20) -> FakeMarket:
    return FakeMarket("BTC-USD", "BTC", "USD", 67_000.0, levels=levels, seed=seed, clock=FakeClock())


def test_the_same_seed_gives_the_same_market() -> None:
    one, same, other = market(), market(), market(seed=2)
    assert [one.step() for _ in range(5)] == [same.step() for _ in range(5)]
    assert one.snapshot().bids != other.snapshot().bids


def test_its_changes_lead_from_book_to_book() -> None:
    one = market()
    snapshot = one.snapshot()
    book = Book()
    book.replace(snapshot.bids, snapshot.asks)
    for number in range(snapshot.number + 1, snapshot.number + 500):
        delta = one.step()
        book.update(delta.bids, delta.asks)
        assert (book.bids.top(99), book.asks.top(99)) == (delta.after.bids, delta.after.asks)
        assert (delta.number, book.crossed, len(book.bids), len(book.asks)) == (number, False, 20, 20)


def test_its_trades_are_made_at_the_best_levels() -> None:
    one = market()
    for _ in range(50):
        one.step()
        deal, top = one.deal(), one.snapshot(1)
        assert deal.price == (top.asks if deal.side == "buy" else top.bids)[0][0]
        assert one.figures().last == deal.price


def test_a_minute_has_the_same_candle_whenever_it_is_asked_for() -> None:
    one = market()
    now = one.snapshot().time
    candles = one.candles(now - 300_000, now)
    assert [candle.start % 60_000 for candle in candles] == [0] * 5
    assert market().candles(candles[2].start, candles[3].start) == [candles[2]]
    assert all(candle.low <= min(candle.open, candle.close) <= candle.high for candle in candles)
