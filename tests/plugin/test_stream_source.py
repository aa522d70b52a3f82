"""A source that is one WebSocket, against a venue that speaks an invented dialect."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import ValidationError
from tornado.ioloop import IOLoop

from haunt import (
    BookDelta,
    BookSnapshot,
    Clock,
    Event,
    Farewell,
    FrameNumber,
    Instrument,
    Refused,
    Relay,
    SourceLost,
    StreamOptions,
    StreamSource,
    Subscribed,
    Ticker,
    Trade,
)
from haunt.market.feed import Feed
from haunt.market.symbols import Symbol
from haunt.plugin import asking, conversation, succession
from haunt.plugin.recovery import Attempts
from haunt.testing import FakeClock, FakeVenue, eventually

NOW = 1_700_000_000_000
SNAPSHOT = [["99", "1"]], [["101", "1"]]


class AcmeOptions(StreamOptions):
    rest_url: str
    connect_timeout: float = 2.0


class Acme(StreamSource):
    """`["trade", symbol, price]`, `["book", symbol, number, bids, asks]`, `["change", symbol, before, number, bids]`"""

    name = "acme"
    options: AcmeOptions

    async def instruments(self) -> Iterable[Instrument]:
        markets = json.loads(await self.fetch(f"{self.options.rest_url}/markets"))
        return [Instrument(f"{base}-{quote}", base, quote) for base, quote in markets]

    def subscribe_messages(self, venue_symbols: Sequence[str]) -> Iterable[str]:
        return [json.dumps(["subscribe", venue_symbol]) for venue_symbol in venue_symbols]

    def parse(self, frame: str | bytes) -> Iterator[Event]:
        kind, venue_symbol, *rest = json.loads(frame)
        if kind == "trade":
            yield Trade(venue_symbol, str(rest), rest[0], 1.0, "buy", NOW)
        elif kind == "book":
            yield BookSnapshot(venue_symbol, rest[1], rest[2], rest[0], None, NOW)
        elif kind == "change":
            yield BookDelta(venue_symbol, rest[2], [], rest[0], rest[1], None, NOW)
        elif kind == "confirmed":
            yield Subscribed(venue_symbol, rest[0])
        elif kind == "farewell":
            raise Farewell("Acme will be back in a minute")
        elif kind == "refused":
            yield Refused(venue_symbol, "everything", rest[0])
        elif kind == "divide":
            yield Trade(venue_symbol, "", 1 / rest[0], 1.0, "buy", NOW)


class WithoutRest(Acme):
    async def instruments(self) -> Iterable[Instrument]:
        return [Instrument("BTC-USD", "BTC", "USD")]


class RestAcme(Acme):
    """Its books begin with a snapshot fetched apart."""

    def snapshot_url(self, venue_symbol: str) -> str | None:
        return f"{self.options.rest_url}/book?of={venue_symbol}"

    def parse_response(self, url: str, body: str) -> Iterator[Event]:
        number, bids, asks = json.loads(body)
        yield BookSnapshot(url.partition("=")[2], bids, asks, number, None, None, apart=True)


class AskingAcme(RestAcme):
    """Its stream has no figures, and its books are compared with fetched ones."""

    figures_interval = 0.01
    review_interval = 0.01

    async def figures(self, venue_symbol: str) -> Iterable[Event]:
        opened = json.loads(await self.fetch(f"{self.options.rest_url}/figures"))
        return [Ticker(venue_symbol, 100.0, opened, None, None, None, apart=True)]


class ResubscribingAcme(Acme):
    def resubscribe_messages(self, venue_symbol: str) -> Iterable[str]:
        return [json.dumps(["unsubscribe", venue_symbol]), json.dumps(["subscribe", venue_symbol])]


@dataclass
class Scene:
    venue: FakeVenue
    relay: Relay
    source: StreamSource
    task: asyncio.Task[None]

    @property
    def btc(self) -> Feed:
        return self.relay.feeds["BTC-USD"]

    @property
    def book_requests(self) -> list[str]:
        return [path for path in self.venue.requests if path.startswith("/book")]

    async def connected(self) -> None:
        await eventually(lambda: self.task.done() or len(self.venue.received) == 2)
        assert not self.task.done()

    async def lost(self) -> SourceLost:
        with pytest.raises(SourceLost) as caught:
            await self.task
        return caught.value


@asynccontextmanager
async def running(
    source_class: type[StreamSource] = Acme,
    *,
    symbols: Sequence[str] = ("btc", "eth"),
    clock: Clock | None = None,
    **changes: Any,
) -> AsyncIterator[Scene]:
    """A venue with a market for each symbol, and a source that runs against it until the end of the block."""
    venue = FakeVenue()
    async with venue:
        venue.responses["/markets"] = [[symbol.upper(), "USD"] for symbol in symbols]
        wanted = [Symbol(symbol) for symbol in symbols]
        relay = Relay("acme", wanted=wanted, deliver=lambda feed, event: None, clock=clock)
        options: Mapping[str, Any] = {"url": venue.url, "rest_url": venue.rest_url, **changes}
        source = source_class(AcmeOptions(**options), relay)
        scene = Scene(venue, relay, source, asyncio.create_task(source.run()))
        try:
            yield scene
        finally:
            scene.task.cancel()
            await asyncio.wait([scene.task])


@pytest.fixture(autouse=True)
def nothing_is_left(io_loop: IOLoop, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """No task, no socket, and no complaint of a forgotten exception after any test."""
    caplog.set_level(logging.INFO)
    yield
    assert not asyncio.all_tasks(io_loop.asyncio_loop)  # type: ignore[attr-defined]
    assert not io_loop.handlers  # type: ignore[attr-defined]
    gc.collect()
    records = caplog.get_records("call") + caplog.get_records("teardown")
    assert [record for record in records if record.name.startswith(("asyncio", "tornado"))] == []


# -- frames


@pytest.mark.gen_test
async def test_a_trade_becomes_the_price() -> None:
    async with running() as scene:
        await scene.connected()
        assert scene.venue.received == [["subscribe", "BTC-USD"], ["subscribe", "ETH-USD"]]
        await scene.venue.send(["trade", "BTC-USD", 67_234.5])
        await eventually(lambda: scene.btc.price == 67_234.5)


@pytest.mark.gen_test
async def test_a_frame_sent_with_the_handshake_counts() -> None:
    async with running() as scene:
        scene.venue.welcome = [["trade", "BTC-USD", 67_234.5]]
        await scene.connected()
        await eventually(lambda: scene.btc.price == 67_234.5)


@pytest.mark.gen_test
@pytest.mark.parametrize("garbage", ["not json", "[]", "null", '["book", "BTC-USD", 1]', b"\xff\xfe"])
async def test_garbage_is_dropped_and_counted_and_logged_once_a_minute(
    garbage: str | bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with running() as scene:
        await scene.connected()
        for _ in range(3):
            await scene.venue.send(garbage)
        await scene.venue.send(["trade", "BTC-USD", 67_234.5])
        await eventually(lambda: scene.btc.price == 67_234.5)
        assert scene.relay.rejected == 3
        assert len([record for record in caplog.records if record.levelno == logging.WARNING]) == 1


@pytest.mark.gen_test
async def test_a_bug_in_the_parser_ends_the_run() -> None:
    async with running() as scene:
        await scene.connected()
        await scene.venue.send(["divide", "BTC-USD", 0])
        with pytest.raises(ZeroDivisionError):
            await scene.task


@pytest.mark.gen_test
async def test_a_bug_in_the_subscription_ends_the_run() -> None:
    class Confused(Acme):
        def subscribe_messages(self, venue_symbols: Sequence[str]) -> Iterable[str]:
            raise AttributeError("no such thing")

    async with running(Confused) as scene:
        with pytest.raises(AttributeError):
            await scene.task


@pytest.mark.gen_test
async def test_a_frame_of_twelve_megabytes_passes() -> None:
    levels = [[str(50_000 - number), "1." + "0" * 100] for number in range(49_000)]
    frame = json.dumps(["book", "BTC-USD", 1, levels, [["60000", "1"]]]) + " " * 7_000_000
    assert len(frame) > 12_000_000
    async with running() as scene:
        await scene.connected()
        await scene.venue.send(frame)
        await eventually(lambda: scene.btc.book_state == "synced")
        assert len(scene.btc.book.bids) == 49_000


# -- several connections


class Narrow(ResubscribingAcme):
    """Frames are numbered, and one connection carries one market."""

    symbols_per_connection = 1

    def parse(self, frame: str | bytes) -> Iterator[Event]:
        number, *rest = json.loads(frame)
        yield FrameNumber(number)
        yield from super().parse(json.dumps(rest))


@pytest.mark.gen_test
async def test_a_venue_that_limits_a_connection_is_given_as_many_as_it_takes() -> None:
    async with running(Narrow, symbols=("btc", "eth", "sol")) as scene:
        await eventually(lambda: len(scene.venue.received) == 3)
        assert scene.venue.connections == 3
        scene.task.cancel()
        await asyncio.wait([scene.task])
        assert scene.venue.clients == 0


@pytest.mark.gen_test
async def test_a_gap_loses_the_books_of_its_connection_alone_and_they_are_asked_for_there() -> None:
    async with running(Narrow) as scene:
        numbers = {"BTC-USD": 1, "ETH-USD": 101}
        scene.venue.on_message = lambda frame: [[numbers[frame[1]], "book", frame[1], 1, *SNAPSHOT]]
        await eventually(lambda: {feed.book_state for feed in scene.relay.feeds.values()} == {"synced"})
        scene.venue.on_message = lambda frame: [[3, "book", frame[1], 1, *SNAPSHOT]] if frame[0] == "subscribe" else []
        await scene.venue.send([2, "trade", "BTC-USD", 1.0])
        await eventually(lambda: scene.relay.integrity.links == 2)
        assert scene.relay.integrity.gaps == 1
        assert scene.venue.received[2:] == [["unsubscribe", "ETH-USD"], ["subscribe", "ETH-USD"]]
        assert {feed.book_state for feed in scene.relay.feeds.values()} == {"synced"}


@pytest.mark.gen_test
async def test_a_connection_that_is_lost_beside_others_is_made_again_alone(caplog: pytest.LogCaptureFixture) -> None:
    class Stubborn(Narrow):
        def resubscribe_messages(self, venue_symbol: str) -> Iterable[str]:
            return ()

    async with running(Stubborn) as scene:
        numbers = {"BTC-USD": 1, "ETH-USD": 101}
        scene.venue.on_message = lambda frame: [[numbers[frame[1]], "book", frame[1], 1, *SNAPSHOT]]
        await eventually(lambda: {feed.book_state for feed in scene.relay.feeds.values()} == {"synced"})
        await scene.venue.send([2, "trade", "BTC-USD", 1.0])
        await eventually(lambda: scene.venue.connections == 3)
        await eventually(lambda: {feed.book_state for feed in scene.relay.feeds.values()} == {"synced"})
        assert scene.venue.received[2:] == [["subscribe", "ETH-USD"]]
        assert "lost one of its connections: the book of ETH-USD needs a new connection" in caplog.text


@pytest.mark.gen_test
async def test_connections_and_messages_keep_to_what_a_host_allows() -> None:
    class Modest(Narrow):
        connection_limit = (1, 0.1)
        message_limit = (1, 0.2)

    begun = time.monotonic()
    async with running(Modest, symbols=("btc", "eth", "sol")) as scene:
        await eventually(lambda: scene.venue.connections == 3)
        assert time.monotonic() - begun >= 0.2
        await eventually(lambda: len(scene.venue.received) == 3)
        assert time.monotonic() - begun >= 0.4


# -- one connection after another


def answering_with_books(scene: Scene) -> list[str]:
    """Give each market its book; what became of the books since."""
    states: list[str] = []
    feeds = scene.relay.feeds
    scene.venue.on_message = lambda frame: (
        states.extend(feed.book_state for feed in feeds.values()) or [["book", frame[1], 1, *SNAPSHOT]]
    )
    return states


@pytest.mark.gen_test
@pytest.mark.parametrize("life", [None, 0.3])
async def test_a_connection_whose_end_is_known_hands_over_to_the_next(life: float | None) -> None:
    class Mortal(Acme):
        connection_life = life

    async with running(Mortal) as scene:
        states = answering_with_books(scene)
        await eventually(lambda: scene.relay.feeds and scene.relay.feeds["ETH-USD"].book_state == "synced")
        states.clear()
        if life is None:
            await scene.venue.send(["farewell", "-"])
        await eventually(lambda: scene.venue.connections == 2 and scene.venue.clients == 1)
        await scene.venue.send(["trade", "BTC-USD", 5.0])
        await eventually(lambda: scene.btc.last == 5.0)
        assert set(states) == {"synced"}
        assert scene.relay.connected


@pytest.mark.gen_test
async def test_a_connection_that_cannot_be_replaced_yet_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    async with running() as scene:
        answering_with_books(scene)
        await eventually(lambda: scene.relay.feeds and scene.relay.feeds["ETH-USD"].book_state == "synced")
        scene.venue.refuse(503)
        await scene.venue.send(["farewell", "-"])
        await eventually(lambda: "cannot replace a connection yet" in caplog.text)
        await scene.venue.send(["trade", "BTC-USD", 5.0])
        await eventually(lambda: scene.btc.last == 5.0)
        scene.venue.accept()
        await eventually(lambda: scene.venue.connections == 2 and scene.venue.clients == 1)
        assert {feed.book_state for feed in scene.relay.feeds.values()} == {"synced"}


@pytest.mark.gen_test
async def test_a_connection_that_ends_before_its_successor_stands_is_lost() -> None:
    async with running() as scene:
        answering_with_books(scene)
        await eventually(lambda: scene.relay.feeds and scene.relay.feeds["ETH-USD"].book_state == "synced")
        scene.venue.silent()
        await scene.venue.send(["farewell", "-"])
        await eventually(lambda: scene.venue.handshakes == 2)
        await scene.venue.disconnect()
        assert "closed the connection" in str(await scene.lost())


@pytest.mark.gen_test
async def test_a_venue_that_says_goodbye_to_every_connection_is_not_asked_at_once_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(succession, "uniform", lambda low, high: high)
    async with running() as scene:
        answering_with_books(scene)
        scene.venue.welcome = [["farewell", "-"]]
        await eventually(lambda: scene.venue.connections == 2 and scene.venue.clients == 1)
        await asyncio.sleep(0.3)
        assert scene.venue.connections == 2
        assert scene.btc.book_state == "synced"


@pytest.mark.gen_test
async def test_a_bug_in_the_next_connection_ends_the_run() -> None:
    class Confused(Acme):
        def reader(self, send: Callable[[str], None]) -> Callable[[str | bytes], Iterable[Event]]:
            if scene.venue.connections == 2:
                raise AttributeError("no such thing")
            return self.parse

    async with running(Confused) as scene:
        await scene.connected()
        await scene.venue.send(["farewell", "-"])
        with pytest.raises(AttributeError):
            await scene.task


@pytest.mark.gen_test
async def test_a_source_can_be_cancelled_at_any_moment_of_a_handover() -> None:
    for turns in range(0, 60, 3):
        async with running() as scene:
            answering_with_books(scene)
            await eventually(lambda scene=scene: scene.relay.feeds and scene.btc.book_state == "synced")
            await scene.venue.send(["farewell", "-"])
            for _ in range(turns):
                await asyncio.sleep(0)
            await cancelled_at_once(scene.task)


@pytest.mark.gen_test
async def test_the_address_is_asked_for_before_each_connection() -> None:
    class Ticketed(Acme):
        async def address(self) -> str:
            ticket = json.loads(await self.fetch(f"{self.options.rest_url}/ticket"))
            return f"{self.options.url}?ticket={ticket}"

    async with running(Ticketed) as scene:
        scene.venue.responses["/ticket"] = "7"
        await scene.connected()
        await scene.venue.disconnect()
        assert str(await scene.lost()).startswith(f"{scene.venue.url} closed"), "a ticket is nobody's business"
        assert scene.venue.requests == ["/markets", "/ticket"]


@pytest.mark.gen_test
async def test_a_post_has_no_body() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        asked.append((head.split(b" ", 1)[0], b"content-length: 0" in head.lower()))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
        writer.close()

    asked: list[tuple[bytes, bool]] = []
    async with running() as scene, await asyncio.start_server(answer, "127.0.0.1") as server:
        url = "http://127.0.0.1:{1}".format(*server.sockets[0].getsockname())
        assert await scene.source.fetch(url, method="POST") == "ok"
        assert asked == [(b"POST", True)]


# -- what goes to the venue


@pytest.mark.gen_test
async def test_messages_keep_the_venues_pace() -> None:
    class Slow(Acme):
        message_interval = 0.1

    begun = time.monotonic()
    async with running(Slow) as scene:
        await scene.connected()
        assert time.monotonic() - begun >= 0.1


@pytest.mark.gen_test
async def test_the_first_message_waits_as_long_as_the_venue_wants() -> None:
    class Patient(Acme):
        subscribe_delay = 0.1

    begun = time.monotonic()
    async with running(Patient) as scene:
        await eventually(lambda: scene.venue.received)
        assert time.monotonic() - begun >= 0.1


@pytest.mark.gen_test
async def test_the_venues_own_ping_is_answered() -> None:
    class Polite(Acme):
        def reader(self, send: Callable[[str], None]) -> Callable[[str | bytes], Iterable[Event]]:
            def read(frame: str | bytes) -> Iterable[Event]:
                if frame != '["ping"]':
                    return self.parse(frame)
                send('["pong"]')
                return ()

            return read

    async with running(Polite) as scene:
        await scene.connected()
        await scene.venue.send(["ping"])
        await eventually(lambda: scene.venue.received[-1] == ["pong"])


@pytest.mark.gen_test
async def test_answers_to_our_pings_keep_a_quiet_connection() -> None:
    class Pinging(Acme):
        ping_message = '["ping"]'
        ping_interval = 0.05

    async with running(Pinging, silence_timeout=0.5) as scene:
        scene.venue.on_message = lambda frame: [["pong", "-"]] if frame == ["ping"] else []
        await eventually(lambda: scene.venue.received.count(["ping"]) >= 12)
        assert not scene.task.done()


@pytest.mark.gen_test
async def test_each_ping_is_made_when_it_is_sent() -> None:
    class Counting(Acme):
        ping_interval = 0.02
        pings = 0

        @property
        def ping_message(self) -> str:
            self.pings += 1
            return json.dumps(["ping", self.pings])

    async with running(Counting) as scene:
        await eventually(lambda: ["ping", 2] in scene.venue.received)
        assert scene.venue.received.count(["ping", 1]) == 1


@pytest.mark.gen_test
async def test_an_address_that_makes_no_sense_loses_the_source() -> None:
    class Astray(Acme):
        async def address(self) -> str:
            return str({}["endpoint"])

    async with running(Astray) as scene:
        assert str(await scene.lost()) == "what should tell its address makes no sense: KeyError: 'endpoint'"


class Courteous(Acme):
    waits_for_welcome = True


@pytest.mark.gen_test
async def test_a_venue_that_speaks_first_is_asked_for_nothing_before() -> None:
    async with running(Courteous, silence_timeout=0.2) as scene:
        await scene.lost()
        assert (scene.venue.connections, scene.venue.received) == (1, [])


@pytest.mark.gen_test
async def test_a_venue_that_spoke_is_asked_for_its_markets() -> None:
    async with running(Courteous) as scene:
        scene.venue.welcome = [["welcome", "-"]]
        await scene.connected()


# -- a venue that is lost


@pytest.mark.gen_test
async def test_a_closed_connection_loses_the_source() -> None:
    async with running() as scene:
        await scene.connected()
        await scene.venue.disconnect(1012, "maintenance\r\nat noon")
        error = await scene.lost()
        assert str(error) == rf"{scene.venue.url} closed the connection (1012 'maintenance\r\nat noon')"


@pytest.mark.gen_test
async def test_a_line_cut_without_a_word_loses_the_source() -> None:
    async with running() as scene:
        await scene.connected()
        await scene.venue.disconnect(None)
        assert str(await scene.lost()) == f"{scene.venue.url} closed the connection"


@pytest.mark.gen_test
async def test_silence_loses_the_source_even_where_pongs_arrive() -> None:
    class Pinging(Acme):
        ping_interval = 0.02

    async with running(Pinging, silence_timeout=0.2) as scene:
        assert str(await scene.lost()) == f"{scene.venue.url} has been silent for 0.2 s"


@pytest.mark.gen_test
@pytest.mark.parametrize(
    ("status", "headers", "retry_after"),
    [
        (503, {}, 0.0),
        (429, {}, 60.0),
        (429, {"Retry-After": "7"}, 7.0),
        (429, {"Retry-After": "Wed, 21 Oct 2020 07:28:00 GMT"}, 0.0),
        (429, {"Retry-After": "Wed, 21 Oct 2198 07:28:00 GMT"}, 86_400.0),
        (429, {"Retry-After": "soon"}, 0.0),
        (418, {}, 600.0),
        (418, {"Retry-After": "999999999"}, 86_400.0),
        (403, {}, 1_800.0),
        (451, {}, 1_800.0),
    ],
)
@pytest.mark.parametrize("door", ["websocket", "rest"])
async def test_a_refusal_says_how_long_to_wait(
    door: str, status: int, headers: dict[str, str], retry_after: float
) -> None:
    async with running() as scene:
        if door == "websocket":
            scene.venue.refuse(status, headers)
        else:
            scene.venue.responses["/markets"] = (status, "go away", headers)
        error = await scene.lost()
        assert f" answered {status} " in str(error)
        assert error.retry_after == retry_after


@pytest.mark.gen_test
@pytest.mark.parametrize("url", ["ws://127.0.0.1:1/", "ws://no..such.host/", "ws://127.0.0.1:port/"])
async def test_a_venue_that_cannot_be_reached_loses_the_source(url: str) -> None:
    async with running(url=url) as scene:
        assert str(await scene.lost()).startswith(f"{url} cannot be reached: ")


@pytest.mark.gen_test
async def test_a_handshake_without_an_answer_loses_the_source() -> None:
    async with running(WithoutRest, connect_timeout=0.2) as scene:
        scene.venue.silent()
        assert "cannot be reached: no answer within 0.2 s" in str(await scene.lost())


@pytest.mark.gen_test
async def test_a_list_of_markets_without_sense_loses_the_source() -> None:
    async with running() as scene:
        scene.venue.responses["/markets"] = "<html>We will be back soon</html>"
        assert "list of markets makes no sense" in str(await scene.lost())


@pytest.mark.gen_test
async def test_a_venue_with_none_of_the_symbols_is_asked_again_in_a_minute() -> None:
    async with running() as scene:
        scene.venue.responses["/markets"] = [["DOGE", "USD"]]
        error = await scene.lost()
        assert "none of the symbols" in str(error)
        assert error.retry_after == 60.0


def test_a_url_that_is_no_websocket_is_refused() -> None:
    with pytest.raises(ValidationError, match="must begin with ws:// or wss://"):
        AcmeOptions(url="https://acme.example", rest_url="")


# -- markets without data


@pytest.mark.gen_test
async def test_a_refused_symbol_does_not_stop_the_others() -> None:
    async with running() as scene:
        scene.venue.on_message = lambda frame: [["refused", "ETH-USD", "it is halted"], ["trade", "BTC-USD", 5.0]]
        await scene.connected()
        await eventually(lambda: scene.btc.price == 5.0)
        assert scene.relay.refused == {"ETH-USD": "it is halted"}
        assert not scene.task.done()


@pytest.mark.gen_test
async def test_a_market_without_data_is_named_unless_it_was_refused(caplog: pytest.LogCaptureFixture) -> None:
    async with running(symbols=("btc", "eth", "sol"), first_data_timeout=0.1) as scene:
        scene.venue.on_message = lambda frame: [["refused", "ETH-USD", "it is halted"], ["trade", "BTC-USD", 5.0]]
        await eventually(lambda: "no data of" in caplog.text)
        assert "no data of SOL-USD within 0.1 s of subscribing" in caplog.text
        assert not scene.task.done()


@pytest.mark.gen_test
async def test_a_market_without_data_is_named_once_for_all_connections(caplog: pytest.LogCaptureFixture) -> None:
    async with running(first_data_timeout=0.1) as scene:
        scene.venue.on_message = lambda frame: [["trade", "BTC-USD", 5.0]]
        await eventually(lambda: "no data of ETH-USD within" in caplog.text)
        await scene.venue.disconnect()
        await scene.lost()
        scene.relay.close("lost")
        scene.venue.on_message = lambda frame: [["trade", "BTC-USD", 6.0]]
        scene.task = asyncio.create_task(scene.source.run())
        await eventually(lambda: scene.btc.price == 6.0)
        await asyncio.sleep(0.3)
        assert caplog.text.count("no data of") == 1


# -- markets that fall silent


@pytest.fixture
def looking_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation, "LOOK_EVERY", 0.02)


async def known(scene: Scene) -> None:
    """Wait until the source has looked at every market that spoke."""
    await eventually(lambda: {feed.streams["data"].known for feed in scene.relay.feeds.values()} == {True})


@pytest.mark.gen_test
@pytest.mark.usefixtures("looking_often")
async def test_a_market_without_data_is_subscribed_again_but_never_costs_the_connection() -> None:
    async with running(first_data_timeout=0.05) as scene:
        scene.venue.on_message = lambda frame: [["trade", "BTC-USD", 5.0]]
        await eventually(lambda: scene.venue.received.count(["subscribe", "ETH-USD"]) == 4)
        assert scene.venue.received.count(["subscribe", "BTC-USD"]) == 1
        assert not scene.task.done()


@pytest.mark.gen_test
@pytest.mark.usefixtures("looking_often")
async def test_a_market_that_was_refused_is_not_subscribed_again() -> None:
    async with running(first_data_timeout=0.05) as scene:
        scene.venue.on_message = lambda frame: [["trade", "BTC-USD", 5.0], ["refused", "ETH-USD", "it is halted"]]
        await eventually(lambda: scene.relay.refused)
        await asyncio.sleep(0.3)
        assert len(scene.venue.received) == 2


@pytest.mark.gen_test
@pytest.mark.usefixtures("looking_often")
async def test_a_stream_that_every_market_has_is_awaited_of_each(caplog: pytest.LogCaptureFixture) -> None:
    class Booked(Acme):
        streams = ("book",)

    async with running(Booked, first_data_timeout=0.05) as scene:
        scene.venue.on_message = lambda frame: [["trade", "BTC-USD", 5.0], ["book", "ETH-USD", 1, *SNAPSHOT]]
        await eventually(lambda: "no book of BTC-USD; subscribing again" in caplog.text)


@pytest.mark.gen_test
@pytest.mark.usefixtures("looking_often")
async def test_what_other_markets_have_is_awaited_too(caplog: pytest.LogCaptureFixture) -> None:
    async with running(first_data_timeout=0.2) as scene:
        scene.venue.on_message = lambda frame: [["trade", "BTC-USD", 5.0], ["book", "ETH-USD", 1, *SNAPSHOT]]
        await eventually(lambda: "no book of BTC-USD; subscribing again" in caplog.text)
        assert "of ETH-USD; subscribing" not in caplog.text, "it need not trade"


@pytest.mark.gen_test
async def test_a_channel_confirmed_for_other_markets_alone_is_subscribed_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with running(first_data_timeout=0.1) as scene:
        scene.venue.on_message = lambda frame: [
            ["confirmed", frame[1], "book"], ["book", frame[1], 1, *SNAPSHOT], ["confirmed", "BTC-USD", "trade"]
        ]  # fmt: skip
        await eventually(lambda: len(scene.venue.received) == 3)
        assert "no confirmation of trade of ETH-USD; subscribing again" in caplog.text
        assert scene.venue.received[2] == ["subscribe", "ETH-USD"]


@pytest.mark.gen_test
@pytest.mark.usefixtures("looking_often")
async def test_a_market_that_stops_is_subscribed_again_then_needs_a_new_connection_once() -> None:
    clock = FakeClock()
    async with running(clock=clock, first_data_timeout=0.1) as scene:
        scene.venue.on_message = lambda frame: [["trade", frame[1], 5.0]]
        await known(scene)
        scene.venue.on_message = lambda frame: []
        clock.advance(50)
        await scene.venue.send(["trade", "BTC-USD", 6.0])
        clock.advance(11)
        assert str(await scene.lost()) == "no data of ETH-USD, though it was subscribed again"
        assert scene.venue.received[2:] == [["subscribe", "ETH-USD"]] * 2
        scene.relay.close("lost")
        scene.venue.on_message = lambda frame: [["trade", "BTC-USD", 7.0]]
        scene.task = asyncio.create_task(scene.source.run())
        await eventually(lambda: scene.btc.price == 7.0)
        clock.advance(1)
        await eventually(lambda: scene.venue.received[2:].count(["subscribe", "ETH-USD"]) == 6)
        assert not scene.task.done()


@pytest.mark.gen_test
@pytest.mark.usefixtures("looking_often")
async def test_most_markets_silent_at_once_are_a_dead_connection() -> None:
    clock = FakeClock()
    async with running(clock=clock, symbols=("btc", "eth", "sol", "ada", "dot")) as scene:
        scene.venue.on_message = lambda frame: [["trade", frame[1], 5.0]]
        await known(scene)
        clock.advance(50)
        await scene.venue.send(["trade", "BTC-USD", 6.0])
        clock.advance(11)
        assert str(await scene.lost()) == "4 of 5 markets are silent, such as ETH-USD"
        assert len(scene.venue.received) == 5


# -- books


@pytest.mark.gen_test
async def test_a_snapshot_fetched_after_the_first_deltas_gives_a_synced_book() -> None:
    async with running(RestAcme) as scene:
        await scene.connected()
        scene.venue.silent()
        for number in (5, 6, 7):
            await scene.venue.send(["change", "BTC-USD", number - 1, number, [[str(90 + number), "2"]]])
        await eventually(lambda: scene.book_requests and scene.relay.events == 3)
        scene.venue.responses["/book?of=BTC-USD"] = [6, *SNAPSHOT]
        scene.venue.speak()
        await eventually(lambda: scene.btc.book_state == "synced")
        assert list(scene.btc.book.bids) == [(99.0, 1.0), (97.0, 2.0)]


@pytest.mark.gen_test
async def test_a_snapshot_older_than_the_first_delta_is_fetched_again() -> None:
    async with running(RestAcme, resync_interval=0.05) as scene:
        scene.venue.responses["/book?of=BTC-USD"] = [2, *SNAPSHOT]
        await scene.connected()
        await scene.venue.send(["change", "BTC-USD", 4, 5, []])
        await eventually(lambda: len(scene.book_requests) == 2)
        assert scene.btc.book_state == "lost"
        scene.venue.responses["/book?of=BTC-USD"] = [5, *SNAPSHOT]
        await eventually(lambda: scene.btc.book_state == "synced")


@pytest.mark.gen_test
async def test_a_burst_of_gaps_is_one_resync() -> None:
    async with running(RestAcme, resync_interval=0.05) as scene:
        scene.venue.responses["/book?of=BTC-USD"] = [5, *SNAPSHOT]
        await scene.connected()
        await scene.venue.send(["change", "BTC-USD", 4, 5, []])
        await eventually(lambda: scene.btc.book_state == "synced")
        scene.venue.responses["/book?of=BTC-USD"] = [30, *SNAPSHOT]
        for number in (10, 20, 30):
            await scene.venue.send(["change", "BTC-USD", number - 1, number, []])
        await eventually(lambda: scene.btc.proven.sequence == 30)
        assert scene.btc.book_state == "synced"
        assert scene.btc.proven.integrity.gaps == 3
        assert len(scene.book_requests) == 2


@pytest.mark.gen_test
async def test_a_gap_loses_the_book_at_once_and_a_resubscription_brings_it_back() -> None:
    async with running(ResubscribingAcme) as scene:
        await scene.connected()
        await scene.venue.send(["book", "BTC-USD", 1, *SNAPSHOT])
        await eventually(lambda: scene.btc.price == 100.0)
        await scene.venue.send(["change", "BTC-USD", 7, 8, []])
        await eventually(lambda: scene.venue.received[2:] == [["unsubscribe", "BTC-USD"], ["subscribe", "BTC-USD"]])
        assert (scene.btc.book_state, scene.btc.price) == ("lost", None)
        await scene.venue.send(["book", "BTC-USD", 9, *SNAPSHOT])
        await eventually(lambda: scene.btc.price == 100.0)


@pytest.mark.gen_test
async def test_a_second_gap_waits_for_the_resync_interval() -> None:
    async with running(ResubscribingAcme, resync_interval=0.3) as scene:
        await scene.connected()
        scene.venue.on_message = lambda frame: [["book", frame[1], 9, *SNAPSHOT]] if frame[0] == "subscribe" else []
        begun = time.monotonic()
        for number in (20, 40):
            await scene.venue.send(["book", "BTC-USD", number - 5, *SNAPSHOT])
            await scene.venue.send(["change", "BTC-USD", number - 1, number, []])
            await eventually(lambda gaps=number // 20: len(scene.venue.received) == 2 + 2 * gaps)
        assert time.monotonic() - begun >= 0.3


@pytest.mark.gen_test
async def test_a_book_that_is_back_is_not_asked_for_again() -> None:
    async with running(ResubscribingAcme, resync_interval=0.1) as scene:
        received = scene.venue.received
        await scene.connected()
        await scene.venue.send(["change", "BTC-USD", 4, 5, []])
        await eventually(lambda: received.count(["unsubscribe", "BTC-USD"]) == 1)
        await scene.venue.send(["book", "BTC-USD", 6, *SNAPSHOT])
        await scene.venue.send(["change", "ETH-USD", 4, 5, []])
        await eventually(lambda: received.count(["unsubscribe", "ETH-USD"]) == 4)
        assert received.count(["unsubscribe", "BTC-USD"]) == 1


@pytest.mark.gen_test
async def test_where_nothing_else_helps_a_lost_book_needs_a_new_connection() -> None:
    async with running() as scene:
        await scene.connected()
        await scene.venue.send(["book", "BTC-USD", 1, *SNAPSHOT])
        await scene.venue.send(["change", "BTC-USD", 7, 8, []])
        assert str(await scene.lost()) == ("the book of BTC-USD needs a new connection (gap: delta 8 follows 7, not 1)")


@pytest.mark.gen_test
async def test_a_venue_that_ignores_resubscriptions_is_left_for_a_new_connection() -> None:
    async with running(ResubscribingAcme, resync_interval=0.02) as scene:
        await scene.connected()
        await scene.venue.send(["change", "BTC-USD", 7, 8, []])
        assert "needs a new connection" in str(await scene.lost())
        assert scene.venue.received[2:].count(["subscribe", "BTC-USD"]) == 4  # the fifth attempt is the connection


@pytest.mark.gen_test
@pytest.mark.parametrize("failure", [(503, "", {}), "<html>", [6]])
async def test_a_failing_snapshot_leaves_the_stream_alone(failure: Any) -> None:
    async with running(RestAcme, resync_interval=0.02) as scene:
        scene.venue.responses["/book?of=BTC-USD"] = failure
        await scene.connected()
        await scene.venue.send(["change", "BTC-USD", 4, 5, []])
        await eventually(lambda: len(scene.book_requests) >= 2)
        await scene.venue.send(["trade", "BTC-USD", 5.0])
        await eventually(lambda: scene.btc.price == 5.0)
        scene.venue.responses["/book?of=BTC-USD"] = [5, *SNAPSHOT]
        await eventually(lambda: scene.btc.book_state == "synced")


@pytest.mark.gen_test
async def test_a_venue_that_counts_requests_gets_the_rest_it_asks_for(caplog: pytest.LogCaptureFixture) -> None:
    async with running(RestAcme, resync_interval=0.02) as scene:
        scene.venue.responses["/book"] = (429, "", {"Retry-After": "60"})
        await scene.connected()
        await scene.venue.send(["change", "BTC-USD", 4, 5, []])
        await eventually(lambda: "no order book of BTC-USD" in caplog.text)
        await scene.venue.send(["change", "ETH-USD", 4, 5, []])
        await eventually(lambda: "rebuilding the book of ETH-USD" in caplog.text)
        await asyncio.sleep(0.1)
        assert len(scene.book_requests) == 1


@pytest.mark.gen_test
async def test_a_book_that_cannot_be_had_does_not_hold_up_the_others(caplog: pytest.LogCaptureFixture) -> None:
    async with running(RestAcme, resync_interval=0.01) as scene:
        scene.venue.responses["/book?of=ETH-USD"] = [5, *SNAPSHOT]
        await scene.connected()
        await scene.venue.send(["change", "BTC-USD", 4, 5, []])
        await eventually(lambda: len(scene.book_requests) == 3)
        await scene.venue.send(["change", "ETH-USD", 4, 5, []])
        await eventually(lambda: scene.relay.feeds["ETH-USD"].book_state == "synced")
        assert caplog.text.count("no order book of BTC-USD") == 1


def test_pauses_between_attempts_double_and_a_calm_time_ends_them() -> None:
    attempts, now, pauses = Attempts(first_pause=5.0), 1_000.0, []
    for _ in range(7):
        attempts.add(now)
        pauses.append(attempts.wait(now))
        now += attempts.wait(now)
    assert pauses == [5.0, 10.0, 20.0, 40.0, 80.0, 80.0, 80.0]
    attempts.add(now + 81.0)
    assert attempts.wait(now + 81.0) == 5.0


# -- the end


@pytest.mark.gen_test
async def test_a_source_can_be_cancelled_while_it_waits_for_the_list_of_markets() -> None:
    async with running() as scene:
        scene.venue.silent()
        await eventually(lambda: scene.venue.requests == ["/markets"])
        await cancelled_at_once(scene.task)


@pytest.mark.gen_test
async def test_a_source_can_be_cancelled_while_its_venue_is_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = asyncio.Event()

    async def never_answers(*args: object, **kwargs: object) -> None:
        asked.set()
        await asyncio.Event().wait()

    async with running(WithoutRest, url="ws://venue.invalid") as scene:
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", never_answers)
        await asked.wait()
        await cancelled_at_once(scene.task)


@pytest.mark.gen_test
async def test_a_source_can_be_cancelled_while_it_connects() -> None:
    async with running(WithoutRest) as scene:
        scene.venue.silent()
        await eventually(lambda: scene.venue.handshakes == 1)
        await cancelled_at_once(scene.task)


@pytest.mark.gen_test
async def test_a_source_can_be_cancelled_while_it_fetches_a_snapshot() -> None:
    async with running(RestAcme) as scene:
        await scene.connected()
        scene.venue.silent()
        await scene.venue.send(["change", "BTC-USD", 4, 5, []])
        await eventually(lambda: scene.book_requests)
        await cancelled_at_once(scene.task)


@pytest.mark.gen_test
async def test_a_source_can_be_cancelled_at_any_moment() -> None:
    for turns in range(80):
        async with running() as scene:
            for _ in range(turns):
                await asyncio.sleep(0)
            await cancelled_at_once(scene.task)


async def cancelled_at_once(task: asyncio.Task[None]) -> None:
    begun = time.monotonic()
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert time.monotonic() - begun < 0.5
    # The venue closes nothing by itself: its ear alone is left when all sockets of the source are closed.
    await eventually(lambda: len(IOLoop.current().handlers) == 1, within=1.0)  # type: ignore[attr-defined]


# -- what is asked for beside the stream


@pytest.mark.gen_test
async def test_figures_are_asked_for_again_and_again_whatever_the_answers_are(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with running(AskingAcme) as scene:
        await scene.connected()
        await eventually(lambda: "no figures of BTC-USD" in caplog.text)
        scene.venue.responses["/figures"] = '"much"'
        await eventually(lambda: scene.relay.rejected)
        scene.venue.responses["/figures"] = "95"
        await eventually(lambda: scene.btc.open_24h == 95.0)
        scene.venue.responses["/figures"] = "96"
        await eventually(lambda: scene.btc.open_24h == 96.0)
        assert not scene.task.done()
        assert not scene.btc.fresh(0.0)


@pytest.mark.gen_test
async def test_a_market_without_changes_gets_its_book_all_the_same() -> None:
    async with running(RestAcme, symbols=["btc"], first_data_timeout=0.01) as scene:
        scene.venue.responses["/book?of=BTC-USD"] = [20, *SNAPSHOT]
        await eventually(lambda: scene.relay.feeds and scene.btc.bid == 99.0)
        assert scene.venue.connections == 1


@pytest.mark.gen_test
async def test_a_book_is_compared_with_a_fetched_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "OLDEST_ANSWER", 0.01)
    async with running(AskingAcme, symbols=["btc"]) as scene:
        scene.venue.responses["/figures"] = "95"
        scene.venue.responses["/book?of=BTC-USD"] = [20, *SNAPSHOT]
        await eventually(lambda: scene.venue.received)
        assert not scene.book_requests, "there is no book to compare"
        await scene.venue.send(["change", "BTC-USD", 20, 21, []])
        await eventually(lambda: scene.btc.book_state == "synced")
        assert scene.relay.integrity.gaps == 0
        scene.venue.responses["/book?of=BTC-USD"] = [22, [["98", "1"]], [["101", "1"]]]
        await eventually(lambda: scene.btc.bid == 98.0)
        assert scene.relay.integrity.gaps == 1
