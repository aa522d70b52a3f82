"""The AsyncAPI document and the schemas: they are up to date, and every frame is what they say."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from contracts import DOCS, files
from jsonschema import Draft202012Validator
from strangers import running
from tornado.websocket import WebSocketClientConnection
from web import ask, listening

from haunt.app import Haunt
from haunt.errors import RequestError
from haunt.stream.protocol import parse, request_id
from haunt.web.asyncapi import CHANNELS, SAID_BY_CLIENTS, document, schema_files

SCHEMAS = {name: Draft202012Validator(schema) for name, schema in schema_files().items()}
MANY = 300
LIVELY = """
server: {port: 0}
limits: {drain: 1, subscriptions: 2}
stream: {status_interval: 0.5}
symbols: [btc, eth, usdt]
sources: {simulator: {updates_per_second: 500, volatility: 10}}
indicators: {rsi: {timeframe: 1s, period: 2}, macd: {timeframe: 1s, fast: 2, slow: 3, signal: 2}}
"""
ASKED: list[dict[str, Any]] = [
    {"type": "ping"},
    {"type": "ping", "id": "p" * 64},
    {"type": "subscribe", "symbols": ["btc"], "channels": ["price", "orderbook", "signal"], "id": 1, "snapshot": True},
    {"type": "subscribe", "symbols": ["eth"], "channel": "orderbook", "depth": 5, "throttle_ms": 200, "id": 2**53},
    {"type": "subscribe", "symbols": ["usdt", "xyz" * 20], "id": "too many"},
    {"type": "subscribe", "symbols": ["xyz"]},
    {"type": "unsubscribe", "symbols": ["eth", "xyz"], "id": -1},
    {"type": "unsubscribe", "symbols": ["eth"], "channels": ["price"], "channel": "signal"},
]
REFUSED: list[dict[str, Any]] = [
    {"type": "ping", "id": "p" * 65},
    {"type": "ping", "id": 2**53 + 1},
    {"type": "ping", "id": 1.5},
    {"type": "subscribe"},
    {"type": "subscribe", "symbols": "btc"},
    {"type": "subscribe", "symbols": [1]},
    {"type": "subscribe", "symbols": ["btc"] * 1_001},
    {"type": "subscribe", "symbols": ["btc"], "channels": ["trades"]},
    {"type": "subscribe", "symbols": ["btc"], "channel": "trades"},
    {"type": "subscribe", "symbols": ["btc"], "throttle_ms": -1},
    {"type": "subscribe", "symbols": ["btc"], "throttle_ms": 3_600_001},
    {"type": "subscribe", "symbols": ["btc"], "depth": 0},
    {"type": "subscribe", "symbols": ["btc"], "depth": 101},
    {"type": "subscribe", "symbols": ["btc"], "snapshot": "yes"},
    {"type": "unsubscribe", "symbols": None},
    {"type": "order", "symbols": ["btc"]},
    {},
]
PRICES = {"price_update", "orderbook_update", "signal_update"}
OTHERS = {"server_status", "pong", "error", "subscribed", "unsubscribed"}


def fitting(kinds: Sequence[type], message: dict[str, Any]) -> list[str]:
    """The messages that this one is, by their schemas."""
    return [kind.__name__ for kind in kinds if SCHEMAS[kind.__name__].is_valid(message)]


@pytest.mark.parametrize("path", files(), ids=lambda path: path.name)
def test_a_file_is_what_the_messages_make_of_it(path: Path):
    assert path.is_file() and path.read_text(encoding="utf-8") == files()[path], "run scripts/asyncapi"  # noqa: PT018


def test_there_is_no_schema_of_a_message_that_is_gone():
    assert {*(DOCS / "schemas").iterdir()} <= files().keys(), "run scripts/asyncapi"


@pytest.mark.gen_test
async def test_a_running_server_gives_the_document(tmp_path: Path):
    async with running(tmp_path) as haunt:
        assert await ask(haunt, "/api/asyncapi.json") == document()


def test_every_reference_in_the_document_leads_somewhere():
    whole = document()
    references = set(re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(whole)))
    assert len(references) > 30
    for reference in references:
        place: Any = whole
        for part in reference.split("/"):
            place = place[part]


@pytest.mark.parametrize("schema", schema_files().values(), ids=schema_files())
def test_no_object_may_have_a_field_that_is_not_named(schema: dict[str, Any]):
    objects = [one for one in (schema, *schema.get("$defs", {}).values()) if "properties" in one]
    assert [one["additionalProperties"] for one in objects] == [False] * len(objects)


@pytest.mark.parametrize("message", ASKED, ids=json.dumps)
def test_what_a_client_may_say_is_one_of_its_messages(message: dict[str, Any]):
    assert len(fitting(SAID_BY_CLIENTS, message)) == 1
    assert parse(message, request_id(message))


@pytest.mark.parametrize("message", REFUSED, ids=lambda message: json.dumps(message)[:60])
def test_what_is_refused_is_none_of_its_messages(message: dict[str, Any]):
    assert fitting(SAID_BY_CLIENTS, message) == []
    with pytest.raises(RequestError):
        parse(message, request_id(message))


@pytest.mark.gen_test(timeout=30)
async def test_every_frame_of_a_run_is_one_of_the_messages_of_its_channel(tmp_path: Path):
    async with running(tmp_path, LIVELY) as haunt:
        plain, extended = await asyncio.gather(heard(haunt, ""), heard(haunt, "ext=1"))
    for name, frames in (("plain", plain), ("extended", extended)):
        strange = [frame for frame in frames if len(fitting(CHANNELS[name], frame)) != 1]
        assert strange == []
    codes = {frame["code"] for frame in plain if frame["type"] == "error"}
    assert codes == {"invalid_message", "invalid_symbol", "rate_limited", "subscription_limit"}


async def heard(haunt: Haunt, query: str) -> list[dict[str, Any]]:
    """At least so many frames, until each type was among them."""
    messages = [json.dumps(one) for one in ASKED]
    frames: list[dict[str, Any]] = []
    async with listening(haunt, query, *messages, "rubbish", *['{"type": "ping"}'] * 12) as client:
        while len(frames) < MANY or not {frame["type"] for frame in frames} >= PRICES | OTHERS:
            frames.append(await frame(client))
    return frames


async def frame(client: WebSocketClientConnection) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(await client.read_message() or "null")
    return found
