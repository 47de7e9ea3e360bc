"""plugins/README.md: its table names every plugin and its kind, its layout is the one that every folder has."""

import re
from pathlib import Path

import pytest

from agent_core.registry import Registry

FOLDER = Path(__file__).parents[2] / "plugins"
PAGE = (FOLDER / "README.md").read_text(encoding="utf-8")
PLUGINS = sorted(file.parent for file in FOLDER.glob("*/pyproject.toml"))
NOT_OURS = {".hypothesis", ".pytest_cache", "__pycache__", "build"}


def layout() -> tuple[list[str], set[str]]:
    """What every plugin has, as paths with ``{name}``, and what it may have at its top."""
    [block] = re.findall(r"^```\n(\w+)/\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)
    example, lines = block
    wanted, optional, folders = [], set(), [""]
    for indent, entry, note in re.findall(r"^( +)(\S+)(.*)$", lines, flags=re.MULTILINE):
        depth = len(indent) // 2
        path = folders[depth - 1] + entry.replace(example, "{name}")
        folders[depth:] = [path]
        if note.strip().startswith("optional"):
            optional.add(path.rstrip("/"))
        else:
            wanted.append(path)
    return wanted, optional


def test_the_table_names_every_plugin_with_its_kind() -> None:
    rows = re.findall(r"^\| \[(\w+)\]\((\w+)/README\.md\) \| (\w+) \|", PAGE, flags=re.MULTILINE)
    assert [name for name, _, _ in rows] == [folder.name for folder in PLUGINS]
    assert [link for _, link, _ in rows] == [folder.name for folder in PLUGINS]
    registry = Registry()
    registry.load_all()
    kinds = {plugin.name: plugin.factories[0].kind for plugin in registry.catalog.plugins}
    assert {name: kind for name, _, kind in rows} == {folder.name: kinds[folder.name] for folder in PLUGINS}


@pytest.mark.parametrize("folder", PLUGINS, ids=lambda folder: folder.name)
def test_every_folder_has_the_layout_that_the_page_shows(folder: Path) -> None:
    wanted, optional = layout()
    paths = [path.format(name=folder.name) for path in wanted]
    assert [path for path in paths if not (folder / path).exists()] == []
    allowed = {path.split("/")[0] for path in paths} | optional | NOT_OURS
    assert sorted(entry.name for entry in folder.iterdir() if entry.name not in allowed) == []


def test_the_layout_is_read_as_it_is_drawn() -> None:
    wanted, optional = layout()
    assert wanted[0] == "README.md"
    assert "src/{name}/plugin.py" in wanted
    assert "tests/" in wanted
    assert optional == {"benchmarks", "ddl"}
