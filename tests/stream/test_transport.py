"""Bytes to one client, over a plain socket and over Tornado's stream alike."""

from __future__ import annotations

import asyncio
import gc
import socket

import pytest
from tornado.iostream import IOStream

from haunt.stream.transport import SocketTransport, StreamTransport, take_over, take_socket
from haunt.testing import eventually

KINDS = ["socket", "stream"]


class Receiver:
    def __init__(self):
        self.data = b""
        self.events = []

    def on_data(self, data):
        self.data += data

    def on_blocked(self):
        self.events.append("blocked")

    def on_drained(self):
        self.events.append("drained")

    def on_lost(self):
        self.events.append("lost")


class Line:
    """A transport and the socket at the other end."""

    def __init__(self, kind):
        ours, self.other = socket.socketpair()
        for end in (ours, self.other):
            end.setblocking(False)
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4_096)
        self.receiver = Receiver()
        if kind == "socket":
            self.transport = SocketTransport(ours, b"")
        else:
            self.transport = StreamTransport(IOStream(ours))
        self.transport.start(self.receiver)

    def read(self):
        try:
            return self.other.recv(1_000_000)
        except BlockingIOError:
            return b""

    async def read_until(self, length):
        data = b""
        while len(data) < length:
            data += self.read()
            await asyncio.sleep(0)
        return data


@pytest.fixture
def lines(io_loop):
    """`lines(kind)`: a line, closed when the test ends."""
    opened = []

    def open_one(kind):
        opened.append(Line(kind))
        return opened[-1]

    yield open_one

    async def close():
        for line in opened:
            line.transport.close()
            line.other.close()
        await asyncio.sleep(0)

    io_loop.run_sync(close)


@pytest.mark.gen_test
@pytest.mark.parametrize("kind", KINDS)
async def test_bytes_go_both_ways(lines, kind):
    line = lines(kind)
    line.transport.send(b"hello")
    line.other.send(b"there")
    await eventually(lambda: line.receiver.data == b"there")
    assert line.read() == b"hello"
    assert (line.transport.blocked, line.transport.waiting, line.transport.progress) == (False, 0, 5)


@pytest.mark.gen_test
@pytest.mark.parametrize("kind", KINDS)
async def test_what_the_client_does_not_take_waits_in_order(lines, kind):
    line = lines(kind)
    parts = [bytes([number]) * 5_000 for number in range(40)]
    for part in parts:
        line.transport.send(part)
    assert line.transport.blocked
    assert line.transport.waiting > 50_000
    assert set(line.receiver.events) == {"blocked"}
    assert await line.read_until(200_000) == b"".join(parts)
    await eventually(lambda: "drained" in line.receiver.events)
    assert (line.transport.blocked, line.transport.waiting, line.transport.progress) == (False, 0, 200_000)


@pytest.mark.gen_test
@pytest.mark.parametrize("kind", KINDS)
async def test_progress_counts_what_the_client_takes(lines, kind):
    line = lines(kind)
    for _ in range(40):
        line.transport.send(bytes(5_000))
    before = line.transport.progress
    await line.read_until(60_000)
    await eventually(lambda: line.transport.progress > before)


@pytest.mark.gen_test
@pytest.mark.parametrize("kind", KINDS)
async def test_what_send_now_does_not_take_is_kept(lines, kind):
    line = lines(kind)
    sent = 0
    while True:
        data = bytes(3_000)
        try:
            taken = line.transport.send_now(data)
        except BlockingIOError:
            taken = 0
        sent += len(data)
        if taken < len(data):
            line.transport.keep(data, taken)
            break
    assert line.transport.blocked
    line.transport.send(b"end")
    assert (await line.read_until(sent + 3)).endswith(b"end")


@pytest.mark.gen_test
@pytest.mark.parametrize("kind", KINDS)
async def test_the_end_of_the_line_is_told_once(lines, kind):
    line = lines(kind)
    line.other.close()
    await eventually(lambda: line.receiver.events)
    line.transport.send(b"nobody reads this")
    await asyncio.sleep(0.01)
    assert line.receiver.events == ["lost"]


@pytest.mark.gen_test
@pytest.mark.parametrize("kind", KINDS)
async def test_a_loss_while_sending_is_told_later(lines, kind):
    line = lines(kind)
    line.other.close()
    for _ in range(3):
        line.transport.send(bytes(100_000))
    assert "lost" not in line.receiver.events
    await eventually(lambda: "lost" in line.receiver.events)
    await asyncio.sleep(0.01)
    assert line.receiver.events.count("lost") == 1


@pytest.mark.gen_test
@pytest.mark.parametrize("kind", KINDS)
async def test_closing_tells_nobody_and_may_be_done_twice(lines, kind):
    line = lines(kind)
    for _ in range(40):
        line.transport.send(bytes(5_000))
    line.transport.close()
    line.transport.close()
    await asyncio.sleep(0.01)
    assert "lost" not in line.receiver.events
    assert "drained" not in line.receiver.events
    gc.collect()


@pytest.mark.gen_test
async def test_what_a_client_never_read_is_thrown_away_with_it():
    listener = socket.create_server(("127.0.0.1", 0))
    other = socket.create_connection(listener.getsockname())
    ours, _ = listener.accept()
    ours.setblocking(False)
    transport = SocketTransport(ours, b"")
    transport.start(Receiver())
    while not transport.blocked:
        transport.send(bytes(1_000_000))
    transport.close()
    with pytest.raises(ConnectionResetError):
        list(iter(lambda: other.recv(1_000_000), b""))
    for one in (listener, other):
        one.close()


@pytest.mark.gen_test
async def test_after_the_finish_the_other_side_sees_the_end_and_may_go_on(lines):
    line = lines("socket")
    line.transport.send(b"bye")
    line.transport.finish()
    assert (line.read(), line.read()) == (b"bye", b"")
    line.other.send(b"still here")
    await eventually(lambda: line.receiver.data == b"still here")
    line.transport.finish()


@pytest.mark.gen_test
async def test_a_closed_transport_stays_closed(lines):
    line = lines("socket")
    line.transport.close()
    line.transport.finish()
    line.transport.send(b"x")
    await asyncio.sleep(0)
    assert line.receiver.events == []


# -- taking over a connection after its handshake


async def connected():
    """Tornado's stream of a TCP connection, and the socket at the other end."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        other = socket.create_connection(server.getsockname())
        ours, _ = server.accept()
    other.setblocking(False)
    return IOStream(ours), other


@pytest.mark.gen_test
async def test_the_socket_is_taken_out_of_tornados_stream_with_what_came_early():
    stream, other = await connected()
    other.send(b"head\r\n\r\nearly")
    assert await stream.read_until(b"\r\n\r\n") == b"head\r\n\r\n"
    transport = take_over(stream, send_buffer=8_192)
    assert isinstance(transport, SocketTransport)
    receiver = Receiver()
    transport.start(receiver)
    assert receiver.data == b"early"
    other.send(b"late")
    await eventually(lambda: receiver.data == b"earlylate")
    transport.close()
    other.close()


@pytest.mark.gen_test
async def test_the_kernel_holds_no_more_than_it_is_told():
    stream, other = await connected()
    transport = take_over(stream, send_buffer=8_192)
    transport.start(Receiver())
    for _ in range(1_000):
        transport.send(bytes(1_000))
    assert transport.waiting > 500_000, "most of a megabyte nobody reads is ours to see"
    transport.close()
    other.close()


@pytest.mark.gen_test
async def test_a_stream_that_is_still_writing_is_used_as_it_is():
    stream, other = await connected()
    stream.write(bytes(20_000_000))
    assert take_socket(stream) is None
    transport = take_over(stream, send_buffer=8_192)
    assert isinstance(transport, StreamTransport)
    transport.close()
    other.close()
    await asyncio.sleep(0.01)


@pytest.mark.gen_test
@pytest.mark.parametrize("kind", KINDS)
async def test_a_closed_socket_has_no_descriptor_that_another_client_may_have_by_now(lines, kind):
    line = lines(kind)
    descriptor = line.transport.descriptor
    assert (descriptor[0] >= 0) == isinstance(line.transport, SocketTransport)
    line.transport.close()
    assert descriptor[0] == -1
