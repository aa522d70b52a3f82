"""Finds plugins by entry point, loads the named ones one at a time, keeps each one's failure its own."""

from __future__ import annotations

import importlib
import os
import traceback
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from importlib import metadata
from inspect import get_annotations, isclass
from pathlib import Path
from typing import Annotated, Literal, get_type_hints

import pluggy
import pydantic
from typing_extensions import TypedDict

from haunt.errors import PluginError
from haunt.plugin import hookspecs
from haunt.plugin.hookspecs import GROUP
from haunt.plugin.indicator import Combination, Indicator, IndicatorOptions
from haunt.plugin.source import Source, SourceOptions

State = Literal["installed", "loaded", "import_error", "hook_error", "duplicate", "invalid"]

RESERVED = ("enabled", "plugin")
"""Words config.yaml uses itself, so no plugin's options may."""

NAMELESS = "a package without a name"
NOT_A_PLUGIN = (
    "<frozen importlib",
    str(Path(__file__).parent.parent) + os.sep,
    *(str(Path(library.__file__).parent) + os.sep for library in (importlib, pluggy, pydantic) if library.__file__),
)
"""Where the frames of a traceback begin that lie between Haunt and a plugin."""


class Described(TypedDict):
    """An installed plugin."""

    name: str
    package: str
    version: str
    kinds: Sequence[str]
    state: State
    reason: Annotated[str, pydantic.Field(description="Why it cannot be used; empty where it can.")]
    simulated: Annotated[bool, pydantic.Field(description="Whether the data of its source is made up.")]


@dataclass(frozen=True, slots=True)
class PluginRecord:
    """One installed plugin: `installed` = not asked for yet, `loaded` = ready; any other state has its `reason`."""

    name: str
    state: State
    reason: str = ""
    distribution: str = ""
    version: str = ""
    source: type[Source] | None = None
    indicator: type[Indicator] | None = None
    error: BaseException | None = field(default=None, repr=False, compare=False)
    """What the plugin raised, with its traceback, for the log."""

    @property
    def kinds(self) -> tuple[str, ...]:
        """What it registered: `source`, `indicator`, both or, unless loaded, nothing."""
        return tuple(kind for kind in ("source", "indicator") if getattr(self, kind) is not None)

    @property
    def simulated(self) -> bool:
        """Whether the data of its source is made up."""
        return self.source is not None and self.source.simulated

    def described(self) -> Described:
        return {
            "name": self.name,
            "package": self.distribution,
            "version": self.version,
            "kinds": list(self.kinds),
            "state": self.state,
            "reason": self.reason,
            "simulated": self.simulated,
        }


class Registry:
    """The installed plugins. A plugin is imported when `load`, `source` or `indicator` names it, never before.

    `entry_points`: those of every installed package when absent.
    """

    def __init__(self, entry_points: Iterable[metadata.EntryPoint] | None = None) -> None:
        if entry_points is None:
            importlib.invalidate_caches()  # a package may have been installed since the last look
            entry_points = metadata.entry_points(group=GROUP)
        declared: dict[str, list[metadata.EntryPoint]] = {}
        for entry_point in entry_points:
            declared.setdefault(entry_point.name, []).append(entry_point)
        self._entry_points = {name: found[0] for name, found in declared.items()}
        self._records = {name: _installed(name, declared[name]) for name in sorted(declared)}
        self._sources: list[type[Source]] = []
        self._indicators: list[type[Indicator]] = []
        self._plugins = pluggy.PluginManager(GROUP)
        self._plugins.add_hookspecs(hookspecs)
        hook = self._plugins.hook
        hook.register_sources.call_historic(kwargs={"register": lambda source: self._sources.append(source)})
        hook.register_indicators.call_historic(kwargs={"register": lambda one: self._indicators.append(one)})

    def installed_names(self) -> list[str]:
        return list(self._records)

    def records(self) -> list[PluginRecord]:
        """Every installed plugin as it stands now, by name."""
        return list(self._records.values())

    def load(self, name: str) -> PluginRecord:
        """Import the plugin the first time it is asked for. Raises PluginError only if it is not installed:
        whatever the plugin itself does wrong is in the record."""
        record = self._records.get(name)
        if record is None:
            raise PluginError(f"{name}: {self.missing(name)}")
        if record.state == "installed":
            record = self._records[name] = self._load(record)
        return record

    def hooks(self, name: str) -> list[str]:
        """The hooks that the plugin implements; none unless it is loaded."""
        plugin = self._plugins.get_plugin(name)
        callers = None if plugin is None else self._plugins.get_hookcallers(plugin)
        return sorted(caller.name for caller in callers or ())

    def source(self, name: str) -> type[Source]:
        """The plugin's source. Raises PluginError with the reason there is none."""
        record = self._usable(name)
        if record.source is None:
            raise PluginError(f"plugin {name} is an indicator, not a source")
        return record.source

    def indicator(self, name: str) -> type[Indicator]:
        """The plugin's indicator. Raises PluginError with the reason there is none."""
        record = self._usable(name)
        if record.indicator is None:
            raise PluginError(f"plugin {name} is a source, not an indicator")
        return record.indicator

    def missing(self, name: str) -> str:
        """What to tell someone who asks for a plugin that is not installed."""
        asked = name.lower()[:64]
        begun = [one for one in self._records if len(asked) > 2 and one.startswith(asked)]
        close = begun or get_close_matches(asked, self._records, n=1)
        guess = f"; did you mean '{close[0]}'?" if close else "."
        return (
            f"no such plugin is installed{guess} "
            "A new folder or file under plugins/ is found after `pip install -e .` is run again (scripts/run does it)"
        )

    def _usable(self, name: str) -> PluginRecord:
        record = self.load(name)
        if record.state != "loaded":
            raise PluginError(f"plugin {name} cannot be used: {record.reason}")
        return record

    def _load(self, record: PluginRecord) -> PluginRecord:
        entry_point = self._entry_points[record.name]
        try:
            plugin: object = entry_point.load()
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            return replace(record, state="import_error", reason=_why_not_imported(entry_point, error), error=error)
        for name, loaded in self._plugins.list_name_plugin():
            if loaded is plugin:
                reason = f"{entry_point.value} is the plugin {name} already; a plugin has one name"
                return replace(record, state="duplicate", reason=reason)
        record = self._register(record, plugin)
        if record.state != "loaded" and self._plugins.has_plugin(record.name):
            self._plugins.unregister(name=record.name)
        return record

    def _register(self, record: PluginRecord, plugin: object) -> PluginRecord:
        sources = self._sources = []
        indicators = self._indicators = []
        try:
            self._plugins.register(plugin, name=record.name)
            self._plugins.check_pending()
        except KeyboardInterrupt:
            raise
        except pluggy.PluginValidationError as error:
            return replace(record, state="hook_error", reason=self._why_not_fitting(plugin, error), error=error)
        except BaseException as error:
            return replace(record, state="hook_error", reason=f"its hook raised {described(error)}", error=error)
        if not sources and not indicators:
            reason = "registers nothing: its register_sources or register_indicators must call `register` with a class"
            return replace(record, state="invalid", reason=reason)
        for kind, classes in (("source", sources), ("indicator", indicators)):
            if len(classes) > 1:
                reason = f"registers {len(classes)} {kind}s under its one name; give each a plugin of its own"
                return replace(record, state="duplicate", reason=reason)
        source = sources[0] if sources else None
        indicator = indicators[0] if indicators else None
        for cls, base in ((source, Source), (indicator, Indicator)):
            reason = "" if cls is None else _why_not_valid(record.name, cls, base)
            if reason:
                return replace(record, state="invalid", reason=reason)
        return replace(record, state="loaded", source=source, indicator=indicator)

    def _why_not_fitting(self, plugin: object, error: pluggy.PluginValidationError) -> str:
        known = ("register_indicators", "register_sources")
        for caller in self._plugins.get_hookcallers(plugin) or ():
            if not caller.has_spec():
                close = get_close_matches(caller.name, known, n=1)
                guess = f"did you mean '{close[0]}'?" if close else f"there are {' and '.join(known)}"
                return f"implements the unknown hook '{caller.name}'; {guess}"
        return f"its hook does not fit: {str(error).splitlines()[-1]}"


def options_class(cls: type[Source] | type[Indicator]) -> type[SourceOptions] | type[IndicatorOptions]:
    """The class of options in the annotation `options`, its own or inherited. Raises PluginError with a sentence."""
    base: type[SourceOptions] | type[IndicatorOptions] = SourceOptions if issubclass(cls, Source) else IndicatorOptions
    try:
        options = _annotation(cls)
    except Exception as error:
        raise PluginError(
            f"the annotation `options` of {cls.__name__} cannot be resolved ({type(error).__name__}: {error}); "
            "import what it names at the top of the module, outside TYPE_CHECKING"
        ) from None
    if not (isclass(options) and issubclass(options, base)):
        raise PluginError(
            f"the annotation `options` of {cls.__name__} must be a subclass of {base.__name__}, not {options!r:.80}"
        )
    for word in RESERVED:
        if word in options.model_fields:
            raise PluginError(f"{options.__name__} cannot have an option '{word}': config.yaml uses the word itself")
    return options


def _annotation(cls: type) -> object:
    """What `options` is annotated with. Only that annotation is resolved: others may be for type checkers alone."""
    for owner in cls.__mro__:
        annotations = get_annotations(owner)
        if "options" in annotations:
            alone = {"__module__": owner.__module__, "__annotations__": {"options": annotations["options"]}}
            return get_type_hints(type(owner.__name__, (), alone))["options"]
    raise TypeError("there is none")


def _installed(name: str, entry_points: list[metadata.EntryPoint]) -> PluginRecord:
    declared = sorted({(*_package(entry_point), entry_point.value) for entry_point in entry_points})
    distribution, version, _ = declared[0]
    if len(declared) == 1:
        return PluginRecord(name, "installed", distribution=distribution, version=version)
    where = " and ".join(f"{value} of {package} {number}".strip() for package, number, value in declared)
    reason = f"the name is declared by {where}; rename one or uninstall its package"
    return PluginRecord(name, "duplicate", reason, distribution, version)


def _package(entry_point: metadata.EntryPoint) -> tuple[str, str]:
    if entry_point.dist is None:
        return ("", "")
    try:
        about = entry_point.dist.metadata
        return (about["Name"] or NAMELESS, about["Version"] or "")
    except Exception:  # a folder in site-packages that lost its METADATA file
        return (NAMELESS, "")


def _why_not_imported(entry_point: metadata.EntryPoint, error: BaseException) -> str:
    if isinstance(error, ModuleNotFoundError) and error.name and f"{entry_point.module}.".startswith(f"{error.name}."):
        return (
            f"its module {entry_point.module} is not there; install its package again (`pip install -e .` for plugins/)"
        )
    return f"its import raised {described(error)}"


def _why_not_valid(name: str, cls: object, base: type[Source] | type[Indicator]) -> str:
    """The first thing wrong with what a plugin registered, or nothing."""
    if not isclass(cls):
        return f"registers a {type(cls).__name__} object; register the class itself"
    if not issubclass(cls, base):
        return f"registers {cls.__name__}, which is not a subclass of haunt.{base.__name__}"
    if getattr(cls, "name", None) != name:
        given = getattr(cls, "name", None)
        return f"{cls.__name__}.name is {given!r:.40} but its entry point is '{name}'; make them equal"
    kind = Combination if issubclass(cls, Combination) else base
    work = {Source: "run", Indicator: "update", Combination: "combine"}[kind]
    if getattr(cls, work) is getattr(kind, work):
        return f"{cls.__name__} does not implement {work}"
    try:
        options_class(cls)
    except PluginError as error:
        return str(error)
    return ""


def described(error: BaseException) -> str:
    """One printable line: what was raised and, where it can be told, in which line of the plugin."""
    try:
        text = " ".join(str(error).split())
    except Exception:
        text = ""
    text = "".join(character if character.isprintable() else "?" for character in text)
    told = type(error).__name__ + (f": {text[:300]}" if text else "")
    # The first frame below Haunt is the plugin's; what lies deeper is not its author's to change.
    for frame in traceback.extract_tb(error.__traceback__):
        if not frame.filename.startswith(NOT_A_PLUGIN):
            return f"{told} ({frame.filename}, line {frame.lineno})"
    return told
