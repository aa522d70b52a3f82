"""A certificate is read, checked and renewed; what is wrong with it names the file to mend."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shutil import which

import pytest
import trustme

from haunt.certificate import Unusable, present, renew, seconds_left
from haunt.config.load import load
from haunt.errors import ConfigError
from haunt.plugin.registry import Registry

TEXT = "server:\n  tls:\n    certificate: c.pem\n    key: k.pem\nsymbols: [btc]\nsources: {simulator: }\n"
Write = Callable[..., tuple[str, str]]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes c.pem and k.pem, of a certificate that ends in so many days: their paths."""

    def write_it(days: float = 90) -> tuple[str, str]:
        made = trustme.CA().issue_cert("localhost", not_after=datetime.now(UTC) + timedelta(days=days))
        made.cert_chain_pems[0].write_to_path(tmp_path / "c.pem")
        made.private_key_pem.write_to_path(tmp_path / "k.pem")
        return str(tmp_path / "c.pem"), str(tmp_path / "k.pem")

    return write_it


def problem(folder: Path) -> str:
    (folder / "haunt.yaml").write_text(TEXT)
    with pytest.raises(ConfigError) as caught:
        load(folder / "haunt.yaml", Registry(), {})
    return str(caught.value).replace(str(folder), "FOLDER")


def test_the_time_that_is_left_is_told(write: Write) -> None:
    assert 89.9 < (seconds_left(present(*write(90))) or 0) / 86_400 < 90.1


def test_paths_are_beside_the_configuration(write: Write, tmp_path: Path) -> None:
    certificate, key = write()
    (tmp_path / "haunt.yaml").write_text(TEXT)
    config = load(tmp_path / "haunt.yaml", Registry(), {})
    assert config.server.tls is not None
    assert (config.server.tls.certificate, config.server.tls.key) == (certificate, key)
    assert config.warnings == ()


def test_one_that_has_expired_is_a_mistake(write: Write, tmp_path: Path) -> None:
    write(-1)
    assert problem(tmp_path) == ("FOLDER/haunt.yaml, line 3: server.tls.certificate: has expired; have it renewed")


def test_one_that_soon_expires_is_warned_of(write: Write, tmp_path: Path) -> None:
    write(7.1)
    (tmp_path / "haunt.yaml").write_text(TEXT)
    [warning] = load(tmp_path / "haunt.yaml", Registry(), {}).warnings
    assert (warning.line, warning.message) == (3, "expires in 7 days; have it renewed")


def test_a_key_of_another_certificate_is_a_mistake_of_the_key(write: Write, tmp_path: Path) -> None:
    certificate, _ = write()
    kept = Path(certificate).read_bytes()
    write()
    Path(certificate).write_bytes(kept)
    assert problem(tmp_path) == (
        "FOLDER/haunt.yaml, line 4: server.tls.key: does not belong to the certificate; name the key it was made with"
    )


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("c.pem", None, "line 3: server.tls.certificate: cannot be read: No such file or directory: FOLDER/c.pem"),
        ("k.pem", None, "line 4: server.tls.key: cannot be read: No such file or directory: FOLDER/k.pem"),
        (
            "c.pem",
            "hello",
            "line 3: server.tls.certificate: holds no '-----BEGIN CERTIFICATE-----', as a PEM file does: FOLDER/c.pem",
        ),
        (
            "k.pem",
            "hello",
            "line 4: server.tls.key: holds no '-----BEGIN PRIVATE KEY-----', as a PEM file does: FOLDER/k.pem",
        ),
        (
            "c.pem",
            "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n",
            "line 3: server.tls.certificate: cannot",
        ),
    ],
)
def test_a_file_that_is_none_is_named(write: Write, tmp_path: Path, file: str, content: str | None, said: str) -> None:
    write()
    (tmp_path / file).unlink()
    if content is not None:
        (tmp_path / file).write_text(content)
    assert problem(tmp_path).startswith(f"FOLDER/haunt.yaml, {said}")


@pytest.mark.skipif(which("openssl") is None, reason="needs openssl to lock a key")
def test_a_key_with_a_password_is_a_mistake_and_nobody_is_asked_for_it(write: Write, tmp_path: Path) -> None:
    _, key = write()
    locked = ["openssl", "pkey", "-in", key, "-aes256", "-passout", "pass:secret", "-out", str(tmp_path / "locked")]
    subprocess.run(locked, check=True, capture_output=True)
    (tmp_path / "locked").replace(key)
    assert "line 4: server.tls.key: is locked by a password" in problem(tmp_path)


def test_what_cannot_be_used_changes_nothing_when_it_is_renewed(write: Write) -> None:
    certificate, key = write(10)
    context = present(certificate, key)
    Path(key).write_text("nonsense")
    with pytest.raises(Unusable):
        renew(context, certificate, key)
    assert 9 < (seconds_left(context) or 0) / 86_400 < 11
    renew(context, *write(50))
    assert 49 < (seconds_left(context) or 0) / 86_400 < 51
