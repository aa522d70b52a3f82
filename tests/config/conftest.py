"""Plugins invented for the tests of configurations, and a way to load one from text."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from haunt.config.load import load
from haunt.config.model import Config
from haunt.errors import ConfigError
from haunt.plugin.hookspecs import GROUP
from haunt.plugin.registry import Registry

SOURCE = '''
"""An invented venue."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from haunt import Source, SourceOptions, hookimpl


class Fee(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    maker: float = 0.0


class Options(SourceOptions):
    url: str
    depth: int = Field(50, ge=1, le=400, description="Levels kept per side.")
    mode: Literal["live", "paper"] = "live"
    speed: Annotated[float, Field(gt=0)] | Literal["max"] = 1.0
    fees: tuple[Fee, ...] = ()
    code: Annotated[str, Field(pattern="^[A-Z]+$", max_length=4)] = "ABC"
    lot: int = Field(5, multiple_of=5)
    day: Annotated[bytes, Field(description="The first day, as bytes.")] = b""
    crash: int = 0

    @field_validator("crash")
    @classmethod
    def _crash(cls, value: int) -> int:
        return 1 // (1 - value)


class Mine(Source):
    name = "NAME"
    options: Options

    async def run(self) -> None: ...


@hookimpl
def register_sources(register):
    register(Mine)
'''

INDICATOR = '''
"""An invented indicator."""

from __future__ import annotations

from pydantic import Field, model_validator

from haunt import Indicator, IndicatorOptions, hookimpl


class Options(IndicatorOptions):
    period: int = Field(14, ge=2)
    fast: int = 3

    @model_validator(mode="after")
    def _fast_is_faster(self) -> Options:
        if self.fast >= self.period:
            raise ValueError(f"fast ({self.fast}) must be less than period ({self.period})")
        return self


class Mine(Indicator):
    name = "NAME"
    options: Options

    def update(self, candle): ...


@hookimpl
def register_indicators(register):
    register(Mine)
'''

PLUGINS = {
    "northex": SOURCE.replace("NAME", "northex"),
    "southex": SOURCE.replace("NAME", "southex").replace("url: str", "url: str = 'wss://south.invalid'"),
    "gauge": INDICATOR.replace("NAME", "gauge"),
    "ruin": "import no_such_library",
}


@pytest.fixture(scope="session")
def entry_points(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[EntryPoint]]:
    """Two sources (northex must be given a url), an indicator, and a plugin that cannot be imported."""
    folder = tmp_path_factory.mktemp("invented")
    for name, code in PLUGINS.items():
        (folder / f"invented_{name}.py").write_text(code)
    sys.path.insert(0, str(folder))
    yield [EntryPoint(name, f"invented_{name}", GROUP) for name in PLUGINS]
    sys.path.remove(str(folder))


@pytest.fixture
def registry(entry_points: list[EntryPoint]) -> Registry:
    return Registry(entry_points)


Load = Callable[..., Config]


@pytest.fixture
def load_text(registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Loads `haunt.yaml` with this text or these bytes in it."""
    monkeypatch.chdir(tmp_path)

    def load_it(text: str | bytes, environ: Mapping[str, str] | None = None) -> Config:
        Path("haunt.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
        return load("haunt.yaml", registry, environ or {})

    return load_it


@pytest.fixture
def problems(load_text: Load) -> Callable[..., list[str]]:
    """The problems of a configuration, as the operator reads them."""

    def problems_of(text: str | bytes, environ: Mapping[str, str] | None = None) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            load_text(text, environ)
        return [str(problem) for problem in caught.value.problems]

    return problems_of


@pytest.fixture(scope="session")
def load_session(entry_points: list[EntryPoint], tmp_path_factory: pytest.TempPathFactory) -> Callable[[bytes], Config]:
    """Loads `fuzz.yaml` with these bytes in it, as often as hypothesis likes."""
    registry = Registry(entry_points)
    folder = tmp_path_factory.mktemp("fuzz")

    def load_it(content: bytes) -> Config:
        (folder / "fuzz.yaml").write_bytes(content)
        try:
            return load(folder / "fuzz.yaml", registry, {})
        except ConfigError as error:
            raise ConfigError([replace(problem, file=Path(problem.file).name) for problem in error.problems]) from None

    return load_it
