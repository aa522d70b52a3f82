"""Whatever a file holds, the answer is a configuration or a ConfigError, soon and in little memory."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haunt.config.document import LARGEST, parse
from haunt.config.environment import override
from haunt.errors import ConfigError

Problems = Callable[..., list[str]]

MERGE_BOMB = "a: &a {x: 1}\n" + "".join(
    f"{new}: &{new}\n  <<: [{', '.join(['*' + old] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)
LAUGHS = "a: &a [lol]\n" + "".join(
    f"{new}: &{new} [{', '.join(['*' + old] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)
HOSTILE = {
    "merge bomb": (MERGE_BOMB, "merge keys (<<) are not supported"),
    "billion laughs": (LAUGHS, "aliases (*a) are not supported"),
    "itself": ("a: &a [*a]\n", "aliases (*a) are not supported"),
    "100,000 lists deep": ("[" * 100_000, "is nested more than 20 levels deep"),
    "50,000 mappings deep": ("{a: " * 50_000, "is nested more than 20 levels deep"),
    "100,000 dashes": ("- " * 100_000, "is nested more than 20 levels deep"),
    "300 KiB": ("# " + "x" * 300 * 1024, "is larger than 256 KiB"),
    "50,000 values": ("- a\n" * 50_000, "holds more than 10000 values"),
    "binary": (bytes(range(256)) * 100, "is not UTF-8 text"),
    "zeros": (bytes(10_000), "holds a character that is not text (U+0000)"),
    "long number": ("server: {port: " + "9" * 200_000 + "}", "server.port: must be a whole number"),
    "long name": ("? " + "a" * 200_000 + "\n: 1", "unknown section"),
    "python": ("!!python/object/apply:os.system ['true']", "tags (!) are not supported"),
    "4,900 unknown symbols": (
        f"symbols: [{', '.join(f'sym{n}' for n in range(4_900))}]\n"
        f"sources: {{southex: {{symbols: [{', '.join(f'abc{n}' for n in range(4_900))}]}}}}\n",
        "'abc0' is not under symbols",
    ),
    "half a name": ('server: {"\\ud800": 1}', "holds half a character (U+D800)"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_soon(problems: Problems, name: str) -> None:
    text, sentence = HOSTILE[name]
    began = time.process_time()
    found = problems(text)
    assert sentence in "\n".join(found)
    assert len(found) <= 101
    assert max(len(problem) for problem in found) < 400
    assert time.process_time() - began < 5  # measured: 0.7 s at most; a bomb that goes off takes far longer


def test_a_file_as_large_as_allowed_is_read(load_text: Callable[..., object]) -> None:
    text = "symbols: [btc]\nsources: {southex: }\n#"
    load_text(text + "x" * (LARGEST - len(text)))


PIECES = [
    *"[]{}:,-?#&*!|>'\"%@`\\\n\t ~<=é\ufeff\u2028\x85",
    *(": ", "- ", "\n  ", "<<: ", "&a ", "*a", "!!", "---\n", "...", "%YAML 1.1\n", "|+2\n", "\\ud800", "\\U"),
    *("server", "port", "symbols", "btc", "sources", "southex", "enabled", "plugin", "indicators", "gauge"),
    *("null", "true", "1", "0.5", "1e999"),
]
yaml_text = st.lists(st.sampled_from(PIECES), max_size=60).map("".join)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(text=st.one_of(st.text(max_size=200), yaml_text))
def test_arbitrary_text_raises_nothing_but_a_config_error(text: str) -> None:
    try:
        document = parse(text, "x.yaml")
        override(document, {"HAUNT_SERVER__PORT": "1", "HAUNT_SOURCES__A__B": "[1]"})
        document.raise_problems()
    except ConfigError as error:
        assert error.problems  # noqa: PT017


@settings(max_examples=150, deadline=None, derandomize=True)
@given(content=st.one_of(st.binary(max_size=200), yaml_text.map(lambda text: text.encode(errors="surrogatepass"))))
def test_an_arbitrary_file_is_a_configuration_or_a_config_error(
    load_session: Callable[[bytes], object], content: bytes
) -> None:
    try:
        load_session(content)
    except ConfigError as error:
        assert str(error).startswith("fuzz.yaml")  # noqa: PT017


@settings(max_examples=200, deadline=None, derandomize=True)
@given(value=st.one_of(st.text(st.characters(), max_size=80), yaml_text))
def test_an_arbitrary_variable_raises_nothing_but_a_config_error(value: str) -> None:
    document = parse("server: {}", "x.yaml")
    override(document, {"HAUNT_SERVER__TOKEN": value, f"HAUNT_SERVER__{value}": "1"})
    assert all(problem.file.startswith("environment HAUNT_SERVER__") for problem in document.problems)
