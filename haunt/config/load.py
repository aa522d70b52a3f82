"""The file and the environment → a Config, or every mistake in them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from haunt.certificate import Unusable, present, seconds_left
from haunt.config.document import Document, read
from haunt.config.environment import override
from haunt.config.instances import check_symbols, read_indicators, read_sources
from haunt.config.model import (
    SECTIONS,
    Broken,
    Config,
    History,
    Limits,
    Log,
    Price,
    Reload,
    Section,
    Server,
    Stream,
    Tls,
)
from haunt.config.problems import unknown, validate
from haunt.config.symbols import read_symbols
from haunt.plugin.registry import Registry

Fixed = TypeVar("Fixed", bound=Section)

DAY = 86_400.0
RENEWED_BEFORE = 14 * DAY  # others renew a certificate a month before its end


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
        server=_server(document),
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


def _server(document: Document) -> Server:
    """The section, the paths of its certificate made absolute."""
    server = _section(document, "server", Server)
    if server.tls is None:
        return server
    folder, key = Path(document.file).parent, ("server", "tls")
    paths = {name: str((folder / path).absolute()) for name, path in server.tls.model_dump().items()}
    try:
        left = seconds_left(present(**paths))
    except Unusable as error:
        document.report((*key, error.file), str(error))
        return server
    if left is not None and left <= 0:
        document.report((*key, "certificate"), "has expired; have it renewed")
    elif left is not None and left < RENEWED_BEFORE:
        document.warn((*key, "certificate"), f"expires in {left / DAY:.0f} days; have it renewed")
    return server.model_copy(update={"tls": Tls(**paths)})


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
