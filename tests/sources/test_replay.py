"""The replay source: recorded frames through a venue's own source, into Haunt's symbols."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
from collections.abc import Callable
from pathlib import Path
from zlib import crc32

import pytest
from haunt_sources.replay import Replay, ReplayOptions
from haunt_sources.replay.markets import choose
from pydantic import ValidationError

from haunt import Event, Instrument, Refused, Relay, SourceLost, Trade
from haunt.market.feed import Feed
from haunt.market.symbols import Symbol

COINBASE = "wss://advanced-trade-ws.coinbase.com"
KRAKEN = "wss://ws.kraken.com/v2"
BINANCE = "wss://stream.binance.com:9443/stream"
BYBIT = "wss://stream.bybit.com/v5/public"
TIME = "2026-01-02T03:04:05.000000Z"


def ws(url: str, *frames: object, ts: float | None = None) -> list[dict[str, object]]:
    return [{"ts": ts, "kind": "ws", "url_or_channel": url, "raw": json.dumps(frame)} for frame in frames]


def rest(url: str, body: object) -> list[dict[str, object]]:
    return [{"ts": None, "kind": "rest", "url_or_channel": url, "raw": json.dumps(body)}]


def record(folder: Path, *lines: dict[str, object]) -> Path:
    path = folder / "recording.jsonl.gz"
    path.write_bytes(gzip.compress("".join(json.dumps(line) + "\n" for line in lines).encode()))
    return path


def coinbase_trade(number: int, product: str = "BTC-USD", price: str = "50000.5") -> dict[str, object]:
    trade = {"product_id": product, "trade_id": str(number), "price": price, "size": "0.5", "time": TIME, "side": "BUY"}
    return {"channel": "market_trades", "sequence_num": number, "events": [{"type": "update", "trades": [trade]}]}


def binance_trade(symbol: str, price: str) -> dict[str, object]:
    trade = {"e": "trade", "E": 1, "s": symbol, "t": 5, "p": price, "q": "1", "T": 1_700_000_000_000, "m": False}
    return {"stream": f"{symbol.lower()}@trade", "data": trade}


def bybit_trade(symbol: str, price: str) -> dict[str, object]:
    trade = {"T": 1_700_000_000_000, "s": symbol, "S": "Buy", "v": "1", "p": price, "i": price, "BT": False}
    return {"topic": f"publicTrade.{symbol}", "type": "snapshot", "ts": 1, "data": [trade]}


def kraken_book(checksum: int) -> dict[str, object]:
    levels = {"bids": [{"price": 99.5, "qty": 1.5}], "asks": [{"price": 100.5, "qty": 2.5}]}
    book = {"symbol": "BTC/USD", **levels, "checksum": checksum, "timestamp": TIME}
    return {"channel": "book", "type": "snapshot", "data": [book]}


class Market(list[tuple[Feed, Event]]):
    """Everything a relay delivered."""

    def __init__(self, *names: str, told: Callable[[], object] = bool) -> None:
        super().__init__()
        self._told = told
        wanted = [Symbol(name) for name in names]
        self.relay = Relay("replay", wanted=wanted, deliver=self._deliver, quotes=("USD", "USDT"))

    def _deliver(self, feed: Feed, event: Event) -> None:
        self.append((feed, event))
        self._told()

    def trades(self, symbol: str = "btc") -> list[float]:
        return [event.price for feed, event in self if isinstance(event, Trade) and feed.symbol == symbol]


async def play(file: Path, market: Market, **options: object) -> None:
    options = {"file": file, "quotes": ("USD", "USDT"), "speed": "max"} | options
    await Replay(ReplayOptions(**options), market.relay).run()


@pytest.mark.gen_test
async def test_recorded_frames_become_trades_of_our_symbol_in_order(tmp_path):
    market, frames = Market("btc"), [coinbase_trade(number, price=f"{number}00") for number in (1, 2, 3)]
    await play(record(tmp_path, *ws(COINBASE, *frames)), market)
    assert market.trades() == [100.0, 200.0, 300.0]
    assert (market.relay.integrity.links, market.relay.rejected) == (2, 0)


@pytest.mark.gen_test
async def test_the_venue_says_that_it_is_recorded(tmp_path, caplog):
    market, file = Market("btc"), record(tmp_path, *ws(COINBASE, coinbase_trade(1)))
    with caplog.at_level(logging.INFO):
        await play(file, market)
    feed, _ = market[0]
    assert (feed.source, feed.venue, feed.venue_symbol, feed.quote) == ("replay", "coinbase-recorded", "BTC-USD", "USD")
    assert f"plays btc as recorded in {file}" in caplog.text
    assert f"{file} is played to its end" in caplog.text


@pytest.mark.gen_test
async def test_symbols_nobody_asked_for_are_left_out_in_silence(tmp_path, caplog):
    market = Market("btc", "sol")
    await play(record(tmp_path, *ws(COINBASE, coinbase_trade(1, "ETH-USD"), coinbase_trade(2))), market)
    assert [feed.symbol for feed, _ in market] == ["btc"]
    assert market.relay.rejected == 0
    assert caplog.text == ""


@pytest.mark.gen_test
async def test_a_venue_symbol_without_separator_is_understood(tmp_path):
    market, frames = Market("btc", "eth"), [binance_trade("BTCUSDT", "60000"), binance_trade("ETHUSDT", "3000")]
    await play(record(tmp_path, *ws(BINANCE, *frames)), market)
    assert {(feed.symbol, feed.quote, event.price) for feed, event in market} == {
        ("btc", "USDT", 60_000.0),
        ("eth", "USDT", 3_000.0),
    }


@pytest.mark.gen_test
async def test_markets_of_the_same_names_at_another_address_are_left_out(tmp_path):
    market = Market("btc", "doge")
    futures = ws(f"{BYBIT}/linear", bybit_trade("DOGEUSDT", "0.2"), bybit_trade("BTCUSDT", "60100"))
    await play(record(tmp_path, *futures, *ws(f"{BYBIT}/spot", bybit_trade("BTCUSDT", "60000"))), market)
    assert [*market.relay.feeds] == ["BTCUSDT"]
    assert market.trades() == [60_000.0]


@pytest.mark.gen_test
async def test_a_recorded_list_of_markets_tells_what_the_letters_do_not(tmp_path):
    listed = {"symbol": "ODD", "baseAsset": "BTC", "quoteAsset": "USDT", "status": "TRADING"}
    answer = rest("https://elsewhere/api/v3/exchangeInfo", {"symbols": [listed | {"isSpotTradingAllowed": True}]})
    market = Market("btc")
    await play(record(tmp_path, *answer, *ws(BINANCE, binance_trade("ODD", "60000"))), market)
    assert market.trades() == [60_000.0]


@pytest.mark.gen_test
async def test_a_recorded_snapshot_is_applied_where_it_came(tmp_path):
    depth = {"lastUpdateId": 7, "bids": [["99.5", "1"]], "asks": [["100.5", "2"]]}
    answer = rest("https://api.binance.com/api/v3/depth?symbol=BTCUSDT", depth)
    market = Market("btc")
    await play(record(tmp_path, *ws(BINANCE, binance_trade("BTCUSDT", "1")), *answer), market)
    assert market.relay.feeds["BTCUSDT"].book.bids.top(1) == [["99.5", "1"]]


@pytest.mark.gen_test
async def test_checksums_of_the_venue_are_verified(tmp_path):
    market, right = Market("btc"), crc32(b"10052599515")
    await play(record(tmp_path, *ws(KRAKEN, kraken_book(right), kraken_book(right + 1))), market)
    assert (market.relay.integrity.checksums_ok, market.relay.integrity.checksums_bad) == (1, 1)


@pytest.mark.gen_test
async def test_a_frame_that_makes_no_sense_is_counted_once(tmp_path):
    market = Market("btc")
    await play(record(tmp_path, *ws(COINBASE, "what?", coinbase_trade(1))), market)
    assert market.relay.rejected == 1
    assert len(market.trades()) == 1


@pytest.mark.gen_test
async def test_a_notice_that_the_connection_will_be_closed_does_not_end_the_recording(tmp_path):
    market, notice = Market("btc"), {"stream": "", "data": {"e": "serverShutdown"}}
    await play(record(tmp_path, *ws(BINANCE, notice, binance_trade("BTCUSDT", "1"))), market)
    assert market.trades() == [1.0]


@pytest.mark.gen_test
async def test_a_loop_begins_again_and_its_trades_count_again(tmp_path):
    again = asyncio.Event()
    market = Market("btc", told=lambda: again.set() if len(market) >= 6 else None)
    file = record(tmp_path, *ws(COINBASE, coinbase_trade(1), coinbase_trade(2)))
    running = asyncio.create_task(play(file, market, loop=True))
    await again.wait()
    running.cancel()
    assert [type(event) for _, event in market[:6]] == [Trade, Trade, Refused, Trade, Trade, Refused]
    assert market.relay.integrity.gaps == 0


@pytest.mark.gen_test
async def test_recorded_pauses_are_kept_at_the_speed_asked_for(tmp_path):
    first, second = ws(COINBASE, coinbase_trade(1), ts=100.0), ws(COINBASE, coinbase_trade(2), ts=104.0)
    market, loop = Market("btc"), asyncio.get_running_loop()
    began = loop.time()
    await play(record(tmp_path, *first, *second), market, speed=100)
    assert 0.039 <= loop.time() - began < 2.0


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (
            ws(COINBASE, coinbase_trade(1, "ETH-EUR")),
            "holds none of the symbols it is asked for in USD, USDT, but ETH-EUR",
        ),
        (ws("wss://nobody.example", {}), "wss://nobody.example, which no source is known for"),
        ([*ws(COINBASE, coinbase_trade(1)), {"ts": "when?"}], "recording.jsonl.gz, line 2: "),
    ],
)
@pytest.mark.gen_test
async def test_a_file_that_cannot_be_played_is_no_bug_but_a_lost_source(tmp_path, lines, said):
    with pytest.raises(SourceLost) as raised:
        await play(record(tmp_path, *lines), Market("btc"))
    assert said in str(raised.value)
    assert raised.value.retry_after == 60.0


@pytest.mark.gen_test
async def test_the_source_may_be_named(tmp_path):
    market = Market("btc")
    await play(record(tmp_path, *ws("wss://mirror.example", coinbase_trade(1))), market, venue="coinbase")
    assert len(market.trades()) == 1


# -- the choice of markets

ASSETS = {"BTC": "btc", "XBT": "btc", "ETH": "eth"}


@pytest.mark.parametrize("spelt", ["BTC-USD", "BTC/USD", "btcusd", "BTC_USD", "XBT/USD"])
def test_letters_tell_the_market_however_it_is_spelt(spelt):
    (instrument,) = choose([spelt], [], assets=ASSETS, quotes=["USD"]).values()
    assert (instrument.venue_symbol, instrument.quote) == (spelt, "USD")


@pytest.mark.parametrize("spelt", ["BTC-EUR", "BTCUSDT", "WBTC-USD", "USD-BTC", ""])
def test_other_markets_are_not_mistaken_for_it(spelt):
    assert choose([spelt], [], assets=ASSETS, quotes=["USD"]) == {}


def test_each_symbol_is_played_in_the_first_quote_there_is():
    seen = ["BTC-USDT", "BTC-USD", "ETH-USDT"]
    chosen = choose(seen, [], assets=ASSETS, quotes=["USD", "USDT"])
    assert {symbol: one.venue_symbol for symbol, one in chosen.items()} == {"btc": "BTC-USD", "eth": "ETH-USDT"}


def test_the_list_of_markets_is_believed_before_the_letters():
    listed = [Instrument("BTC-USD", "eth", "usd"), Instrument("never-seen", "BTC", "USD")]
    assert choose(["BTC-USD"], listed, assets=ASSETS, quotes=["USD"]) == {"eth": Instrument("BTC-USD", "ETH", "USD")}


# -- options


@pytest.mark.parametrize("options", [{"speed": 0}, {"speed": "fast"}, {"file": "no/such/file"}])
def test_options_that_cannot_be_are_refused(tmp_path, options):
    good = {"file": record(tmp_path)}
    assert ReplayOptions(**good).speed == 1.0
    with pytest.raises(ValidationError):
        ReplayOptions(**good | options)


# -- real recordings


@pytest.mark.gen_test
async def test_a_real_recording_fills_the_market(shared):
    market = Market("btc", "eth", "sol")
    await play(shared / "data" / "coinbase_advanced_2026-08-09.jsonl.gz", market)
    feeds = {feed.symbol: feed for feed in market.relay.feeds.values()}
    assert {symbol: feed.book_state for symbol, feed in feeds.items()} == {"btc": "synced", "eth": "synced"}
    assert feeds["btc"].price == pytest.approx(65_083.665)
    assert (len(market.trades("btc")), len(market.trades("eth"))) == (136, 121)
    assert market.relay.integrity.gaps == market.relay.rejected == 0
