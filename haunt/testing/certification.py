"""Whether a source is right or openly absent whatever its venue does: every scenario, and a score for each."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from importlib import import_module
from typing import Literal, NamedTuple, TypeAlias

from haunt.errors import PluginError
from haunt.plugin.registry import Registry
from haunt.plugin.source import Source
from haunt.testing.dialect import Dialect
from haunt.testing.scenarios import SCENARIOS, NotApplicable, Scenario
from haunt.testing.trial import Trial

Verdict: TypeAlias = Literal["passed", "failed", "not applicable"]


class Score(NamedTuple):
    """How a source fared in a scenario."""

    scenario: str
    verdict: Verdict
    seconds: float
    reason: str


def find_dialect(source: type[Source]) -> type[Dialect]:
    """The subclass of Dialect in the module `fake` of the package the source is in.

    Raises PluginError where there is none.
    """
    package = import_module(source.__module__).__package__
    name = f"{package}.fake"
    try:
        module = import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise PluginError(f"{source.name} has no fake of its venue; write one in {name}") from None
    found = [one for one in vars(module).values() if isinstance(one, type) and issubclass(one, Dialect)]
    own = [one for one in found if one.__module__ == name]
    if len(own) != 1:
        raise PluginError(f"{name} must define one subclass of Dialect, not {len(own)}")
    return own[0]


def faked_sources(registry: Registry) -> dict[str, type[Source]]:
    """The installed sources that can be tested, by name. Imports every plugin."""
    found = {}
    for name in registry.installed_names():
        source = registry.load(name).source
        if source is not None:
            with suppress(PluginError):
                find_dialect(source)
                found[name] = source
    return found


def scenario_names() -> list[str]:
    return [scenario_name(scenario) for scenario in SCENARIOS]


def scenario_name(scenario: Scenario) -> str:
    return scenario.__name__.replace("_", " ")


async def examine(source: type[Source], names: Iterable[str] | None = None) -> list[Score]:
    """The scores of the scenarios with these names, all by default; they run side by side."""
    dialect = find_dialect(source)
    wanted = [one for one in SCENARIOS if names is None or scenario_name(one) in names]
    return await asyncio.gather(*(_score(source, dialect, scenario) for scenario in wanted))


def certify(name: str) -> Sequence[Score]:
    """Test an installed source by its name. Raises AssertionError with every scenario it failed."""
    scores = asyncio.run(examine(Registry().source(name)))
    failed = [f"{score.scenario}: {score.reason}" for score in scores if score.verdict == "failed"]
    assert not failed, "\n".join([f"{name} failed", *failed])
    return scores


async def _score(source: type[Source], dialect: type[Dialect], scenario: Scenario) -> Score:
    name, began = scenario_name(scenario), time.monotonic()
    verdict: Verdict = "passed"
    reason = ""
    try:
        async with Trial(source, dialect) as trial:
            await scenario(trial)
            trial.check()
    except NotApplicable as error:
        verdict, reason = "not applicable", str(error)
    except Exception as error:
        verdict, reason = "failed", str(error) or type(error).__name__
        if not isinstance(error, AssertionError):
            reason = f"{type(error).__name__}: {reason}"
    return Score(name, verdict, time.monotonic() - began, reason)
