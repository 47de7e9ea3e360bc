"""docs/hooks.md and docs/writing-a-plugin.md say what the code does."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
import types
from pathlib import Path

import pytest

from agent_core import api
from agent_core.api import ConfigProblem, hookimpl
from agent_core.config import load_config
from agent_core.registry import Events, HookManager, Registry
from agent_core.registry.hookimpls import hook_arguments, implements_any, problems

DOCS = Path(__file__).parents[2] / "docs"
HOOKS = (DOCS / "hooks.md").read_text(encoding="utf-8")
PLUGIN = (DOCS / "writing-a-plugin.md").read_text(encoding="utf-8")


def sections() -> dict[str, str]:
    """The text under each hook's heading, by the hook's name."""
    parts = re.split(r"^### `(\w+)\((.*)\)`$", HOOKS, flags=re.MULTILINE)
    return {name: body for name, _, body in zip(parts[1::3], parts[2::3], parts[3::3], strict=True)}


def python_blocks(text: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


def test_every_hook_is_documented_with_exactly_its_arguments_in_the_order_of_the_code() -> None:
    documented = re.findall(r"^### `(\w+)\((.*)\)`$", HOOKS, flags=re.MULTILINE)
    assert documented == [(name, ", ".join(arguments)) for name, arguments in hook_arguments().items()]


@pytest.mark.parametrize("hook", hook_arguments())
def test_every_argument_and_the_thread_is_explained(hook: str) -> None:
    body = sections()[hook].partition("```python")[0]
    for argument in hook_arguments()[hook]:
        if argument not in ("sink_id", "source_id", "component_id", "fallback_id", "batch", "reference", "config"):
            assert f"`{argument}`" in body or f"`{argument}`" in sections()["agent_started"], argument
    if not hook.startswith("agent_register_"):
        assert "thread" in body


@pytest.mark.parametrize("hook", hook_arguments())
def test_every_example_is_accepted_as_a_plugin(hook: str) -> None:
    (example,) = python_blocks(sections()[hook].partition("\n## ")[0])
    module = types.ModuleType("example")
    # The schema of an example that is not installed cannot be read; what it returns is not looked at here.
    exec(example, {"hookimpl": hookimpl, "__name__": "example"} | vars(module), vars(module))
    manager = HookManager()
    assert implements_any(module, manager)
    assert problems(module, manager) == []
    manager.register(module, "example")
    assert getattr(manager.hook, hook).get_hookimpls()


def test_the_example_of_a_check_reports_what_it_says() -> None:
    (example,) = python_blocks(sections()["agent_check_config"].partition("\n## ")[0])
    scope: dict[str, object] = {"hookimpl": hookimpl}
    exec(example, scope)
    check = scope["agent_check_config"]
    assert callable(check)
    (problem,) = check({"sinks": [{"type": "jsonl_sink", "workers": 2}]})
    assert isinstance(problem, ConfigProblem)
    assert problem.warning
    assert check({"sinks": [{"type": "jsonl_sink", "workers": 1}]}) == []


def test_the_example_of_a_test_passes(request: pytest.FixtureRequest) -> None:
    pytest.importorskip("pytest_mock")
    example = python_blocks(HOOKS.partition("## Testing with hooks")[2])[0]
    scope: dict[str, object] = {"hookimpl": hookimpl, "batch": (1, 2, 3), "Events": Events}
    exec(example, scope)
    test = scope["test_a_batch_is_counted"]
    assert callable(test)
    test(request.getfixturevalue("mocker"))


def plugin_files() -> dict[str, str]:
    """The files that docs/writing-a-plugin.md shows, by their path."""
    return dict(re.findall(r"^\*\*`(.+?)`\*\*\n\n```\w+\n(.*?)^```$", PLUGIN, flags=re.MULTILINE | re.DOTALL))


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The plugin of the page, installed for this test."""
    for name, text in plugin_files().items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    (tmp_path / "src/jsonl_sink/__init__.py").write_text("", encoding="utf-8")
    project = tomllib.loads((tmp_path / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    metadata = tmp_path / "src" / "acme_jsonl_sink-1.0.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
        + "".join(f"Requires-Dist: {line}\n" for line in project["dependencies"]),
        encoding="utf-8",
    )
    lines = [f"{name} = {value}" for name, value in project["entry-points"]["agent_core"].items()]
    (metadata / "entry_points.txt").write_text("\n".join(["[agent_core]", *lines, ""]), encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path / "src")
    for name in [name for name in sys.modules if name.split(".")[0] == "jsonl_sink"]:
        monkeypatch.delitem(sys.modules, name)
    return tmp_path


def test_the_page_shows_every_file_it_lists() -> None:
    (tree,) = re.findall(r"^```\njsonl_sink/\n(.*?)^```$", PLUGIN, flags=re.MULTILINE | re.DOTALL)
    listed = {line.split()[0] for line in tree.splitlines() if "empty" not in line}
    assert listed | {"agent.yaml"} == set(plugin_files())


def test_the_plugin_of_the_page_loads_and_its_sample_validates(plugin: Path) -> None:
    registry = Registry()
    loaded = registry.load("jsonl_sink")
    assert (loaded.distribution, loaded.version, loaded.kinds) == ("acme-jsonl-sink", "1.0.0", ("sink",))
    source = """
from agent_core.api import BufferFactory, SourceFactory, hookimpl
SCHEMA = {"type": "object"}
@hookimpl
def agent_register_source(): return SourceFactory("other", SCHEMA, print, "for this test")
@hookimpl
def agent_register_buffer(): return BufferFactory("other", SCHEMA, print, "for this test")
"""
    (plugin / "src" / "other_plugin.py").write_text(source, encoding="utf-8")
    with (plugin / "src/acme_jsonl_sink-1.0.0.dist-info/entry_points.txt").open("a", encoding="utf-8") as file:
        file.write("other = other_plugin\n")
    sample = plugin / "agent.yaml"
    sample.write_text(
        "sources: [{id: line1, type: other}]\nbuffer: {type: other}\n" + sample.read_text(encoding="utf-8"),
        encoding="utf-8",
    )
    config = load_config(sample, Registry(), {})
    assert config.sinks[0].config == {"path": plugin / "records.jsonl", "sync": True}


def test_the_plugin_of_the_page_passes_the_suite_of_every_sink(plugin: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", "tests"],
        cwd=plugin,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(DOCS.parent), str(plugin / "src")])},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_the_schema_of_the_page_describes_every_key(plugin: Path) -> None:
    schema = json.loads((plugin / "src/jsonl_sink/schema.json").read_text(encoding="utf-8"))
    assert all("description" in value for value in schema["properties"].values())


def test_the_page_names_every_optional_contract() -> None:
    section = PLUGIN.partition("## What more a component may offer")[2].partition("\n## ")[0]
    named = set(re.findall(r"^\| `(\w+)` \|", section, flags=re.MULTILINE))
    probed = {name for name, part in vars(api).items() if getattr(part, "_is_runtime_protocol", False)}
    given_to_factories = {"BackupReader", "CatalogConverter"}
    every_driver = {"Driver", "BlockDriver", "ItemDriver"}
    assert named == (probed - every_driver) | given_to_factories
