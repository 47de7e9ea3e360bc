"""docs/configuration.md against the code, and the schemas of the shipped plugins."""

from __future__ import annotations

import os
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import cast

import pytest
from config.conftest import Yaml

from agent_core.api import ConfigError
from agent_core.cli.exit_code import FAILED, INTERRUPTED, OK, USER_MISTAKE
from agent_core.config import load_config
from agent_core.config.schema.merged import core_schema
from agent_core.registry import Registry

REPOSITORY = Path(__file__).parents[2]
PAGE = (REPOSITORY / "docs" / "configuration.md").read_text(encoding="utf-8")
PLUGINS = sorted(path.parent for path in (REPOSITORY / "plugins").glob("*/pyproject.toml"))
ORACLE = {"ORACLE_DSN": "localhost/FREEPDB1", "ORACLE_USER": "agent", "ORACLE_PASSWORD": "secret"}


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """The plugins of this repository, as if installed from here."""
    for folder in PLUGINS:
        project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        metadata = tmp_path / "site" / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
        metadata.mkdir(parents=True)
        lines = [f"{name} = {value}" for name, value in project["entry-points"]["agent_core"].items()]
        (metadata / "entry_points.txt").write_text("\n".join(["[agent_core]", *lines, ""]), encoding="utf-8")
        (metadata / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n", encoding="utf-8"
        )
        if str(folder / "src") not in sys.path:
            monkeypatch.syspath_prepend(folder / "src")
    monkeypatch.syspath_prepend(tmp_path / "site")

    def from_here(group: str) -> list[EntryPoint]:
        return [
            entry
            for entry in entry_points(group=group)
            if entry.dist is not None and str(entry.dist.locate_file("")).startswith(str(tmp_path))
        ]

    monkeypatch.setattr("agent_core.registry.entrypoints.entry_points", from_here)
    return Registry()


@pytest.mark.parametrize("folder", PLUGINS, ids=lambda path: path.name)
def test_every_shipped_plugin_loads_under_the_name_of_its_folder(shipped: Registry, folder: Path) -> None:
    assert shipped.load(folder.name).kinds


@pytest.mark.parametrize("folder", PLUGINS, ids=lambda path: path.name)
def test_every_key_of_a_shipped_plugin_is_described(shipped: Registry, folder: Path) -> None:
    for factory in shipped.load(folder.name).factories:
        for key, value in cast(Mapping[str, Mapping[str, object]], factory.schema["properties"]).items():
            assert "description" in value or "$ref" in value, key


def test_the_configuration_of_the_page_is_valid(shipped: Registry, tmp_path: Path) -> None:
    (text,) = re.findall(r"^\*\*`agent.yaml`\*\*\n\n```yaml\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)
    (tmp_path / "agent.yaml").write_text(text, encoding="utf-8")
    (tmp_path / "tags.csv").write_text("name,address,data_type\nA,hr:100,uint16\n", encoding="utf-8")
    load_config(tmp_path / "agent.yaml", shipped, ORACLE)


def documented_keys() -> dict[str, str]:
    """Key -> default as the table of the page gives them."""
    table = PAGE.partition("## Keys")[2].partition("## Values")[0]
    found: dict[str, str] = {}
    for keys, default in re.findall(r"^\| (`.+?`) \| (.*?) ?\| ", table, flags=re.MULTILINE):
        names = re.findall(r"`(.+?)`", keys)
        for name in names:
            found[name if not name.startswith(".") else names[0].rpartition(".")[0] + name] = default.strip("`")
    return found


def schema_keys(node: Mapping[str, object], prefix: str, root: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    """Every key of the core schema with its default; None where it has none."""
    for key, value in cast(Mapping[str, Mapping[str, object]], node.get("properties", {})).items():
        target = value
        items = cast(Mapping[str, object], value.get("items", {}))
        reference = str(value.get("$ref") or items.get("$ref") or "")
        if reference:
            target = cast(Mapping[str, Mapping[str, object]], root["$defs"])[reference.rpartition("/")[2]]
        path = f"{prefix}{key}" + ("[]" if "$ref" in items else "")
        nested = list(schema_keys(target, f"{path}.", root))
        if nested and not path.endswith(("transforms[]", "buffer")):
            yield from nested
        else:
            yield path.removesuffix("[]") if path.endswith("transforms[]") else path, value.get("default")


def test_every_key_of_the_core_is_documented_with_its_default_and_no_other() -> None:
    keys = dict(schema_keys(core_schema(), "", core_schema()))
    keys.pop("extensions[].id")
    documented = documented_keys()
    inside = {f"sinks[].fallback.{key}" for key in ("type", "config")}
    assert set(documented) - {"sinks[].fallback"} == set(keys) - inside
    for key, default in keys.items():
        if default is not None and key in documented and documented[key]:
            empty: dict[str, object] = {"[]": [], "{}": {}}
            shown = empty.get(documented[key], documented[key])
            assert str(default) == str(shown), key


def test_the_errors_of_the_page_are_those_of_the_agent(yaml: Yaml) -> None:
    (shown,) = re.findall(r"^```\n(agent\.yaml:.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)
    shown = shown.replace("oracle_sink", "csv_sink").replace("orcale_sink", "cvs_sink")
    text = (
        "agent: {name: line-1,    shutdown_timout: 30s}\n"
        "sources:\n"
        "  - id: line1\n"
        "    type: polling_source\n"
        "    config:\n"
        "      devices:\n"
        "        - id: PLC01\n"
        "          driver: simulator_driver\n"
        "sinks:\n"
        "  - id: warehouse\n"
        "    type: cvs_sink\n"
        "    workers: 1\n"
        "    config: {}\n"
        "    batch:       {max_wait: 5}\n"
    )
    try:
        yaml.load(text)
    except ConfigError as error:
        found = [str(problem).replace(f"{yaml.folder}{os.sep}", "") for problem in error.problems]
    *lines, summary = shown.splitlines()
    assert [line.partition(": ")[2] for line in found] == [line.partition(": ")[2] for line in lines]
    assert summary == "3 problems"


def test_the_exit_codes_of_the_page_are_those_of_the_command() -> None:
    assert f"Exit codes: {OK} done; {FAILED} failed while running" in PAGE
    assert f"{USER_MISTAKE} a mistake in the file" in PAGE
    assert f"{INTERRUPTED} interrupted by Ctrl-C" in PAGE
