"""Every mistake an operator makes is named with its file, its line, its place and its cure."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import BaseModel

from haunt.config.document import Document
from haunt.config.problems import validate

Problems = Callable[..., list[str]]

REST = "\nsymbols: [btc, eth]\nsources: {southex: }\n"

# A text, the line of its one mistake, and what is said of it. REST follows the text, in lines of its own.
SECTIONS = [
    ("servr: {port: 1}", 1, "servr: unknown section; did you mean 'server'?"),
    (
        "x: 1",
        1,
        "x: unknown section; there are server, limits, stream, log, reload, price, history, symbols, sources, "
        "indicators",
    ),
    ("server:\n  prot: 3000", 2, "server.prot: unknown option; did you mean 'port'?"),
    ("log:\n  colour: red", 2, "log.colour: unknown option; there are level, levels, format"),
    (
        "log:\n  levels: {tornado: info, haunt.market.signal: debug}",
        2,
        "log.levels.haunt.market.signal: unknown module; did you mean 'haunt.market.signals'?",
    ),
    (
        "log:\n  levels:\n    haunt_sources.kraken: loud",
        3,
        "log.levels.haunt_sources.kraken: must be 'debug', 'info', 'warning' or 'error', not 'loud'",
    ),
    ("history: {path: ''}", 1, "history.path: must be at least 1 characters long"),
    ("history: {path: '~nobody-here/h.db'}", 1, "history.path: cannot be a path: Could not determine home directory."),
    ('history: {path: "a\\0b"}', 1, "history.path: cannot be a path: embedded null byte"),
    (
        "history: {keep: {1x: 3}}",
        1,
        "history.keep.1x: must be a number and a unit of s, m, h, d or w, such as 15s, 1m or 4h, not '1x'",
    ),
    ("history: {keep: {1m: -1}}", 1, "history.keep.1m: must be at least 0, not -1"),
    ("history: {keep: [1m]}", 1, "history.keep: must be 'name: value' lines, not a list"),
    ("history: {flush_interval: 0}", 1, "history.flush_interval: must be at least 0.1, not 0"),
    ("server: 3000", 1, "server: must be 'name: value' lines, not 3000"),
    ("server: [host]", 1, "server: must be 'name: value' lines, not a list"),
    ("server:\n  host: 127.0.0.1\n  port: 70000", 3, "server.port: must be at most 65535, not 70000"),
    ("server: {port: -1}", 1, "server.port: must be at least 0, not -1"),
    ("server: {port: abc}", 1, "server.port: must be a whole number, not 'abc'"),
    ("server: {port: '3000'}", 1, "server.port: must be a whole number, not '3000'; write it without quotes"),
    ("server: {port: 3e3}", 1, "server.port: must be a whole number, not 3000.0"),
    ("server: {port: 0x1f}", 1, "server.port: must be a whole number, not '0x1f'"),
    ("server: {port: 012}", 1, "server.port: must be a whole number, not '012'"),
    ("server: {port: 0o17}", 1, "server.port: must be a whole number, not '0o17'"),
    ("server: {port: 1_000}", 1, "server.port: must be a whole number, not '1_000'"),
    ("server: {port: 22:30}", 1, "server.port: must be a whole number, not '22:30'"),
    ("server: {port: true}", 1, "server.port: must be a whole number, not true"),
    ("server: {port: }", 1, "server.port: must be a whole number, not null"),
    ("server: {port: [1]}", 1, "server.port: must be a whole number, not a list"),
    ("server: {port: 2026-11-22}", 1, "server.port: must be a whole number, not '2026-11-22'"),
    (
        "server: {host: '127.0.0.1:3000'}",
        1,
        "server.host: must be an address or a host name alone, such as 127.0.0.1, not '127.0.0.1:3000'; "
        "the port is server.port",
    ),
    ("server: {host: 127}", 1, "server.host: must be text, not 127; write it in quotes: '127'"),
    ("server: {host: null}", 1, "server.host: must be text, not null"),
    (
        "server: {allowed_origins: 'https://a.example'}",
        1,
        "server.allowed_origins: must be a list such as [a, b], not 'https://a.example'",
    ),
    (
        "server:\n  allowed_origins:\n    - https://a.example\n    - https://b.example/page",
        4,
        "server.allowed_origins[1]: must be an origin such as https://app.example.com, in lower case and without "
        "a path, not 'https://b.example/page'",
    ),
    (
        "server: {allowed_hosts: ['a.example:80']}",
        1,
        "server.allowed_hosts[0]: must be a host name such as market.example.com, in lower case and without http:// "
        "or port, not 'a.example:80'",
    ),
    ("limits: {idle_timeout: 0}", 1, "limits.idle_timeout: must be more than 0, not 0"),
    ("limits: {idle_timeout: .inf}", 1, "limits.idle_timeout: must be a number, not '.inf'"),
    ("limits: {idle_timeout: .nan}", 1, "limits.idle_timeout: must be a number, not '.nan'"),
    ("limits: {idle_timeout: 1e400}", 1, "limits.idle_timeout: must be a number, not '1e400'"),
    ("limits: {idle_timeout: 5 minutes}", 1, "limits.idle_timeout: must be a number, not '5 minutes'"),
    ("limits: {idle_timeout: on}", 1, "limits.idle_timeout: must be a number, not 'on'"),
    ("stream: {compression: no}", 1, "stream.compression: must be true or false, not 'no'; write false"),
    ("stream: {compression: 1}", 1, "stream.compression: must be true or false, not 1"),
    ("stream: {orderbook_depth: 101}", 1, "stream.orderbook_depth: must be at most 100, not 101"),
    ("price: {clamp: 0.6}", 1, "price.clamp: must be at most 0.5, not 0.6"),
    (
        "price: {method: mean}",
        1,
        "price.method: must be 'hcp', 'median' or 'last', not 'mean'; did you mean 'median'?",
    ),
    ("price:\n  weights:\n    kraken: -1", 3, "price.weights.kraken: must be at least 0, not -1"),
    ("price: {stale_after: 0}", 1, "price.stale_after: must be more than 0, not 0"),
    (
        "log: {level: INFO}",
        1,
        "log.level: must be 'debug', 'info', 'warning' or 'error', not 'INFO'; did you mean 'info'?",
    ),
]

SYMBOLS = [
    ("symbols:", 1, "symbols: must name at least one, such as [btc, eth]"),
    ("symbols: []", 1, "symbols: must name at least one, such as [btc, eth]"),
    ("symbols: btc", 1, "symbols: must be a list such as [btc, eth] or 'name:' lines, not 'btc'"),
    ("symbols: [btc, 1]", 1, "symbols[1]: must be text, not 1; write it in quotes: '1'"),
    ("symbols:\n  - btc\n  - BTC", 3, "symbols[1]: must be lower case: 'btc', not 'BTC'"),
    ("symbols:\n  - btc\n  - btc", 3, "symbols[1]: 'btc' is here a second time"),
    ("symbols: [btc: ]", 1, "symbols[0]: must be text, not a mapping"),
    (
        "symbols: [btc/usd]",
        1,
        "symbols[0]: must be up to 32 letters and digits (inside it also . _ -), such as btc or 1inch, not 'btc/usd'",
    ),
    ("symbols:\n  btc:\n  1:", 3, "symbols.1: YAML does not read this name as text; write it in quotes: '1'"),
    ("symbols:\n  btc:\n  ?\n  : {}", 3, "symbols: there is no name before the ':'"),
    ("symbols:\n  btc: 0.01", 2, "symbols.btc: must be 'name: value' lines, not 0.01"),
    ("symbols:\n  btc:\n    tik: 1", 3, "symbols.btc.tik: unknown option; did you mean 'tick'?"),
    ("symbols:\n  btc:\n    tick: 0", 3, "symbols.btc.tick: must be more than 0, not 0"),
    ("symbols:\n  btc:\n    price: 0.01", 3, "symbols.btc.price: must be 'name: value' lines, not 0.01"),
    (
        "symbols:\n  btc:\n    price:\n      clam: 1",
        4,
        "symbols.btc.price.clam: unknown option; did you mean 'clamp'?",
    ),
    ("symbols:\n  btc:\n    price: {outlier: 0}", 3, "symbols.btc.price.outlier: must be more than 0, not 0"),
    ("symbols:\n  btc: {aliases: xbt}", 2, "symbols.btc.aliases: must be a list such as [a, b], not 'xbt'"),
    ("symbols:\n  btc: {aliases: [eth]}\n  eth:", 2, "symbols.btc.aliases[0]: 'eth' is a symbol itself"),
    (
        "symbols:\n  btc: {aliases: [xbt]}\n  eth: {aliases: [xbt]}",
        3,
        "symbols.eth.aliases[0]: 'xbt' is an alias of 'btc' already",
    ),
]

NO_SUCH_PLUGIN = (
    "A new folder or file under plugins/ is found after `pip install -e .` is run again (scripts/run does it)"
)
INSTANCES = [
    ("sources:", 1, "sources: no source can run; name at least one that is not `enabled: false`"),
    (
        "sources:\n  southex: {enabled: false}",
        1,
        "sources: no source can run; name at least one that is not `enabled: false`",
    ),
    ("sources: [southex]", 1, "sources: must be 'name: value' lines, not a list, each name as a line 'southex:'"),
    (
        "sources:\n  southexx:",
        2,
        f"sources.southexx: no such plugin is installed; did you mean 'southex'? {NO_SUCH_PLUGIN}",
    ),
    ("sources:\n  zzz:", 2, f"sources.zzz: no such plugin is installed. {NO_SUCH_PLUGIN}"),
    (
        "sources:\n  mine:\n    plugin: gaug",
        3,
        f"sources.mine.plugin: no such plugin is installed; did you mean 'gauge'? {NO_SUCH_PLUGIN}",
    ),
    ("sources:\n  gauge:", 2, "sources.gauge: plugin gauge is not for sources; it belongs under indicators"),
    ("sources:\n  southex: wss://x", 2, "sources.southex: must be 'name: value' lines, not 'wss://x'"),
    (
        "sources:\n  My-Venue: {plugin: southex}",
        2,
        "sources.My-Venue: a name here must be up to 32 of the letters a-z, digits and _",
    ),
    (
        "sources:\n  southex:\n    enabled: no",
        3,
        "sources.southex.enabled: must be true or false, not 'no'; write false",
    ),
    ("sources:\n  southex: {plugin: [a]}", 2, "sources.southex.plugin: must be text, not a list"),
    ("sources:\n  northex:\n    depth: 9", 2, "sources.northex.url: must be set"),
    ("sources:\n  southex:\n    dept: 9", 3, "sources.southex.dept: unknown option; did you mean 'depth'?"),
    ("sources:\n  southex:\n    enabld: true", 3, "sources.southex.enabld: unknown option; did you mean 'enabled'?"),
    ("sources:\n  southex:\n    depth: 4000", 3, "sources.southex.depth: must be at most 400, not 4000"),
    ("sources:\n  southex: {weight: 0}", 2, "sources.southex.weight: must be more than 0, not 0"),
    ("sources:\n  southex: {weight: 101}", 2, "sources.southex.weight: must be at most 100, not 101"),
    ("sources:\n  southex: {quotes: []}", 2, "sources.southex.quotes: must hold at least 1, not 0"),
    (
        "sources:\n  southex: {mode: lve}",
        2,
        "sources.southex.mode: must be 'live' or 'paper', not 'lve'; did you mean 'live'?",
    ),
    ("sources:\n  southex: {speed: fast}", 2, "sources.southex.speed: must be a number or 'max', not 'fast'"),
    ("sources:\n  southex: {code: abc}", 2, "sources.southex.code: must look like ^[A-Z]+$, not 'abc'"),
    ("sources:\n  southex: {code: ABCDE}", 2, "sources.southex.code: must be at most 4 characters long"),
    ("sources:\n  southex: {lot: 7}", 2, "sources.southex.lot: must be a multiple of 5, not 7"),
    (
        "sources:\n  southex:\n    fees:\n      - maker: 0.1\n      - makr: 0.1",
        5,
        "sources.southex.fees[1].makr: unknown option; did you mean 'maker'?",
    ),
    (
        "sources:\n  southex: {symbols: [btc, ethh]}",
        2,
        "sources.southex.symbols[1]: 'ethh' is not under symbols; did you mean 'eth'?",
    ),
    (
        "sources:\n  southex: {symbols: []}",
        2,
        "sources.southex.symbols: must name at least one; leave it out to take all",
    ),
    ("indicators:\n  gauge: {period: 1}", 2, "indicators.gauge.period: must be at least 2, not 1"),
    ("indicators:\n  gauge: {period: 3}", 2, "indicators.gauge: fast (3) must be less than period (3)"),
    (
        "indicators:\n  gauge: {timeframe: 1y}",
        2,
        "indicators.gauge.timeframe: must be a number and a unit of s, m, h, d or w, such as 15s, 1m or 4h, not '1y'",
    ),
    (
        "indicators:\n  southex:",
        2,
        "indicators.southex: plugin southex is not for indicators; it belongs under sources",
    ),
]

YAML = [
    ("", None, "is empty; start from what `haunt init` writes"),
    ("# nothing\n---\n", None, "is empty; start from what `haunt init` writes"),
    ("- btc", None, "must be 'section:' lines with options under them, such as server, symbols and sources"),
    ("just words", None, "must be 'section:' lines with options under them, such as server, symbols and sources"),
    ("server:\n\tport: 1", 2, "there is a tab here; YAML is indented with spaces"),
    ("server:\n  host: @home", 2, "text cannot begin with this character; put it in quotes"),
    ("server:\n  host: a: b", 2, "a ':' too many, or wrong indentation; put text that holds ': ' in quotes"),
    ("server:\n  host: x\n  port 3000\n  token: y", 3, "a 'key: value' line lacks its ':'"),
    ("server:\n    port: 1\n  host: x", 3, "the indentation does not fit the lines above"),
    ("server:\n  host: 'x\n  port: 1\n", 2, "the quote that opens here is never closed"),
    ("symbols: [btc, eth\nsources:", 2, "a '[' before this is not closed, or a ',' is missing"),
    ("server: {port: 1\nlog: }", 2, "a '{' before this is not closed, or a ',' is missing"),
    ("symbols: {btc: , : {}}", 1, "a value or a name is missing here"),
    ("server: {}\n---\nserver: {}", 2, "a second document begins here ('---'); a configuration is one"),
    ('server: {host: "\\UFFFFFFFF"}', None, "holds an escape or a directive that no YAML can mean"),
    ("server:\n  host: a\0b", 2, "holds a character that is not text (U+0000)"),
    (b"server:\n  host: caf\xe9", 2, "is not UTF-8 text (byte 0xe9); save it as UTF-8"),
    ("a: 1".encode("utf-16"), 1, "is not UTF-8 text (byte 0xff); save it as UTF-8"),
]

REFUSED = [
    ("server:\n  port: 1\n  port: 2", 3, "server.port: is here a second time; the first is in line 2"),
    ("server: {}\nlog: {}\nserver: {}", 3, "server: is here a second time; the first is in line 1"),
    ("server: &s {port: 1}", 1, "server: anchors (&s) are not supported; write each value out"),
    ("server: {port: *p}", 1, "server.port: aliases (*p) are not supported; write the value out"),
    ("server:\n  <<: {port: 1}", 2, "server: merge keys (<<) are not supported; write the options out"),
    ("server: {port: !!int 3}", 1, "server.port: tags (!) are not supported; write the plain value"),
    ("log: !!python/object:os.system {}", 1, "log: tags (!) are not supported; write the plain value"),
    ("server:\n  ? [a]\n  : 1", 2, "server: the name before a ':' must be plain text"),
    ("server:\n  true: 1", 2, "server.true: YAML does not read this name as text; write it in quotes: 'true'"),
    ('server: {host: "\\ud800"}', 1, "server.host: holds half a character (U+D800); write the character itself"),
]


def test_the_history_must_be_a_file_in_a_folder_that_exists(problems: Problems, tmp_path: Path) -> None:
    assert problems("history: {path: no/h.db}" + REST) == [
        f"haunt.yaml, line 1: history.path: must be in a folder that exists: {tmp_path}/no/h.db"
    ]
    assert problems("history: {path: .}" + REST) == [
        f"haunt.yaml, line 1: history.path: must be a file, not a folder: {tmp_path}"
    ]


@pytest.mark.parametrize(("text", "line", "sentence"), SECTIONS)
def test_a_mistake_in_a_section_is_named(problems: Problems, text: str, line: int, sentence: str) -> None:
    assert problems(text + REST) == [f"haunt.yaml, line {line}: {sentence}"]


@pytest.mark.parametrize(("text", "line", "sentence"), SYMBOLS)
def test_a_mistake_in_the_symbols_is_named(problems: Problems, text: str, line: int, sentence: str) -> None:
    found = problems(text + "\nsources: {southex: }\n")
    assert f"haunt.yaml, line {line}: {sentence}" in found
    assert len(found) == 1


@pytest.mark.parametrize(("text", "line", "sentence"), INSTANCES)
def test_a_mistake_in_a_source_or_indicator_is_named(problems: Problems, text: str, line: int, sentence: str) -> None:
    sources = "" if text.startswith("sources") else "\nsources: {southex: }"
    assert problems(f"{text}\nsymbols: [btc, eth]{sources}\n") == [f"haunt.yaml, line {line}: {sentence}"]


@pytest.mark.parametrize(("text", "line", "sentence"), YAML)
def test_what_is_no_yaml_is_refused_in_one_sentence(
    problems: Problems, text: str | bytes, line: int | None, sentence: str
) -> None:
    place = "haunt.yaml" if line is None else f"haunt.yaml, line {line}"
    assert problems(text) == [f"{place}: {sentence}"]


@pytest.mark.parametrize(("text", "line", "sentence"), REFUSED)
def test_what_yaml_allows_and_misleads_is_refused(problems: Problems, text: str, line: int, sentence: str) -> None:
    found = problems(text + REST)
    assert f"haunt.yaml, line {line}: {sentence}" in found
    assert all(f"line {line}" in problem for problem in found)


def test_all_mistakes_are_reported_at_once_in_the_order_of_the_file(problems: Problems) -> None:
    text = "srver: {}\nserver:\n  prot: 1\n  port: x\nsymbols: [BTC]\nsources: {southex: {dept: 1, lot: 7}}\nlog: *x\n"
    assert [problem.split(":")[0] + problem.split(":")[1] for problem in problems(text)] == [
        "haunt.yaml, line 1 srver",
        "haunt.yaml, line 3 server.prot",
        "haunt.yaml, line 4 server.port",
        "haunt.yaml, line 5 symbols[0]",
        "haunt.yaml, line 6 sources.southex.lot",
        "haunt.yaml, line 6 sources.southex.dept",
        "haunt.yaml, line 7 log",
    ]


def test_an_alias_in_a_sources_symbols_is_answered_with_the_symbol(problems: Problems) -> None:
    text = "symbols: {btc: {aliases: [xbt]}}\nsources: {southex: {symbols: [xbt]}}\n"
    assert problems(text) == ["haunt.yaml, line 2: sources.southex.symbols[0]: 'xbt' is an alias; write 'btc'"]


def test_symbols_and_sources_must_be_there(problems: Problems) -> None:
    assert problems("log: {}\n") == [
        "haunt.yaml: symbols: must name at least one, such as [btc, eth]",
        "haunt.yaml: sources: no source can run; name at least one that is not `enabled: false`",
    ]


def test_the_value_of_a_secret_is_never_repeated(problems: Problems) -> None:
    for value in ("hunter2 hunter2", "[hunter2]", "{hunter2: 1}"):
        assert "hunter2" not in "".join(problems(f"server: {{token: {value}}}{REST}")).replace("token.hunter2", "")


def test_a_mistake_nobody_foresaw_has_a_sentence_of_ours(problems: Problems) -> None:
    text = "symbols: [btc]\nsources: {southex: {day: 5}}\n"
    assert problems(text) == [
        "haunt.yaml, line 2: sources.southex.day: cannot be 5; it is described as: The first day, as bytes."
    ]


def test_a_mistake_nobody_foresaw_needs_no_description() -> None:
    class Options(BaseModel):
        day: bytes

    document = Document("x.yaml", {}, {("day",): 3})
    assert validate(Options, {"day": 5}, document, ()) is None
    assert [str(problem) for problem in document.problems] == ["x.yaml, line 3: day: cannot be 5"]


def test_a_name_that_would_move_the_cursor_is_shown_escaped(problems: Problems) -> None:
    assert problems('"\\e[2J": 1' + REST)[0].startswith("haunt.yaml, line 1: \\x1b[2J: unknown section")


def test_beyond_a_hundred_mistakes_the_rest_is_counted(problems: Problems) -> None:
    found = problems("server:\n" + "".join(f"  x{number}: 1\n" for number in range(150)) + REST)
    assert len(found) == 101
    assert found[-1] == "haunt.yaml: 50 more mistakes; mend these first"
