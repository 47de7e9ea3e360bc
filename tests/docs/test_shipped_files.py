"""What is written is checked: samples validate, names agree, commands exist, links lead somewhere."""

import argparse
import re
import tomllib
from pathlib import Path

import pytest
import yaml

from agent_core.api import (
    API_VERSION,
    BufferFactory,
    DriverFactory,
    ExtensionFactory,
    SinkFactory,
    SourceFactory,
    TransformFactory,
)
from agent_core.cli.command_line import build_parser
from agent_core.config import load_config
from agent_core.registry import Registry

ROOT = Path(__file__).parents[2]
PLUGINS = sorted(file.parent for file in ROOT.glob("plugins/*/pyproject.toml"))
KITS = sorted(folder.name for folder in (ROOT / "kits").iterdir() if (folder / "pyproject.toml").exists())
PATTERNS = ("*.md", "docs/**/*.md", "deploy/*.md", "plugins/*.md", "plugins/*/*.md", "kits/*/*.md")
DOCUMENTS = [file for pattern in PATTERNS for file in sorted(ROOT.glob(pattern))]
SAMPLES = [ROOT / "agent.yaml", *sorted(ROOT.glob("plugins/*/sample.yaml"))]
ENVIRON = {"ORACLE_DSN": "db.example:1521/PLANT", "ORACLE_USER": "agent", "ORACLE_PASSWORD": "secret"}
FACTORIES = (SourceFactory, DriverFactory, TransformFactory, BufferFactory, SinkFactory, ExtensionFactory)


def next_api_version() -> str:
    major, minor = map(int, API_VERSION.split("."))
    return f"{major}.{minor + 1}"


def named(folder: Path) -> str:
    return folder.name


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_every_sample_validates(sample: Path) -> None:
    load_config(sample, Registry(), environ=ENVIRON)


@pytest.mark.parametrize("folder", PLUGINS, ids=named)
def test_one_name_everywhere(folder: Path) -> None:
    name = folder.name
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["name"] == f"tagferry-{name.replace('_', '-')}"
    assert project["entry-points"]["agent_core"] == {name: f"{name}.plugin"}
    assert f"tagferry>={API_VERSION},<{next_api_version()}" in project["dependencies"]
    plugin = Registry().load(name)
    assert plugin.factories
    assert all(factory.type == name and isinstance(factory, FACTORIES) for factory in plugin.factories)


def test_the_lists_of_plugins_name_every_plugin() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    names = [folder.name for folder in PLUGINS]
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line.startswith("-e ./")] == [f"-e ./plugins/{name}" for name in names]
    assert sorted(settings["importlinter"]["root_packages"]) == sorted(["agent_core", *KITS, *names])
    sources = [f"$MYPY_CONFIG_FILE_DIR/plugins/{name}/src" for name in names]
    assert (
        sorted(path for path in settings["mypy"]["mypy_path"] if "/plugins/" in path and path.endswith("/src"))
        == sources
    )
    layers = [layer for contract in settings["importlinter"]["contracts"] for layer in contract.get("layers", ())]
    assert [layer.split(" | ") for layer in layers if "memory_buffer" in layer] == [names]


@pytest.mark.parametrize("folder", [*PLUGINS, *(ROOT / "kits" / kit for kit in KITS)], ids=named)
def test_every_distribution_has_the_licence(folder: Path) -> None:
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["license"].startswith("Apache-2.0")
    assert "LICENSE" in project["license-files"]
    assert (folder / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


def test_before_a_commit_runs_what_make_lint_runs() -> None:
    [repository] = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    [recipe] = re.findall(r"^lint:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    wanted = [line.strip().removeprefix("@").replace("$(BIN)", ".venv/bin") for line in recipe.splitlines()]
    assert [hook["entry"] for hook in repository["hooks"]] == wanted


def commands(file: Path) -> list[str]:
    """Every line of a shell block."""
    blocks = re.findall(r"```(?:sh|bat)\n(.*?)```", file.read_text(encoding="utf-8"), re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line]


@pytest.mark.parametrize("file", DOCUMENTS, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_the_commands_in_the_documents_exist(file: Path) -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    [subcommands] = [action for action in build_parser()._actions if isinstance(action, argparse._SubParsersAction)]
    for line in commands(file):
        words = line.split()
        if words[0] == "make":
            assert words[1] in targets, line
        elif words[0].endswith(("tagferry", "tagferry.exe")) and len(words) > 1 and not words[1].startswith("-"):
            assert words[1] in subcommands.choices, line


def anchors(file: Path) -> set[str]:
    """What a link may name behind ``#``: the headings, as GitHub writes them."""
    headings = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("file", DOCUMENTS, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_links_between_documents_lead_somewhere(file: Path) -> None:
    links = re.findall(r"\]\(([^)#:]*)(?:#([^)]*))?\)", file.read_text(encoding="utf-8"))
    for link, anchor in links:
        target = file.parent / link if link else file
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), f"{link}#{anchor}"
