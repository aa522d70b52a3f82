"""`haunt replay`: one object or a table of what a recording holds."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
from click.testing import CliRunner, Result

from haunt.cli import main
from haunt.cli import replay as command

COINBASE = "wss://advanced-trade-ws.coinbase.com"
KRAKEN = "wss://ws.kraken.com/v2"
BINANCE = "wss://stream.binance.com:9443/stream"
TIME = "2026-01-02T03:04:05.000000Z"


def replay(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["replay", *map(str, arguments)])


def replayed(*arguments: object) -> dict[str, Any]:
    """The one object it prints."""
    result = replay(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def ws(url: str, *frames: object, **more: object) -> list[dict[str, object]]:
    return [{"ts": None, "kind": "ws", "url_or_channel": url, "raw": json.dumps(frame)} | more for frame in frames]


def record(folder: Path, *lines: dict[str, object]) -> Path:
    path = folder / "recording.jsonl.gz"
    path.write_bytes(gzip.compress("".join(json.dumps(line) + "\n" for line in lines).encode()))
    return path


def book_frame(kind: str, bids: str, checksum: int) -> dict[str, object]:
    """Numbers as Kraken writes them, zeros at the end included."""
    raw = (
        f'{{"channel":"book","type":"{kind}","data":[{{"symbol":"ODD/EUR","bids":[{bids}],'
        f'"asks":[{{"price":20.50,"qty":3.00}}],"checksum":{checksum},"timestamp":"{TIME}"}}]}}'
    )
    return {"ts": None, "kind": "ws", "url_or_channel": KRAKEN, "raw": raw}


def kraken_lines() -> list[dict[str, object]]:
    """A book in the venue's own digits, one change of it, a trade said twice and a heartbeat."""
    trade = {"symbol": "ODD/EUR", "side": "buy", "price": 20.5, "qty": 1.0, "trade_id": 7, "timestamp": TIME}
    trades = {"channel": "trade", "type": "update", "data": [trade, trade]}
    first, second = crc32(b"20503001950100"), crc32(b"2050300195010019405")
    return [
        *ws(KRAKEN, {"method": "subscribe"}, dir="send"),
        book_frame("snapshot", '{"price":19.50,"qty":1.00}', first),
        book_frame("update", '{"price":19.40,"qty":0.05}', second),
        *ws(KRAKEN, trades, {"channel": "heartbeat"}),
    ]


def test_everything_in_a_recording_becomes_one_object(tmp_path):
    assert replayed(record(tmp_path, *kraken_lines())) == {
        "source": "kraken",
        "messages": 4,
        "events": {"ticker": 0, "quote": 0, "trade": 2, "book_snapshot": 1, "book_delta": 1},
        "trades": {"ODD/EUR": 1},
        "integrity": {"links": 0, "gaps": 0, "checksums_ok": 2, "checksums_bad": 0},
        "books": {"ODD/EUR": {"bids": [["19.50", "1.00"], ["19.40", "0.05"]], "asks": [["20.50", "3.00"]]}},
    }


def binance_delta(first: int, last: int) -> dict[str, object]:
    data = {"e": "depthUpdate", "E": 1_700_000_000_000, "s": "ODDEUR", "U": first, "u": last, "b": [], "a": []}
    return {"stream": "oddeur@depth@100ms", "data": data}


def depth(sequence: int, levels: int) -> dict[str, object]:
    bids = [[f"{100 - number}.0", "1.0"] for number in range(levels)]
    url = "https://api.binance.com/api/v3/depth?symbol=ODDEUR&limit=1000"
    body = {"lastUpdateId": sequence, "bids": bids, "asks": [["101.0", "2.0"]]}
    return {"ts": None, "kind": "rest", "url_or_channel": url, "raw": json.dumps(body)}


def test_snapshots_come_from_recorded_answers_and_ten_levels_are_shown(tmp_path):
    lines = [*ws(BINANCE, binance_delta(1, 5)), depth(4, levels=12), *ws(BINANCE, binance_delta(6, 9))]
    told = replayed(record(tmp_path, *lines))
    assert told["messages"] == 2
    assert (told["integrity"]["links"], told["integrity"]["gaps"]) == (1, 0)
    assert [price for price, _ in told["books"]["ODDEUR"]["bids"]] == [f"{100 - number}.0" for number in range(10)]
    assert told["books"]["ODDEUR"]["asks"] == [["101.0", "2.0"]]


def test_a_book_that_is_lost_at_the_end_is_not_shown(tmp_path):
    lines = [depth(4, levels=1), *ws(BINANCE, binance_delta(5, 6), binance_delta(9, 10))]
    told = replayed(record(tmp_path, *lines))
    assert told["integrity"]["gaps"] == 1
    assert told["books"] == {}


def test_the_table_says_the_same_to_a_person(tmp_path):
    result = replay(record(tmp_path, *kraken_lines()))
    assert result.exit_code == 0
    for said in ("ODD/EUR", "19.50", "20.50", "synced", "4 messages of kraken", "Checksums: 2 hold, 0 do not."):
        assert said in result.stdout


def test_the_table_says_why_a_book_is_lost(tmp_path):
    lines = [depth(4, levels=1), *ws(BINANCE, binance_delta(5, 6), binance_delta(9, 10))]
    assert "gap" in replay(record(tmp_path, *lines)).stdout


def test_the_source_is_named_where_the_url_does_not_tell(tmp_path):
    lines = [line | {"url_or_channel": "a mirror"} for line in kraken_lines()]
    assert replayed(record(tmp_path, *lines), "--venue", "kraken")["messages"] == 4


def test_frames_that_make_no_sense_are_counted_beside_the_object(tmp_path):
    result = replay(record(tmp_path, *ws(KRAKEN, "what?"), *kraken_lines()), "--json")
    assert json.loads(result.stdout)["messages"] == 5
    assert "1 made no sense, the last: " in result.stderr


@pytest.mark.parametrize(
    ("content", "arguments", "said"),
    [
        (None, (), "cannot be read: No such file or directory"),
        (b"no recording\n", (), "line 1: not a line of a recording"),
        (b"", (), "holds no WebSocket frame"),
        (json.dumps(ws("wss://nobody.example", {})[0]).encode(), (), "which no source is known for; name one of: "),
        (b"", ("--venue", "krakn"), "no such plugin is installed; did you mean 'kraken'?"),
        (b"", ("--venue", "simulator"), "simulator reads no frames of a venue"),
    ],
)
def test_what_cannot_be_played_is_told_in_a_sentence(tmp_path, content, arguments, said):
    file = tmp_path / "file"
    if content is not None:
        file.write_bytes(content)
    result = replay(file, "--json", *arguments)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith("Error: ")
    assert said in result.stderr


@pytest.mark.parametrize("speed", ["0", "-1", "nan", "inf", "fast"])
def test_a_speed_that_cannot_be_is_a_wrong_use(tmp_path, speed):
    result = replay(record(tmp_path, *kraken_lines()), "--speed", speed)
    assert result.exit_code == 2
    assert "must be a number above zero or 'max'" in result.stderr


def test_without_a_file_it_is_a_wrong_use():
    assert replay().exit_code == 2


def test_of_a_file_that_is_cut_off_what_was_readable_is_told_and_then_that(tmp_path):
    file = record(tmp_path, *kraken_lines() * 200)
    file.write_bytes(file.read_bytes()[:-20])
    result = replay(file, "--json")
    assert json.loads(result.stdout)["messages"] > 400
    assert result.exit_code == 1
    assert "the file is cut off" in result.stderr


def timed_lines(seconds: float) -> list[dict[str, object]]:
    lines = kraken_lines()
    return [line | {"ts": 1_000.0 + seconds * number / (len(lines) - 1)} for number, line in enumerate(lines)]


def test_progress_goes_to_stderr_line_by_line_and_stdout_stays_one_object(tmp_path, monkeypatch):
    monkeypatch.setattr(command, "PROGRESS_SECONDS", 0.01)
    result = replay(record(tmp_path, *timed_lines(2.0)), "--json", "--speed", "20")
    assert json.loads(result.stdout)["messages"] == 4
    assert "100% of " in result.stderr


def test_progress_is_a_bar_on_a_terminal(tmp_path, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    result = replay(record(tmp_path, *timed_lines(20.0)), "--json", "--speed", "100")
    assert json.loads(result.stdout)["messages"] == 4
    assert "recording.jsonl.gz" in result.stderr


# -- real recordings, against a replay made without Haunt


def expected(shared: Path, name: str) -> dict[str, Any]:
    return json.loads((shared / "data" / "expected" / f"{name}.json").read_text())


def top(books: dict[str, Any]) -> dict[str, Any]:
    return {symbol: {side: book[side] for side in ("bids", "asks")} for symbol, book in books.items()}


def test_coinbase_as_recorded(shared):
    name = "coinbase_advanced_2026-08-09"
    told, known = replayed(shared / "data" / f"{name}.jsonl.gz"), expected(shared, name)
    assert told["messages"] == sum(known["channels"].values())
    assert told["events"]["ticker"] == known["channels"]["ticker"]
    assert told["events"]["book_snapshot"] + told["events"]["book_delta"] == known["channels"]["l2_data"]
    assert told["trades"] == {
        symbol: known["trades"][f"{symbol}/snapshot"] + known["trades"][f"{symbol}/update"]
        for symbol in ("BTC-USD", "ETH-USD")
    }
    assert told["integrity"] == {"links": known["last_sequence"], "gaps": 0, "checksums_ok": 0, "checksums_bad": 0}
    assert told["books"] == top(known["final_books"])


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("binance", "binance_2021-10-12"),
        ("binance", "binance_btcusdt_2024-08-08"),
        ("binance_us", "binanceus_2021-04-17"),
    ],
)
def test_binance_as_recorded(shared, source, name):
    told, known = replayed(shared / "data" / f"{name}.jsonl.gz"), expected(shared, name)
    assert told["source"] == source
    assert told["messages"] == sum(known["channels"].values())
    assert told["events"]["quote"] == known["channels"]["bookTicker"]
    assert told["events"]["book_delta"] == known["channels"]["depth@100ms"]
    assert told["trades"] == {symbol: trades["n"] for symbol, trades in known["trades"].items()}
    assert told["integrity"] == {"links": known["Uu_links"], "gaps": 0, "checksums_ok": 0, "checksums_bad": 0}
    assert told["books"] == top(known["final_books"])


def test_bitget_as_recorded(shared):
    told, known = replayed(shared / "data" / "bitget_v1_2022-04-07.jsonl.gz"), expected(shared, "bitget_v1_2022-04-07")
    assert told["messages"] == sum(known["channels"].values())
    assert told["trades"] == known["trades"]
    checked = known["checksums_ok"] - told["events"]["book_snapshot"]
    assert told["integrity"] == {"links": 0, "gaps": 0, "checksums_ok": checked, "checksums_bad": 0}
    assert told["books"] == top(known["final_books"])


def test_kraken_as_recorded(shared):
    told = replayed(shared / "data" / "kraken_v2_2026-08-12.jsonl.gz")
    assert told["messages"] == 9
    assert told["events"] == {"ticker": 2, "quote": 0, "trade": 0, "book_snapshot": 1, "book_delta": 1}
    assert told["integrity"] == {"links": 0, "gaps": 0, "checksums_ok": 2, "checksums_bad": 0}
    assert {len(side) for side in told["books"]["BTC/USD"].values()} == {10}
    assert told["books"]["BTC/USD"]["bids"][1] == ["63298.7", "0.00005100"]


def test_okx_as_recorded(shared):
    name = "okx_2022-05-13"
    told, known = replayed(shared / "data" / f"{name}.jsonl.gz"), expected(shared, name)
    assert told["messages"] == sum(known["channels"].values())
    assert told["events"]["ticker"] == known["channels"]["tickers"]
    assert told["events"]["book_snapshot"] + told["events"]["book_delta"] == known["channels"]["books"]
    assert told["trades"] == known["trades"]
    assert told["integrity"] == {"links": 0, "gaps": 0, "checksums_ok": known["checksums_ok"], "checksums_bad": 0}
    assert told["books"] == top(known["final_books"])


def test_the_spot_market_of_bybit_as_recorded_beside_its_futures(shared):
    name = "bybit_v5_2026-08-09"
    told, known = replayed(shared / "data" / f"{name}.jsonl.gz"), expected(shared, name)
    assert told["messages"] == sum(known["channels"].values())
    assert told["events"] == {"ticker": 41, "quote": 0, "trade": 11, "book_snapshot": 1, "book_delta": 299}
    assert told["trades"] == {"BTCUSDT": known["trades"]["BYBIT.ws.3|publicTrade.BTCUSDT"]}
    assert told["integrity"] == {"links": 299, "gaps": 0, "checksums_ok": 0, "checksums_bad": 0}
    assert told["books"] == top({"BTCUSDT": known["final_books"]["BYBIT.ws.3|orderbook.200.BTCUSDT"]})
