"""The venues' parsers on real recordings, against the results of another program's replay."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from haunt_sources.binance import parser as binance
from haunt_sources.coinbase import parser as coinbase
from haunt_sources.kraken import parser as kraken
from recorded import Recording, expected, received

from haunt import Instrument


def test_coinbase_recording_gives_the_same_books_trades_and_tickers(shared: Path) -> None:
    results, recording = expected(shared, "coinbase_advanced_2026-08-09"), Recording()
    for line in received(shared, "coinbase_advanced_2026-08-09"):
        if line.kind == "ws":
            recording.publish(coinbase.parse(line.text))
    relay = recording.relay
    assert (relay.rejected, recording.ever_crossed) == (0, False)
    assert (relay.integrity.gaps, relay.integrity.links) == (results["sequence_gaps"], results["last_sequence"])
    assert recording.books() == results["final_books"]
    assert recording.trades == {
        symbol: results["trades"][f"{symbol}/snapshot"] + results["trades"][f"{symbol}/update"]
        for symbol in results["final_books"]
    }
    for symbol, ticker in results["last_ticker"].items():
        feed = relay.feeds[symbol]
        assert feed.volume_24h == float(ticker["volume_24_h"])
        assert feed.open_24h is not None
        change = (float(ticker["price"]) / feed.open_24h - 1) * 100
        assert change == pytest.approx(float(ticker["price_percent_chg_24_h"]), abs=1e-9)


def test_coinbase_list_of_products_gives_each_market_once(shared: Path) -> None:
    (body,) = [line.text for line in received(shared, "coinbase_advanced_2026-08-09") if line.kind == "rest"]
    markets = coinbase.parse_instruments(body)
    assert Instrument("BTC-USD", "BTC", "USD") in markets
    # 920 products: 400 are aliases, 8 are delisted, and some are both.
    assert len(markets) == len({(market.base, market.quote) for market in markets})
    assert not {"BTC-USDC", "RNDR-USD"} & {market.venue_symbol for market in markets}


@pytest.mark.parametrize("name", ["binance_2021-10-12", "binance_btcusdt_2024-08-08", "binanceus_2021-04-17"])
def test_binance_recording_gives_the_same_books_and_trades(shared: Path, name: str) -> None:
    results, recording = expected(shared, name), Recording()
    for line in received(shared, name):
        if line.kind == "ws":
            recording.publish(binance.parse(line.text))
        elif "/depth?" in line.url:
            recording.publish(binance.parse_response(line.url, line.text))
    relay = recording.relay
    assert (relay.rejected, recording.ever_crossed) == (0, False)
    assert (relay.integrity.links, relay.integrity.gaps) == (results["Uu_links"], results["Uu_gaps"])
    assert recording.books() == results["final_books"]
    assert recording.trades == {symbol: trades["n"] for symbol, trades in results["trades"].items()}
    for symbol, trades in results["trades"].items():
        assert relay.feeds[symbol].last == float(trades["last"][0])


def test_binance_list_of_markets_holds_open_spot_markets_only(shared: Path) -> None:
    body = next(line.text for line in received(shared, "binance_2021-10-12") if "exchangeInfo" in line.url)
    markets = binance.parse_instruments(body)
    assert Instrument("NKNUSDT", "NKN", "USDT") in markets
    assert len(markets) == 848 + 374


def test_kraken_recording_holds_every_checksum(shared: Path) -> None:
    recording, lines = Recording(checksum=kraken.checksum), list(received(shared, "kraken_v2_2026-08-12"))
    for line in lines:
        recording.publish(kraken.parse(line.text))
    relay = recording.relay
    assert (relay.integrity.checksums_ok, relay.integrity.checksums_bad, relay.rejected) == (2, 0, 0)
    feed = relay.feeds["BTC/USD"]
    ticker = [json.loads(line.text) for line in lines if '"channel":"ticker","type"' in line.text][-1]["data"][0]
    assert (feed.last, feed.volume_24h) == (ticker["last"], ticker["volume"])
    assert feed.open_24h == pytest.approx(ticker["last"] - ticker["change"])
    assert (len(feed.book.bids), len(feed.book.asks)) == (10, 10)


def test_kraken_recording_of_six_markets_gives_the_same_books_trades_and_tickers(shared: Path) -> None:
    results, recording = expected(shared, "kraken_v1_2021-04-17"), Recording(checksum=kraken.checksum)
    for line in received(shared, "kraken_v1_2021-04-17"):
        if line.kind == "ws":
            for frame in in_version_2(line.text):
                recording.publish(kraken.parse(frame))
    relay = recording.relay
    assert (relay.rejected, recording.ever_crossed) == (0, False)
    assert relay.integrity.checksums_ok == results["checksums_ok"] == 3477
    assert relay.integrity.checksums_bad == 0
    assert recording.books() == results["final_books"]
    assert recording.trades.total() == results["trades"]
    for symbol, ticker in results["last_ticker"].items():
        feed, volume = relay.feeds[symbol], float(ticker["v"][1])
        assert feed.open_24h == pytest.approx(float(ticker["o"][1]), rel=1e-12)
        assert (feed.volume_24h, feed.quote_volume_24h) == (volume, volume * float(ticker["p"][1]))


def in_version_2(text: str) -> Iterator[str]:
    """A frame of Kraken's older dialect in the newer one, every number with the digits it came with."""
    message = json.loads(text)
    if isinstance(message, dict):
        if message.get("channelName") == "book-1000":
            yield (
                '{"method":"subscribe","success":true,"result":'
                f'{{"channel":"book","symbol":"{message["pair"]}","depth":1000}}}}'
            )
        return
    _, *payloads, channel, symbol = message
    if channel == "ticker":
        yield frame_2("ticker", "update", symbol, ticker_2(payloads[0]), "1618678133.0")
    elif channel == "trade":
        for price, quantity, time, side, *_ in payloads[0]:
            side = {"b": "buy", "s": "sell"}[side]
            fields = f'"price":{price},"qty":{quantity},"side":"{side}","trade_id":{time.replace(".", "")}'
            yield frame_2("trade", "update", symbol, fields, time)
    else:
        changes = {name: value for payload in payloads for name, value in payload.items()}
        kind = "snapshot" if "as" in changes else "update"
        bids, asks = (changes.get(f"{side}s", changes.get(side, [])) for side in "ba")
        fields = f'"bids":{levels_2(bids)},"asks":{levels_2(asks)}'
        if "c" in changes:
            fields += f',"checksum":{changes["c"]}'
        yield frame_2("book", kind, symbol, fields, [*bids, *asks][0][2])


def ticker_2(ticker: dict[str, Any]) -> str:
    last = ticker["c"][0]
    change = Decimal(last) - Decimal(ticker["o"][1])
    return f'"last":{last},"volume":{ticker["v"][1]},"vwap":{ticker["p"][1]},"change":{change:f}'


def levels_2(levels: list[list[str]]) -> str:
    return "[" + ",".join(f'{{"price":{price},"qty":{quantity}}}' for price, quantity, *_ in levels) + "]"


def frame_2(channel: str, kind: str, symbol: str, fields: str, seconds: str) -> str:
    timestamp = datetime.fromtimestamp(float(seconds), UTC).isoformat()
    data = f'{{"symbol":"{symbol}",{fields},"timestamp":"{timestamp}"}}'
    return f'{{"channel":"{channel}","type":"{kind}","data":[{data}]}}'
