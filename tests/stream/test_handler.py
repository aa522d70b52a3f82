"""The edge: handshakes of every kind over real sockets, and what a line may not do to the process."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import random
import socket
import struct
import time
from contextlib import suppress

import pytest
from tornado.websocket import websocket_connect

from haunt.stream.frames import accept_value
from haunt.stream.handler import offers_deflate
from haunt.testing import eventually

from .wire import HANDSHAKE, PING, PONG, TEXT, frame


def subscribe(*symbols, **fields):
    return {"type": "subscribe", "symbols": list(symbols), **fields}


def test_the_example_of_the_standard():
    assert accept_value("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


@pytest.mark.parametrize(("offer", "taken"), [
    ("permessage-deflate", True),
    ("permessage-deflate; client_max_window_bits", True),
    ("permessage-deflate; client_max_window_bits=15; server_no_context_takeover", True),
    ("x-webkit-deflate-frame, permessage-deflate", True),
    ("permessage-deflate; server_max_window_bits=10", False),
    ("permessage-deflate; server_max_window_bits=10, permessage-deflate", True),
    ("permessage-deflate; unknown", False),
    ("permessage-bzip2", False),
    ("", False),
])  # fmt: skip
def test_compression_is_taken_where_all_can_share_it(offer, taken):
    assert offers_deflate(offer) == taken


# -- handshakes


@pytest.mark.gen_test
@pytest.mark.parametrize("headers", [
    {},
    {"Connection": "keep-alive, Upgrade"},
    {"Connection": "upgrade", "Upgrade": "WebSocket"},
    {"User-Agent": "x" * 8_000},
    {"Cookie": "a=b", "X-Forwarded-For": "192.0.2.1"},
])  # fmt: skip
async def test_a_handshake_is_answered(serve, connect, headers):
    client = await connect(await serve(), headers=headers)
    assert client.status == 101
    assert client.headers["sec-websocket-accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    assert client.headers.keys() == {"upgrade", "connection", "sec-websocket-accept"}


WRONG = {
    "no key": ({"Sec-WebSocket-Key": None}, 400),
    "a short key": ({"Sec-WebSocket-Key": "c2hvcnQ="}, 400),
    "a key that is no base64": ({"Sec-WebSocket-Key": "!" * 24}, 400),
    "no Connection": ({"Connection": None}, 400),
    "another Connection": ({"Connection": "close"}, 400),
    "no Upgrade": ({"Upgrade": None}, 426),
    "another Upgrade": ({"Upgrade": "h2c"}, 426),
    "no version": ({"Sec-WebSocket-Version": None}, 426),
    "an old version": ({"Sec-WebSocket-Version": "8"}, 426),
    "no Host": ({"Host": None}, 400),
    "a Host of nothing": ({"Host": ""}, 403),
    "half a Host": ({"Host": "["}, 403),
    "half an Origin": ({"Origin": "http://["}, 403),
}


@pytest.mark.gen_test
@pytest.mark.parametrize("case", WRONG)
async def test_a_wrong_handshake_is_refused_without_a_failure_of_ours(serve, connect, caplog, case):
    stage = await serve()
    headers, status = WRONG[case]
    client = await connect(stage, headers=headers)
    assert client.status == status
    assert "Traceback" not in caplog.text
    assert len(stage.haunt.clients) == 0
    assert (await connect(stage)).status == 101


@pytest.mark.gen_test
async def test_another_version_is_told_the_right_one(serve, connect):
    client = await connect(await serve(), headers={"Sec-WebSocket-Version": "8"})
    assert client.headers["sec-websocket-version"] == "13"


@pytest.mark.gen_test
@pytest.mark.parametrize("path", ["/ws?token=%ff", "/ws?ext=%ff", "/ws?ext=1&ext=%c3%28"])
async def test_an_address_that_is_no_text_is_no_failure_of_ours(serve, connect, caplog, path):
    client = await connect(await serve(), path)
    assert client.status in (101, 400)
    assert "Traceback" not in caplog.text


@pytest.mark.gen_test
async def test_a_refused_address_is_logged_without_the_token_in_it(serve, connect, caplog):
    client = await connect(await serve(), "/ws?token=secret&ext=%ff")
    assert client.status == 400
    assert "127.0.0.1" in caplog.text
    assert "secret" not in caplog.text


@pytest.mark.gen_test
async def test_clients_that_hang_up_in_their_handshake_are_no_failure_of_ours(serve, connect, caplog):
    stage = await serve()
    request = "".join(f"{name}: {value}\r\n" for name, value in {"Host": "localhost", **HANDSHAKE}.items())
    for _ in range(5):
        plain = socket.create_connection(("127.0.0.1", stage.haunt.port))
        plain.sendall(f"GET /ws?token=secret HTTP/1.1\r\n{request}\r\n".encode())
        # Closed in this way a socket sends a reset, so the answer to the handshake cannot be written.
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        plain.close()
    assert (await connect(stage)).status == 101
    await eventually(lambda: len(stage.haunt.clients) == 1)
    assert "Traceback" not in caplog.text
    assert "secret" not in caplog.text


HOSTILE = {
    "garbage": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 20,
    "no HTTP": b"HELO example\r\n\r\n",
    "a line without end": b"GET /" + b"a" * 70_000,
    "headers without end": b"GET /ws HTTP/1.1\r\n" + b"X: y\r\n" * 15_000 + b"\r\n",
    "a NUL in a header": b"GET /ws HTTP/1.1\r\nHost: localhost\r\nX: a\x00b\r\n\r\n",
    "a folded header": b"GET /ws HTTP/1.1\r\nHost: localhost\r\nX: a\r\n b\r\n\r\n",
    "two lengths": b"POST /ws HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    "length and chunks": (
        b"POST /ws HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    ),
    "a body too large": b"POST /ws HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n",
    "another method": b"BREW /ws HTTP/1.1\r\nHost: localhost\r\n\r\n",
}


@pytest.mark.gen_test
@pytest.mark.parametrize("case", HOSTILE)
async def test_a_hostile_request_is_refused_or_cut_without_a_traceback(serve, connect, caplog, case):
    stage = await serve()
    client = await connect(stage, dial=True)
    client.raw(HOSTILE[case])
    client.writer.write_eof()
    answer = b""
    while True:
        try:
            data = await asyncio.wait_for(client.reader.read(65_536), 2)
        except ConnectionError:
            break
        if not data:
            break
        answer += data
    assert not answer or answer.split()[1][:1] == b"4"
    assert "Traceback" not in caplog.text
    assert (await connect(stage)).status == 101


@pytest.mark.gen_test
async def test_a_handshake_that_takes_too_long_is_cut(serve, connect, monkeypatch):
    monkeypatch.setattr("haunt.app.HANDSHAKE_TIMEOUT", 0.3)
    stage = await serve()
    slow = [await connect(stage, dial=True) for _ in range(3)]
    for client, said in zip(slow, (b"", b"GET /ws HTT", b"GET /ws HTTP/1.1\r\nHost: localhost\r\n"), strict=True):
        client.raw(said)
    done = await connect(stage)
    begun = time.monotonic()
    assert [await asyncio.wait_for(client.reader.read(), 2) for client in slow] == [b""] * 3
    assert 0.2 < time.monotonic() - begun < 1
    await asyncio.sleep(0.4)
    await done.until_pong()


@pytest.mark.gen_test
async def test_a_frame_that_comes_with_the_handshake_is_answered(serve, connect):
    stage = await serve()
    client = await connect(stage, dial=True)
    lines = ["GET /ws HTTP/1.1", "Host: localhost", *(f"{name}: {value}" for name, value in HANDSHAKE.items()), "", ""]
    client.raw("\r\n".join(lines).encode() + frame(TEXT, '{"type": "ping", "id": "early"}') + frame(PING, b"too"))
    await client.read_answer()
    assert (await client.message())["id"] == "early"
    assert (await client.frame())[:2] == (PONG, b"too")


@pytest.mark.gen_test
async def test_a_well_known_client_library_gets_along(serve):
    stage = await serve()
    stage.price("btc", 67_234.56)
    client = await websocket_connect(f"ws://127.0.0.1:{stage.haunt.port}/ws")
    await client.write_message(json.dumps(subscribe("btc", id=1)))
    assert json.loads(await client.read_message())["type"] == "subscribed"
    assert json.loads(await client.read_message())["price"] == 67_234.56
    client.close(1000, "bye")
    assert await client.read_message() is None
    assert client.close_code == 1000
    await eventually(lambda: len(stage.haunt.clients) == 0)


# -- what a line may not do


@pytest.mark.gen_test
async def test_garbage_in_frames_ends_that_line_alone_and_leaves_no_traceback(serve, connect, caplog):
    caplog.set_level(logging.INFO)
    stage = await serve()
    stage.price("btc", 100.0)
    good = await connect(stage)
    good.say(subscribe("btc"))
    await good.message()
    chance = random.Random(5)
    for _ in range(40):
        client = await connect(stage)
        client.raw(chance.randbytes(chance.randint(1, 2_000)))
        with suppress(TimeoutError):  # it may be the beginning of a frame
            assert await client.end(within=0.05) in (None, 1000, 1002, 1007, 1008, 1009)
        client.hang_up()
    await eventually(lambda: len(stage.haunt.clients) == 1)
    assert "Traceback" not in caplog.text
    await good.until_pong()


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="open files are counted in /proc")
@pytest.mark.gen_test
async def test_lines_that_are_cut_leave_nothing_behind(serve, connect):
    stage = await serve()
    stage.price("btc", 100.0)
    files = len(os.listdir("/proc/self/fd"))
    clients = [await connect(stage) for _ in range(100)]
    for client in clients:
        client.say(subscribe("btc", channels=["price", "orderbook"], throttle_ms=10))
    await eventually(lambda: stage.haunt.subscriptions.sessions == 100)
    for client in clients:
        client.writer.transport.abort()
    await eventually(lambda: len(stage.haunt.clients) == 0)
    assert stage.haunt.subscriptions.sessions == 0
    await eventually(lambda: len(os.listdir("/proc/self/fd")) <= files + 2)


@pytest.mark.gen_test
async def test_a_flood_from_a_client_that_never_reads_costs_little(serve, connect):
    stage = await serve(
        limits={"send_buffer": 4_096, "messages_per_second": 10_000, "control_frames_per_second": 10_000}
    )
    client = await connect(stage, receive_buffer=4_096)
    client.say(subscribe("btc"))
    most = 0
    for _ in range(100):
        client.raw(frame(TEXT, '{"type": "ping"}') * 50 + frame(PING, b"x" * 125) * 20)
        await asyncio.sleep(0.002)
        most = max(most, stage.most_waiting())
        if not len(stage.haunt.clients):
            break
    assert most > 10_000
    assert most < 100_000
    await eventually(lambda: len(stage.haunt.clients) == 0)


@pytest.mark.gen_test
async def test_ten_thousand_tiny_frames_at_once_do_not_stop_the_loop(serve, connect):
    stage = await serve(limits={"control_frames_per_second": 10_000})
    client, other = await connect(stage), await connect(stage)
    client.raw(frame(PONG) * 10_000)
    begun = time.monotonic()
    await other.until_pong()
    assert time.monotonic() - begun < 0.5
