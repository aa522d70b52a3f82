"""Secrets are read from the environment or from files of their own, and shown nowhere."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from pydantic import SecretStr

from haunt.config.load import load
from haunt.config.model import Config
from haunt.plugin.hookspecs import GROUP
from haunt.plugin.registry import Registry

Load = Callable[..., Config]
Problems = Callable[..., list[str]]

TEXT = "symbols: [btc, eth]\nsources: {southex: }\n"
TOKEN = "the-secret/of+the=house"
PLUGIN = """
from pydantic import BaseModel, SecretStr, field_validator

from haunt import Source, SourceOptions, hookimpl


class Login(BaseModel):
    user: str = ""
    password: SecretStr | None = None


class Options(SourceOptions):
    key: SecretStr | None = None
    spare: tuple[SecretStr, ...] = ()
    login: Login = Login()

    @field_validator("key")
    @classmethod
    def _long(cls, key):
        if key is not None and key.get_secret_value() == "the bug":
            raise KeyError("there is no " + key.get_secret_value())
        if key is not None and len(key.get_secret_value()) < 8:
            raise ValueError("must be 8 characters at least, not " + key.get_secret_value())
        return key


class Mine(Source):
    name = "locked"
    options: Options

    async def run(self): ...


@hookimpl
def register_sources(register):
    register(Mine)
"""


def secret_file(name: str, content: str, mode: int = 0o600) -> Path:
    Path(name).write_text(content)
    Path(name).chmod(mode)
    return Path(name).resolve()


@pytest.fixture(params=["token", "admin_token"])
def option(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_a_secret_is_taken_from_the_environment(load_text: Load, option: str) -> None:
    config = load_text(f"server: {{{option}: {{env: MINE}}}}\n" + TEXT, {"MINE": TOKEN})
    assert config.server.revealed(option) == TOKEN
    assert config.secrets == {TOKEN}


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_secret_is_taken_from_a_file_without_the_end_of_its_line(load_text: Load, option: str, end: str) -> None:
    secret_file("mine", TOKEN + end)
    config = load_text(f"server: {{{option}: {{file: mine}}}}\n" + TEXT)
    assert (config.server.revealed(option), config.warnings) == (TOKEN, ())


def test_a_file_is_beside_the_configuration_wherever_haunt_is_started(tmp_path: Path, registry: Registry) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "mine").write_text(TOKEN)
    (tmp_path / "inner" / "haunt.yaml").write_text("server: {token: {file: mine}}\n" + TEXT)
    assert load(tmp_path / "inner" / "haunt.yaml", registry, {}).secrets == {TOKEN}


def test_the_variable_that_overrides_the_file_holds_the_secret_itself(load_text: Load) -> None:
    text = "server: {token: {env: NOT_THERE}}\n" + TEXT
    config = load_text(text, {"HAUNT_SERVER__TOKEN": TOKEN})
    assert (config.server.revealed("token"), config.secrets) == (TOKEN, {TOKEN})
    assert load_text(text, {"HAUNT_SERVER__TOKEN": "{env: MINE}", "MINE": TOKEN}).secrets == {TOKEN}


@pytest.mark.parametrize("written", [TOKEN, "12345", "[a]", "true"])
def test_a_secret_in_the_file_is_refused_and_not_repeated(problems: Problems, option: str, written: str) -> None:
    [problem] = problems(f"server:\n  {option}: {written}\n" + TEXT)
    assert problem == (
        f"haunt.yaml, line 2: server.{option}: a secret must not stand in this file; put it into the environment or a "
        f"file of its own and write {{env: HAUNT_{option.upper()}}} or {{file: {option}}}"
    )


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ("{env: NOT_THERE}", "the environment variable NOT_THERE is not set; set it where Haunt is started"),
        ("{env: EMPTY}", "the environment variable EMPTY is empty; set it where Haunt is started"),
        ("{file: nowhere}", "the file nowhere cannot be read: No such file or directory"),
        ('{file: "a\\0b"}', "the file a\\x00b cannot be read: embedded null byte"),
        ("{file: .}", "the file . cannot be read: Is a directory"),
        ("{file: empty}", "the file FOLDER/empty is empty"),
        ("{file: large}", "the file FOLDER/large is too large for a secret"),
        ("{file: binary}", "the file FOLDER/binary is not text"),
        ("{envy: X}", "must be {env: NAME} or {file: PATH}, in which alone a secret may be given"),
        ("{env: X, file: y}", "must be {env: NAME} or {file: PATH}, in which alone a secret may be given"),
        ("{env: 5}", "must be {env: NAME} or {file: PATH}, in which alone a secret may be given"),
        ("{env: SPACES}", "must be visible ASCII characters without spaces; it travels in a header"),
    ],
)
def test_a_reference_that_leads_nowhere_is_a_mistake(problems: Problems, written: str, sentence: str) -> None:
    secret_file("empty", "\n")
    secret_file("large", "x" * 70_000)
    Path("binary").write_bytes(b"\xff\xfe")
    said = problems(f"server:\n  token: {written}\n" + TEXT, {"EMPTY": "", "SPACES": "pass word"})
    assert said == [f"haunt.yaml, line 2: server.token: {sentence}".replace("FOLDER", str(Path.cwd()))]


def test_a_file_that_everyone_may_read_is_warned_of(load_text: Load) -> None:
    path = secret_file("open", TOKEN, 0o644)
    config = load_text("server:\n  token: {file: open}\n" + TEXT)
    assert [str(warning) for warning in config.warnings] == [
        f"haunt.yaml, line 2: server.token: everyone on this computer may read {path}; chmod 600 keeps it yours"
    ]


@pytest.fixture
def locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, registry: Registry) -> Callable[..., Config]:
    """Loads a source whose plugin has secrets, with these options."""
    (tmp_path / "plugin_locked.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "plugin_locked", raising=False)
    own = Registry([EntryPoint("locked", "plugin_locked", GROUP)])
    environ = {"KEY": "long-enough", "SHORT": "short", "BUG": "the bug"}

    def load_it(options: str) -> Config:
        (tmp_path / "locked.yaml").write_text(f"symbols: [btc]\nsources:\n  locked: {options}\n")
        return load(tmp_path / "locked.yaml", own, environ)

    return load_it


def test_an_option_of_a_plugin_that_is_a_secret_is_one(locked: Callable[..., Config]) -> None:
    config = locked("{key: {env: KEY}, spare: [{env: SHORT}], login: {user: me, password: {env: KEY}}}")
    options = config.sources["locked"].options.model_dump()
    assert options["key"] == options["login"]["password"] == SecretStr("long-enough")
    assert options["spare"] == (SecretStr("short"),)
    assert config.secrets == {"long-enough", "short"}
    assert "long-enough" not in repr(config)


@pytest.mark.parametrize(
    "options",
    ["{key: long-enough}", "{spare: [short]}", "{login: {password: short}}", "{key: {env: SHORT}}"],
)
def test_a_mistake_in_a_secret_of_a_plugin_does_not_tell_it(locked: Callable[..., Config], options: str) -> None:
    with pytest.raises(Exception, match=r"locked\.yaml, line 3: sources\.locked") as caught:
        locked(options)
    assert not [secret for secret in ("long-enough", "short") if secret in str(caught.value)]


def test_a_bug_in_a_plugin_does_not_tell_it_either(locked: Callable[..., Config]) -> None:
    [broken] = locked("{key: {env: BUG}}").broken
    assert broken.reason.startswith("its check of the options raised KeyError: 'there is no ***'")
