"""Sources are run, waited for, run again and stopped."""

from __future__ import annotations

import asyncio
import gc
import json
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence

import pytest
from tornado.ioloop import IOLoop

from haunt import Event, Instrument, Relay, Source, SourceLost, SourceOptions, StreamOptions, StreamSource, Trade
from haunt.market.supervisor import SourceStatus, Supervisor
from haunt.market.symbols import Symbol
from haunt.testing import FakeClock, FakeVenue, eventually

Run = Callable[["Scripted"], Awaitable[None]]


class Scripted(Source):
    """Does in its nth run what the nth function says, and what the last one says ever after."""

    name = "scripted"

    def __init__(self, *script: Run, relay: Relay) -> None:
        super().__init__(SourceOptions(), relay)
        self.script = list(script)
        self.runs = 0
        self.broken = asyncio.Event()

    async def run(self) -> None:
        self.runs += 1
        await self.script[min(self.runs, len(self.script)) - 1](self)


class Sleep:
    """Remembers how long it was to sleep; wakes at once so many times, then only by cancellation."""

    def __init__(self, wakes: int = 0) -> None:
        self.asked: list[float] = []
        self._wakes = wakes

    async def __call__(self, seconds: float) -> None:
        self.asked.append(seconds)
        await (asyncio.sleep(0) if len(self.asked) <= self._wakes else asyncio.Event().wait())


class Ward:
    """A supervisor whose waits are the longest it may choose, unless told otherwise."""

    def __init__(self, *, wakes: int = 0, random: Callable[[float, float], float] = lambda low, high: high) -> None:
        self.clock = FakeClock()
        self.sleep = Sleep(wakes)
        self.supervisor = Supervisor(clock=self.clock, random=random, sleep=self.sleep)

    def start(self, *script: Run, name: str = "acme") -> Scripted:
        relay = Relay(name, wanted=[Symbol("btc")], deliver=lambda feed, event: None, clock=self.clock)
        relay.choose([Instrument("BTC-USD", "BTC", "USD")])
        source = Scripted(*script, relay=relay)
        self.supervisor.start(name, source, relay)
        return source

    def status(self, name: str = "acme") -> SourceStatus:
        return next(status for status in self.supervisor.statuses() if status.name == name)

    async def reaches(self, state: str, name: str = "acme") -> None:
        await eventually(lambda: self.status(name).state == state)


def raises(error: Exception) -> Run:
    async def run(source: Scripted) -> None:
        raise error

    return run


async def connects(source: Scripted) -> None:
    """Publish one trade, then wait to be broken."""
    source.relay.open()
    source.relay.publish(Trade("BTC-USD", str(source.runs), 67_234.5, 1.0, "buy", 1_700_000_000_000))
    await source.broken.wait()
    source.broken.clear()
    raise SourceLost("the line broke")


async def returns(source: Scripted) -> None:
    source.relay.open()


async def ignores_the_first_cancellation(source: Scripted) -> None:
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        await asyncio.Event().wait()


async def ignores_every_cancellation(source: Scripted) -> None:
    source.relay.open()
    while not source.broken.is_set():
        try:
            await source.broken.wait()
        except asyncio.CancelledError:
            continue
    raise SourceLost("far too late")


lost = raises(SourceLost("the line broke"))


@pytest.fixture(autouse=True)
def nothing_is_left(io_loop: IOLoop, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    assert not asyncio.all_tasks(io_loop.asyncio_loop)  # type: ignore[attr-defined]
    gc.collect()
    records = caplog.get_records("call") + caplog.get_records("teardown")
    assert [record for record in records if record.name.startswith(("asyncio", "tornado"))] == []


# -- back-off


@pytest.mark.gen_test
async def test_waits_double_up_to_a_minute() -> None:
    ward = Ward(wakes=8)
    source = ward.start(lost)
    await eventually(lambda: len(ward.sleep.asked) == 9)
    assert ward.sleep.asked == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0]
    assert (source.runs, ward.status().restarts) == (9, 8)
    await ward.supervisor.stop_all()


@pytest.mark.gen_test
async def test_a_wait_is_any_part_of_the_longest_but_never_nothing() -> None:
    ranges: list[tuple[float, float]] = []

    def least(low: float, high: float) -> float:
        ranges.append((low, high))
        return low

    ward = Ward(wakes=2, random=least)
    ward.start(lost)
    await eventually(lambda: len(ward.sleep.asked) == 3)
    assert ranges == [(0.0, 1.0), (0.0, 2.0), (0.0, 4.0)]
    assert ward.sleep.asked == [0.1, 0.1, 0.1]
    await ward.supervisor.stop_all()


@pytest.mark.gen_test
async def test_a_venue_that_names_a_wait_gets_at_least_that() -> None:
    ward = Ward(wakes=1)
    ward.start(raises(SourceLost("429 Too Many Requests", retry_after=90.0)), lost)
    await eventually(lambda: len(ward.sleep.asked) == 2)
    assert ward.sleep.asked == [91.0, 2.0]
    await ward.supervisor.stop_all()


@pytest.mark.gen_test
@pytest.mark.parametrize(("seconds", "next_wait"), [(9.9, 8.0), (10.0, 1.0)])
async def test_ten_seconds_of_connection_end_the_back_off(seconds: float, next_wait: float) -> None:
    ward = Ward(wakes=3)
    source = ward.start(lost, lost, lost, connects)
    await ward.reaches("connected")
    ward.clock.advance(seconds)
    source.broken.set()
    await eventually(lambda: len(ward.sleep.asked) == 4)
    assert ward.sleep.asked == [1.0, 2.0, 4.0, next_wait]
    await ward.supervisor.stop_all()


@pytest.mark.gen_test
async def test_a_slow_handshake_is_no_health() -> None:
    async def connects_late(source: Scripted) -> None:
        await source.broken.wait()
        source.relay.open()
        raise SourceLost("the line broke")

    ward = Ward(wakes=1)
    source = ward.start(lost, connects_late)
    await eventually(lambda: source.runs == 2)
    ward.clock.advance(60.0)
    source.broken.set()
    await eventually(lambda: len(ward.sleep.asked) == 2)
    assert ward.sleep.asked == [1.0, 2.0]
    await ward.supervisor.stop_all()


# -- what is said


@pytest.mark.gen_test
@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (SourceLost("wss://acme.example closed the connection"), "wss://acme.example closed the connection"),
        (ConnectionResetError(104, "Connection reset by peer"), "[Errno 104] Connection reset by peer"),
        (TimeoutError(), "TimeoutError"),
    ],
)
async def test_a_lost_venue_is_one_line(error: Exception, reason: str, caplog: pytest.LogCaptureFixture) -> None:
    ward = Ward()
    ward.start(raises(error))
    await ward.reaches("waiting")
    (record,) = caplog.records
    assert (record.levelname, record.exc_info) == ("WARNING", None)
    assert record.getMessage() == f"Source acme lost: {reason}; retrying in 1.0 s"
    await ward.supervisor.stop_all()


@pytest.mark.gen_test
async def test_a_bug_is_logged_with_its_traceback_and_retried(caplog: pytest.LogCaptureFixture) -> None:
    ward = Ward(wakes=1)
    source = ward.start(raises(ZeroDivisionError("division by zero")), connects)
    await ward.reaches("connected")
    (record,) = caplog.records
    assert record.getMessage() == "Source acme failed: a bug in the plugin scripted; retrying in 1.0 s"
    assert record.exc_info is not None
    assert source.runs == 2
    await ward.supervisor.stop_all()


@pytest.mark.gen_test
async def test_a_source_that_cancels_itself_is_retried() -> None:
    async def cancels_itself(source: Scripted) -> None:
        raise asyncio.CancelledError

    ward = Ward(wakes=1)
    ward.start(cancels_itself, connects)
    await ward.reaches("connected")
    await ward.supervisor.stop_all()


@pytest.mark.gen_test
async def test_a_status_follows_the_source() -> None:
    ward = Ward(wakes=1)
    source = ward.start(connects, raises(ValueError("what")))
    begun = ward.clock.monotonic()
    assert ward.status() == SourceStatus("acme", "scripted", simulated=False, state="starting", since=begun)
    await ward.reaches("connected")
    ward.clock.advance(3.0)
    source.broken.set()
    await ward.reaches("failed")
    status = ward.status()
    assert (status.error, status.restarts, status.since) == ("what", 1, begun + 3.0)
    assert status.next_try == begun + 5.0
    await ward.supervisor.stop_all()
    assert ward.supervisor.statuses() == []


@pytest.mark.gen_test
async def test_a_source_with_nothing_more_to_publish_stops() -> None:
    ward = Ward()
    source = ward.start(returns)
    await ward.reaches("stopped")
    assert (source.runs, source.relay.connected, ward.sleep.asked) == (1, False, [])
    await ward.supervisor.stop_all()


# -- what the market sees


@pytest.mark.gen_test
async def test_prices_leave_the_market_with_their_source() -> None:
    ward = Ward()
    source = ward.start(connects)
    await ward.reaches("connected")
    feed = source.relay.feeds["BTC-USD"]
    assert feed.price == 67_234.5
    source.broken.set()
    await ward.reaches("waiting")
    assert (feed.price, feed.received) == (None, None)
    assert feed.proven.lost_because == "the line broke"
    await ward.supervisor.stop_all()


@pytest.mark.gen_test
async def test_a_source_that_crashes_again_and_again_does_not_touch_another() -> None:
    ward = Ward(wakes=50)
    ward.start(raises(RuntimeError("again")), name="bad")
    good = ward.start(connects, name="good")
    await eventually(lambda: ward.status("bad").restarts == 50)
    status = ward.status("good")
    assert (status.state, status.restarts, good.runs) == ("connected", 0, 1)
    assert good.relay.feeds["BTC-USD"].price == 67_234.5
    await ward.supervisor.stop_all()


# -- stopping


@pytest.mark.gen_test
async def test_a_source_is_stopped_while_it_runs() -> None:
    ward = Ward()
    source = ward.start(connects)
    await ward.reaches("connected")
    await ward.supervisor.stop("acme")
    assert not source.relay.connected
    assert source.relay.feeds["BTC-USD"].price is None
    assert ward.supervisor.statuses() == []


@pytest.mark.gen_test
async def test_what_a_source_raises_as_it_is_stopped_is_nobodys_concern(caplog: pytest.LogCaptureFixture) -> None:
    async def protests(source: Scripted) -> None:
        try:
            await source.broken.wait()
        except asyncio.CancelledError:
            raise SourceLost("not now") from None

    ward = Ward()
    source = ward.start(protests)
    await eventually(lambda: source.runs == 1)
    await ward.supervisor.stop("acme")
    assert caplog.records == []


@pytest.mark.gen_test
async def test_a_source_is_stopped_while_it_waits() -> None:
    ward = Ward()
    source = ward.start(lost)
    await ward.reaches("waiting")
    await ward.supervisor.stop("acme")
    assert source.runs == 1


@pytest.mark.gen_test
async def test_a_source_is_stopped_before_it_begins() -> None:
    ward = Ward()
    source = ward.start(connects)
    await ward.supervisor.stop("acme")
    assert source.runs == 0


@pytest.mark.gen_test
async def test_a_source_that_ignores_one_cancellation_gets_another() -> None:
    ward = Ward()
    source = ward.start(ignores_the_first_cancellation)
    await eventually(lambda: source.runs == 1)
    begun = time.monotonic()
    await ward.supervisor.stop("acme")
    assert time.monotonic() - begun < 1.0


@pytest.mark.gen_test
async def test_a_source_that_does_not_stop_is_abandoned_and_not_heard_again(caplog: pytest.LogCaptureFixture) -> None:
    ward = Ward()
    source = ward.start(ignores_every_cancellation)
    await ward.reaches("connected")
    feed, begun = source.relay.feeds["BTC-USD"], time.monotonic()
    await ward.supervisor.stop("acme")
    assert time.monotonic() - begun < 1.0
    assert "Source acme does not stop: the plugin scripted ignores its cancellation" in caplog.text
    source.relay.publish(Trade("BTC-USD", "late", 1.0, 1.0, "buy", 1_700_000_000_000))
    assert feed.price is None
    source.broken.set()
    await eventually(lambda: len(asyncio.all_tasks()) == 1)


@pytest.mark.gen_test
async def test_all_sources_stop_at_the_same_time() -> None:
    ward = Ward()
    sources = [ward.start(ignores_the_first_cancellation, name=name) for name in ("one", "two", "three")]
    await eventually(lambda: all(source.runs for source in sources))
    begun = time.monotonic()
    await ward.supervisor.stop_all()
    assert time.monotonic() - begun < 1.0
    assert ward.supervisor.statuses() == []


@pytest.mark.gen_test
async def test_a_name_can_be_used_again_after_a_stop() -> None:
    ward = Ward()
    ward.start(connects)
    with pytest.raises(ValueError, match="source acme is running; stop it first"):
        ward.start(connects)
    await ward.supervisor.stop("acme")
    ward.start(connects)
    await ward.reaches("connected")
    await ward.supervisor.stop("acme")
    await ward.supervisor.stop("acme")


# -- with a venue


class Acme(StreamSource):
    name = "acme"

    async def instruments(self) -> Iterable[Instrument]:
        return [Instrument("BTC-USD", "BTC", "USD")]

    def subscribe_messages(self, venue_symbols: Sequence[str]) -> Iterable[str]:
        return [json.dumps({"subscribe": list(venue_symbols)})]

    def parse(self, frame: str | bytes) -> Iterable[Event]:
        number, price = json.loads(frame)
        return [Trade("BTC-USD", str(number), price, 1.0, "buy", 1_700_000_000_000 + number)]


@pytest.mark.gen_test
async def test_a_venue_that_goes_away_is_named_and_its_prices_count_again_when_it_is_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    venue, supervisor = FakeVenue(), Supervisor(random=lambda low, high: 0.0)
    async with venue:
        relay = Relay("acme", wanted=[Symbol("btc")], deliver=lambda feed, event: None)
        supervisor.start("acme", Acme(StreamOptions(url=venue.url), relay), relay)
        venue.on_message = lambda frame: [[1, 100.0]]
        await eventually(lambda: relay.feeds and relay.feeds["BTC-USD"].price == 100.0)
        await venue.stop()
        await eventually(lambda: relay.feeds["BTC-USD"].price is None)
        assert f"Source acme lost: {venue.url} closed the connection; retrying in 0.1 s" in caplog.text
        await eventually(lambda: "Connection refused" in supervisor.statuses()[0].error)
        venue.on_message = lambda frame: [[2, 101.0]]
        venue.start()
        await eventually(lambda: relay.feeds["BTC-USD"].price == 101.0)
        assert supervisor.statuses()[0].state == "connected"
        await supervisor.stop_all()


@pytest.mark.gen_test
async def test_a_venue_that_refuses_is_tried_until_it_accepts() -> None:
    supervisor = Supervisor(random=lambda low, high: 0.0)
    async with FakeVenue() as venue:
        venue.refuse(503)
        relay = Relay("acme", wanted=[Symbol("btc")], deliver=lambda feed, event: None)
        supervisor.start("acme", Acme(StreamOptions(url=venue.url), relay), relay)
        await eventually(lambda: venue.handshakes >= 2)
        assert supervisor.statuses()[0].error == f"{venue.url} answered 503 Service Unavailable"
        venue.accept()
        await eventually(lambda: venue.connections == 1)
        await supervisor.stop_all()
