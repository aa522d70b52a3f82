"""The whole server: what it serves, what it survives, how it stops."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from strangers import SIMULATED, running
from tornado.websocket import WebSocketClientConnection, websocket_connect

from haunt import Candle
from haunt.app import Haunt
from haunt.market.history import History
from haunt.stream.listening import MOST_CONNECTIONS, most_connections
from haunt.testing import eventually
from haunt.web.health import health

Json = dict[str, Any]


class Client:
    """A client that remembers what it heard."""

    def __init__(self, connection: WebSocketClientConnection) -> None:
        self.connection = connection

    async def subscribe(self, *symbols: str, **more: object) -> None:
        await self.connection.write_message(json.dumps({"type": "subscribe", "symbols": symbols} | more))

    async def next(self, kind: str, **fields: object) -> Json:
        """The next message of this type in which these fields have these values."""
        async with asyncio.timeout(5):
            while (text := await self.connection.read_message()) is not None:
                message: Json = json.loads(text)
                if message["type"] == kind and fields.items() <= message.items():
                    return message
        raise AssertionError(f"closed with {self.connection.close_code} before a {kind}")

    async def end(self) -> int | None:
        """The code it is closed with."""
        async with asyncio.timeout(5):
            while await self.connection.read_message() is not None:
                pass
        return self.connection.close_code


async def kept(folder: Path) -> list[Candle]:
    """The candles of btc that a Haunt left there."""
    history = History(str(folder / "history.db"), {"1s": None})
    await history.start()
    candles = await history.candles("btc", "1s", 1_000)
    await history.stop()
    return candles


@asynccontextmanager
async def connected(haunt: Haunt, *, host: str = "localhost", query: str = "") -> AsyncIterator[Client]:
    connection = await websocket_connect(f"ws://{host}:{haunt.port}/ws{query}")
    try:
        yield Client(connection)
    finally:
        connection.close()


# -- what it serves


@pytest.mark.gen_test
async def test_subscriber_hears_the_price_at_once_and_the_book_on_request(tmp_path: Path):
    async with running(tmp_path) as haunt, connected(haunt) as client:
        await client.subscribe("btc")
        price = await client.next("price_update")
        assert list(price) == ["type", "symbol", "price", "change_24h", "volume_24h", "timestamp"]
        await client.subscribe("btc", channels=["orderbook"])
        book = await client.next("orderbook_update")
        assert book["bids"][0]["price"] < price["price"] * 1.01
        assert book["bids"][0]["price"] < book["asks"][0]["price"]


@pytest.mark.gen_test
async def test_prices_go_on(tmp_path: Path):
    async with running(tmp_path) as haunt, connected(haunt) as client:
        await client.subscribe("btc")
        prices = [(await client.next("price_update"))["price"] for _ in range(20)]
        assert all(price != following for price, following in pairwise(prices))


@pytest.mark.gen_test
async def test_extended_client_is_told_the_venues_behind_a_price(tmp_path: Path):
    async with running(tmp_path) as haunt, connected(haunt, query="?ext=1") as client:
        await eventually(lambda: health(haunt)["sources"]["simulator"]["symbols"]["fresh"] == 9)
        await client.subscribe("btc")
        assert sorted((await client.next("price_update"))["sources"]) == ["alpha", "bravo", "charlie"]


@pytest.mark.gen_test
async def test_two_sources_of_one_plugin_are_one_venue(tmp_path: Path):
    twins = "\n".join(f"  {name}: {{plugin: quoter}}" for name in ("one", "two"))
    async with running(tmp_path, SIMULATED + twins) as haunt:
        await eventually(lambda: len(haunt.market.explain("btc").markets) == 5)
        markets = {one.source: (one.venue, one.why_not) for one in haunt.market.explain("btc").markets}
    assert (markets["one"], markets["two"]) == (("quoter", None), ("quoter", "other market"))


@pytest.mark.gen_test
async def test_every_client_is_told_the_status(tmp_path: Path):
    async with (
        running(tmp_path, SIMULATED + "stream: {status_interval: 0.05}") as haunt,
        connected(haunt) as one,
        connected(haunt) as other,
    ):
        for client in (one, other):
            assert await client.next("server_status", active_sources=1, symbols_tracked=3, connected_peers=2)


@pytest.mark.gen_test
@pytest.mark.parametrize("address", ["127.0.0.1", "[::1]"])
async def test_localhost_is_both_of_its_addresses(tmp_path: Path, address: str):
    async with running(tmp_path) as haunt:
        if address == "[::1]" and len(haunt._sockets) == 1:
            pytest.skip("needs IPv6 on the loopback interface")
        async with connected(haunt, host=address) as client:
            await client.subscribe("btc")
            assert await client.next("price_update")


# -- what it survives


@pytest.mark.gen_test
async def test_source_that_fails_is_told_and_does_not_disturb_the_others(tmp_path: Path):
    async with running(tmp_path, SIMULATED + "  raiser: {words: oh no}") as haunt, connected(haunt) as client:
        await eventually(lambda: health(haunt)["sources"]["raiser"]["error"] == "oh no")
        await client.subscribe("btc")
        assert await client.next("price_update")
        found = health(haunt)
        assert (found["status"], found["sources"]["raiser"]["state"]) == ("degraded", "failed")
        assert found["sources"]["simulator"]["active"]


@pytest.mark.gen_test
async def test_source_that_publishes_rubbish_is_counted_and_does_not_disturb_the_others(tmp_path: Path):
    async with running(tmp_path, SIMULATED + "  babbler:") as haunt, connected(haunt, query="?ext=1") as client:
        await eventually(lambda: health(haunt)["sources"]["babbler"]["rejected"] > 1_000)
        assert health(haunt)["sources"]["babbler"]["restarts"] == 0
        await client.subscribe("btc", channels=["price", "orderbook"])
        for kind in ("price_update", "orderbook_update", "price_update"):
            assert "babbler" not in (await client.next(kind))["sources"]
        assert health(haunt)["sources"]["simulator"]["active"]


@pytest.mark.gen_test
@pytest.mark.parametrize(("name", "reason"), [("wreck", "its import raised"), ("stillborn", "while it was made: no")])
async def test_broken_plugin_is_told_and_the_rest_serves(tmp_path: Path, name: str, reason: str):
    async with running(tmp_path, SIMULATED + f"  {name}:") as haunt, connected(haunt) as client:
        await client.subscribe("btc")
        assert await client.next("price_update")
        found = health(haunt)
        assert (found["status"], list(found["sources"])) == ("degraded", ["simulator"])
        (broken,) = found["broken"]
        assert (broken["kind"], broken["name"]) == ("source", name)
        assert reason in broken["reason"]


# -- how it starts and stops


@pytest.mark.gen_test
async def test_candles_survive_a_restart(tmp_path: Path):
    configuration = (
        "{server: {port: 0}, stream: {first_price_wait: 0}, symbols: [btc], sources: {quoter: }, "
        "history: {keep: {1s: 1}, flush_interval: 0.1}}"
    )
    async with running(tmp_path, configuration) as haunt:
        await eventually(lambda: haunt.history.waiting)
    first, *_ = await kept(tmp_path)
    assert first.close == 100
    async with running(tmp_path, configuration) as haunt:
        assert (await haunt.history.candles("btc", "1s", 1_000))[0] == first
        assert health(haunt)["history"] == {
            "path": str(tmp_path / "history.db"), "waiting": 0, "dropped": 0, "error": "",
        }  # fmt: skip


@pytest.mark.gen_test
async def test_what_is_invented_is_not_kept_on_disk(tmp_path: Path):
    async with running(tmp_path, SIMULATED + "history: {keep: {1s: 1}}") as haunt:
        await eventually(lambda: haunt.history.waiting)
    assert os.listdir(tmp_path) == ["haunt.yaml"]


@pytest.mark.gen_test
async def test_a_history_that_is_written_no_more_is_told(tmp_path: Path, monkeypatch, caplog):
    async with running(tmp_path, SIMULATED + "history: {flush_interval: 0.1}") as haunt:
        monkeypatch.setattr(haunt.signals, "changed", lambda: 1 / 0)
        await eventually(lambda: "no longer written" in caplog.text)
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.gen_test
async def test_stop_says_goodbye_and_takes_nobody_in(tmp_path: Path):
    async with running(tmp_path) as haunt, connected(haunt) as one, connected(haunt) as other:
        await one.subscribe("btc")
        port = haunt.port
        stopping = asyncio.create_task(haunt.stop())
        assert [await one.end(), await other.end()] == [1001, 1001]
        await stopping
        assert len(haunt.clients) == 0
        with pytest.raises(OSError, match="refused"):
            await websocket_connect(f"ws://127.0.0.1:{port}/ws")


@pytest.mark.gen_test
async def test_client_that_does_not_answer_is_waited_for_no_longer_than_the_drain(tmp_path: Path):
    async with running(tmp_path) as haunt:
        with socket.create_connection(("127.0.0.1", haunt.port)) as deaf:
            deaf.sendall(
                b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            )
            await eventually(lambda: len(haunt.clients))
            async with asyncio.timeout(haunt.config.limits.drain):
                await haunt.stop()
        assert len(haunt.clients) == 0


@pytest.mark.parametrize(("files", "connections"), [(1_024, 824), (100, 1), (1_000_000, MOST_CONNECTIONS)])
def test_as_many_clients_as_open_files_allow(monkeypatch: pytest.MonkeyPatch, files: int, connections: int):
    monkeypatch.setattr("resource.getrlimit", lambda which: (files, files))
    assert most_connections() == connections
