"""A new configuration while Haunt runs: what it changes, what it leaves alone, what clients notice."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import pairwise
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from strangers import running
from tornado.websocket import WebSocketClientConnection, websocket_connect

from haunt.app import Haunt
from haunt.config.load import load
from haunt.errors import ConfigError, HauntError
from haunt.market.candles import Candle
from haunt.market.feed import Feed
from haunt.testing import eventually

Json = dict[str, Any]
CONFIGURATION = """
server: {port: 0, admin_token: {env: OPERATOR}}
limits: {drain: 1, subscriptions: 5}
stream: {first_price_wait: 0}
history: {path: null, keep: {1s: 1}}
symbols:
  btc: {tick: 0.01}
  eth:
  sol:
sources:
  one: {plugin: simulator, updates_per_second: 500, volatility: 10, venues: [alpha, bravo], symbols: [btc, eth]}
  two: {plugin: simulator, updates_per_second: 500, volatility: 10, venues: [charlie], symbols: [btc, sol]}
indicators:
  rsi: {timeframe: 1s, period: 5}
  macd: {timeframe: 1s}
"""


class Listener:
    """A client that remembers all it heard, of each symbol its prices."""

    connection: WebSocketClientConnection

    def __init__(self) -> None:
        self.prices: dict[str, list[Json]] = {}
        self.others: list[Json] = []
        self.ended = False

    async def listen(self, haunt: Haunt, *symbols: str) -> None:
        self.connection = connection = await websocket_connect(f"ws://localhost:{haunt.port}/ws?ext=1")
        await connection.write_message(json.dumps({"type": "subscribe", "symbols": symbols, "id": 1}))
        while (text := await connection.read_message()) is not None:
            message = json.loads(text)
            if message["type"] == "price_update":
                self.prices.setdefault(message["symbol"], []).append(message)
            else:
                self.others.append(message)
        self.ended = True


@asynccontextmanager
async def listeners(haunt: Haunt, *symbols: str, number: int = 1) -> AsyncIterator[list[Listener]]:
    everyone = [Listener() for _ in range(number)]
    tasks = [asyncio.create_task(one.listen(haunt, *symbols)) for one in everyone]
    await eventually(lambda: all(one.prices.keys() == {*symbols} for one in everyone))
    try:
        yield everyone
    finally:
        for one in everyone:
            one.connection.close()
        await asyncio.gather(*tasks)


@asynccontextmanager
async def settled(folder: Path) -> AsyncIterator[Haunt]:
    """A Haunt in which everything that is asked for comes."""
    async with running(folder, CONFIGURATION) as haunt:
        await eventually(lambda: len(haunt.market.explain("btc").markets) == 3 and haunt.market.symbols_tracked == 3)
        yield haunt


async def go_on(clients: list[Listener], *symbols: str) -> None:
    """Wait until everyone has heard ten more prices of each."""
    heard = {(one, symbol): len(one.prices[symbol]) for one in clients for symbol in symbols}
    await eventually(
        lambda: all(len(one.prices[symbol]) > before + 10 for (one, symbol), before in heard.items()), within=20
    )


async def reload(haunt: Haunt, folder: Path, **changes: str) -> Any:
    """What a configuration changes in which these words are others."""
    text = CONFIGURATION
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    # Whoever reads meanwhile finds the old file or the new one.
    (folder / "new.yaml").write_text(text)
    (folder / "new.yaml").rename(folder / "haunt.yaml")
    return await haunt.reload()


def connections(haunt: Haunt) -> dict[str, tuple[object, object]]:
    """What a source that nobody touched still has."""
    return {name: (relay, next(iter(relay.feeds.values()), None)) for name, relay in haunt.relays.items()}


@pytest.mark.gen_test
async def test_the_same_in_other_words_changes_nothing(tmp_path: Path):
    async with settled(tmp_path) as haunt:
        before = connections(haunt)
        done = await reload(haunt, tmp_path, **{"{tick: 0.01}": "{tick: 1.0e-2, aliases: []}"})
        assert [*done.sources, *done.symbols, *done.indicators] == [[]] * 10
        assert connections(haunt) == before


@pytest.mark.gen_test
async def test_only_the_source_that_is_another_restarts(tmp_path: Path):
    async with settled(tmp_path) as haunt:
        before = connections(haunt)
        done = await reload(haunt, tmp_path, **{"[charlie]": "[delta]"})
        assert done.sources.restarted == ["two"]
        await eventually(lambda: haunt.market.price("sol").sources == ["delta"])
        gone = [gap for gap in haunt.gaps.find(source="two") if gap.market.startswith("charlie")]
        assert {gap.ended is None for gap in gone} == {False}
        after = connections(haunt)
        assert (after["one"], after["two"]) == (before["one"], after["two"])
        assert after["two"][0] is not before["two"][0]
        assert {one.venue for one in haunt.market.explain("btc").markets} == {"alpha", "bravo", "delta"}


@pytest.mark.gen_test
async def test_sources_come_and_go(tmp_path: Path):
    async with settled(tmp_path) as haunt:
        done = await reload(haunt, tmp_path, **{"  two:": "  three:"})
        assert (done.sources.started, done.sources.stopped) == (["three"], ["two"])
        assert list(haunt.relays) == [one.name for one in haunt.supervisor.statuses()] == ["one", "three"]
        assert [gap for gap in haunt.gaps.find(source="two") if gap.ended is None] == []


@pytest.mark.gen_test
async def test_a_file_with_mistakes_changes_nothing_and_tells_every_one(tmp_path: Path, caplog):
    async with settled(tmp_path) as haunt:
        before, config = connections(haunt), haunt.config
        with pytest.raises(ConfigError) as caught:
            await reload(haunt, tmp_path, **{"[charlie]": "[]", "period: 5": "period: none", "  sol:": ""})
        assert len(caught.value.problems) == 3
        for problem in caught.value.problems:
            assert f"Not reloaded, all goes on as it was: {problem}" in caplog.messages
        assert (connections(haunt), haunt.config) == (before, config)


@pytest.mark.gen_test
async def test_a_new_symbol_is_everywhere(tmp_path: Path):
    async with settled(tmp_path) as haunt:
        before = connections(haunt)
        done = await reload(
            haunt, tmp_path, **{"  sol:": "  sol:\n  ada: {aliases: [lovelace]}", "[btc, sol]": "[ada]"}
        )
        assert (done.symbols.added, done.sources.restarted) == (["ada"], ["two"])
        async with listeners(haunt, "ada") as (client,):
            assert client.others[0]["rejected"] == []
        assert haunt.signals.running("ada", "1s").gap  # nobody kept the second before
        assert haunt.symbols.find("Lovelace") == "ada"
        assert connections(haunt)["one"] == before["one"]


@pytest.mark.gen_test
async def test_subscribers_of_a_symbol_that_is_gone_are_told_and_keep_the_others(tmp_path: Path):
    async with settled(tmp_path) as haunt, listeners(haunt, "btc", "eth", number=3) as clients:
        await reload(haunt, tmp_path, **{"  eth:\n": "", "[btc, eth]": "[btc]"})
        told = {"type": "error", "code": "invalid_symbol", "message": "Symbol 'eth' is no longer tracked"}
        await eventually(lambda: all(told in one.others for one in clients))
        heard = [len(one.prices["eth"]) for one in clients]
        await go_on(clients, "btc")
        assert [len(one.prices["eth"]) for one in clients] == heard
        assert all(one.others.count(told) == 1 and not one.ended for one in clients)
        assert haunt.symbols.find("eth") is None
        assert haunt.signals.save("eth") == {}
        assert haunt.subscriptions.subscribers("eth") == []


@pytest.mark.gen_test
async def test_another_tick_is_that_of_the_next_price(tmp_path: Path):
    async with settled(tmp_path) as haunt, listeners(haunt, "btc") as (client,):
        before = connections(haunt)
        done = await reload(haunt, tmp_path, **{"tick: 0.01": "tick: 100"})
        assert done.symbols.changed == ["btc"]
        assert haunt.market.price("btc").price % 100 == 0
        await eventually(lambda: client.prices["btc"][-1]["price"] % 100 == 0)
        assert connections(haunt) == before


@pytest.mark.gen_test
async def test_an_indicator_with_other_options_learns_in_silence_and_the_others_go_on(tmp_path: Path, monkeypatch):
    published: list[str] = []
    monkeypatch.setattr(Haunt, "_announce", lambda self, signal: published.append(signal.indicator))
    async with settled(tmp_path) as haunt:
        await eventually(lambda: haunt.signals.running("btc", "1s"))
        start = haunt.signals.running("btc", "1s").start
        for back in range(100, 0, -1):
            price = 50.0 + back  # it falls: both speak
            haunt.history.keep("btc", "1s", Candle(start - back * 1000, price, price, price, price, 1.0))
        kept = {name: state["indicators"]["macd"] for name, state in haunt.signals.save("btc").items()}
        done = await reload(haunt, tmp_path, **{"period: 5": "period: 6, buy_below: 40"})
        assert (done.indicators.changed, haunt.signals.stopped) == (["rsi"], {})
        said = {one.indicator: one.signal for one in haunt.signals.last("btc")}
        assert said == {"rsi": "buy"}
        assert published == []
        assert haunt.signals.save("btc")["1s"]["indicators"]["macd"] == kept["1s"]


@pytest.mark.gen_test
async def test_settings_take_effect_and_what_needs_a_restart_is_named(tmp_path: Path, caplog):
    caplog.set_level("INFO")
    async with settled(tmp_path) as haunt:
        done = await reload(
            haunt,
            tmp_path,
            **{"subscriptions: 5": "subscriptions: 1, idle_timeout: 7", "port: 0": "port: 1", "1s: 1": "2s: 1"},
        )
        assert done.settings == ["limits.subscriptions", "limits.idle_timeout", "history.keep"]
        assert done.needs_restart == ["server.port"]
        assert (
            "Reloaded: set: limits.subscriptions, limits.idle_timeout, history.keep; needs a restart: server.port"
            in (caplog.messages)
        )
        assert (haunt.router.most_subscriptions, haunt.clients.timing.idle_timeout) == (1, 7)
        assert haunt.signals.timeframes == ["1s", "2s"]
        assert (await reload(haunt, tmp_path)).needs_restart == []


@pytest.mark.gen_test
async def test_a_broken_plugin_is_isolated(tmp_path: Path):
    async with settled(tmp_path) as haunt:
        before = connections(haunt)
        await reload(haunt, tmp_path, **{"  two:": "  wreck:\n  stillborn:\n  two:"})
        assert [one.name for one in haunt.broken] == ["wreck", "stillborn"]
        assert connections(haunt) == before
        await reload(haunt, tmp_path)
        assert haunt.broken == []


@pytest.mark.gen_test
async def test_made_up_data_does_not_come_into_a_history_on_disk(tmp_path: Path):
    real = "{server: {port: 0}, symbols: [btc], sources: {quoter: }}"
    async with running(tmp_path, real) as haunt:
        (tmp_path / "haunt.yaml").write_text(real.replace("quoter:", "quoter: , simulator:"))
        with pytest.raises(ConfigError, match="its data is made up"):
            await haunt.reload()
        assert list(haunt.relays) == ["quoter"]


@pytest.mark.gen_test
async def test_those_asked_for_at_once_are_two_and_the_newest_file_wins(tmp_path: Path):
    async with settled(tmp_path) as haunt:
        first = asyncio.create_task(reload(haunt, tmp_path, **{"[charlie]": "[delta]"}))
        await asyncio.sleep(0)
        others = [asyncio.create_task(reload(haunt, tmp_path, **{"[charlie]": "[echo]"})) for _ in range(10)]
        done = await asyncio.gather(first, *others)
        assert len({id(one) for one in done}) <= 2
        assert haunt.config.sources["two"].options.venues == ("echo",)


@pytest.mark.gen_test
async def test_no_reload_begins_while_haunt_stops(tmp_path: Path, monkeypatch):
    read, released = Event(), Event()
    monkeypatch.setattr("strangers.load", lambda *given: load(*given) if not read.is_set() else released.wait(5))
    async with settled(tmp_path) as haunt:
        read.set()
        asked = asyncio.create_task(haunt.reload())
        for _ in range(5):  # it reads
            await asyncio.sleep(0)
        await haunt.stop()
        released.set()
        with pytest.raises(HauntError, match="stopping"):
            await asked
        with pytest.raises(HauntError, match="stopping"):
            await haunt.reload()


# -- under load


@pytest.mark.gen_test
async def test_under_load_untouched_symbols_lose_nothing(tmp_path: Path):
    """Prices are states: none goes back, the newest arrives, nothing is answered twice, nobody has to connect again."""
    async with AsyncExitStack() as stack:
        haunt = await stack.enter_async_context(settled(tmp_path))
        clients = await stack.enter_async_context(listeners(haunt, "btc", "eth", "sol", number=20))
        untouched = haunt.relays["one"]
        for turn in range(4):
            gone = turn % 2 == 0
            changes = {"  sol:\n": "  ada:\n", "[btc, sol]": "[btc, ada]"} if gone else {"[charlie]": "[delta]"}
            await reload(haunt, tmp_path, **changes)
            await go_on(clients, "btc", "eth")
        assert haunt.relays["one"] is untouched
        assert haunt.gaps.find(source="one") == []
        await haunt.supervisor.stop_all()
        await eventually(lambda: haunt.fanout.idle)
        newest = {symbol: haunt.market.price(symbol) for symbol in ("btc", "eth")}
        await eventually(
            lambda: all(
                one.prices[name][-1]["seq"] == price.sequence for one in clients for name, price in newest.items()
            )
        )
        for client in clients:
            assert not client.ended
            assert [one["type"] for one in client.others if one["type"] != "signal_update"] == ["subscribed", "error"]
            for symbol in newest:
                for one, following in pairwise(client.prices[symbol]):
                    assert one["seq"] <= following["seq"]
                    assert one["timestamp"] <= following["timestamp"]


@pytest.mark.gen_test
async def test_ten_reloads_leave_nothing_behind(tmp_path: Path):
    async with settled(tmp_path) as haunt, listeners(haunt, "btc"):

        def left() -> tuple[int, ...]:
            gc.collect()
            feeds = [one for one in gc.get_objects() if type(one) is Feed]
            gaps, votes = haunt.gaps, haunt.market._quotations["btc"].electorate.votes
            return len(asyncio.all_tasks()), len(feeds), len(gaps._open), len(gaps._trusted), len(votes)

        async def there_and_back() -> None:
            await reload(
                haunt, tmp_path, **{"[charlie]": "[delta]", "  sol:": "  sol:\n  ada:", "period: 5": "period: 6"}
            )
            await reload(haunt, tmp_path)
            await eventually(lambda: haunt.market.symbols_tracked == 3 and len(haunt.market.price("btc").sources) == 3)

        await there_and_back()
        before = left()
        for _ in range(5):
            await there_and_back()
        await eventually(lambda: left() == before)
