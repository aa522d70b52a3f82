"""A corpus of configurations with the mistakes operators make: what `haunt check` says of each, and in which line.

A file begins with what is said of it: `# line 3: server.prot: unknown option; …`, a line for each mistake.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import pytest
from click.testing import CliRunner
from jsonschema import Draft7Validator

from haunt.cli import main
from haunt.config.document import LARGEST, read
from haunt.config.schema import schema
from haunt.errors import ConfigError
from haunt.plugin.registry import Registry

CORPUS = Path(__file__).parent / "broken"
FILES = sorted(CORPUS.glob("*.yaml"))
# What a schema cannot say: how the text is written, what another line says, what only a plugin or the disk knows.
UNSEEN = {
    "alias-is-a-symbol", "alias-of-two", "anchor-and-alias", "history-folder-not-there", "host-is-a-url",
    "host-with-port", "indicator-fast-slower", "indicator-levels-crossed", "merge-key", "one-source-twice",
    "origin-without-scheme",
    "source-all-disabled", "source-symbol-is-an-alias", "source-symbol-unknown", "source-url-is-http",
    "symbol-is-a-number", "tag-for-a-secret", "tag-of-python", "two-ports", "two-servers",
}  # fmt: skip
GOOD = b"symbols: [btc]\nsources:\n  kraken:\n"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def validator() -> Draft7Validator:
    return Draft7Validator(schema(Registry()))


def checked(file: str | Path, **environ: str) -> list[str]:
    """What is said of the file, without its name."""
    result = CliRunner().invoke(main, ["check", str(file)], env=environ)
    assert (result.exit_code, result.stdout) == (78, "")
    return [line.removeprefix(str(file)).removeprefix(", ").removeprefix(": ") for line in result.stderr.splitlines()]


def said(file: Path) -> list[str]:
    """What the file's first lines say of it."""
    head = []
    for line in file.read_text(encoding="utf-8").splitlines():
        if not line.startswith("# "):
            break
        head.append(line.removeprefix("# "))
    return head


def is_data(file: Path) -> bool:
    """Of what is no YAML every editor says so without a schema."""
    with suppress(ConfigError):
        return bool(read(file))
    return False


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_mistake_is_told_with_its_line_and_its_cure(file: Path) -> None:
    assert checked(file) == said(file) != []


@pytest.mark.parametrize("file", filter(is_data, FILES), ids=lambda file: file.stem)
def test_an_editor_sees_what_a_schema_can_say(file: Path, validator: Draft7Validator) -> None:
    assert (file.stem in UNSEEN) == (not list(validator.iter_errors(read(file).data)))


# -- what cannot be a file of text


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty; start from what `haunt init` writes"),
        (b"\xef\xbb\xbf", "is empty; start from what `haunt init` writes"),
        (GOOD.decode().encode("utf-16"), "line 1: is not UTF-8 text (byte 0xff); save it as UTF-8"),
        (GOOD + b"# caf\xe9\n", "line 4: is not UTF-8 text (byte 0xe9); save it as UTF-8"),
        (GOOD + b"log:\n  level: in\0fo\n", "line 5: holds a character that is not text (U+0000)"),
        (GOOD + b"#" * LARGEST, "is larger than 256 KiB, which no configuration is"),
        (b"\x1f\x8b\x08\x00", "line 1: is not UTF-8 text (byte 0x8b); save it as UTF-8"),
        (b"[" * 1_000, "line 1: is nested more than 20 levels deep"),
    ],
)
def test_what_is_no_text_is_refused(content: bytes, sentence: str) -> None:
    Path("haunt.yaml").write_bytes(content)
    assert checked("haunt.yaml") == [sentence]


@pytest.mark.parametrize("content", [b"\xef\xbb\xbf" + GOOD, GOOD.replace(b"\n", b"\r\n"), GOOD.rstrip(b"\n")])
def test_a_byte_order_mark_and_the_line_ends_of_windows_are_no_mistakes(content: bytes) -> None:
    Path("haunt.yaml").write_bytes(content)
    assert CliRunner().invoke(main, ["check", "haunt.yaml"]).exit_code == 0


def test_lines_are_counted_with_the_line_ends_of_windows_too() -> None:
    Path("haunt.yaml").write_bytes(GOOD.replace(b"\n", b"\r\n") + b"server:\r\n  prot: 1\r\n")
    assert checked("haunt.yaml") == ["line 5: server.prot: unknown option; did you mean 'port'?"]


def test_what_is_no_file_is_told() -> None:
    assert checked("nowhere.yaml") == ["there is no such file; name another, or let `haunt init` write one"]
    assert checked(".") == ["is a directory; name the file in it"]
    assert checked("x" * 300) == ["cannot be read: File name too long"]


def test_a_file_one_may_not_read_is_told() -> None:
    Path("haunt.yaml").write_bytes(GOOD)
    Path("haunt.yaml").chmod(0)
    if os.access("haunt.yaml", os.R_OK):
        pytest.skip("root may read every file")
    assert checked("haunt.yaml") == ["cannot be read: Permission denied"]


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("HAUNT_SERVER__PROT", "1", "server.prot: unknown option; did you mean 'port'?"),
        ("HAUNT_SERVER__PORT", "eighty", "server.port: must be a whole number, not 'eighty'"),
        ("HAUNT_SYMBOLS", "btc", None),
        ("HAUNT_SOURCES__KRAKEN__DEPTH", "50", "sources.kraken.depth: must be 10, 25, 100, 500 or 1000, not 50"),
        ("HAUNT_SERVER__TOKEN", "", "server.token: is empty; give it a value, null for none, or unset it"),
    ],
)
def test_a_variable_that_is_wrong_is_named(variable: str, value: str, sentence: str | None) -> None:
    Path("haunt.yaml").write_bytes(GOOD)
    if sentence is None:
        assert CliRunner().invoke(main, ["check", "haunt.yaml"], env={variable: value}).exit_code == 0
    else:
        assert checked("haunt.yaml", **{variable: value}) == [f"environment {variable}: {sentence}"]
