"""The file and the environment → a Config, or every mistake in them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from haunt.config.document import Document, read
from haunt.config.environment import override
from haunt.config.instances import check_symbols, read_indicators, read_sources
from haunt.config.model import SECTIONS, Broken, Config, History, Limits, Log, Price, Reload, Section, Server, Stream
from haunt.config.problems import unknown, validate
from haunt.config.symbols import read_symbols
from haunt.plugin.registry import Registry

Fixed = TypeVar("Fixed", bound=Section)


def load(path: str | Path, registry: Registry, environ: Mapping[str, str]) -> Config:
    """The configuration in the file, with what the environment overrides.

    Raises ConfigError with all its mistakes. A plugin that is broken is not one of them: what needs it is
    left out and listed in `Config.broken`.
    """
    document = read(path)
    document.environ = environ
    override(document, environ)
    config = _config(document, registry)
    document.raise_problems()
    return config


def _config(document: Document, registry: Registry) -> Config:
    for name in document.data:
        if name not in SECTIONS:
            document.report((name,), unknown("section", name, SECTIONS))
    price = _section(document, "price", Price)
    symbols = read_symbols(document, price)
    broken: list[Broken] = []
    sources = read_sources(document, registry, broken)
    check_symbols(document)
    indicators = read_indicators(document, registry, broken)
    return Config(
        server=_section(document, "server", Server),
        limits=_section(document, "limits", Limits),
        stream=_section(document, "stream", Stream),
        log=_section(document, "log", Log),
        reload=_section(document, "reload", Reload),
        history=_history(document),
        symbols=symbols,
        sources=sources,
        indicators=indicators,
        broken=tuple(broken),
        plugins=tuple(registry.records()),
        secrets=frozenset(document.secrets.values()),
        warnings=tuple(document.warnings),
    )


def _history(document: Document) -> History:
    """The section, its path made absolute."""
    history = _section(document, "history", History)
    if history.path is None:
        return history
    try:
        path = (Path(document.file).parent / Path(history.path).expanduser()).resolve()
        wrong = "a file, not a folder" if path.is_dir() else "" if path.parent.is_dir() else "in a folder that exists"
    except (OSError, ValueError, RuntimeError) as error:
        document.report(("history", "path"), f"cannot be a path: {error}")
        return history
    if wrong:
        document.report(("history", "path"), f"must be {wrong}: {path}")
    return history.model_copy(update={"path": str(path)})


def _section(document: Document, name: str, model: type[Fixed]) -> Fixed:
    """The section; its defaults where it is absent, or refused."""
    data = document.data.get(name)
    return validate(model, {} if data is None else data, document, (name,)) or model()
