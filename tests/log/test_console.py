"""The log as it is written: its form, its levels, its end."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator

import pytest
from blocks import ROOT
from said import said
from serving import HAUNT, serving
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.ioloop import IOLoop
from tornado.websocket import websocket_connect

from haunt.log import console

logger = logging.getLogger("haunt.market.signals")
TOKEN = "S3cret-of-the-house"


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    level = logging.getLogger().level
    yield
    console.stop()
    logging.getLogger().setLevel(level)


def test_without_a_terminal_it_is_json(capsys: pytest.CaptureFixture[str]):
    console.start()
    logger.info("A candle of %s closed", "btc")
    assert json.loads(capsys.readouterr().err)["message"] == "A candle of btc closed"


def test_pretty_is_for_people_wherever_it_goes(capsys: pytest.CaptureFixture[str]):
    console.start("pretty")
    logger.warning("A candle of %s closed", "btc")
    assert re.fullmatch(r"\d\d:\d\d:\d\d WARNING A candle of btc closed\n", capsys.readouterr().err)


def test_a_module_has_a_level_of_its_own_until_it_is_started_anew(capsys: pytest.CaptureFixture[str]):
    console.start("pretty", "warning", {"haunt.market": "debug"})
    logger.debug("shown")
    logging.getLogger("haunt.stream").info("left out")
    console.start("pretty", "warning")
    logger.debug("left out")
    assert [line[17:] for line in capsys.readouterr().err.splitlines()] == ["shown"]


def test_what_was_left_out_is_told_at_the_end(capsys: pytest.CaptureFixture[str]):
    console.start("pretty")
    for _ in range(8):
        logger.info("again")
    console.stop()
    assert [line[17:] for line in capsys.readouterr().err.splitlines()] == ["again"] * 5 + ["again … repeated 3 times"]


def test_debugging_sees_every_line(capsys: pytest.CaptureFixture[str]):
    console.start("pretty", "debug")
    for _ in range(8):
        logger.debug("again")
    assert capsys.readouterr().err.count("again") == 8


def test_an_argument_that_cannot_be_written_is_told_and_not_shown(capsys: pytest.CaptureFixture[str]):
    console.start("pretty").handle(said("%d candles", TOKEN))
    assert capsys.readouterr().err[17:] == "%d candles (what belongs here cannot be written: TypeError)\n"


def test_a_token_sent_in_the_wrong_place_is_not_in_the_log_of_a_server(tmp_path):
    """…and every line of it is JSON."""
    environ = {"HAUNT_LOG__FORMAT": "auto", "HAUNT_LOG__LEVEL": "debug", "HAUNT_SERVER__TOKEN": TOKEN}
    command = [HAUNT, "serve", ROOT / "config" / "demo.yaml"]

    async def send_it_wherever_it_fits(port: int) -> None:
        address = f"ws://127.0.0.1:{port}/ws"
        for url, headers in (
            (f"{address}?token={TOKEN}x", {}),
            (f"{address}?tokn={TOKEN}", {"Authorization": f"Token {TOKEN}"}),
            (address, {"Origin": f"https://{TOKEN}.example"}),
            (address, {"Host": TOKEN}),
            (f"{address}?token={TOKEN}&ext=%ff", {}),
            (f"http://127.0.0.1:{port}/{TOKEN}".replace("http", "ws"), {}),
        ):
            with pytest.raises(HTTPClientError):
                await websocket_connect(HTTPRequest(url, headers=headers))
        client = await websocket_connect(f"{address}?token={TOKEN}")
        await client.write_message(json.dumps({"type": "subscribe", "symbols": [TOKEN]}))
        await client.write_message(TOKEN)
        client.close()

    with serving(command, tmp_path / "log", environ=environ, cwd=ROOT) as running:
        IOLoop(make_current=False).run_sync(lambda: send_it_wherever_it_fits(running.port))
        running.wait_for(re.compile("left"))
        lines = running.log.splitlines()
    assert [line for line in lines if TOKEN.lower() in line.lower()] == []
    messages = [json.loads(line)["message"] for line in lines]
    assert len([message for message in messages if "Refused a connection" in message]) == 5
    assert any("https://***.example" in message for message in messages)
