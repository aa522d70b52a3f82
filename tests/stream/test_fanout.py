"""Each changed state reaches its subscribers, newest only, and no client's trouble is another's."""

from __future__ import annotations

import asyncio
import logging

import pytest

from haunt import Clock
from haunt.stream.fanout import SMALLEST_DEFLATED, framed
from haunt.stream.session import MOST_WAITING
from haunt.stream.subscriptions import Topic

from .stage import Desk, SlowClock, indicator, until_some_are_served
from .wire import server_frames


def subscribe(*symbols, **fields):
    return {"type": "subscribe", "symbols": list(symbols), **fields}


def prices(guest):
    return [(message["symbol"], message["price"]) for message in guest.heard() if message["type"] == "price_update"]


@pytest.mark.gen_test
async def test_all_that_changed_within_a_turn_is_one_write(desk):
    guest = desk.guest()
    guest.say(subscribe("btc", "eth", "sol"))
    for symbol in ("btc", "eth", "sol"):
        desk.price(symbol, 100.0)
    await desk.turn()
    assert len(guest.wire.times) == 1
    assert prices(guest) == [("btc", 100.0), ("eth", 100.0), ("sol", 100.0)]


@pytest.mark.gen_test
async def test_what_nobody_listens_to_is_not_encoded(desk, monkeypatch):
    desk.guest().say(subscribe("eth"))
    monkeypatch.setattr(desk.haunt.market, "price", pytest.fail)
    desk.price("btc", 100.0)
    await desk.turn()


@pytest.mark.gen_test
async def test_a_state_is_encoded_once_for_everyone(desk, monkeypatch):
    for number in range(50):
        desk.guest().say(subscribe("btc", *(["eth"] if number % 2 else [])))
    asked = []
    price = desk.haunt.market.price
    monkeypatch.setattr(desk.haunt.market, "price", lambda symbol: asked.append(symbol) or price(symbol))
    desk.price("btc", 100.0)
    await desk.turn()
    assert asked == ["btc"]
    assert desk.haunt.fanout.deliveries == 50


@pytest.mark.gen_test
async def test_a_subscriber_without_a_state_to_hear_of_costs_no_write(desk):
    guest = desk.guest()
    guest.say(subscribe("btc", channels=["price", "orderbook"]))
    assert guest.wire.times == []


@pytest.mark.gen_test
async def test_a_write_that_is_taken_in_part_is_finished_later_and_never_repeated(desk):
    guest, other = desk.guest(), desk.guest()
    for one in (guest, other):
        one.say(subscribe("btc"))
    guest.wire.room = 20
    desk.price("btc", 100.0)
    await desk.turn()
    assert prices(other) == [("btc", 100.0)]
    desk.price("btc", 101.0)
    desk.price("btc", 102.0)
    await desk.turn()
    assert prices(other) == [("btc", 102.0)]
    assert guest.heard() == []
    guest.wire.drain()
    assert prices(guest) == [("btc", 100.0), ("btc", 102.0)]


@pytest.mark.gen_test
async def test_a_full_socket_stops_nobody_else(desk):
    guests = [desk.guest() for _ in range(5)]
    for guest in guests:
        guest.say(subscribe("btc"))
    guests[0].wire.room = 0
    guests[2].wire.broken = True
    desk.price("btc", 100.0)
    await desk.turn()
    assert [prices(guest) for guest in guests] == [[], [("btc", 100.0)], [], [("btc", 100.0)], [("btc", 100.0)]]
    assert [guest.wire.lost for guest in guests] == [False, False, True, False, False]
    guests[0].wire.drain()
    assert prices(guests[0]) == [("btc", 100.0)]


@pytest.mark.gen_test
async def test_one_that_blocks_again_while_it_catches_up_is_behind_again(desk):
    guest = desk.guest()
    guest.say(subscribe("btc"))
    guest.wire.block()
    desk.price("btc", 100.0)
    await desk.turn()
    on_drained = guest.wire.on_drained
    guest.wire.on_drained = lambda: (setattr(guest.wire, "room", 10), on_drained())
    guest.wire.drain()
    guest.wire.on_drained = on_drained
    desk.price("btc", 101.0)
    await desk.turn()
    assert guest.heard() == []
    guest.wire.drain()
    assert prices(guest) == [("btc", 100.0), ("btc", 101.0)]


@pytest.mark.gen_test
async def test_a_throttled_client_that_was_behind_is_owed_what_came_due(desk):
    desk = Desk(clock=Clock())
    guest = desk.guest()
    guest.say(subscribe("btc", throttle_ms=40))
    desk.price("btc", 100.0)
    await desk.turn()
    desk.price("btc", 101.0)
    await desk.turn()
    guest.wire.block()
    await asyncio.sleep(0.08)
    guest.wire.drain()
    assert prices(guest) == [("btc", 100.0), ("btc", 101.0)]


@pytest.mark.gen_test
@pytest.mark.parametrize("request_", [subscribe("eth"), {"type": "unsubscribe", "symbols": ["sol"]}])
async def test_a_throttled_price_survives_another_request(request_):
    desk = Desk(clock=Clock())
    guest = desk.guest()
    guest.say(subscribe("btc", "sol", throttle_ms=60))
    desk.price("btc", 100.0)
    await desk.turn()
    desk.price("btc", 101.0)
    await desk.turn()
    guest.say(request_)
    await asyncio.sleep(0.1)
    assert prices(guest) == [("btc", 100.0), ("btc", 101.0)]


@pytest.mark.gen_test
async def test_a_throttled_price_that_came_due_by_itself_is_not_repeated():
    desk = Desk(clock=Clock())
    guest = desk.guest()
    guest.say(subscribe("btc", throttle_ms=50))
    for last in (100.0, 101.0):
        desk.price("btc", last)
        await desk.turn()
    # The loop is busy while the price comes due, and another one arrives first.
    until = desk.clock.monotonic() + 0.06
    while desk.clock.monotonic() < until:
        pass
    desk.price("btc", 102.0)
    await asyncio.sleep(0.12)
    assert prices(guest) == [("btc", 100.0), ("btc", 102.0)]


@pytest.mark.gen_test
async def test_a_client_that_leaves_while_it_is_throttled_leaves_nothing_behind():
    desk = Desk(clock=Clock())
    guest = desk.guest()
    guest.say(subscribe("btc", throttle_ms=20))
    for last in (100.0, 101.0):
        desk.price("btc", last)
        await desk.turn()
    desk.haunt.router.leave(guest.session)
    await asyncio.sleep(0.04)
    assert prices(guest) == [("btc", 100.0)]
    assert desk.haunt.subscriptions.sessions == 0


@pytest.mark.gen_test
async def test_who_subscribes_while_a_change_is_on_its_way_is_told_it_once(desk):
    desk.guest().say(subscribe("btc"))
    guest = desk.guest()
    desk.price("btc", 100.0)
    guest.say(subscribe("btc", id=1))
    await desk.turn()
    assert prices(guest) == [("btc", 100.0)]


@pytest.mark.gen_test
async def test_who_subscribes_and_is_throttled_is_told_at_once(desk):
    for _ in range(2):
        desk.price("btc", 100.0)
        guest = desk.guest()
        guest.say(subscribe("btc", throttle_ms=60_000))
        assert prices(guest) == [("btc", 100.0)]


@pytest.mark.gen_test
async def test_the_wait_of_a_throttled_client_begins_with_what_it_is_told_on_subscribing():
    desk = Desk(clock=Clock())
    desk.price("btc", 100.0)
    guest = desk.guest()
    guest.say(subscribe("btc", throttle_ms=60_000))
    desk.price("btc", 101.0)
    await desk.turn()
    assert prices(guest) == [("btc", 100.0)]


@pytest.mark.gen_test
async def test_who_is_throttled_does_not_start_the_wait_of_others_anew():
    desk = Desk(clock=Clock())
    desk.price("btc", 100.0)
    first = desk.guest()
    first.say(subscribe("btc", throttle_ms=40))
    desk.price("btc", 101.0)
    for _ in range(6):
        desk.guest().say(subscribe("btc", throttle_ms=40))
        await asyncio.sleep(0.01)
    assert prices(first) == [("btc", 100.0), ("btc", 101.0)]


# -- a flush that takes several turns


async def half_served(desk, size=900):
    """That many subscribers of btc and eth; some of them have been told 100, the others not yet."""
    guests = [desk.guest() for _ in range(size)]
    for guest in guests:
        guest.say(subscribe("btc", "eth"))
    desk.price("btc", 100.0)
    await until_some_are_served(guests)
    served = [guest for guest in guests if guest.wire.times]
    waiting = [guest for guest in guests if not guest.wire.times]
    assert served
    assert waiting
    return served, waiting


@pytest.mark.gen_test
async def test_who_asks_for_more_within_a_flush_misses_nothing_of_it():
    desk = Desk(clock=SlowClock())
    _, waiting = await half_served(desk)
    waiting[-1].say(subscribe("sol"))
    await desk.turn()
    assert prices(waiting[-1]) == [("btc", 100.0)]


@pytest.mark.gen_test
async def test_who_is_behind_by_then_is_owed_it():
    desk = Desk(clock=SlowClock())
    _, waiting = await half_served(desk)
    waiting[-1].wire.block()
    await desk.turn()
    waiting[-1].wire.drain()
    assert prices(waiting[-1]) == [("btc", 100.0)]


@pytest.mark.gen_test
async def test_who_has_left_by_then_hears_nothing():
    desk = Desk(clock=SlowClock())
    _, waiting = await half_served(desk)
    waiting[-1].wire.close(1000)
    await desk.turn()
    assert prices(waiting[-1]) == []


@pytest.mark.gen_test
async def test_everyone_hears_the_last_price_of_many_within_a_flush():
    desk = Desk(clock=SlowClock())
    served, waiting = await half_served(desk)
    for last in (101.0, 102.0, 103.0):
        desk.price("btc", last)
        await asyncio.sleep(0)
    await desk.turn()
    for guest in served + waiting:
        heard = prices(guest)
        assert heard == sorted(heard)
        assert heard[-1] == ("btc", 103.0)


@pytest.mark.gen_test
async def test_the_loop_gets_its_turn_between_the_slices():
    desk = Desk(clock=SlowClock())
    await half_served(desk)
    turns = []
    asyncio.get_running_loop().call_soon(turns.append, desk.haunt.fanout.deliveries)
    await asyncio.sleep(0)
    assert turns


# -- what fails


@pytest.mark.gen_test
async def test_a_state_that_cannot_be_encoded_is_logged_once_and_comes_back(desk, monkeypatch, caplog):
    guest = desk.guest()
    guest.say(subscribe("btc", "eth"))
    price = desk.haunt.market.price

    def broken(symbol):
        if symbol == "btc":
            raise ZeroDivisionError
        return price(symbol)

    monkeypatch.setattr(desk.haunt.market, "price", broken)
    for number in range(5):
        desk.price("btc", 100.0 + number)
        desk.price("eth", 10.0 + number)
        await desk.turn()
    assert prices(guest) == [("eth", 10.0 + number) for number in range(5)]
    assert len([record for record in caplog.records if record.levelno >= logging.ERROR]) == 1
    monkeypatch.setattr(desk.haunt.market, "price", price)
    desk.price("btc", 200.0)
    await desk.turn()
    assert prices(guest) == [("btc", 200.0)]


@pytest.mark.gen_test
async def test_a_client_that_catches_up_loses_no_answer_to_a_state_that_cannot_be_encoded(desk, monkeypatch, caplog):
    guest = desk.guest()
    guest.say(subscribe("btc", "eth"))
    guest.wire.block()
    desk.price("btc", 100.0)
    desk.price("eth", 10.0)
    await desk.turn()
    guest.say({"type": "ping"})
    price = desk.haunt.market.price
    monkeypatch.setattr(desk.haunt.market, "price", lambda symbol: price(symbol) if symbol == "eth" else 1 / 0)
    guest.wire.drain()
    assert [message["type"] for message in guest.heard()] == ["pong", "price_update"]


@pytest.mark.gen_test
async def test_a_signal_reaches_everyone_though_one_of_them_is_closed_by_it():
    desk = Desk(indicators=[indicator("mood")])
    stuck, other = desk.guest(messages_per_second=10_000), desk.guest(extended=True)
    stuck.say(subscribe("btc"))
    other.say(subscribe("btc"))
    stuck.wire.block()
    for _ in range(MOST_WAITING):
        stuck.say({"type": "ping"})
    desk.candle("btc", 150.0)
    desk.candle("btc", 90.0)
    await desk.turn()
    assert stuck.wire.closed == (1013, "slow consumer")
    assert [message["type"] for message in other.heard()] == ["signal_update", "price_update"]
    assert desk.haunt.subscriptions.sessions == 1


# -- frames


@pytest.mark.parametrize(("size", "deflate", "compressed"), [
    (SMALLEST_DEFLATED, True, True), (SMALLEST_DEFLATED - 1, True, False), (10_000, False, False),
])  # fmt: skip
def test_only_large_frames_are_compressed_and_only_where_agreed(size, deflate, compressed):
    topic = Topic("orderbook", "btc", 20, extended=False, deflate=deflate)
    [found], rest = server_frames(framed(topic, b"x" * size))
    assert (found.rsv, rest) == (4 if compressed else 0, b"")


@pytest.mark.gen_test
async def test_a_stop_closes_at_once_the_candles_that_were_left_to_later_turns():
    desk, symbols = Desk(SlowClock(), indicators=[indicator("mood")]), ["btc", "eth", "sol", "pepe"]
    for _ in range(2):
        for symbol in symbols:
            desk.price(symbol, 90.0)
        desk.clock.advance(1)
        desk.haunt.market.tick()
        await desk.turn()
    for symbol in symbols:
        desk.price(symbol, 250.0)
    desk.clock.advance(1)
    desk.haunt.market.tick()
    stopping = asyncio.create_task(desk.haunt.stop())
    await asyncio.sleep(0)
    assert [one.signal for symbol in symbols for one in desk.haunt.signals.last(symbol)] == ["sell"] * 4
    await stopping


@pytest.mark.gen_test
async def test_changes_that_share_an_update_are_counted(desk):
    desk.guest().say(subscribe("btc", "eth"))
    for price in (100.0, 101.0, 102.0):
        desk.price("btc", price)
    desk.price("eth", 10.0)
    desk.price("sol", 1.0)
    desk.price("sol", 2.0)
    await desk.turn()
    assert (desk.haunt.fanout.merged, desk.haunt.fanout.deliveries) == (2, 2)


@pytest.mark.gen_test
async def test_what_the_operator_holds_back_is_merged_too():
    desk = Desk(stream={"orderbook_interval": 60})
    desk.guest().say(subscribe("btc", channels=["orderbook"]))
    for bid in (100.0, 101.0, 102.0, 103.0):
        desk.book("btc", [(bid, 1.0)], [(200.0, 1.0)])
        await desk.turn()
    assert (desk.haunt.fanout.merged, desk.haunt.fanout.deliveries) == (2, 1)


@pytest.mark.gen_test
async def test_bytes_and_flushes_are_counted_with_what_a_slow_client_gets_in_the_end(desk):
    guest, other = desk.guest(), desk.guest()
    for one in (guest, other):
        one.say(subscribe("btc"))
    guest.wire.block()
    for price in (100.0, 101.0):
        desk.price("btc", price)
        await desk.turn()
    fanout = desk.haunt.fanout
    assert (fanout.left_out, fanout.deliveries) == (2, 2)
    size = len(fanout.frame(Topic("price", "btc", 0, extended=False, deflate=False)))
    assert fanout.sent_bytes == 2 * size
    guest.wire.drain()
    assert fanout.deliveries == 3
    assert fanout.sent_bytes == 3 * size
    assert fanout.flush_seconds.counts[-1] == 2
