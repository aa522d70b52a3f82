"""`haunt init` writes what checks, starts and explains itself; `haunt schema` prints what editors read."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from jsonschema import Draft7Validator
from serving import HAUNT, serving

from haunt.cli import main
from haunt.config.document import read
from haunt.config.model import FIXED
from haunt.plugin.registry import Registry


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def haunt(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def test_what_it_writes_has_no_mistakes_and_fits_the_schema_beside_it() -> None:
    result = haunt("init")
    assert result.output == (
        "config.yaml and haunt.schema.json are written. Next: haunt check config.yaml, then haunt serve config.yaml\n"
    )
    assert haunt("check", "config.yaml").exit_code == 0
    schema = json.loads(Path("haunt.schema.json").read_text())
    assert list(Draft7Validator(schema).iter_errors(read("config.yaml").data)) == []
    assert Path("config.yaml").read_text().startswith("# yaml-language-server: $schema=./haunt.schema.json\n")


def test_it_takes_prices_from_every_venue_that_is_installed_and_invents_none() -> None:
    haunt("init")
    venues = [plugin.name for plugin in map(Registry().load, Registry().installed_names()) if plugin.source]
    assert [*read("config.yaml").data["sources"]] == [name for name in venues if name not in ("simulator", "replay")]


def test_it_explains_every_option_it_sets_and_names_the_other_sections() -> None:
    haunt("init")
    document, lines = read("config.yaml"), Path("config.yaml").read_text().splitlines()
    for name, field in FIXED["server"].model_fields.items():
        assert lines[document.lines["server", name] - 2] == f"  # {field.description}"
    for section, model in FIXED.items():
        assert section == "server" or any(re.fullmatch(rf"#   {section} +{model.__doc__}", line) for line in lines)


def test_it_starts(folder: Path) -> None:
    haunt("init")
    nowhere = {}
    for name in map(str.upper, read("config.yaml").data["sources"]):
        nowhere |= {
            f"HAUNT_SOURCES__{name}__URL": "ws://127.0.0.1:9",
            f"HAUNT_SOURCES__{name}__REST_URL": "http://127.0.0.1:9",
        }
    with serving([HAUNT, "serve", "config.yaml"], folder / "log", environ=nowhere, cwd=folder):
        pass


@pytest.mark.parametrize("there", ["config.yaml", "haunt.schema.json"])
def test_it_writes_over_nothing_unless_told_to(there: str) -> None:
    Path(there).write_text("mine")
    result = haunt("init")
    assert (result.exit_code, sorted(path.name for path in Path().iterdir())) == (1, [there])
    assert result.stderr == f"Error: {there} is there already; name another file, or write over it with --force\n"
    assert haunt("init", "--force").exit_code == 0
    assert Path(there).read_text() != "mine"


def test_a_folder_that_is_not_there_is_named() -> None:
    result = haunt("init", "no/haunt.yaml")
    assert (result.exit_code, result.stderr) == (
        1,
        "Error: no/haunt.yaml cannot be written: No such file or directory\n",
    )


def test_schema_prints_what_init_writes() -> None:
    haunt("init")
    assert haunt("schema").stdout == Path("haunt.schema.json").read_text()


def test_demo_needs_no_file_and_says_where_it_is(folder: Path) -> None:
    with serving([HAUNT, "demo"], folder / "log", environ={}, cwd=folder) as running:
        running.wait_for(re.compile(r"nothing in it is real"))
        running.wait_for(re.compile(rf"in a browser   http://localhost:{running.port}/\n"))
        running.wait_for(re.compile(rf"haunt watch --url http://localhost:{running.port}/ btc eth\n"))


def test_demo_whose_port_is_taken_says_so(folder: Path) -> None:
    with serving([HAUNT, "demo"], folder / "log", environ={}, cwd=folder) as running:
        result = subprocess.run([HAUNT, "demo", "--port", str(running.port)], capture_output=True, text=True)
    assert (result.returncode, result.stdout) == (1, "")
    assert f"Cannot listen on 127.0.0.1 port {running.port}" in result.stderr
