"""Each distribution's wheel is complete, and one plugin's wheel finds our core."""

from __future__ import annotations

import json
import shutil
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from distributions.environment import Environment
from distributions.offline_index import OURS, OfflineIndex
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
FOLDERS = [ROOT, *sorted(file.parent for file in ROOT.glob("[pk]*/*/pyproject.toml"))]


def distribution_name(folder: Path) -> str:
    name = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]["name"]
    assert isinstance(name, str)
    return name


NAMES = [distribution_name(folder) for folder in FOLDERS]
KITS = [name for name, folder in zip(NAMES, FOLDERS, strict=True) if folder.parent.name == "kits"]

pytestmark = pytest.mark.alone


def test_every_distribution_is_built(index: OfflineIndex) -> None:
    assert sorted(index.wheels) == sorted(NAMES)
    assert {index.distribution(name).version for name in NAMES} == {index.distribution(OURS).version}


@pytest.mark.parametrize("folder", FOLDERS, ids=NAMES)
def test_a_wheel_holds_its_package_and_licence_and_nothing_else(folder: Path, index: OfflineIndex) -> None:
    sources = folder / "src" if folder != ROOT else folder
    package = sources / (folder.name if folder != ROOT else "agent_core")
    files = {file.relative_to(sources).as_posix() for file in package.rglob("*") if file.is_file()}
    files = {name for name in files if "__pycache__" not in name}
    with zipfile.ZipFile(index.wheels[distribution_name(folder)]) as wheel:
        packed = {name for name in wheel.namelist() if not name.endswith("/")}
        [licence] = [name for name in packed if name.endswith(".dist-info/licenses/LICENSE")]
        assert wheel.read(licence) == (ROOT / "LICENSE").read_bytes()
    assert f"{package.name}/py.typed" in packed
    assert {name for name in packed if ".dist-info/" not in name} == files


def test_the_monitor_ships_the_licence_of_its_chart_library(index: OfflineIndex) -> None:
    with zipfile.ZipFile(index.wheels["tagferry-http-monitor"]) as wheel:
        assert [name for name in wheel.namelist() if name.endswith("uPlot.LICENSE.txt") and ".dist-info/" in name]
    assert index.distribution("tagferry-http-monitor").metadata["License-Expression"] == "Apache-2.0 AND MIT"


@pytest.mark.parametrize("name", NAMES)
def test_what_a_distribution_requires_of_ours_is_what_we_build(name: str, index: OfflineIndex) -> None:
    required = [Requirement(line) for line in index.distribution(name).requires or ()]
    ours = [found for found in required if canonicalize_name(found.name).startswith(OURS)]
    assert [str(found) for found in ours if canonicalize_name(found.name) not in NAMES] == []
    assert [str(found) for found in ours if not found.specifier.contains(index.distribution(OURS).version)] == []
    extras = index.distribution(name).metadata.get_all("Provides-Extra") or []
    assert index.resolve(f"{name}[{','.join(extras)}]") >= {name}


@pytest.mark.skipif(sys.platform == "win32", reason="symbolic links need a privilege on Windows")
def test_the_demo_runs_with_what_a_user_installs_and_that_has_no_tools(index: OfflineIndex, tmp_path: Path) -> None:
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    folders = [ROOT / line.removeprefix("-e ") for line in lines if line.startswith("-e ")]
    brought = set().union(*(index.resolve(distribution_name(folder)) for folder in folders))
    assert brought & {"hypothesis", "mypy", "playwright", "pytest", "ruff", "schemathesis", *KITS} == set()
    environment = Environment(tmp_path / "venv", index)
    environment.link(brought)
    shutil.copytree(ROOT / "demo", tmp_path / "demo")
    shutil.copy2(ROOT / "agent.yaml", tmp_path)
    assert "is valid" in environment.run("-m", "agent_core", "check", "agent.yaml", folder=tmp_path)


@pytest.mark.skipif(sys.platform == "win32", reason="symbolic links need a privilege on Windows")
def test_the_wheel_of_one_plugin_brings_our_core(index: OfflineIndex, tmp_path: Path) -> None:
    environment = Environment(tmp_path / "venv", index)
    environment.link(name for name in index.resolve("tagferry-oracle-sink") if not name.startswith(OURS))
    environment.pip_install("tagferry-oracle-sink")

    script = "import agent_core, oracle_sink; print(agent_core.__file__, oracle_sink.__file__, sep='\\n')"
    modules = environment.run("-c", script).splitlines()
    assert [Path(module).parent.parent for module in modules] == [environment.packages] * 2
    found = json.loads(environment.run("-m", "agent_core", "plugins", "--json"))
    assert [(plugin["type"], plugin["distribution"]) for plugin in found["plugins"]] == [
        ("oracle_sink", "tagferry-oracle-sink")
    ]
    assert found["broken"] == []
    assert (environment.programs / "tagferry").exists()
