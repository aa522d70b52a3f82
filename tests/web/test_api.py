"""The resources of /api: what each answers, whom, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from strangers import SIMULATED, running
from web import ask, get, listening

from haunt.app import Haunt
from haunt.market.candles import Candle
from haunt.market.published import Signal
from haunt.market.readings import rounded
from haunt.plugin.registry import Registry
from haunt.stream.protocol import signal_update
from haunt.testing import eventually
from haunt.web.api import RESOURCES

NAMED = SIMULATED.replace("[btc, eth, usdt]", "{btc: {aliases: [xbt], tick: 0.01}, eth: , usdt: }")
WITH_RSI = NAMED + "indicators:\n  rsi: {period: 3}\n  off: {plugin: rsi, enabled: false}\n"
ADMIN = SIMULATED.replace("{port: 0}", "{port: 0, admin_token: {env: SECRET}, token: {env: EVERYONE}}")
MINUTE = 60_000


async def priced(haunt: Haunt) -> None:
    await eventually(lambda: haunt.market.symbols_tracked == 3)


def sawtooth(count: int, *, until: int) -> list[Candle]:
    return [
        Candle(until - back * MINUTE, 100.0, 110.0, 90.0, 100.0 + back % 7, 2.0, volume_usd=200.0)
        for back in range(count, 0, -1)
    ]


@pytest.mark.gen_test
async def test_symbols_are_listed_with_their_names_and_steps(tmp_path: Path):
    async with running(tmp_path, NAMED) as haunt:
        await priced(haunt)
        found = (await ask(haunt, "/api/symbols"))["symbols"]
    assert found[0] == {"symbol": "btc", "aliases": ["xbt"], "tick": 0.01, "tracked": True}
    assert [one["symbol"] for one in found] == ["btc", "eth", "usdt"]


@pytest.mark.gen_test
async def test_a_price_is_what_the_websocket_says_of_it(tmp_path: Path):
    async with running(tmp_path, NAMED) as haunt:
        await priced(haunt)
        async with listening(haunt, "ext=1", '{"type": "subscribe", "symbols": ["btc"], "channel": "price"}') as client:
            told = json.loads(await client.read_message() or "")
        one, all_of_them = await ask(haunt, "/api/prices/XBT"), (await ask(haunt, "/api/prices"))["prices"]
        two = (await ask(haunt, "/api/prices?symbols=eth,xbt,eth"))["prices"]
    assert list(one) == [name for name in told if name not in ("type", "sent")]
    assert (one["symbol"], one["sources"], one["stale"]) == ("btc", ["alpha", "bravo", "charlie"], False)
    assert one["price"] == pytest.approx(told["price"], rel=0.05)
    assert [price["symbol"] for price in all_of_them] == ["btc", "eth", "usdt"]
    assert [price["symbol"] for price in two] == ["eth", "btc"]


@pytest.mark.gen_test
async def test_an_order_book_names_the_venues_of_each_level(tmp_path: Path):
    async with running(tmp_path, NAMED) as haunt:
        await priced(haunt)
        book = await ask(haunt, "/api/orderbook/btc?depth=3")
        assert len((await ask(haunt, "/api/orderbook/btc"))["bids"]) == 20
    assert book.keys() == {"symbol", "bids", "asks", "timestamp", "seq", "sources"}
    assert (len(book["bids"]), len(book["asks"])) == (3, 3)
    assert book["bids"][0].keys() == {"price", "quantity", "venues"}
    assert book["bids"][0]["price"] < book["asks"][0]["price"]


@pytest.mark.gen_test
async def test_candles_are_told_oldest_first_with_the_running_one_last(tmp_path: Path):
    async with running(tmp_path, NAMED) as haunt:
        await priced(haunt)
        running_candle = haunt.signals.running("btc", "1m")
        assert running_candle is not None
        past = sawtooth(5, until=running_candle.start)
        for candle in past[:3]:
            haunt.history.keep("btc", "1m", candle)
        await haunt.history.flush()
        for candle in past[3:]:
            haunt.history.keep("btc", "1m", candle)
        everything = await ask(haunt, "/api/candles/btc")
        page = await ask(haunt, f"/api/candles/btc?timeframe=1m&limit=2&before={past[3].start}")
    assert (everything["symbol"], everything["timeframe"]) == ("btc", "1m")
    closed = [one for one in everything["candles"] if one["closed"]]
    assert [one["start"] for one in closed[:5]] == [candle.start for candle in past]
    assert closed[0] == {
        "start": past[0].start, "open": 100.0, "high": 110.0, "low": 90.0, "close": past[0].close, "volume": 2.0,
        "volume_usd": 200.0, "filled": False, "gap": False, "backfilled": False, "closed": True,
    }  # fmt: skip
    assert [one["closed"] for one in everything["candles"][-2:]] == [True, False]
    assert [one["start"] for one in page["candles"]] == [past[1].start, past[2].start]


@pytest.mark.gen_test
async def test_a_symbol_nobody_speaks_of_has_neither_price_nor_book_nor_candles(tmp_path: Path):
    configuration = NAMED.replace("usdt: }", "usdt: , nobody: }") + "    symbols: [btc, eth, usdt]\n"
    async with running(tmp_path, configuration) as haunt:
        await priced(haunt)
        price, book = await get(haunt, "/api/prices/nobody"), await get(haunt, "/api/orderbook/nobody")
        assert (await ask(haunt, "/api/candles/nobody"))["candles"] == []
        assert len((await ask(haunt, "/api/prices"))["prices"]) == 3
    assert (price.code, json.loads(price.body)["error"]) == (404, "no_price")
    assert (book.code, json.loads(book.body)["error"]) == (404, "no_orderbook")


@pytest.mark.gen_test
async def test_indicators_are_those_that_run_with_their_options(tmp_path: Path):
    async with running(tmp_path, WITH_RSI) as haunt:
        haunt.signals.stopped["rsi"] = "ten failures"
        [found] = (await ask(haunt, "/api/indicators"))["indicators"]
    assert (found["name"], found["plugin"], found["timeframe"]) == ("rsi", "rsi", "1m")
    assert (found["options"]["period"], found["stopped"]) == (3, "ten failures")


@pytest.mark.gen_test
async def test_an_indicator_is_computed_anew_over_the_candles_that_are_kept(tmp_path: Path):
    async with running(tmp_path, WITH_RSI + "  mood: {plugin: consensus, at_least: 1}\n") as haunt:
        past = sawtooth(30, until=haunt.clock.milliseconds() // MINUTE * MINUTE - 5 * MINUTE)
        expected = Registry().indicator("rsi")(haunt.config.indicators["rsi"].options)
        readings = [expected.update(candle) for candle in past]
        for candle in past:
            haunt.history.keep("eth", "1m", candle)
        found = await ask(haunt, "/api/indicators/eth/rsi")
        few = await ask(haunt, "/api/indicators/eth/rsi?limit=2")
        mood = await ask(haunt, "/api/indicators/eth/mood?limit=1")
        refused = [await get(haunt, f"/api/indicators/eth/{name}") for name in ("nothing", "off")]
    warm = [(candle.start, rounded(reading)) for candle, reading in zip(past, readings, strict=True) if reading]
    assert (found["symbol"], found["indicator"], found["timeframe"]) == ("eth", "rsi", "1m")
    assert len(warm) == 27
    assert found["values"] == [
        {"start": start, "value": value, "values": values, "signal": signal, "confidence": confidence}
        for start, (value, signal, confidence, values) in warm
    ]
    assert few["values"] == found["values"][-2:]
    votes = {"buys": "buy", "sells": "sell", "neutrals": "neutral"}
    assert [name for name in votes if mood["values"][0]["values"][name]] == [f"{warm[-1][1].signal}s"]
    assert [(one.code, json.loads(one.body)["error"]) for one in refused] == [(404, "invalid_indicator")] * 2


@pytest.mark.gen_test
async def test_signals_are_told_newest_first_as_the_websocket_told_them(tmp_path: Path):
    def signal(symbol: str, minute: int) -> Signal:
        return Signal(symbol, "rsi", "1m", "buy", 28.5, 0.85, minute * MINUTE, {"rsi": 28.5})

    async with running(tmp_path, NAMED) as haunt:
        haunt.history.keep_signal(signal("btc", 1))
        await haunt.history.flush()
        for minute, symbol in enumerate(("btc", "eth"), 2):
            haunt.history.keep_signal(signal(symbol, minute))
        everything = (await ask(haunt, "/api/signals"))["signals"]
        of_btc = (await ask(haunt, "/api/signals?symbol=XBT&limit=2"))["signals"]
        newest = (await ask(haunt, "/api/signals?limit=1"))["signals"]
    told = json.loads(signal_update(signal("btc", 1), sent=0))
    assert everything[-1] == {name: value for name, value in told.items() if name not in ("type", "sent")}
    assert [(one["symbol"], one["timestamp"] // MINUTE) for one in everything] == [("eth", 3), ("btc", 2), ("btc", 1)]
    assert (of_btc, newest) == (everything[1:], everything[:1])


@pytest.mark.gen_test
async def test_signals_are_scored_by_the_candles_that_are_kept(tmp_path: Path):
    async with running(tmp_path, WITH_RSI) as haunt:
        start = haunt.clock.milliseconds() // MINUTE * MINUTE - 100 * MINUTE
        for number in range(90):
            price = 100.0 + number
            haunt.history.keep("btc", "1m", Candle(start + number * MINUTE, price, price, price, price, 0.0))
        for number in range(40):
            at = start + (number + 1) * MINUTE
            haunt.history.keep_signal(Signal("btc", "rsi", "1m", "buy", 28.5, 0.85, at, {"rsi": 28.5}))
            haunt.history.keep_signal(Signal("eth", "rsi", "5m", "buy", 28.5, 0.85, at, {"rsi": 28.5}))
        await haunt.history.flush()
        everything = (await ask(haunt, "/api/scores"))["scores"]
        of_btc = (await ask(haunt, "/api/scores?symbol=XBT&indicator=rsi"))["scores"]
        refused = await get(haunt, "/api/scores?indicator=off")
    assert {(one["symbol"], one["indicator"], one["timeframe"]) for one in of_btc} == {("btc", "rsi", "1m")}
    assert [(one["horizon"], one["signals"], one["hit_rate"]) for one in of_btc] == [
        (1, 40, 1.0), (5, 40, 1.0), (15, 40, 1.0), (60, 30, 1.0),
    ]  # fmt: skip
    assert of_btc[0]["returns"] == pytest.approx(sum(1e4 / (100 + number) for number in range(40)) / 40, abs=0.01)
    assert (of_btc[0]["always_up"], of_btc[0]["verdict"]) == (1.0, "no better than shuffled")
    assert [one for one in everything if one["symbol"] == "btc"] == of_btc
    other_timeframe = next(one for one in everything if one["symbol"] == "eth")
    assert (other_timeframe["hit_rate"], other_timeframe["verdict"]) == (None, "too few signals: 0 of 30")
    assert json.loads(refused.body)["error"] == "invalid_indicator"


@pytest.mark.gen_test
async def test_no_more_is_scored_at_once_than_a_server_can_spare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("haunt.web.api.MOST_SCORED", 2)
    async with running(tmp_path, WITH_RSI) as haunt:
        refused = json.loads((await get(haunt, "/api/scores")).body)
        assert len((await ask(haunt, "/api/scores?symbol=btc"))["scores"]) == 4
    assert refused["message"].endswith("name a symbol or an indicator")


@pytest.mark.gen_test
async def test_a_source_is_described_by_its_health_and_how_fast_it_speaks(tmp_path: Path):
    async with running(tmp_path, SIMULATED + "  raiser:") as haunt:
        await priced(haunt)
        await eventually(lambda: haunt.rates.of("simulator") > 100)
        await eventually(lambda: haunt.supervisor.statuses()[1].state == "failed")
        simulator, raiser = (await ask(haunt, "/api/sources"))["sources"]
    assert (simulator["name"], simulator["state"], simulator["error"]) == ("simulator", "connected", "")
    assert simulator["messages_per_second"] > 100
    assert 0 <= simulator["last_data_age"] <= simulator["since_seconds"]
    assert (raiser["error"], raiser["last_data_age"]) == ("it broke", None)
    assert raiser["next_try_seconds"] > 0


@pytest.mark.gen_test
async def test_plugins_that_the_configuration_does_not_name_are_listed_but_not_imported(tmp_path: Path):
    async with running(tmp_path) as haunt:
        found = {one["name"]: one for one in (await ask(haunt, "/api/plugins"))["plugins"]}
    assert (found["simulator"]["state"], found["simulator"]["kinds"]) == ("loaded", ["source"])
    assert (found["wreck"]["state"], found["wreck"]["reason"]) == ("installed", "")


@pytest.mark.gen_test
async def test_the_operator_alone_sees_who_is_connected(tmp_path: Path):
    admin = {"Authorization": "Bearer secret"}
    async with running(tmp_path, ADMIN) as haunt:
        subscribe = '{"type": "subscribe", "symbols": ["btc"], "channels": ["orderbook", "price"]}'
        async with listening(haunt, "ext=1&token=everyone", subscribe):
            await eventually(lambda: haunt.subscriptions.sessions == 1)
            [found] = (await ask(haunt, "/api/clients", headers=admin))["clients"]
        refused = [
            await get(haunt, f"/api/clients{query}", headers=headers)
            for query, headers in (
                ("", {}),
                ("", {"Authorization": "Bearer everyone"}),
                ("?token=secret", {}),
                ("", admin | {"Origin": "http://localhost:8000"}),
            )
        ]
    assert found["subscriptions"] == [{"symbol": "btc", "channels": ["price", "orderbook"]}]
    assert (found["extended"], found["pending_bytes"]) == (True, 0)
    assert found["address"] in ("127.0.0.1", "::1")
    assert found["sent_bytes"] is None or found["sent_bytes"] > 0
    assert [(one.code, json.loads(one.body)["error"]) for one in refused] == [
        (401, "unauthorized"), (401, "unauthorized"), (401, "unauthorized"), (403, "origin_not_allowed"),
    ]  # fmt: skip
    assert refused[0].headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.gen_test
async def test_without_an_admin_token_nobody_is_the_operator(tmp_path: Path):
    async with running(tmp_path) as haunt:
        answer = await get(haunt, "/api/clients", headers={"Authorization": "Bearer "})
    assert (answer.code, json.loads(answer.body)["error"]) == (403, "no_admin")
    assert "server.admin_token" in json.loads(answer.body)["message"]


@pytest.mark.gen_test
@pytest.mark.parametrize(
    ("path", "status", "error", "word"),
    [
        ("/api/prices?symbol=btc&depth=2", 400, "bad_request", "Unknown parameter symbol, depth; it takes symbols"),
        ("/api/symbols?x=%3Cb%3E", 400, "bad_request", "it takes none"),
        ("/api/candles/btc?limit=1&limit=2", 400, "bad_request", "limit is given 2 times"),
        ("/api/candles/btc?limit=0", 400, "bad_request", "limit must be a whole number from 1 to 1000"),
        ("/api/candles/btc?limit=1001", 400, "bad_request", "from 1 to 1000"),
        ("/api/candles/btc?limit=%D9%A3", 400, "bad_request", "limit must be"),
        ("/api/candles/btc?limit=", 400, "bad_request", "limit must be"),
        ("/api/candles/btc?before=-1", 400, "bad_request", "before must be"),
        ("/api/candles/btc?timeframe=7m", 400, "bad_request", "one of 1m, 5m, 15m, 1h, 4h, 1d"),
        ("/api/orderbook/btc?depth=101", 400, "bad_request", "depth must be a whole number from 1 to 100"),
        ("/api/prices?symbols=btc,xyz", 404, "invalid_symbol", "Symbol 'xyz' not found"),
        ("/api/prices/" + "x" * 99, 404, "invalid_symbol", f"Symbol '{'x' * 32}…' not found"),
        ("/api/prices/%FF", 400, "bad_request", ""),
        ("/api/nothing", 404, "not_found", "/api/candles/SYMBOL"),
    ],
)
async def test_what_cannot_be_answered_is_refused_with_a_cure(
    tmp_path: Path, path: str, status: int, error: str, word: str
):
    async with running(tmp_path) as haunt:
        answer = await get(haunt, path)
    said = json.loads(answer.body)
    assert (answer.code, said["error"]) == (status, error)
    assert word in said["message"]
    assert said.keys() == {"error", "message"}


@pytest.mark.gen_test
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
async def test_another_method_is_told_which_there_are(tmp_path: Path, method: str):
    async with running(tmp_path) as haunt:
        answer = await get(haunt, "/api/prices", method=method)
    assert (answer.code, json.loads(answer.body)["error"]) == (405, "method_not_allowed")
    assert answer.headers["Allow"] == "GET, HEAD, OPTIONS"


@pytest.mark.gen_test
@pytest.mark.parametrize(
    ("origin", "reads"),
    [("https://app.example", True), ("http://localhost:8000", True), ("https://evil.example", False)],
)
async def test_a_page_reads_the_api_where_it_may_connect(tmp_path: Path, origin: str, reads: bool):
    configuration = SIMULATED.replace(
        "{port: 0}", "{port: 0, token: {env: SECRET}, allowed_origins: ['https://app.example']}"
    )
    async with running(tmp_path, configuration) as haunt:
        page = {"Origin": origin}
        asked = await get(haunt, "/api/symbols", method="OPTIONS", headers=page)
        answer = await get(haunt, "/api/symbols", headers=page | {"Authorization": "Bearer secret"})
        refused = await get(haunt, "/api/symbols", headers=page)
        health = await get(haunt, "/health", headers=page)
    for response, status in ((asked, 204), (answer, 200), (refused, 401)):
        assert response.code == (status if reads else 403)
        assert response.headers.get("Access-Control-Allow-Origin") == (origin if reads else None)
        assert response.headers["Vary"] == "Origin"
    assert asked.headers.get("Access-Control-Allow-Headers") == ("Authorization" if reads else None)
    assert "Access-Control-Allow-Origin" not in health.headers


@pytest.mark.gen_test
async def test_a_bug_is_told_by_a_reference_and_logged_without_the_token(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    async with running(tmp_path) as haunt:
        del haunt.rates
        answer = await get(haunt, "/api/sources?token=secret")
    said: dict[str, Any] = json.loads(answer.body)
    reference = said["message"].partition("reference ")[2].partition(";")[0]
    assert (answer.code, said["error"]) == (500, "internal_server_error")
    assert f"GET of '/api/sources' failed (reference {reference})" in caplog.text
    assert "secret" not in caplog.text


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda resource: resource.name)
def test_a_resource_answers_with_its_model_and_says_what_it_is(resource):
    assert resource.answer.__annotations__["return"] in (getattr(resource.model, "__name__", ""), str(resource.model))
    assert resource.summary.endswith(".")
