"""Recordings as they are played: their pace, the source that reads them, and what it publishes."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import Field
from recordings import line, recording

from haunt import (
    Event,
    FrameNumber,
    Instrument,
    Line,
    PluginError,
    RecordingError,
    Refused,
    Relay,
    SourceLost,
    StreamOptions,
    StreamSource,
    Trade,
    find_adapter,
    make_player,
    paced,
)
from haunt.plugin.player import Pace, default_url

NOW = 1_700_000_000_000


class ToyOptions(StreamOptions):
    url: str = Field("wss://toy.example/feed")


class Toy(StreamSource):
    """Frames are a price; a response is two."""

    name = "toy"
    options: ToyOptions

    def parse(self, frame):
        yield FrameNumber(int(frame))
        yield Trade("BTC-USD", str(int(frame)), float(frame), 1.0, "buy", NOW)

    def serves(self, url):
        return not url.endswith("/futures")

    def parse_response(self, url, body):
        return [Trade("BTC-USD", f"{url} {price}", float(price), 1.0, "sell", NOW) for price in body.split()]


# -- pace


def test_lines_are_due_at_their_recorded_distance():
    pace = Pace(1.0)
    assert pace.wait(1_700_000_000.0, 50.0) == 0.0
    assert pace.wait(1_700_000_003.0, 50.5) == pytest.approx(2.5)


def test_twice_the_speed_is_half_the_distance():
    pace = Pace(2.0)
    pace.wait(100.0, 50.0)
    assert pace.wait(103.0, 50.0) == pytest.approx(1.5)


def test_lines_without_a_time_and_late_ones_are_due_at_once():
    pace = Pace(1.0)
    pace.wait(100.0, 50.0)
    assert pace.wait(None, 50.0) == pace.wait(99.0, 50.0) == pace.wait(101.0, 52.0) == 0.0


def test_being_late_once_delays_nothing_after():
    pace = Pace(1.0)
    pace.wait(100.0, 50.0)
    pace.wait(101.0, 59.0)
    assert pace.wait(110.0, 59.0) == pytest.approx(1.0)


@pytest.mark.gen_test
async def test_recorded_speed_waits_between_lines(tmp_path):
    loop, lines = asyncio.get_running_loop(), recording(tmp_path, line(ts=10.0), line(ts=10.5))
    times = [loop.time() async for _ in paced(lines, 10.0)]
    assert times[1] - times[0] >= 0.049


@pytest.mark.gen_test
async def test_full_speed_does_not_wait_but_lets_others_have_their_turn():
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    loop, beside = asyncio.get_running_loop(), asyncio.create_task(other())
    began = loop.time()
    far_apart = (Line(number * 3_600.0, "ws", "", None, "receive", "") for number in range(1_000_000))
    async for _ in paced(far_apart, None):
        if loop.time() - began > 0.05:
            break
    beside.cancel()
    assert turns >= 3


# -- the source that reads it


def install(folder: Path, monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """A stranger's package whose plugins of these names all connect to wss://toy.example."""
    package = folder / "toys-1.dist-info"
    package.mkdir()
    package.joinpath("METADATA").write_text("Metadata-Version: 2.1\nName: toys\nVersion: 1\n")
    package.joinpath("entry_points.txt").write_text("[haunt]\n" + "".join(f"{name} = toy_{name}\n" for name in names))
    for name in names:
        (folder / f"toy_{name}.py").write_text(PLUGIN.format(name=name))
    monkeypatch.syspath_prepend(folder)


PLUGIN = """
import haunt
class Options(haunt.StreamOptions):
    url: str = "wss://toy.example"
class Toy(haunt.StreamSource):
    name = "{name}"
    options: Options
@haunt.hookimpl
def register_sources(register):
    register(Toy)
"""


@pytest.mark.parametrize(
    "url",
    ["wss://ws.kraken.com/v2", "wss://ws.kraken.com:443/v2?from=here"],
)
def test_the_source_is_found_by_the_host_it_connects_to(tmp_path, url):
    lines = recording(tmp_path, line(kind="rest", url_or_channel="https://elsewhere/"), line(url_or_channel=url))
    adapter = find_adapter(lines)
    assert adapter.name == "kraken"
    assert default_url(adapter) == "wss://ws.kraken.com/v2"


@pytest.mark.parametrize("url", ["wss://toy.example", "toy", "wss://[toy"])
def test_an_unknown_host_is_told_with_the_sources_there_are(tmp_path, url):
    with pytest.raises(
        RecordingError, match=rf"of {re.escape(url)}, which no source is known for; name one of: .*kraken"
    ):
        find_adapter(recording(tmp_path, line(url_or_channel=url)))


def test_a_host_of_several_sources_is_told_with_their_names(tmp_path, monkeypatch):
    install(tmp_path, monkeypatch, "one", "other")
    with pytest.raises(RecordingError, match="which several sources are known for; name one of: one, other"):
        find_adapter(recording(tmp_path, line(url_or_channel="wss://toy.example")))


def test_a_file_without_a_websocket_frame_has_no_source(tmp_path):
    with pytest.raises(RecordingError, match="holds no WebSocket frame"):
        find_adapter(recording(tmp_path, line(kind="rest")))


def test_a_source_that_is_named_need_not_be_found(tmp_path):
    assert find_adapter(recording(tmp_path, line()), "kraken").name == "kraken"


def test_a_name_that_is_no_source_of_frames_is_refused(tmp_path):
    with pytest.raises(PluginError, match="simulator reads no frames of a venue"):
        find_adapter(recording(tmp_path), "simulator")
    with pytest.raises(PluginError, match="krakn"):
        find_adapter(recording(tmp_path), "krakn")


# -- playing it


def play(
    tmp_path: Path, *lines: bytes, admit: Callable[[Event], Event | None], adapter: type[StreamSource] = Toy
) -> tuple[Relay, list[Event]]:
    """What the market is told of these lines."""
    told: list[Event] = []
    relay = Relay("toy", wanted=(), deliver=lambda feed, event: told.append(event))
    relay.add(Instrument("BTC-USD", "BTC", "USD"), "btc")
    relay.open()
    player = make_player(adapter, relay, admit)
    for one in recording(tmp_path, *lines):
        player.play(one)
    return relay, told


def everything(event: Event) -> Event:
    return event


def test_frames_and_responses_go_through_the_source_in_order(tmp_path):
    answer = line(kind="rest", url_or_channel="https://toy.example/trades", raw="20 30")
    relay, told = play(tmp_path, line(raw="1"), answer, line(raw="2"), admit=everything)
    assert [trade.price for trade in told] == [1.0, 20.0, 30.0, 2.0]
    assert (relay.integrity.links, relay.integrity.gaps) == (1, 0)


def test_what_the_recorder_sent_is_not_played(tmp_path):
    _, told = play(tmp_path, line(dir="connect", raw=""), line(dir="send", raw="1"), line(raw="2"), admit=everything)
    assert [trade.price for trade in told] == [2.0]


def test_an_address_the_source_does_not_read_is_not_played(tmp_path):
    lines = (line(raw="1", url_or_channel=f"wss://toy.example/{name}") for name in ("futures", "feed"))
    relay, told = play(tmp_path, *lines, admit=everything)
    assert relay.events == 2
    assert [trade.price for trade in told] == [1.0]


def test_a_frame_that_makes_no_sense_is_counted_and_a_response_without_events_is_not(tmp_path):
    listing = line(kind="rest", url_or_channel="https://toy.example/markets", raw='{"markets":[]}')
    relay, told = play(tmp_path, line(raw="?"), listing, line(raw="2"), admit=everything)
    assert relay.rejected == 1
    assert len(told) == 1


def test_events_may_be_kept_back_or_changed_on_their_way(tmp_path):
    def admit(event: Event) -> Event | None:
        if isinstance(event, FrameNumber) or event.price == 1.0:
            return None
        return event._replace(quantity=9.0)

    relay, told = play(tmp_path, line(raw="1"), line(raw="3"), admit=admit)
    assert [(trade.price, trade.quantity) for trade in told] == [(3.0, 9.0)]
    assert relay.events == 1


def test_a_connection_made_again_starts_its_numbers_again(tmp_path):
    connect, *frames = (line(conn="toy.1", **one) for one in ({"dir": "connect"}, *({"raw": n} for n in "7812")))
    lines = (connect, *frames[:2], connect, *frames[2:])
    relay, told = play(tmp_path, *lines, admit=everything)
    assert (relay.integrity.links, relay.integrity.gaps) == (2, 0)
    assert [type(event) for event in told] == [Trade, Trade, Refused, Trade, Trade]


def test_connections_beside_each_other_are_numbered_and_end_each_by_itself(tmp_path):
    first, second = (line(dir="connect", conn=name) for name in ("toy.1", "toy.2"))
    frames = [line(conn="toy.1", raw="1"), line(conn="toy.2", raw="7"), line(conn="toy.1", raw="2")]
    relay, told = play(tmp_path, first, second, *frames, second, admit=everything)
    assert (relay.integrity.links, relay.integrity.gaps) == (1, 0)
    assert [type(event) for event in told] == [Trade, Trade, Trade, Refused]


def test_each_recorded_connection_is_read_by_a_reader_of_its_own(tmp_path):
    class Summing(Toy):
        """A frame is what is to be added to the price so far."""

        def reader(self, send):
            prices = [0.0]

            def read(frame):
                prices.append(prices[-1] + float(frame))
                send("thank you")
                return [Trade("BTC-USD", f"{prices}", prices[-1], 1.0, "buy", NOW)]

            return read

    frames = [line(conn=name, raw="5") for name in ("toy.1", "toy.2", "toy.1")]
    _, told = play(tmp_path, *frames, line(conn="toy.1", dir="connect"), frames[0], admit=everything, adapter=Summing)
    assert [event.price for event in told if isinstance(event, Trade)] == [5.0, 10.0]


@pytest.mark.gen_test
async def test_requests_are_answered_from_the_recording_alone():
    player = make_player(Toy, Relay("toy", wanted=(), deliver=lambda feed, event: None), everything)
    player.responses = {"/markets": "[]"}
    assert await player.fetch("https://toy.example/markets?limit=100") == "[]"
    with pytest.raises(SourceLost, match=r"holds no answer to https://toy\.example/other"):
        await player.fetch("https://toy.example/other")


def test_a_source_that_cannot_do_without_options_cannot_play():
    class LockedOptions(StreamOptions):
        key: str

    class Locked(Toy):
        options: LockedOptions

    Locked.__annotations__["options"] = LockedOptions
    with pytest.raises(PluginError, match="toy cannot play a recording"):
        make_player(Locked, Relay("toy", wanted=(), deliver=lambda feed, event: None), everything)
