"""Where the specification leaves a choice: each decision, by its row, kept.

Sections: A (rows 1-16) subscribing, B (17-34) what the server says, C (35-52) requests, errors and limits,
D (53-60) the line itself.
"""

from __future__ import annotations

import ast
import asyncio
import json
import random
import re
import time
import zlib
from pathlib import Path
from typing import get_args

import pytest
from haunt_indicators.macd import Macd, MacdOptions
from haunt_indicators.rsi import Rsi, RsiOptions
from tornado.httpclient import AsyncHTTPClient

import haunt.stream
from haunt import BookDelta, Candle, Clock, IndicatorOptions, Reading
from haunt.config.model import Limits, Server, Stream
from haunt.errors import ErrorCode
from haunt.stream.frames import deflated_text_frame
from haunt.testing import eventually
from haunt.web.health import active_sources

from .stage import Desk, Mood, SlowClock, indicator, until_some_are_served
from .wire import BINARY, CLOSE, HANDSHAKE, PING, PONG, TEXT, close_frame, frame

ROWS = range(1, 61)
COINS = [f"coin{number}" for number in range(150)]
EVERYTHING = ["price", "signal", "orderbook"]
NOW = 1_700_000_000_000  # where a FakeClock begins


def test_every_row_has_a_test():
    names = re.findall(r"^(?:async )?def test_row_(\d+)_", Path(__file__).read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted({int(number) for number in names}) == list(ROWS)


def types(messages):
    return [message["type"] for message in messages]


def codes(messages):
    return [message["code"] for message in messages]


def prices(messages):
    return [message["price"] for message in messages if message["type"] == "price_update"]


def subscribe(*symbols, **fields):
    return {"type": "subscribe", "symbols": list(symbols), **fields}


def unsubscribe(*symbols, **fields):
    return {"type": "unsubscribe", "symbols": list(symbols), **fields}


def quoted(desk, *symbols):
    """Give these symbols a price, a book and a signal."""
    for symbol in symbols:
        for close in (150.0, 90.0):
            desk.candle(symbol, close)
        desk.price(symbol, 95.0)
        desk.book(symbol, [(90, 1)], [(91, 1)])


# -- A. Subscribing


@pytest.mark.gen_test
async def test_row_1_without_channels_prices_and_signals_come_but_no_books():
    desk = Desk(indicators=[indicator("mood")])
    guest = desk.guest()
    guest.say(subscribe("btc"))
    quoted(desk, "btc")
    await desk.turn()
    assert set(types(guest.heard())) == {"price_update", "signal_update"}


@pytest.mark.gen_test
@pytest.mark.parametrize("named", [{"channels": ["orderbook"]}, {"channel": "orderbook"}])
async def test_row_1_a_channel_is_named_in_a_list_or_alone(named):
    desk = Desk(indicators=[indicator("mood")])
    guest = desk.guest()
    guest.say(subscribe("btc", **named))
    quoted(desk, "btc")
    await desk.turn()
    assert set(types(guest.heard())) == {"orderbook_update"}


@pytest.mark.parametrize("named", [{"channels": ["price", "trades"]}, {"channel": "trades"}, {"channels": ["Price"]}])
def test_row_1_an_unknown_channel_is_invalid_and_nothing_is_subscribed(desk, named):
    guest = desk.guest()
    assert codes(guest.ask(subscribe("btc", **named))) == ["invalid_message"]
    assert guest.session.subscriptions == {}


def test_row_2_channels_are_added_to_those_before(desk):
    guest = desk.guest()
    guest.say(subscribe("btc", channels=["price"]))
    guest.say(subscribe("btc", channels=["orderbook"]))
    guest.say(subscribe("eth"))
    assert guest.session.topics.keys() == {
        ("price", "btc"), ("orderbook", "btc"), ("price", "eth"), ("signal", "eth"),
    }  # fmt: skip


def test_row_3_unsubscribe_without_channels_removes_all_of_them(desk):
    guest = desk.guest()
    guest.say(subscribe("btc", "eth", channels=EVERYTHING))
    guest.say(unsubscribe("btc"))
    assert guest.session.topics.keys() == {(channel, "eth") for channel in EVERYTHING}


def test_row_3_unsubscribe_with_channels_removes_only_those(desk):
    guest = desk.guest()
    guest.say(subscribe("btc", channels=EVERYTHING))
    guest.say(unsubscribe("btc", channels=["price"]))
    guest.say(unsubscribe("btc", channel="signal"))
    assert guest.session.topics.keys() == {("orderbook", "btc")}


def test_row_4_nothing_is_acknowledged_unasked(desk):
    guest = desk.guest()
    assert guest.ask(subscribe("btc")) == []
    assert guest.ask(unsubscribe("btc")) == []


@pytest.mark.parametrize("id", [7, 0, -1, "seven", "", "x" * 64, 2**53])
def test_row_4_with_an_id_every_answer_carries_it(desk, id):  # noqa: A002
    guest = desk.guest()
    assert guest.ask(subscribe("BTC", "nope", "eth", channels=["orderbook"], id=id)) == [
        {"type": "error", "code": "invalid_symbol", "message": "Symbol 'nope' not found", "id": id, "symbol": "nope"},
        {"type": "subscribed", "id": id, "symbols": ["btc", "eth"], "channels": ["orderbook"], "rejected": ["nope"]},
    ]
    assert guest.ask(unsubscribe("xbt", id=id)) == [
        {"type": "unsubscribed", "id": id, "symbols": ["btc"], "channels": EVERYTHING, "rejected": []},
    ]
    assert guest.ask({"type": "ping", "id": id}) == [{"type": "pong", "timestamp": NOW, "id": id}]


@pytest.mark.parametrize("id", ["x" * 65, 1.5, 1.0, True, [1], {"a": 1}, 2**53 + 1, 10**100])
def test_row_4_an_id_is_a_short_string_or_an_integer(desk, id):  # noqa: A002
    guest = desk.guest()
    [error] = guest.ask(subscribe("btc", id=id))
    assert (error["code"], error.keys()) == ("invalid_message", {"type", "code", "message"})
    assert guest.session.subscriptions == {}


def test_row_5_a_subscriber_is_told_the_price_and_the_book_at_once_with_their_own_time(desk):
    desk.price("btc", 67_234.56)
    desk.book("btc", [(67_230, 1.5)], [(67_235, 0.8)])
    desk.clock.advance(7)
    price, book = desk.guest().ask(subscribe("btc", channels=EVERYTHING))
    assert (price["type"], price["timestamp"]) == ("price_update", NOW)
    assert (book["type"], book["timestamp"]) == ("orderbook_update", NOW)


def test_row_5_without_a_price_a_subscriber_is_told_nothing(desk):
    assert desk.guest().ask(subscribe("btc", channels=EVERYTHING)) == []


def test_row_5_old_signals_are_told_only_where_a_snapshot_is_asked():
    desk = Desk(indicators=[indicator("mood")])
    quoted(desk, "btc")
    assert types(desk.guest().ask(subscribe("btc"))) == ["price_update"]
    assert types(desk.guest().ask(subscribe("btc", snapshot=True))) == ["price_update", "signal_update"]


def test_row_6_valid_symbols_are_subscribed_and_each_other_is_an_error_in_order(desk):
    guest = desk.guest()
    errors = guest.ask(subscribe("xyz", "btc", "Foo", "eth", "xyz"))
    assert errors == [
        {"type": "error", "code": "invalid_symbol", "message": f"Symbol '{name}' not found"}
        for name in ("xyz", "Foo", "xyz")
    ]
    assert list(guest.session.subscriptions) == ["btc", "eth"]


def test_row_7_a_subscription_is_a_symbol_whatever_its_channels(desk):
    guest = desk.guest()
    assert guest.ask(subscribe(*COINS[:100], channels=EVERYTHING)) == []
    assert guest.ask(subscribe(*COINS[:100], *COINS[:50], channels=["price"])) == []
    assert len(guest.session.subscriptions) == 100
    assert codes(guest.ask(subscribe("btc"))) == ["subscription_limit"]


def test_row_7_an_alias_is_no_second_subscription(desk):
    guest = desk.guest()
    assert guest.ask(subscribe("btc", "xbt", "BTC", *COINS[:99])) == []


def test_row_8_beyond_the_limit_the_first_ones_are_taken_and_one_error_counts_the_rest(desk):
    guest = desk.guest()
    [error] = guest.ask(subscribe(*COINS[:130]))
    assert error["code"] == "subscription_limit"
    assert re.findall(r"\d+", error["message"]) == ["100", "100", "30"]
    assert list(guest.session.subscriptions) == COINS[:100]
    assert guest.wire.closed is None
    guest.say(unsubscribe("coin0"))
    assert guest.ask(subscribe("btc")) == []


def test_row_9_subscribing_twice_is_no_error_and_tells_the_state_again(desk):
    desk.price("btc", 67_234.56)
    guest = desk.guest()
    first = guest.ask(subscribe("btc"))
    assert first == guest.ask(subscribe("btc")) != []
    assert len(guest.session.subscriptions) == 1


def test_row_10_unsubscribing_what_is_not_subscribed_is_silent_and_an_unknown_symbol_is_not(desk):
    guest = desk.guest()
    assert guest.ask(unsubscribe("btc", "eth")) == []
    assert guest.ask(unsubscribe("nope")) == [
        {"type": "error", "code": "invalid_symbol", "message": "Symbol 'nope' not found"}
    ]


@pytest.mark.gen_test
async def test_row_11_nothing_of_a_symbol_arrives_after_it_was_unsubscribed(desk):
    guest = desk.guest()
    guest.say(subscribe("btc", "eth", channels=EVERYTHING))
    desk.price("btc", 100.0)
    desk.book("btc", [(90, 1)], [(91, 1)])
    desk.price("eth", 10.0)
    guest.say(unsubscribe("btc"))
    await desk.turn()
    assert {message["symbol"] for message in guest.heard()} == {"eth"}


@pytest.mark.gen_test
async def test_row_11_nor_does_what_was_owed_to_a_client_that_was_behind():
    desk = Desk(indicators=[indicator("mood")])
    guest = desk.guest()
    guest.say(subscribe("btc", "eth", channels=EVERYTHING))
    guest.wire.block()
    quoted(desk, "btc", "eth")
    await desk.turn()
    guest.say(unsubscribe("btc", id=1))
    guest.wire.drain()
    heard = guest.heard()
    assert {"unsubscribed", "price_update", "orderbook_update", "signal_update"} == set(types(heard))
    assert {message["symbol"] for message in heard if "symbol" in message} == {"eth"}


@pytest.mark.gen_test
async def test_row_11_nor_what_one_of_its_channels_was_owed(desk):
    guest = desk.guest()
    guest.say(subscribe("btc", channels=["price", "orderbook"]))
    guest.wire.block()
    quoted(desk, "btc")
    await desk.turn()
    guest.say(unsubscribe("btc", channels=["price"]))
    guest.wire.drain()
    assert types(guest.heard()) == ["orderbook_update"]


@pytest.mark.gen_test
async def test_row_11_nor_the_rest_of_a_flush_that_takes_several_turns():
    desk = Desk(clock=SlowClock())
    guests = [desk.guest() for _ in range(900)]
    for guest in guests:
        guest.say(subscribe("btc", "eth"))
    desk.price("btc", 100.0)
    desk.price("eth", 10.0)
    await until_some_are_served(guests)
    served = [guest for guest in guests if guest.heard()]
    assert 0 < len(served) < 900, "the flush is in its middle"
    leaver = guests[-1]
    leaver.say(unsubscribe("btc"))
    await desk.turn()
    assert {message["symbol"] for message in leaver.heard()} == {"eth"}
    assert all(len(guest.heard()) == 2 for guest in guests[:-1] if guest not in served)


@pytest.mark.gen_test
async def test_row_11_over_a_socket_that_was_full(serve, connect):
    stage = await serve(limits={"send_buffer": 4_096})
    client = await connect(stage, receive_buffer=4_096)
    stage.price("eth", 10.0)
    client.say(subscribe("btc", "eth", channels=EVERYTHING, depth=100))
    await client.message("price_update")
    levels = [(100 - number / 100, 1) for number in range(100)]
    for number in range(400):
        stage.book("btc", levels, [(101 + number, 1)])
        stage.price("btc", 1_000.0 + number)
        await asyncio.sleep(0.002 if number % 20 else 0.02)
    client.say(unsubscribe("btc", id="gone"))
    await asyncio.sleep(0.05)
    for number in range(20):
        stage.book("btc", levels, [(501 + number, 1)])
        stage.price("btc", 2_000.0 + number)
        stage.price("eth", 20.0 + number)
    while (await client.message())["type"] != "unsubscribed":
        pass
    assert len(client.heard) < 400, "the client was behind"
    after = await client.until_pong()
    assert {message["symbol"] for message in after} == {"eth"}


@pytest.mark.parametrize("kind", ["subscribe", "unsubscribe"])
def test_row_12_an_empty_array_is_valid(desk, kind):
    guest = desk.guest()
    assert guest.ask({"type": kind, "symbols": []}) == []
    [acknowledgement] = guest.ask({"type": kind, "symbols": [], "id": 1})
    assert (acknowledgement["symbols"], acknowledgement["rejected"]) == ([], [])


@pytest.mark.parametrize("kind", ["subscribe", "unsubscribe"])
@pytest.mark.parametrize("fields", [{}, {"symbols": None}, {"symbols": "btc"}, {"symbols": {"btc": 1}}, {"symbols": 1},
                                    {"symbols": ["btc", 1]}, {"symbols": ["btc", None]}, {"symbols": [["btc"]]},
                                    {"symbol": "btc"}])  # fmt: skip
def test_row_12_symbols_that_are_no_array_of_strings_refuse_the_whole_message(desk, kind, fields):
    guest = desk.guest()
    guest.say(subscribe("eth"))
    assert codes(guest.ask({"type": kind} | fields)) == ["invalid_message"]
    assert list(guest.session.subscriptions) == ["eth"]


@pytest.mark.parametrize("written", ["btc", "BTC", " Btc\t", "xbt", "XBT"])
def test_row_13_case_space_and_aliases_do_not_matter_and_answers_are_lower_case(desk, written):
    desk.price("btc", 67_234.56)
    acknowledgement, price = desk.guest().ask(subscribe(written, id=1))
    assert acknowledgement["symbols"] == [price["symbol"]] == ["btc"]


@pytest.mark.parametrize("written", ["btcusd", "BTC/USD", "BTC-USD", "bt", "", "b" * 33, "bitcoin", "btc,eth"])
def test_row_13_pairs_and_other_spellings_are_not_guessed(desk, written):
    assert codes(desk.guest().ask(subscribe(written))) == ["invalid_symbol"]


@pytest.mark.gen_test
async def test_row_14_a_symbol_without_data_is_valid_and_told_of_when_data_comes(desk):
    guest = desk.guest()
    assert guest.ask(subscribe("sol")) == []
    desk.price("sol", 150.0)
    await desk.turn()
    assert prices(guest.heard()) == [150.0]


def test_row_15_there_is_no_symbol_for_all_symbols(desk):
    assert desk.guest().ask(subscribe("*")) == [
        {"type": "error", "code": "invalid_symbol", "message": "Symbol '*' not found"}
    ]


@pytest.mark.gen_test
async def test_row_16_subscribers_of_a_symbol_that_leaves_are_told_and_hear_no_more_of_it(desk):
    guest = desk.guest()
    assert guest.ask(subscribe("sol", "btc")) == []
    desk.price("sol", 150.0)
    desk.haunt.router.revoke(guest.session, "sol")
    assert guest.heard() == [
        {"type": "error", "code": "invalid_symbol", "message": "Symbol 'sol' is no longer tracked"}
    ]
    desk.price("sol", 151.0)
    desk.price("btc", 67_000.0)
    await desk.turn()
    assert prices(guest.heard()) == [67_000.0]


# -- B. Server messages


@pytest.mark.gen_test
async def test_row_17_a_price_is_sent_when_its_rounded_value_changes(desk):
    guest = desk.guest()
    guest.say(subscribe("btc"))
    for last in (100.0, 100.001, 100.004, 100.006, 100.01, 100.0, 100.0):
        desk.price("btc", last)
        await desk.turn()
    assert prices(guest.heard()) == [100.0, 100.01, 100.0]


@pytest.mark.gen_test
async def test_row_17_changes_within_a_turn_merge_into_the_newest(desk):
    guest = desk.guest()
    guest.say(subscribe("btc", "eth"))
    for last in range(1, 500):
        desk.price("btc", float(last))
        desk.price("eth", float(last))
    await desk.turn()
    assert [(message["symbol"], message["price"]) for message in guest.heard()] == [("btc", 499.0), ("eth", 499.0)]


async def second_hand(desk, guest):
    """Thirty prices, one every ten milliseconds, and the time the last one needs; the prices it was told."""
    for number in range(30):
        desk.price("btc", 100.0 + number)
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.12)
    return prices(guest.heard())


@pytest.mark.gen_test
async def test_row_17_a_client_may_ask_for_less():
    desk = Desk(clock=Clock())
    guest, other = desk.guest(), desk.guest()
    guest.say(subscribe("btc", throttle_ms=100))
    other.say(subscribe("btc"))
    heard = await second_hand(desk, guest)
    assert (heard[0], heard[-1]) == (100.0, 129.0), "the last price is never forgotten"
    # Each is due a tenth of a second after the one before was, and written as soon as the loop is free.
    times = guest.wire.times
    assert len(times) <= (times[-1] - times[0]) * 10 + 2
    assert len(other.heard()) == 30


@pytest.mark.gen_test
async def test_row_17_the_operator_may_send_less():
    desk = Desk(clock=Clock(), stream={"max_updates_per_second": 10})
    guest = desk.guest()
    guest.say(subscribe("btc"))
    heard = await second_hand(desk, guest)
    assert (heard[0], heard[-1]) == (100.0, 129.0)
    # Each is due a tenth of a second after the one before was, and written as soon as the loop is free.
    times = guest.wire.times
    assert len(times) <= (times[-1] - times[0]) * 10 + 2


@pytest.mark.gen_test
async def test_row_18_a_price_is_a_number_rounded_to_the_tick(desk):
    guest = desk.guest()
    guest.say(subscribe("btc"))
    desk.price("btc", 67_234.56, venue="alpha")
    desk.price("btc", 67_234.57, venue="bravo")
    desk.price("btc", 67_234.560000000005, venue="alpha")
    await desk.turn()
    [found] = guest.wire.frames()
    text = re.search(r'"price":([^,]*),', found.payload.decode())[1]
    assert re.fullmatch(r"67234\.5[67]", text)


@pytest.mark.gen_test
async def test_row_18_without_a_tick_it_has_ten_significant_digits(desk):
    guest = desk.guest()
    guest.say(subscribe("eth"))
    desk.price("eth", 1234.56789012345)
    await desk.turn()
    assert prices(guest.heard()) == [1234.56789]


@pytest.mark.gen_test
async def test_row_18_a_tiny_price_is_still_a_number(desk):
    guest = desk.guest()
    guest.say(subscribe("pepe"))
    desk.price("pepe", 1.23456e-9)
    await desk.turn()
    assert prices(guest.heard()) == [1.23456e-9]


RUBBISH = [float("nan"), float("inf"), float("-inf"), 0.0, -1.0, 5e-324, 1e-300, 1e300, 1.7976931348623157e308]


@pytest.mark.gen_test
@pytest.mark.parametrize("rubbish", RUBBISH)
async def test_row_18_no_rubbish_of_a_venue_reaches_the_wire_or_hides_what_is_right(desk, rubbish):
    guest = desk.guest()
    guest.say(subscribe("btc", "eth", channels=EVERYTHING))
    desk.price("btc", 100.0, open=rubbish, volume=rubbish, quote_volume=rubbish)
    desk.price("btc", rubbish, venue="bravo")
    desk.trade("btc", rubbish, venue="bravo")
    desk.book("btc", [(rubbish, 1), (90, rubbish)], [(91, 1), (92, rubbish)], venue="bravo")
    desk.price("eth", 10.0)
    desk.book("eth", [(9, 1)], [(11, 1)])
    await desk.turn()
    for found in guest.wire.frames():
        message = json.loads(found.payload, parse_constant=pytest.fail)
        for name in ("price", "change_24h", "volume_24h", "timestamp"):
            assert abs(message.get(name, 0)) < 1e30
    desk.price("eth", 11.0)
    await desk.turn()
    assert prices(guest.heard()) == [11.0]
    assert desk.guest().ask(subscribe("eth"))[0]["price"] == 11.0


@pytest.mark.gen_test
async def test_row_18_what_cannot_be_encoded_hides_no_other_symbol(desk, monkeypatch, caplog):
    guests = [desk.guest(), desk.guest()]
    for guest in guests:
        guest.say(subscribe("btc", "eth"))
    found = desk.haunt.market.price

    def price(symbol):
        return found(symbol) if symbol == "eth" else found(symbol)._replace(price=float("nan"))

    monkeypatch.setattr(desk.haunt.market, "price", price)
    desk.price("btc", 100.0)
    desk.price("eth", 10.0)
    await desk.turn()
    assert [prices(guest.heard()) for guest in guests] == [[10.0], [10.0]]
    assert "btc" in caplog.text


@pytest.mark.gen_test
async def test_row_19_the_first_price_waits_five_seconds_for_the_figures_of_24_hours(desk):
    guest = desk.guest()
    guest.say(subscribe("btc"))
    desk.trade("btc", 100.0)
    desk.clock.advance(4.9)
    desk.haunt.market.tick()
    await desk.turn()
    assert guest.heard() == []
    desk.clock.advance(0.2)
    desk.haunt.market.tick()
    await desk.turn()
    [message] = guest.heard()
    assert (message["price"], message["change_24h"], message["volume_24h"]) == (100.0, 0, 0)


@pytest.mark.gen_test
async def test_row_19_figures_that_come_sooner_end_the_wait(desk):
    guest = desk.guest()
    guest.say(subscribe("btc"))
    desk.trade("btc", 103.0)
    desk.clock.advance(1)
    desk.price("btc", 103.0, open=100.0, quote_volume=28_500_000_000.0)
    await desk.turn()
    [message] = guest.heard()
    assert (message["change_24h"], message["volume_24h"]) == (3.0, 28_500_000_000)


@pytest.mark.gen_test
@pytest.mark.parametrize(
    ("volume", "written"),
    [
        (28_500_000_000.0, "28500000000"),
        (28_500_000_000.49, "28500000000"),
        (1_000.0, "1000"),
        (1_234.5, "1234"),
        (999.9999999, "1000"),
        (999.5, "999.5"),
    ],
)
async def test_row_20_a_volume_from_a_thousand_up_is_an_integer(desk, volume, written):
    guest = desk.guest()
    guest.say(subscribe("btc"))
    desk.price("btc", 100.0, quote_volume=volume)
    await desk.turn()
    [found] = guest.wire.frames()
    assert re.search(r'"volume_24h":([^,]*),', found.payload.decode())[1] == written


@pytest.mark.gen_test
async def test_row_20_volumes_are_added_up_in_quote_currency(desk):
    guest = desk.guest()
    guest.say(subscribe("btc"))
    desk.price("btc", 100.0, volume=50.0)
    desk.price("btc", 100.0, quote_volume=7_000.0, venue="bravo")
    desk.price("btc", 101.0, volume=50.0)
    await desk.turn()
    assert guest.heard()[-1]["volume_24h"] == 12_050


@pytest.mark.gen_test
async def test_row_21_a_timestamp_is_the_venues_own_but_never_ahead_of_ours_and_never_goes_back(desk):
    guest = desk.guest()
    guest.say(subscribe("btc"))
    desk.clock.advance(60)
    now = desk.clock.milliseconds()
    times = []
    for change, at in enumerate((now - 700, now - 900, now - 300, now + 4_000, now - 500, now - 3_600_000)):
        desk.price("btc", 100.0 + change, at=at)
        await desk.turn()
        times += [message["timestamp"] for message in guest.heard()]
    assert times == [now - 700, now - 700, now - 300, now, now, now]


@pytest.mark.gen_test
async def test_row_21_nor_when_the_clock_of_this_machine_is_set_back(desk):
    guest = desk.guest()
    guest.say(subscribe("btc"))
    desk.price("btc", 100.0)
    await desk.turn()
    desk.clock.set_back(3_600)
    desk.price("btc", 101.0)
    await desk.turn()
    assert [message["timestamp"] for message in guest.heard()] == [NOW, NOW]


@pytest.mark.gen_test
@pytest.mark.parametrize(("asked", "levels"), [({}, 20), ({"depth": 1}, 1), ({"depth": 5}, 5), ({"depth": 100}, 100)])
async def test_row_22_a_book_is_always_whole_and_sorted(desk, asked, levels):
    guest = desk.guest()
    guest.say(subscribe("eth", channels=["orderbook"], **asked))
    bids = [(1_000 - number, 1 + number) for number in range(150)]
    asks = [(1_001 + number, 1 + number) for number in range(150)]
    desk.book("eth", bids[::-1], asks[::-1])
    desk.venue().publish(BookDelta("eth-USD", [("1000", "7")], [("1001", "0")], None, None, None, NOW))
    await desk.turn()
    book = guest.heard()[-1]
    assert book["bids"][0] == {"price": 1_000, "quantity": 7}
    assert [level["price"] for level in book["bids"]] == [1_000 - number for number in range(levels)]
    assert [level["price"] for level in book["asks"]] == [1_002 + number for number in range(levels)]
    assert all(level["quantity"] > 0 for level in book["bids"] + book["asks"])


@pytest.mark.parametrize("depth", [0, 101, -1, 2.5, "20", True, [20]])
def test_row_22_a_depth_is_a_whole_number_up_to_100(desk, depth):
    assert codes(desk.guest().ask(subscribe("btc", channels=["orderbook"], depth=depth))) == ["invalid_message"]


@pytest.mark.gen_test
async def test_row_22_books_merge_and_the_last_one_is_sent():
    assert Stream().orderbook_interval == 0.25
    desk = Desk(clock=Clock(), stream={"orderbook_interval": 0.1})
    guest = desk.guest()
    guest.say(subscribe("btc", channels=["orderbook"]))
    for number in range(30):
        desk.book("btc", [(100 + number, 1)], [(200, 1)])
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.15)
    books = guest.heard()
    assert 3 <= len(books) <= 6
    assert books[-1]["bids"] == [{"price": 129, "quantity": 1}]


@pytest.mark.gen_test
async def test_row_23_a_merged_book_is_never_crossed(desk):
    guest = desk.guest()
    guest.say(subscribe("eth", channels=["orderbook"]))
    desk.book("eth", [(105, 1), (99, 2)], [(106, 1)], venue="alpha")
    desk.clock.advance(1)
    desk.book("eth", [(101, 3), (98, 1)], [(102, 3), (107, 1)], venue="bravo")
    await desk.turn()
    book = guest.heard()[-1]
    assert [level["price"] for level in book["bids"]] == [101, 99, 98], "the stale venue's crossing bid is left out"
    assert [level["price"] for level in book["asks"]] == [102, 106, 107]


@pytest.mark.gen_test
@pytest.mark.parametrize("seed", range(12))
async def test_row_23_whatever_the_venues_say(desk, seed):
    chance = random.Random(seed)
    guest = desk.guest()
    guest.say(subscribe("eth", channels=["orderbook"]))
    for _ in range(20):
        middle = chance.randint(950, 1_050)
        bids = [(middle - chance.randint(1, 40), chance.randint(1, 9)) for _ in range(8)]
        asks = [(middle + chance.randint(1, 40), chance.randint(1, 9)) for _ in range(8)]
        desk.book("eth", list(dict(bids).items()), list(dict(asks).items()), venue=chance.choice(["a", "b", "c"]))
        desk.clock.advance(0.02)
        await asyncio.sleep(0.001)
    await asyncio.sleep(0.02)
    books = guest.heard()
    assert books
    for book in books:
        assert not (book["bids"] and book["asks"]) or book["bids"][0]["price"] < book["asks"][0]["price"]


@pytest.mark.gen_test
async def test_row_24_a_books_time_is_its_venues_and_its_quantities_are_base_units(desk):
    guest = desk.guest()
    guest.say(subscribe("btc", channels=["orderbook"]))
    desk.book("btc", [("67230.00", "1.5")], [("67235.00", "0.8")], at=NOW - 1_234)
    await desk.turn()
    assert guest.heard() == [
        {
            "type": "orderbook_update",
            "symbol": "btc",
            "bids": [{"price": 67_230.0, "quantity": 1.5}],
            "asks": [{"price": 67_235.0, "quantity": 0.8}],
            "timestamp": NOW - 1_234,
        }
    ]


class Strong(Mood):
    """Says what no client may hear, then what one may."""

    name = "strong"

    def update(self, candle: Candle) -> Reading:
        return Reading(candle.close, "strong_buy" if candle.close < 100 else "buy", 0.5)


@pytest.mark.gen_test
async def test_row_25_a_signal_is_buy_sell_or_neutral(caplog):
    desk = Desk(indicators=[indicator("strong", Strong)])
    guest = desk.guest()
    guest.say(subscribe("btc", channels=["signal"]))
    desk.candle("btc", 90.0)
    assert guest.heard() == []
    desk.candle("btc", 150.0)
    await desk.turn()
    assert [message["signal"] for message in guest.heard()] == ["buy"]


async def signals(desk, *closes):
    """(signal, value, time) of what a subscriber hears of candles that close at these prices."""
    guest = desk.guest()
    guest.say(subscribe("btc", channels=["signal"]))
    for close in closes:
        desk.candle("btc", close)
    await desk.turn()
    return [(message["signal"], message["value"], message["timestamp"] - NOW) for message in guest.heard()]


@pytest.mark.gen_test
async def test_row_26_a_signal_is_sent_when_a_closed_candle_changes_it_and_once_it_ends():
    desk = Desk(indicators=[indicator("mood")])
    assert await signals(desk, 90.0, 150.0, 90.0, 80.0, 70.0, 150.0, 160.0, 250.0, 90.0) == [
        ("buy", 90.0, 3_000),
        ("neutral", 150.0, 6_000),
        ("sell", 250.0, 8_000),
        ("buy", 90.0, 9_000),
    ]


def test_row_26_a_running_candle_says_nothing():
    desk = Desk(indicators=[indicator("mood")])
    desk.candle("btc", 150.0)
    guest = desk.guest()
    guest.say(subscribe("btc", channels=["signal"]))
    for last in (90.0, 250.0, 90.0):
        desk.price("btc", last)
        desk.clock.advance(0.2)
        desk.haunt.market.tick()
    assert guest.heard() == []


@pytest.mark.gen_test
async def test_row_27_each_instance_of_an_indicator_speaks_under_its_own_name():
    desk = Desk(indicators=[indicator("mood"), indicator("mood_2s", Mood, IndicatorOptions(timeframe="2s"))])
    guest = desk.guest(extended=True)
    guest.say(subscribe("btc", channels=["signal"]))
    for close in (150.0, 150.0, 90.0, 90.0):
        desk.candle("btc", close)
    await desk.turn()
    assert [(message["indicator"], message["timeframe"]) for message in guest.heard()] == [
        ("mood", "1s"),
        ("mood_2s", "2s"),
    ]


@pytest.mark.parametrize(
    ("make", "primary"), [(lambda: Macd(MacdOptions()), "histogram"), (lambda: Rsi(RsiOptions()), "rsi")]
)
def test_row_28_the_value_is_the_indicators_documented_one(make, primary):
    one = make()
    candles = [Candle(number * 60_000, *[100.0 + number % 7] * 4, 1.0) for number in range(60)]
    readings = [reading for candle in candles if (reading := one.update(candle)) is not None]
    assert readings
    assert all(reading.value == reading.values[primary] for reading in readings)


@pytest.mark.gen_test
async def test_row_28_the_other_outputs_are_told_to_those_who_ask():
    desk = Desk(indicators=[indicator("macd", Macd, MacdOptions(timeframe="1s", fast=2, slow=3, signal=2))])
    literal, extended = desk.guest(), desk.guest(extended=True)
    for guest in (literal, extended):
        guest.say(subscribe("btc", channels=["signal"]))
    for close in (100.0, 101.0, 103.0, 108.0, 107.0, 120.0):
        desk.candle("btc", close)
    await desk.turn()
    assert all("values" not in message for message in literal.heard())
    [first, *_] = extended.heard()
    assert first["values"].keys() == {"macd", "signal", "histogram"}
    assert first["value"] == first["values"]["histogram"]


@pytest.mark.gen_test
async def test_row_29_confidence_is_from_0_to_1_by_the_indicators_formula():
    desk = Desk(indicators=[indicator("rsi", Rsi, RsiOptions(timeframe="1s", period=2))])
    guest = desk.guest()
    guest.say(subscribe("btc", channels=["signal"]))
    for close in (100.0, 101.0, 100.0, 99.0, 105.0, 110.0, 90.0):
        desk.candle("btc", close)
    await desk.turn()
    heard = guest.heard()
    assert {"buy", "sell"} <= {message["signal"] for message in heard}
    for message in heard:
        value, confidence = message["value"], message["confidence"]
        expected = {"buy": (30 - value) / 30, "sell": (value - 70) / 30, "neutral": 0.0}[message["signal"]]
        assert 0 <= confidence <= 1
        assert confidence == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("cls", [Rsi, Macd])
def test_row_29_the_formula_is_printed(cls):
    assert "Confidence:" in cls.__doc__


@pytest.mark.gen_test
async def test_row_30_everyone_is_told_the_status_now_and_then_but_not_as_a_greeting(serve, connect):
    stage = await serve(stream={"status_interval": 0.3})
    silent, subscribed = await connect(stage), await connect(stage)
    subscribed.say(subscribe("btc"))
    assert await silent.until_pong() == []
    for client in (silent, subscribed, silent):
        assert (await client.message()).keys() == {
            "type", "connected_peers", "active_sources", "symbols_tracked", "uptime_seconds",
        }  # fmt: skip


@pytest.mark.gen_test
async def test_row_30_a_status_costs_no_one_anything_and_may_be_switched_off(serve, connect):
    assert Stream().status_interval == 30
    stage = await serve()
    client = await connect(stage)
    with pytest.raises(TimeoutError):
        await client.frame(within=0.4)


@pytest.mark.gen_test
async def test_row_31_connected_peers_counts_the_clients(serve, connect):
    stage = await serve(stream={"status_interval": 0.1})
    clients = [await connect(stage) for _ in range(5)]
    assert (await clients[0].message())["connected_peers"] == 5
    clients.pop().hang_up()
    await eventually(lambda: len(stage.haunt.clients) == 4)
    await clients[0].until_pong()
    assert (await clients[0].message())["connected_peers"] == 4


@pytest.mark.gen_test
async def test_row_32_sources_count_while_fresh_and_symbols_while_they_have_a_price(serve, connect):
    stage = await serve(stream={"status_interval": 0.1}, sources=["alpha", "bravo"])
    client = await connect(stage)
    status = await client.message()
    assert (status["active_sources"], status["symbols_tracked"]) == (0, 0)
    stage.price("btc", 100.0)
    stage.price("eth", 10.0)
    await client.until_pong()
    await eventually(lambda: active_sources(stage.haunt) == 1)
    status = await client.message()
    assert (status["active_sources"], status["symbols_tracked"]) == (1, 2)
    assert type(status["uptime_seconds"]) is int
    assert status["uptime_seconds"] < 60


EXTRAS = {
    "price_update": {"seq", "sent", "sources", "stale", "dispersion", "confidence", "flags"},
    "orderbook_update": {"seq", "sent", "sources"},
    "signal_update": {"timeframe", "bar_closed", "sent", "values"},
}
FIELDS = {
    "price_update": {"type", "symbol", "price", "change_24h", "volume_24h", "timestamp"},
    "orderbook_update": {"type", "symbol", "bids", "asks", "timestamp"},
    "signal_update": {"type", "symbol", "indicator", "signal", "value", "confidence", "timestamp"},
}


@pytest.mark.gen_test
@pytest.mark.parametrize("extended", [False, True])
async def test_row_33_extra_fields_are_for_those_who_ask_and_for_them_alone(extended):
    desk = Desk(indicators=[indicator("mood")])
    guest, other = desk.guest(extended=extended), desk.guest(extended=not extended)
    for one in (guest, other):
        one.say(subscribe("btc", channels=EVERYTHING))
    quoted(desk, "btc")
    await desk.turn()
    heard = guest.heard() + guest.ask(subscribe("btc", channels=EVERYTHING, snapshot=True))
    assert set(types(heard)) == FIELDS.keys()
    for message in heard:
        kind = message["type"]
        assert message.keys() == FIELDS[kind] | (EXTRAS[kind] if extended else set())
        for level in message.get("bids", []) + message.get("asks", []):
            assert level.keys() == {"price", "quantity"} | ({"venues"} if extended else set())


@pytest.mark.gen_test
async def test_row_33_the_extra_fields_say_what_is_documented(desk):
    guest = desk.guest(extended=True)
    guest.say(subscribe("btc"))
    desk.price("btc", 100.0, venue="bravo")
    desk.price("btc", 100.2, venue="alpha")
    await desk.turn()
    desk.clock.advance(1.5)
    desk.price("btc", 100.4, venue="alpha", at=NOW + 500)
    await desk.turn()
    first, second = guest.heard()
    assert (first["seq"], first["sent"], set(first["sources"]), first["stale"]) == (2, NOW, {"alpha", "bravo"}, False)
    assert (second["seq"], second["sent"], second["timestamp"]) == (3, NOW + 1_500, NOW + 500)


@pytest.mark.gen_test
async def test_row_33_pongs_errors_and_acknowledgements_have_no_extras(desk):
    literal, extended = desk.guest(), desk.guest(extended=True)
    for message in ({"type": "ping"}, {"type": "nope"}, subscribe("nope", id=1), {"type": "ping", "id": 2}):
        assert literal.ask(message) == extended.ask(message)


@pytest.mark.gen_test
async def test_row_33_ext_1_in_the_address_asks_for_them(serve, connect):
    stage = await serve()
    stage.price("btc", 100.0)
    for path, extra in (("/ws?ext=1", EXTRAS["price_update"]), ("/ws/?ext=1", EXTRAS["price_update"]), ("/ws", set()),
                        ("/ws?ext=0", set()), ("/ws?ext=", set())):  # fmt: skip
        client = await connect(stage, path)
        client.say(subscribe("btc"))
        assert (await client.message()).keys() == FIELDS["price_update"] | extra


@pytest.mark.gen_test
async def test_row_34_answers_and_signals_keep_their_order_and_come_before_prices():
    desk = Desk(indicators=[indicator("mood")])
    guest = desk.guest()
    guest.say(subscribe("btc", channels=EVERYTHING, id="first"))
    guest.wire.block()
    desk.candle("btc", 150.0)
    desk.candle("btc", 90.0)
    guest.say({"type": "ping", "id": "second"})
    guest.say({"type": "nope"})
    desk.candle("btc", 250.0)
    guest.say(unsubscribe("eth", id="third"))
    desk.book("btc", [(249, 1)], [(251, 1)])
    await desk.turn()
    guest.wire.drain()
    heard = types(guest.heard())
    assert heard[:6] == ["subscribed", "signal_update", "pong", "error", "signal_update", "unsubscribed"]
    assert sorted(heard[6:]) == ["orderbook_update", "price_update"]


@pytest.mark.gen_test
async def test_row_34_a_client_that_was_behind_is_told_the_newest_state_alone(desk):
    guest = desk.guest()
    guest.say(subscribe("btc", "eth"))
    guest.wire.block()
    for last in range(100, 150):
        desk.price("btc", float(last))
        desk.price("eth", float(last))
        await desk.turn()
    guest.wire.drain()
    assert [(message["symbol"], message["price"]) for message in guest.heard()] == [("btc", 149.0), ("eth", 149.0)]


@pytest.mark.gen_test
async def test_row_34_prices_of_a_symbol_never_go_back_in_time_for_who_joins_within_a_flush():
    desk = Desk(clock=SlowClock())
    crowd = [desk.guest() for _ in range(600)]
    for guest in crowd:
        guest.say(subscribe("btc"))
    resident, late = desk.guest(), desk.guest()
    resident.say(subscribe("btc", "eth"))
    desk.price("btc", 1.0)
    await asyncio.sleep(0)
    desk.price("btc", 2.0)
    late.say(subscribe("btc", "eth"))
    await desk.turn()
    assert prices(resident.heard())[-1] == 2.0
    heard = prices(late.heard())
    assert heard == sorted(heard)
    assert heard[-1] == 2.0


# -- C. Requests, errors, limits


def test_row_35_an_unknown_type_is_named_and_the_client_stays(desk):
    guest = desk.guest()
    [error] = guest.ask({"type": "foo", "symbols": ["btc"]})
    assert error == {"type": "error", "code": "invalid_message", "message": "Unknown message type 'foo'"}
    assert types(guest.ask({"type": "ping"})) == ["pong"]


@pytest.mark.parametrize("message", [{}, {"symbols": ["btc"]}, {"type": None}, {"type": 1}, {"type": ["ping"]}])
def test_row_35_a_type_must_be_there_and_be_a_string(desk, message):
    assert codes(desk.guest().ask(message)) == ["invalid_message"]


def test_row_35_unknown_fields_are_ignored(desk):
    guest = desk.guest()
    assert guest.ask(subscribe("btc", colour="blue", nested={"a": [1, None]})) == []
    assert list(guest.session.subscriptions) == ["btc"]


MALFORMED = {
    "nothing": "",
    "no JSON": "hello",
    "half an object": '{"type": "ping"',
    "single quotes": "{'type': 'ping'}",
    "a comma too many": '{"type": "ping",}',
    "trailing bytes": '{"type": "ping"} x',
    "a string": '"ping"',
    "a number": "17",
    "null": "null",
    "a key twice": '{"type": "ping", "type": "subscribe"}',
    "a key twice further in": '{"type": "ping", "a": {"b": 1, "b": 2}}',
    "NaN": '{"type": "ping", "a": NaN}',
    "Infinity": '{"type": "ping", "a": -Infinity}',
    "a raw newline in a string": '{"type": "ping", "a": "\n"}',
    "a byte order mark": '\ufeff{"type": "ping"}',
    "a leading zero": '{"type": "ping", "a": 01}',
    "too deep": '{"type": "ping", "a": ' + "[" * 20_000 + "]" * 20_000 + "}",
    "a number too long": '{"type": "ping", "a": ' + "1" * 5_000 + "}",
}


@pytest.mark.parametrize("case", MALFORMED)
def test_row_36_what_is_no_json_object_is_refused_with_the_reason_and_the_client_stays(desk, case):
    guest = desk.guest()
    [error] = guest.ask(MALFORMED[case])
    assert (error["code"], error.keys()) == ("invalid_message", {"type", "code", "message"})
    assert len(error["message"]) > 20
    assert types(guest.ask({"type": "ping"})) == ["pong"]


@pytest.mark.gen_test
async def test_row_36_a_text_that_is_not_utf_8_closes_with_1007(serve, connect):
    client = await connect(await serve())
    client.raw(frame(TEXT, b'{"type": "ping", "a": "\xff"}'))
    assert await client.end() == 1007


@pytest.mark.parametrize(
    "several", ['[{"type": "ping"}]', '{"type": "ping"}\n{"type": "ping"}', '{"type": "ping"}{"type": "ping"}', "[]"]
)
def test_row_37_a_frame_holds_one_object(desk, several):
    assert codes(desk.guest().ask(several)) == ["invalid_message"]


@pytest.mark.gen_test
async def test_row_37_so_does_every_frame_of_ours(serve, connect):
    stage = await serve()
    client = await connect(stage)
    client.say(subscribe("btc", "eth", "nope", channels=EVERYTHING, id=1))
    for number in range(20):
        stage.price("btc", 100.0 + number)
        stage.price("eth", 10.0 + number)
        stage.book("btc", [(90 + number, 1)], [(200, 1)])
        await asyncio.sleep(0.002)
    client.raw(frame(PING, b"end"))
    seen = []
    while (found := await client.frame()).opcode != PONG:
        assert (found.opcode, found.fin, found.rsv) == (TEXT, True, 0)
        seen.append(found.json()["type"])
    assert {"error", "subscribed", "price_update", "orderbook_update"} == set(seen)


@pytest.mark.gen_test
async def test_row_38_a_binary_message_is_refused_and_the_client_stays(serve, connect):
    client = await connect(await serve())
    client.raw(frame(BINARY, b'{"type": "ping"}'))
    error = await client.message()
    assert error["code"] == "invalid_message"
    assert "text frames" in error["message"]
    client.say({"type": "ping"})
    assert (await client.message())["type"] == "pong"


def padded(size):
    return '{"type": "ping"' + " " * (size - 16) + "}"


@pytest.mark.gen_test
async def test_row_39_a_message_of_64_kib_passes(serve, connect):
    client = await connect(await serve())
    for size in (65_535, 65_536):
        client.say(padded(size))
        assert (await client.message())["type"] == "pong"


@pytest.mark.gen_test
@pytest.mark.parametrize("size", [65_537, 1_000_000])
async def test_row_39_one_byte_more_closes_with_1009(serve, connect, size):
    client = await connect(await serve())
    client.say(padded(size))
    assert await client.end() == 1009


@pytest.mark.gen_test
async def test_row_39_so_do_fragments_that_add_up_to_more(serve, connect):
    client = await connect(await serve())
    client.raw(frame(TEXT, b" " * 40_000, fin=False))
    client.raw(frame(0, b" " * 40_000, fin=False))
    assert await client.end() == 1009


def test_row_40_the_eleventh_message_of_a_burst_is_refused(desk):
    guest = desk.guest()
    for _ in range(11):
        guest.say({"type": "ping"})
    assert types(guest.heard()) == ["pong"] * 10 + ["error"]


def test_row_40_a_steady_ten_a_second_never_is(desk):
    guest = desk.guest()
    for _ in range(600):
        assert types(guest.ask({"type": "ping"})) == ["pong"]
        desk.clock.advance(0.1)


def test_row_40_a_refused_message_is_not_processed(desk):
    guest = desk.guest()
    for _ in range(10):
        guest.say("not even JSON counts less")
    guest.heard()
    assert codes(guest.ask(subscribe("btc", id=1))) == ["rate_limited"]
    assert guest.session.subscriptions == {}
    desk.clock.advance(0.1)
    assert types(guest.ask(subscribe("btc", id=1))) == ["subscribed"]


def test_row_41_rate_limited_is_said_once_a_second(desk):
    guest = desk.guest()
    for _ in range(10):
        guest.say({"type": "ping"})
    guest.heard()
    heard = []
    for _ in range(30):
        heard += guest.ask({"type": "ping"})
        desk.clock.advance(0.001)
    assert codes(heard) == ["rate_limited"]
    desk.clock.advance(0.05)
    for _ in range(3):
        heard += guest.ask({"type": "ping"})
        desk.clock.advance(0.99)
    assert guest.wire.closed is None


def test_row_41_a_hundred_refused_within_ten_seconds_close_with_1008(desk):
    guest = desk.guest()
    for _ in range(10 + 99):
        guest.say({"type": "ping"})
    assert guest.wire.closed is None
    guest.say({"type": "ping"})
    assert guest.wire.closed == (1008, "too many messages")


def test_row_41_a_hundred_refused_in_more_time_do_not(desk):
    guest = desk.guest()
    for _ in range(2_000):
        guest.say({"type": "ping"})
        desk.clock.advance(1 / 19)
    assert guest.wire.closed is None


@pytest.mark.gen_test
async def test_row_41_over_a_socket_the_client_sees_1008(serve, connect):
    client = await connect(await serve())
    for _ in range(150):
        client.say({"type": "ping"})
    assert await client.end() == 1008
    assert types(client.heard) == ["pong"] * 10 + ["error"]


@pytest.mark.gen_test
async def test_row_41_control_frames_have_a_limit_of_their_own(serve, connect):
    stage = await serve()
    patient, flooding = await connect(stage), await connect(stage)
    patient.raw(frame(PING) * 50)
    patient.say({"type": "ping"})
    assert (await patient.message())["type"] == "pong"
    flooding.raw(frame(PING) * 80)
    assert await flooding.end() == 1008


def test_row_42_rate_limited_has_the_fields_of_every_error(desk):
    guest = desk.guest()
    for _ in range(11):
        guest.say({"type": "ping", "id": 1})
    assert guest.heard()[-1].keys() == {"type", "code", "message"}


@pytest.mark.gen_test
async def test_row_43_a_client_that_only_answers_pings_stays(serve, connect):
    stage = await serve(limits={"idle_timeout": 0.6, "ping_interval": 0.2})
    client = await connect(stage)
    client.say(subscribe("btc"))
    until = time.monotonic() + 1.2
    while time.monotonic() < until:
        assert (await client.frame()).opcode == PING
    assert len(stage.haunt.clients) == 1


@pytest.mark.gen_test
async def test_row_43_a_client_that_sends_no_frame_is_closed_with_4000_on_time(serve, connect):
    stages = [await serve(limits={"idle_timeout": 0.8, "ping_interval": interval}) for interval in (0, 0.3, 30)]
    clients = [await connect(stage) for stage in stages]
    begun = time.monotonic()

    async def end(client):
        client.answers = False
        return await client.end(), time.monotonic() - begun

    for code, after in await asyncio.gather(*map(end, clients)):
        assert code == 4000
        assert 0.79 <= after <= 1.8
    assert [stage.haunt.clients.closed for stage in stages] == [{"idle": 1}] * 3


@pytest.mark.gen_test
async def test_row_43_any_frame_keeps_a_client(serve, connect):
    stage = await serve(limits={"idle_timeout": 0.5, "ping_interval": 0})
    frames = [frame(TEXT, '{"type": "ping"}'), frame(PING), frame(PONG), frame(TEXT, "nonsense")]
    clients = [(await connect(stage), data) for data in frames]
    for _ in range(4):
        await asyncio.sleep(0.3)
        for client, data in clients:
            client.raw(data)
    for client, _ in clients:
        await client.until_pong()


@pytest.mark.gen_test
async def test_row_44_both_kinds_of_ping_are_answered(serve, connect):
    client = await connect(await serve())
    client.say({"type": "ping"})
    pong = await client.message()
    assert pong.keys() == {"type", "timestamp"}
    assert abs(pong["timestamp"] - time.time() * 1_000) < 2_000
    client.raw(frame(PING, b"protocol"))
    assert (await client.frame())[:2] == (PONG, b"protocol")


@pytest.mark.gen_test
async def test_row_44_a_pong_does_not_wait_for_prices(desk):
    guest = desk.guest()
    guest.say(subscribe("btc", channels=["price", "orderbook"]))
    guest.wire.block()
    quoted(desk, "btc")
    await desk.turn()
    guest.say({"type": "ping"})
    guest.wire.drain()
    heard = types(guest.heard())
    assert (heard[0], sorted(heard[1:])) == ("pong", ["orderbook_update", "price_update"])


def test_row_45_other_fields_of_a_ping_are_ignored(desk):
    assert desk.guest().ask({"type": "ping", "symbols": 7, "timestamp": "now", "id": "x"}) == [
        {"type": "pong", "timestamp": NOW, "id": "x"}
    ]


def test_row_46_an_error_has_three_fields_and_more_only_for_who_sent_an_id(desk):
    guest = desk.guest()
    for message, extra in ((subscribe("nope"), set()), (subscribe("nope", id=1), {"id", "symbol"}),
                           ({"type": "nope"}, set()), ({"type": "nope", "id": 1}, {"id"}),
                           (subscribe(*COINS[:101], id=2), {"id"})):  # fmt: skip
        assert guest.ask(message)[0].keys() == {"type", "code", "message"} | extra


def test_row_46_there_are_five_codes():
    assert set(get_args(ErrorCode)) == {
        "invalid_message", "invalid_symbol", "rate_limited", "subscription_limit", "internal_error",
    }  # fmt: skip


def test_row_47_a_failure_of_ours_is_answered_with_a_reference_that_is_in_the_log(desk, monkeypatch, caplog):
    def fail(symbol):
        raise ZeroDivisionError("the market is on fire")

    guest, bystander = desk.guest(), desk.guest()
    bystander.say(subscribe("btc"))
    monkeypatch.setattr(desk.haunt.market, "price", fail)
    [error] = guest.ask(subscribe("btc", id=5))[-1:]
    assert (error["code"], error["id"]) == ("internal_error", 5)
    [reference] = re.findall(r"[0-9a-f]{8}", error["message"])
    assert reference in caplog.text
    assert "the market is on fire" in caplog.text
    assert "fire" not in error["message"]
    assert types(guest.ask({"type": "ping"})) == ["pong"]
    assert bystander.heard() == []


@pytest.mark.gen_test
async def test_row_47_a_plugin_that_fails_sends_no_error_to_anyone(caplog):
    class Broken(Mood):
        name = "broken"

        def update(self, candle: Candle) -> Reading:
            raise ZeroDivisionError

    desk = Desk(indicators=[indicator("broken", Broken), indicator("mood")])
    guest = desk.guest()
    guest.say(subscribe("btc"))
    for close in (150.0, 90.0):
        desk.candle("btc", close)
    await desk.turn()
    assert set(types(guest.heard())) == {"signal_update", "price_update"}


@pytest.mark.gen_test
async def test_row_48_nobody_has_to_subscribe(serve, connect):
    stage = await serve(limits={"idle_timeout": 0.4, "ping_interval": 0.1})
    client = await connect(stage)
    for _ in range(2):
        with pytest.raises(TimeoutError):
            await client.message(within=0.4)
    assert len(stage.haunt.clients) == 1


async def flood(stage, clients_gone, seconds=4.0):
    """Books that a client which never reads cannot hold, until it is gone; the most bytes that waited for it."""
    levels = [(1_000 + number, number + 1) for number in range(100)]
    most = 0
    until = time.monotonic() + seconds
    while not clients_gone() and time.monotonic() < until:
        stage.price("btc", 100.0 + time.monotonic() % 100)
        stage.book("eth", [(900 + time.monotonic() % 50, 1)], levels)
        await asyncio.sleep(0.005)
        most = max(most, stage.most_waiting())
    return most


@pytest.mark.gen_test(timeout=10)
async def test_row_49_clients_that_never_read_are_closed_and_cost_little_and_others_are_served(serve, connect):
    stage = await serve(limits={"send_buffer": 4_096, "slow_timeout": 0.7, "ping_interval": 0.1})
    silent, ponging = [await connect(stage, receive_buffer=4_096) for _ in range(2)]
    healthy = await connect(stage)
    for stuck in (silent, ponging):
        stuck.say(subscribe("btc", "eth", channels=EVERYTHING, depth=100))
    healthy.say(subscribe("btc"))
    await eventually(lambda: stage.haunt.subscriptions.sessions == 3)
    stop = asyncio.Event()

    async def read():
        while not stop.is_set():
            await healthy.message()

    async def pong():
        while not stop.is_set():
            ponging.raw(frame(PONG))
            await asyncio.sleep(0.1)

    tasks = [asyncio.create_task(read()), asyncio.create_task(pong())]
    most = await flood(stage, lambda: len(stage.haunt.clients) == 1)
    stop.set()
    stage.price("btc", 7.0)
    await asyncio.gather(*tasks)
    assert stage.haunt.clients.closed == {"slow": 2}
    assert most < 30_000, "no more than what one write holds waits for a client"
    assert len(healthy.heard) > 50
    assert stage.haunt.subscriptions.sessions == 1


@pytest.mark.gen_test
async def test_row_49_a_slow_client_that_still_reads_is_told_1013(serve, connect):
    stage = await serve(limits={"send_buffer": 4_096, "slow_timeout": 0.5})
    client = await connect(stage, receive_buffer=4_096)
    client.say(subscribe("btc", "eth", channels=EVERYTHING, depth=100))
    await eventually(lambda: stage.haunt.subscriptions.sessions == 1)
    await flood(stage, lambda: stage.haunt.clients.closed["slow"])
    assert await client.end() == 1013


@pytest.mark.gen_test
async def test_row_49_a_client_that_reads_slowly_but_steadily_stays(serve, connect):
    stage = await serve(limits={"send_buffer": 4_096, "slow_timeout": 0.5})
    client = await connect(stage, receive_buffer=4_096)
    client.say(subscribe("btc", "eth", channels=EVERYTHING, depth=100))
    await eventually(lambda: stage.haunt.subscriptions.sessions == 1)
    flooding = asyncio.create_task(flood(stage, lambda: False, seconds=1.5))
    read = 0
    while not flooding.done():
        read += len(await client.reader.read(600))
        await asyncio.sleep(0.01)
    assert read > 30_000
    assert stage.haunt.clients.closed["slow"] == 0
    assert len(stage.haunt.clients) == 1


def test_row_49_no_more_than_a_thousand_answers_wait_for_a_client(desk):
    guest = desk.guest(messages_per_second=10_000)
    guest.wire.block()
    for _ in range(1_000):
        guest.say({"type": "ping"})
    assert guest.wire.closed is None
    guest.say({"type": "ping"})
    assert guest.wire.closed == (1013, "slow consumer")


@pytest.mark.gen_test
async def test_row_50_a_stop_tells_every_client_1001_and_takes_no_new_ones(serve, connect):
    stage = await serve()
    clients = [await connect(stage) for _ in range(30)]
    half = await connect(stage, dial=True)
    for client in clients:
        client.say(subscribe("btc"))
    begun = time.monotonic()
    stopping = asyncio.create_task(stage.haunt.stop())
    assert [await client.end() for client in clients] == [1001] * 30
    await stopping
    assert time.monotonic() - begun < 1.0
    with pytest.raises((OSError, asyncio.IncompleteReadError)):
        await half.shake_hands("/ws", {"Host": "localhost"} | HANDSHAKE)
    with pytest.raises(OSError):  # noqa: PT011 - refused, reset or unreachable, by the system
        await connect(stage)


@pytest.mark.gen_test
async def test_row_50_who_never_answers_does_not_hold_the_stop_up(serve, connect):
    assert Limits().drain == 5
    stage = await serve(limits={"drain": 0.5})
    clients = [await connect(stage) for _ in range(3)]
    begun = time.monotonic()
    await stage.haunt.stop()
    assert time.monotonic() - begun < 0.9
    assert [(await client.frame()).code for client in clients] == [1001] * 3


@pytest.mark.gen_test
async def test_row_50_who_asks_during_the_stop_is_refused(serve, connect):
    stage = await serve(limits={"drain": 0.6})
    await connect(stage)
    half = await connect(stage, dial=True)
    await asyncio.sleep(0.05)
    stopping = asyncio.create_task(stage.haunt.stop())
    await asyncio.sleep(0.1)
    await half.shake_hands("/ws", {"Host": "localhost"} | HANDSHAKE)
    assert half.status == 503
    await stopping


@pytest.mark.gen_test
async def test_row_51_a_client_that_comes_back_starts_anew(serve, connect):
    stage = await serve()
    first = await connect(stage)
    first.say(subscribe("btc"))
    stage.price("btc", 100.0)
    assert (await first.message())["price"] == 100.0
    first.raw(close_frame(1000))
    assert await first.end() == 1000
    stage.price("btc", 101.0)
    again = await connect(stage)
    stage.price("btc", 102.0)
    assert await again.until_pong() == []
    again.say(subscribe("btc"))
    assert (await again.message())["price"] == 102.0


@pytest.mark.gen_test
async def test_row_52_more_than_so_many_clients_are_refused_with_503(serve, connect):
    stage = await serve(limits={"connections": 2})
    first, second, third = [await connect(stage) for _ in range(3)]
    assert [first.status, second.status, third.status] == [101, 101, 503]
    assert json.loads(third.body).keys() == {"error", "message"}
    first.hang_up()
    await eventually(lambda: len(stage.haunt.clients) == 1)
    assert (await connect(stage)).status == 101


@pytest.mark.gen_test
async def test_row_52_and_so_many_from_one_address_with_429(serve, connect):
    stage = await serve(limits={"connections_per_ip": 2})
    clients = [await connect(stage) for _ in range(3)]
    assert [client.status for client in clients] == [101, 101, 429]
    assert (await connect(stage, address="::1")).status == 101


def test_row_52_by_default_an_address_may_have_any_number():
    assert Limits().connections_per_ip == 0


# -- D. Transport


@pytest.mark.gen_test
@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
async def test_row_53_which_pages_may_connect(serve, connect, address):
    stage = await serve(server={"allowed_origins": ["https://app.example"]})
    port = stage.haunt.port
    origins = {
        None: 101,
        "http://localhost:5173": 101,
        "http://127.0.0.1:8080": 101,
        "https://[::1]:9": 101,
        "http://localhost": 101,
        "null": 101,
        "https://app.example": 101,
        "https://APP.example": 101,
        "https://app.example:8443": 403,
        "http://app.example": 403,
        "https://evil.example": 403,
        "http://localhost.evil.example": 403,
        "http://[": 403,
    }
    hosts = {f"localhost:{port}": 101, f"127.0.0.1:{port}": 101, f"[::1]:{port}": 101, "LocalHost": 101,
             "evil.example": 403, f"evil.example:{port}": 403, "127.0.0.1.evil.example": 403}  # fmt: skip
    for origin, by_origin in origins.items():
        for host, by_host in hosts.items():
            client = await connect(stage, headers={"Origin": origin, "Host": host}, address=address)
            assert (origin, host, client.status) == (origin, host, max(by_origin, by_host))
            client.hang_up()


@pytest.mark.gen_test
async def test_row_53_a_page_that_rebinds_its_name_is_refused(serve, connect):
    stage = await serve()
    client = await connect(stage, headers={"Origin": "http://evil.example", "Host": "evil.example"})
    assert client.status == 403


@pytest.mark.gen_test
async def test_row_53_a_refusal_names_the_key_that_would_allow_it(serve, connect, caplog):
    stage = await serve()
    origin = await connect(stage, headers={"Origin": "https://evil.example"})
    host = await connect(stage, headers={"Host": "evil.example"})
    assert "server.allowed_origins" in json.loads(origin.body)["message"]
    assert "server.allowed_hosts" in json.loads(host.body)["message"]
    assert "server.allowed_origins" in caplog.text
    assert "server.allowed_hosts" in caplog.text


@pytest.mark.gen_test
async def test_row_54_localhost_is_both_addresses(serve, connect):
    stage = await serve()
    for address in ("127.0.0.1", "::1"):
        client = await connect(stage, address=address)
        client.say({"type": "ping"})
        assert (await client.message())["type"] == "pong"


@pytest.mark.gen_test
async def test_row_55_the_path_may_end_in_a_slash(serve, connect):
    stage = await serve()
    assert [(await connect(stage, path)).status for path in ("/ws", "/ws/")] == [101, 101]
    client = await connect(stage, dial=True)
    await client.shake_hands("/ws/x", {"Host": "localhost"} | HANDSHAKE)
    assert client.status == 404


@pytest.mark.gen_test
async def test_row_55_a_plain_request_is_told_what_this_is(serve):
    stage = await serve()
    http = AsyncHTTPClient()
    plain = await http.fetch(f"http://127.0.0.1:{stage.haunt.port}/ws", raise_error=False)
    assert (plain.code, plain.headers["Upgrade"]) == (426, "websocket")
    assert "ws://" in json.loads(plain.body)["message"]
    page = await http.fetch(f"http://127.0.0.1:{stage.haunt.port}/")
    assert "Haunt" in page.body.decode()


@pytest.mark.gen_test
async def test_row_56_subprotocols_are_not_selected(serve, connect):
    client = await connect(await serve(), headers={"Sec-WebSocket-Protocol": "graphql-ws, mqtt"})
    assert client.status == 101
    assert "sec-websocket-protocol" not in client.headers


DEFLATE = {"Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits"}
LEVELS = [(1_000 - number, 1) for number in range(50)], [(1_001 + number, 1) for number in range(50)]


@pytest.mark.gen_test
async def test_row_57_compression_is_off_by_default(serve, connect):
    client = await connect(await serve(), headers=DEFLATE)
    assert client.status == 101
    assert "sec-websocket-extensions" not in client.headers


@pytest.mark.gen_test
async def test_row_57_where_it_is_on_large_messages_are_compressed_for_who_offers_it(serve, connect):
    stage = await serve(stream={"compression": True})
    stage.price("eth", 1_000.5)
    stage.book("eth", *LEVELS)
    compressed, plain = await connect(stage, headers=DEFLATE), await connect(stage)
    assert compressed.headers["sec-websocket-extensions"].startswith("permessage-deflate")
    assert "sec-websocket-extensions" not in plain.headers
    for client in (compressed, plain):
        client.say(subscribe("eth", channels=["price", "orderbook"], depth=50))
    small, large = [await compressed.frame() for _ in range(2)]
    _, same = [await plain.frame() for _ in range(2)]
    assert (small.rsv, large.rsv, same.rsv) == (0, 4, 0)
    assert len(large.payload) < len(same.payload) / 3
    assert zlib.decompressobj(-15).decompress(large.payload + b"\x00\x00\xff\xff") == same.payload


@pytest.mark.gen_test
async def test_row_57_a_message_is_compressed_once_for_all(monkeypatch):
    compressed = []
    monkeypatch.setattr(
        "haunt.stream.fanout.deflated_text_frame",
        lambda payload: compressed.append(payload) or deflated_text_frame(payload),
    )
    desk = Desk()
    guests = [desk.guest(deflate=True) for _ in range(5)]
    for guest in guests:
        guest.say(subscribe("eth", channels=["orderbook"], depth=50))
    desk.book("eth", *LEVELS)
    await desk.turn()
    frames = {tuple(guest.wire.frames()) for guest in guests}
    assert (len(frames), len(compressed)) == (1, 1)


@pytest.mark.gen_test
async def test_row_57_a_client_may_compress_too_but_not_beyond_the_limit(serve, connect):
    stage = await serve(stream={"compression": True})
    client = await connect(stage, headers=DEFLATE)
    client.raw(frame(TEXT, zlib.compress(b'{"type": "ping"}', wbits=-15), rsv=4))
    assert (await client.message())["type"] == "pong"
    client.raw(frame(TEXT, zlib.compress(bytes(30_000_000), wbits=-15), rsv=4))
    assert await client.end() == 1009


@pytest.mark.gen_test
async def test_row_58_a_close_code_that_must_not_be_sent_is_answered_with_1002(serve, connect):
    stage = await serve()
    for code in (0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999):
        client = await connect(stage)
        client.raw(close_frame(code))
        assert await client.end() == 1002


@pytest.mark.gen_test
async def test_row_58_any_other_is_answered_with_itself(serve, connect):
    stage = await serve()
    for code in (1000, 1001, 1011, 3000, 4999):
        client = await connect(stage)
        client.raw(close_frame(code, b"why"))
        assert await client.end() == code
    client = await connect(stage)
    client.raw(frame(CLOSE))
    assert (await client.frame())[:2] == (CLOSE, b"")


@pytest.mark.gen_test
async def test_row_59_a_token_is_asked_only_where_one_is_set(serve, connect):
    assert Server().token is None
    stage = await serve(server={"token": "s3cret"})
    for path, headers, status in (
        ("/ws", {}, 401),
        ("/ws?token=wrong", {}, 401),
        ("/ws?token=", {}, 401),
        ("/ws", {"Authorization": "Bearer wrong"}, 401),
        ("/ws", {"Authorization": "Basic s3cret"}, 401),
        ("/ws?token=s3cret", {}, 101),
        ("/ws", {"Authorization": "Bearer s3cret"}, 101),
        ("/ws", {"Authorization": "bearer s3cret"}, 101),
    ):
        client = await connect(stage, path, headers)
        assert (path, headers, client.status) == (path, headers, status)
        assert status == 101 or json.loads(client.body)["error"] == "unauthorized"


def test_row_60_only_documented_close_codes_are_used():
    used = set()
    for module in Path(haunt.stream.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            numbers = (
                [arg.value for arg in getattr(node, "args", []) if isinstance(arg, ast.Constant)]
                if isinstance(node, ast.Call)
                else []
            )
            used |= {number for number in numbers if isinstance(number, int) and 1000 <= number <= 4999}
    used.discard(1024)
    assert used == {1001, 1002, 1007, 1008, 1009, 1013, 4000}
