"""Whatever stands in the file: a configuration or a ConfigError whose every problem has a place; nothing else."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from config.installed import Installed
from config.test_loading import FULL
from hypothesis import example, given
from hypothesis import strategies as st

from agent_core.api import ConfigError, ConfigProblem
from agent_core.api.document import read_document
from agent_core.config import load_config

PIECES = [
    " ",
    "\n",
    "\t",
    ":",
    "- ",
    "{",
    "}",
    "[",
    "]",
    ",",
    "&a ",
    "*a",
    "!!str ",
    "<<: ",
    "'",
    '"',
    "|",
    ">",
    "#",
    "?",
]
PIECES += [
    "${A}",
    "${",
    "}",
    "null",
    "0",
    "-1",
    "1e999",
    "x" * 50,
    "é",
    "\x00",
    "\ufeff",
    "---\n",
    "...\n",
    "%",
    "@",
    "type: ",
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=6,
)


def load(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "agent.yaml"
        file.write_bytes(text.encode("utf-8", "surrogatepass"))
        problems: Sequence[ConfigProblem] = ()
        try:
            load_config(file, Installed(), {"A": "value"})
        except ConfigError as error:
            problems = error.problems or [ConfigProblem("an error without a problem")]
        for problem in problems:
            assert problem.file == str(file)
            assert "\n" not in f"{problem.message}{problem.hint}"
            assert problem.line is not None
            assert problem.column is not None
            assert 1 <= problem.line <= text.count("\n") + text.count("\r") + 2
            assert problem.column >= 1


@given(st.text())
@example("")
@example("a: &a [*a]")
@example("\xa0\x1f")
@example("? {a: b}\n: c")
def test_any_text(text: str) -> None:
    load(text)


@given(edits=st.lists(st.tuples(st.integers(0, len(FULL)), st.integers(0, 12), st.sampled_from(PIECES)), max_size=3))
def test_any_slip_of_the_pen(edits: list[tuple[int, int, str]]) -> None:
    text = FULL
    for position, deleted, inserted in edits:
        text = text[:position] + inserted + text[position + deleted :]
    load(text)


def places(value: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, child in inner for found in places(child, (*path, key)))]


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("full") / "agent.yaml"
    file.write_text(FULL, encoding="utf-8")
    return json.dumps(read_document(file).root)


@given(data=st.data())
def test_any_value_in_any_place(full: str, data: st.DataObject) -> None:
    root = json.loads(full)
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(places(root)[1:] or [()]))
        target = root
        for part in path[:-1]:
            target = target[part]
        if path:
            target[path[-1]] = data.draw(JSON)
    load(json.dumps(root))
