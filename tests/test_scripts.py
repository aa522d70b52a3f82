"""scripts/run and scripts/test: when they install what. Python, pip and apt-get are stand-ins that note their calls."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from blocks import ROOT

TOOLS = ("bash", "cat", "chmod", "cksum", "cp", "dirname", "env", "ls", "mkdir", "rm")
PYTHON = """#!/usr/bin/env bash
case "$*" in
  "-c import ensurepip, venv") [[ ! -e $WORLD/no-ensurepip ]] ;;
  *version_info\\[:2\\]*) echo python3.11-venv ;;
  -VV) echo Python 3.11.2 ;;
  "-m venv "*) echo venv >>"$WORLD/calls"; rm -rf "${!#}"; mkdir -p "${!#}/bin"; cp "$0" "${!#}/bin/python" ;;
  "-m pip install "*)
    echo "pip ${!#}" >>"$WORLD/calls"
    [[ ! -e $WORLD/no-network ]] || { echo "pip: no network" >&2; exit 1; }
    printf '#!/usr/bin/env bash\\necho "$$ $PWD $*"\\n' >"${0%/*}/haunt"; chmod +x "${0%/*}/haunt" ;;
  "-m pytest"*) echo "pytest in $PWD: $*" ;;
esac
"""
APT = """#!/usr/bin/env bash
echo "apt-get $*" >>"$WORLD/calls"
[[ $1 == update ]] || rm -f "$WORLD/no-ensurepip"
"""


class World:
    """A checkout called `haunt` and a computer with little on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.checkout = folder / "haunt"
        self.programs = folder / "bin"
        self.programs.mkdir()
        for tool in TOOLS:
            (self.programs / tool).symlink_to(shutil.which(tool) or f"/no/{tool}")
        self.add("python3", PYTHON)
        shutil.copytree(ROOT / "scripts", self.checkout / "scripts")
        for file in ("setup.py", "pyproject.toml", "plugins/haunt_sources/one/__init__.py",
                     "plugins/haunt_indicators/two.py"):  # fmt: skip
            path = self.checkout / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()

    def add(self, program: str, text: str) -> None:
        path = self.programs / program
        path.write_text(text)
        path.chmod(0o755)

    def run(self, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(self.checkout / "scripts" / script), *arguments]
        environ = {"PATH": str(self.programs), "WORLD": str(self.folder)}
        return subprocess.run(command, cwd=self.folder, env=environ, capture_output=True, text=True)

    def calls(self) -> list[str]:
        """The calls noted since the last time this was asked."""
        calls = self.folder / "calls"
        noted = calls.read_text().replace(str(self.checkout), "HAUNT").splitlines() if calls.exists() else []
        calls.unlink(missing_ok=True)
        return noted


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def installed(world: World) -> World:
    """After the first `scripts/run`."""
    assert world.run("run").returncode == 0
    world.calls()
    return world


def test_the_first_run_makes_the_environment_and_starts_the_demonstration(world: World) -> None:
    done = world.run("run")
    assert done.stdout.split()[2:] == ["serve", f"{world.checkout}/config/demo.yaml"]
    assert world.calls() == ["venv", "pip HAUNT"]


def test_the_second_run_installs_nothing_and_says_nothing_of_its_own(installed: World) -> None:
    assert installed.run("run").stderr == ""
    assert installed.calls() == []


def test_arguments_are_those_of_haunt_and_paths_are_the_callers(installed: World) -> None:
    done = installed.run("run", "check", "my config.yaml")
    assert done.stdout.split(maxsplit=1)[1] == f"{installed.folder} check my config.yaml\n"


def test_the_script_becomes_the_server_so_that_signals_reach_it(installed: World) -> None:
    command = [installed.checkout / "scripts" / "run"]
    environ = {"PATH": str(installed.programs), "WORLD": str(installed.folder)}
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.read().split()[0] == str(process.pid)


@pytest.mark.parametrize(
    "change", ["setup.py", "pyproject.toml", "plugins/haunt_sources/new/__init__.py", "plugins/haunt_indicators/new.py"]
)
def test_what_decides_the_installation_changed_so_it_is_installed_again(installed: World, change: str) -> None:
    path = installed.checkout / change
    path.parent.mkdir(exist_ok=True)
    path.write_text("changed")
    installed.run("run")
    assert installed.calls() == ["pip HAUNT"]


def test_a_plugin_that_was_only_edited_needs_no_installation(installed: World) -> None:
    (installed.checkout / "plugins/haunt_indicators/two.py").write_text("changed")
    installed.run("run")
    assert installed.calls() == []


def test_the_tests_need_more_once_and_run_needs_nothing_then(installed: World) -> None:
    assert "pytest in " + str(installed.checkout) in installed.run("test", "-k", "one").stdout
    installed.run("test")
    installed.run("run")
    assert installed.calls() == ["pip HAUNT[test]"]


def test_a_checkout_that_was_moved_is_installed_again(installed: World) -> None:
    installed.checkout = installed.checkout.rename(installed.folder / "elsewhere")
    installed.run("run")
    assert installed.calls() == ["pip HAUNT"]


def test_an_installation_that_was_killed_is_made_anew(installed: World) -> None:
    (installed.checkout / ".venv/stamp").write_text("unfinished\n")
    installed.run("run")
    assert installed.calls() == ["venv", "pip HAUNT"]


def test_an_environment_whose_python_is_gone_is_made_anew(installed: World) -> None:
    (installed.checkout / ".venv/bin/python").unlink()
    installed.run("run")
    assert installed.calls() == ["venv", "pip HAUNT"]


def test_what_pip_complains_of_is_shown_and_the_next_run_tries_again(installed: World) -> None:
    (installed.checkout / "setup.py").write_text("changed")
    (installed.folder / "no-network").touch()
    failed = installed.run("run")
    assert (failed.returncode, failed.stdout, installed.calls()) == (1, "", ["pip HAUNT"])
    assert "pip: no network" in failed.stderr
    (installed.folder / "no-network").unlink()
    assert (installed.run("run").returncode, installed.calls()) == (0, ["pip HAUNT"])


def test_without_python_the_message_says_what_to_install(world: World) -> None:
    (world.programs / "python3").unlink()
    done = world.run("run")
    assert done.returncode == 1
    assert "Haunt needs Python 3.11 or newer; install it" in done.stderr


def test_where_python_lacks_venv_the_message_names_the_package(world: World) -> None:
    (world.folder / "no-ensurepip").touch()
    done = world.run("run")
    assert done.returncode == 1
    assert "install the package python3.11-venv" in done.stderr


def test_root_has_the_package_installed(world: World, as_root: None) -> None:
    (world.folder / "no-ensurepip").touch()
    world.add("apt-get", APT)
    assert world.run("run").returncode == 0
    update, install, *rest = world.calls()
    assert (update.split()[1], install.split()[-1], rest) == ("update", "python3.11-venv", ["venv", "pip HAUNT"])


def test_root_has_the_browser_of_the_tests_installed_once(installed: World, as_root: None) -> None:
    installed.add("apt-get", APT)
    assert "pytest in " in installed.run("test").stdout
    _, update, install = installed.calls()
    assert (update.split()[1], install.split()[-1]) == ("update", "chromium")
    installed.add("chromium", "")
    installed.run("test")
    assert installed.calls() == []


def test_tests_run_without_a_browser_where_it_cannot_be_installed(installed: World, as_root: None) -> None:
    installed.add("apt-get", "#!/usr/bin/env bash\nexit 1\n")
    done = installed.run("test")
    assert "pytest in " in done.stdout
    assert "chromium could not be installed" in done.stderr


@pytest.fixture
def as_root() -> None:
    done = subprocess.run(["id", "-u"], capture_output=True, text=True)
    if done.stdout != "0\n":
        pytest.skip("only root installs packages")


@pytest.mark.parametrize("script", ["scripts/run", "scripts/test", "scripts/check", ".ci/run"])
def test_a_script_may_be_run(script: str) -> None:
    assert (ROOT / script).stat().st_mode & 0o111
