"""Plugins are found by entry point, loaded one at a time, and fail alone."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path

import pytest

from haunt.errors import PluginError
from haunt.plugin.hookspecs import GROUP
from haunt.plugin.registry import PluginRecord, Registry, options_class

HEAD = '''
"""An invented plugin."""

from __future__ import annotations

import haunt
from haunt import Indicator, IndicatorOptions, Source, SourceOptions, hookimpl

class Options(SourceOptions):
    depth: int = 5

class Mine(Source):
    name = "mine"
    options: Options
    async def run(self): ...
'''
SOURCE = (
    HEAD
    + """
@hookimpl
def register_sources(register):
    register(Mine)
"""
)
GAUGE = """
class Gauge(Indicator):
    name = "mine"
    def update(self, candle): ...

@hookimpl
def register_indicators(register):
    register(Gauge)
"""


class Site:
    """A folder of installed packages, each with one module and the metadata pip writes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.modules: list[str] = []

    def install(self, code: str, *, name: str = "mine", package: str = "haunt-mine", version: str = "1.2") -> str:
        module = f"invented_{name}_{len(self.modules)}"
        self.modules.append(module)
        (self.folder / f"{module}.py").write_text(code)
        self.declare(name, module, package, version)
        return module

    def declare(self, name: str, module: str, package: str = "haunt-mine", version: str = "1.2") -> None:
        about = self.folder / f"{package.replace('-', '_')}-{version}.dist-info"
        about.mkdir(exist_ok=True)
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
        with open(about / "entry_points.txt", "a") as file:
            file.write(f"[{GROUP}]\n{name} = {module}\n")

    def registry(self) -> Registry:
        installed = metadata.distributions(path=[str(self.folder)])
        return Registry(entry_point for package in installed for entry_point in package.entry_points)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.syspath_prepend(tmp_path)
    site = Site(tmp_path)
    yield site
    for module in site.modules:
        sys.modules.pop(module, None)


@pytest.fixture
def load(site: Site) -> Callable[[str], PluginRecord]:
    """The record of a plugin of this code, asked for under the name `mine`."""

    def load_it(code: str) -> PluginRecord:
        site.install(code)
        return site.registry().load("mine")

    return load_it


Load = Callable[[str], PluginRecord]


def test_a_plugin_is_known_by_its_package_before_it_is_loaded(site: Site) -> None:
    site.install(SOURCE)
    assert site.registry().records() == [PluginRecord("mine", "installed", "", "haunt-mine", "1.2")]


def test_a_plugin_that_is_asked_for_is_loaded(load: Load) -> None:
    record = load(SOURCE)
    assert (record.state, record.reason, record.kinds, record.simulated) == ("loaded", "", ("source",), False)


def test_a_plugin_nobody_asks_for_is_not_imported(site: Site) -> None:
    asked, other = site.install(SOURCE), site.install("raise SystemExit", name="other")
    registry = site.registry()
    registry.load("mine")
    assert asked in sys.modules
    assert other not in sys.modules
    assert [record.state for record in registry.records()] == ["loaded", "installed"]


def test_one_plugin_may_register_a_source_and_an_indicator(site: Site) -> None:
    site.install(SOURCE + GAUGE)
    registry = site.registry()
    assert registry.load("mine").kinds == ("source", "indicator")
    assert (registry.source("mine").__name__, registry.indicator("mine").__name__) == ("Mine", "Gauge")


def test_a_simulated_source_is_told_apart(load: Load) -> None:
    assert load(SOURCE.replace("options: Options", "options: Options\n    simulated = True")).simulated


def test_a_plugin_is_loaded_once(site: Site) -> None:
    module = site.install(SOURCE)
    registry = site.registry()
    record = registry.load("mine")
    del sys.modules[module]
    assert registry.load("mine") is record
    assert module not in sys.modules


IMPORTS = [
    ("raise RuntimeError('no\\nway')", "its import raised RuntimeError: no way ("),
    ("import no_such_library", "its import raised ModuleNotFoundError: No module named 'no_such_library' ("),
    ("def f(:", "its import raised SyntaxError: "),
    ("raise SystemExit(3)", "its import raised SystemExit: 3 ("),
    ("import asyncio\nraise asyncio.CancelledError", "its import raised CancelledError ("),
    ("class E(Exception):\n    def __str__(self): return 1 / 0\nraise E", "its import raised E ("),
    ("raise ValueError('\\x1b[2J')", "its import raised ValueError: ?[2J ("),
    ("from haunt import NoSuchThing", "its import raised ImportError: cannot import name 'NoSuchThing' from 'haunt'"),
]


@pytest.mark.parametrize(("code", "reason"), IMPORTS)
def test_a_failing_import_is_the_plugins_own(site: Site, code: str, reason: str) -> None:
    site.install(code)
    site.install(SOURCE.replace('"mine"', '"fine"'), name="fine")
    registry = site.registry()
    record = registry.load("mine")
    assert (record.state, record.kinds) == ("import_error", ())
    assert record.reason.startswith(reason)
    assert record.error is not None
    assert registry.load("fine").state == "loaded"


def test_the_reason_names_the_line_of_the_plugin_not_of_what_it_calls(site: Site) -> None:
    module = site.install("import json\n\njson.loads('{')")
    assert site.registry().load("mine").reason.endswith(f"{module}.py, line 3)")


def test_control_c_during_an_import_is_not_the_plugins(load: Load) -> None:
    with pytest.raises(KeyboardInterrupt):
        load("raise KeyboardInterrupt")


def test_a_module_that_is_gone_says_what_to_do(site: Site) -> None:
    site.declare("mine", "no_such_module.inner")
    record = site.registry().load("mine")
    assert (record.state, record.reason) == (
        "import_error",
        "its module no_such_module.inner is not there; install its package again (`pip install -e .` for plugins/)",
    )


KNOWN = "register_indicators and register_sources"
HOOKS = [
    ("def register_source(register): ...", "implements the unknown hook 'register_source'; did you mean 'register_sou"),
    ("def start(): ...", f"implements the unknown hook 'start'; there are {KNOWN}"),
    ("def register_sources(registr): ...", "its hook does not fit: Argument(s) {'registr'} are declared"),
    ("def register_sources(register): 1 / 0", "its hook raised ZeroDivisionError: division by zero ("),
    ("def register_sources(register): raise SystemExit", "its hook raised SystemExit ("),
    ("def register_sources(register): register()", "its hook raised TypeError: "),
]


@pytest.mark.parametrize(("hook", "reason"), HOOKS)
def test_a_hook_that_fails_or_does_not_fit_is_the_plugins_own(site: Site, hook: str, reason: str) -> None:
    site.install(f"{HEAD}{GAUGE}\n@hookimpl\n{hook}\n")
    site.install(SOURCE.replace('"mine"', '"fine"'), name="fine")
    registry = site.registry()
    record = registry.load("mine")
    assert (record.state, record.kinds) == ("hook_error", ())
    assert record.reason.startswith(reason)
    assert registry.load("fine").state == "loaded"


NOTHING = "registers nothing: its register_sources or register_indicators must call `register` with a class"
OPTIONS = "the annotation `options` of Other"
INVALID = [
    # what is defined, what is registered, what is said of it
    ("", "Mine(None, None)", "registers a Mine object; register the class itself"),
    ("", "int", "registers int, which is not a subclass of haunt.Source"),
    ("class Other(Indicator): ...", "Other", "registers Other, which is not a subclass of haunt.Source"),
    ("class Other(Mine): name = 'x'", "Other", "Other.name is 'x' but its entry point is 'mine'; make them equal"),
    ("class Other(Source): ...", "Other", "Other.name is None but its entry point is 'mine'; make them equal"),
    ("class Other(Source): name = 'mine'", "Other", "Other does not implement run"),
    ("class Other(Mine): options: 5", "Other", f"{OPTIONS} must be a subclass of SourceOptions, not "),
    ("class Other(Mine): options: dict", "Other", f"{OPTIONS} must be a subclass of SourceOptions, not <class 'dict'>"),
    ("class Other(Mine): options: IndicatorOptions", "Other", f"{OPTIONS} must be a subclass of SourceOptions, not "),
    ("class Other(Mine): options: Nowhere", "Other", f"{OPTIONS} cannot be resolved (NameError: name 'Nowhere' is not"),
    (
        "class Bad(SourceOptions):\n    plugin: str\nclass Other(Mine): options: Bad",
        "Other",
        "Bad cannot have an option 'plugin': config.yaml uses the word itself",
    ),
]


@pytest.mark.parametrize(("definition", "registered", "reason"), INVALID)
def test_what_is_no_source_is_refused(load: Load, definition: str, registered: str, reason: str) -> None:
    record = load(f"{HEAD}{definition}\n@hookimpl\ndef register_sources(register): register({registered})\n")
    assert (record.state, record.kinds) == ("invalid", ())
    assert record.reason.startswith(reason)


@pytest.mark.parametrize("code", ["", "def register_sources(register):\n    register(Mine)\n"])
def test_a_plugin_that_registers_nothing_is_refused(load: Load, code: str) -> None:
    record = load(HEAD + code)
    assert (record.state, record.reason) == ("invalid", NOTHING)


def test_an_indicator_must_be_one(load: Load) -> None:
    record = load(HEAD + "@hookimpl\ndef register_indicators(register): register(Mine)\n")
    assert record.reason == "registers Mine, which is not a subclass of haunt.Indicator"


@pytest.mark.parametrize(("base", "work"), [("Indicator", "update"), ("haunt.Combination", "combine")])
def test_an_indicator_must_do_its_work(load: Load, base: str, work: str) -> None:
    other = f"import haunt\nclass Other({base}): name = 'mine'\n"
    record = load(HEAD + other + "@hookimpl\ndef register_indicators(register): register(Other)\n")
    assert record.reason == f"Other does not implement {work}"


def test_options_are_those_of_the_annotation_its_own_or_inherited(site: Site) -> None:
    child = "\nclass Child(Mine):\n    other: Nowhere\n"
    site.install(SOURCE.replace("@hookimpl", child + "@hookimpl").replace("register(Mine)", "register(Child)"))
    assert list(options_class(site.registry().source("mine")).model_fields)[-1] == "depth"


def test_a_second_source_under_one_name_is_refused(load: Load) -> None:
    record = load(SOURCE + "    register(Mine)\n")
    assert (record.state, record.reason) == (
        "duplicate",
        "registers 2 sources under its one name; give each a plugin of its own",
    )


def test_a_name_two_packages_declare_is_refused_and_neither_is_imported(site: Site) -> None:
    one = site.install("raise SystemExit", package="one", version="1")
    two = site.install("raise SystemExit", package="two", version="2")
    record = site.registry().load("mine")
    assert (record.state, record.reason) == (
        "duplicate",
        f"the name is declared by {one} of one 1 and {two} of two 2; rename one or uninstall its package",
    )


def test_one_module_under_two_names_is_refused_the_second_time(site: Site) -> None:
    site.declare("again", site.install(SOURCE))
    registry = site.registry()
    assert registry.load("mine").state == "loaded"
    record = registry.load("again")
    assert record.state == "duplicate"
    assert record.reason.endswith("is the plugin mine already; a plugin has one name")
    assert registry.source("mine").name == "mine"


def test_nothing_stays_of_a_plugin_that_failed_half_way(site: Site) -> None:
    site.install(HEAD + GAUGE + "@hookimpl\ndef register_sources(register):\n    register(Mine)\n    1 / 0\n")
    site.install("from haunt import hookimpl\n", name="next")
    registry = site.registry()
    assert registry.load("mine").state == "hook_error"
    assert registry.load("next").state == "invalid"
    assert registry._plugins.list_name_plugin() == []
    assert all(not hook.get_hookimpls() for hook in vars(registry._plugins.hook).values())


def test_a_package_without_metadata_still_loads(site: Site) -> None:
    site.install(SOURCE)
    next(site.folder.glob("*.dist-info/METADATA")).unlink()
    record = site.registry().load("mine")
    assert (record.state, record.distribution) == ("loaded", "a package without a name")


def test_a_source_or_indicator_that_cannot_be_had_is_a_plugin_error(site: Site) -> None:
    site.install(SOURCE)
    site.install("import no_such_library", name="ruin")
    registry = site.registry()
    with pytest.raises(PluginError, match=r"^plugin mine is a source, not an indicator$"):
        registry.indicator("mine")
    with pytest.raises(PluginError, match=r"^plugin ruin cannot be used: its import raised ModuleNotFoundError"):
        registry.source("ruin")


def test_a_plugin_that_is_not_installed_is_answered_with_the_nearest_name_and_what_to_do(site: Site) -> None:
    site.install(SOURCE)
    with pytest.raises(PluginError) as caught:
        site.registry().load("mien")
    assert str(caught.value) == (
        "mien: no such plugin is installed; did you mean 'mine'? A new folder or file under plugins/ is found after "
        "`pip install -e .` is run again (scripts/run does it)"
    )


def test_without_entry_points_those_of_every_installed_package_count(site: Site) -> None:
    site.install(SOURCE, name="mine_of_the_path")
    assert "mine_of_the_path" in Registry().installed_names()
