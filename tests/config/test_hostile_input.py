"""Files that were made to cost time or memory: each is refused with a place, after a number of steps that is known."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import cast

import pytest
from config.conftest import VALID, Yaml

from agent_core.api.document import Document, read_document
from agent_core.api.document.nodes import MAX_BYTES
from agent_core.api.files.whole_file import read_whole
from agent_core.config.document.interpolation import MAX_NESTED, ResolveError, Resolver
from agent_core.config.schema.applicable import SchemaWalk
from agent_core.config.schema.conversion import adapt
from agent_core.config.schema.validation import Validation

pipes = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")


def read(folder: Path, text: str) -> Document:
    file = folder / "agent.yaml"
    file.write_text(text, encoding="utf-8")
    return read_document(file)


def problem(folder: Path, text: str) -> str:
    (found,) = read(folder, text).problems
    return str(found).replace(f"{folder}{os.sep}", "")


def no_more_steps_than(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent_core.api.document.nodes.MAX_VALUES", number)


@pytest.fixture
def nothing_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> bytes:
        raise AssertionError("the file was read")

    monkeypatch.setattr(os, "read", fail)


def test_merges_inside_merges_are_worked_out_once_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    no_more_steps_than(500, monkeypatch)
    lines = ["a0: &a0 {x: 1}", *(f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}]}}" for n in range(1, 40))]
    found = read(tmp_path, "\n".join(lines))
    assert found.problems == []
    assert found.root == {f"a{n}": {"x": 1} for n in range(40)}
    assert found.position(("a39", "x")) == (1, 13)


def test_merges_that_grow_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    no_more_steps_than(2000, monkeypatch)
    lines = ["a0: &a0 {x0: 1}", *(f"a{n}: &a{n} {{<<: *a{n - 1}, x{n}: 1}}" for n in range(1, 200))]
    assert "the aliases of this file expand to more than 2000 values" in problem(tmp_path, "\n".join(lines))


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param(["a0: &a0 [x]", *(f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 500))], id="lists"),
        pytest.param(
            ["l:", "  - &a0 {}", *(f"  - &a{n} {{<<: *a{n - 1}}}" for n in range(1, 500)), "<<: *a499"], id="merges"
        ),
    ],
)
def test_aliases_cannot_nest_without_end(tmp_path: Path, lines: list[str]) -> None:
    assert "the aliases of this file make more than 32 nested lists and mappings" in problem(tmp_path, "\n".join(lines))


@pytest.mark.parametrize("mark", ["-", "?", "- -"])
def test_nesting_is_counted_however_it_is_written(tmp_path: Path, mark: str) -> None:
    text = "sources:\n" + "".join(" " * (2 * n) + f"{mark}\n" for n in range(500))
    assert "more than 32 nested lists and mappings" in problem(tmp_path, text)


@pytest.mark.parametrize(
    ("number", "message"),
    [
        ("1" * 200_000, "a number has at most 100 characters, this one has 200000 (put it in quotes if it is a text)"),
        ("0x" + "f" * 200_000, "a number has at most 100 characters, this one has 200002"),
        ("1." + "1" * 200_000, "a number has at most 100 characters, this one has 200002"),
        ("1" * 50, "this number is too large"),
        ("1e999", "this number is too large"),
        ("!!float nan", "this number is too large"),
        ("!!int x", "this number cannot be read"),
    ],
)
def test_a_number_without_end_is_a_problem_with_its_place(tmp_path: Path, number: str, message: str) -> None:
    assert problem(tmp_path, f"agent: {{shutdown_timeout: {number}}}\n").startswith(
        f"agent.yaml:1:27: agent.shutdown_timeout: {message}"
    )


def test_a_number_without_end_may_come_from_a_variable(yaml: Yaml) -> None:
    text = VALID.replace('5020"', '5020", unit_id: "${HUGE}"')
    (found,) = yaml.problems(text, environ={"HUGE": "9" * 5000})
    assert "expected a whole number, got ${HUGE}" in found


def test_more_values_than_any_plant_has_are_refused_before_they_are_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_more_steps_than(100, monkeypatch)
    assert problem(tmp_path, "a:\n" + "- 1\n" * 200) == (
        "agent.yaml:99:3: more than 100 keys and values (put the tags in a CSV file: tags_from: FILE)"
    )


@pytest.mark.usefixtures("nothing_is_read")
def test_a_file_that_is_too_large_is_refused_unread(tmp_path: Path) -> None:
    file = tmp_path / "agent.yaml"
    with file.open("wb") as stream:
        stream.truncate(MAX_BYTES + 1)
    (found,) = read_document(file).problems
    assert found.message == "the file cannot be read: it is larger than 16 MiB"


def test_a_file_that_grows_while_it_is_read_is_not_read_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "grows").write_bytes(b"x")
    pieces = []

    def endless(_: int, size: int) -> bytes:
        pieces.append(size)
        return b"x" * 100

    monkeypatch.setattr(os, "read", endless)
    with pytest.raises(OSError, match="it is larger than 1000 bytes"):
        read_whole(tmp_path / "grows", 1000)
    assert len(pieces) == 11


@pipes
def test_a_pipe_that_nobody_writes_to_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "agent.yaml")
    os.mkfifo(tmp_path / "password")
    (found,) = read_document(tmp_path / "agent.yaml").problems
    assert found.message == "the file cannot be read: it is not a regular file"
    with pytest.raises(ResolveError, match="password cannot be read: it is not a regular file"):
        Resolver(tmp_path, {}).resolve("${file:password}")


@pytest.mark.usefixtures("nothing_is_read")
@pytest.mark.parametrize("name", [".env", "password"])
def test_a_file_of_secrets_has_a_limit(tmp_path: Path, name: str) -> None:
    with (tmp_path / name).open("wb") as stream:
        stream.truncate(48_000_000)
    with pytest.raises(ResolveError, match="it is larger than") as caught:
        Resolver(tmp_path, {}).resolve("${file:password}")
    assert caught.value.file == (str(tmp_path / ".env") if name == ".env" else None)


def nested(depth: int) -> str:
    return "${A:-" * depth + "x" + "}" * depth


def test_references_inside_references_have_a_limit(tmp_path: Path) -> None:
    assert Resolver(tmp_path, {}).resolve(nested(MAX_NESTED)) == "x"
    for depth in (MAX_NESTED + 1, 100_000):
        with pytest.raises(ResolveError, match=f"more than {MAX_NESTED} nested"):
            Resolver(tmp_path, {}).resolve(nested(depth))


@pytest.mark.parametrize("text", ["${" * 100_000, "$" * 100_000 + "{", "$${" * 100_000])
def test_dollars_and_braces_without_end_are_read_once(tmp_path: Path, text: str) -> None:
    with suppress(ResolveError):
        assert Resolver(tmp_path, {}).resolve(text)


def test_what_references_stand_for_has_a_limit(tmp_path: Path, yaml: Yaml, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ResolveError, match="this text has more than"):
        Resolver(tmp_path, {"A": "x" * 100_000}).resolve("${A}" * 20)
    monkeypatch.setattr("agent_core.config.loading.MAX_RESOLVED", 100_000)
    text = "agent: {name: line1}\n" + VALID + "".join(f"x{n}: ${{A}}\n" for n in range(50))
    found = [line for line in yaml.problems(text, environ={"A": "x" * 30_000}) if "stand for more than" in line]
    assert found == ["agent.yaml:14:5: x3: the ${...} of this file stand for more than 100000 characters"]


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda text: VALID.replace("csv_sink", text), id="type"),
        pytest.param(lambda text: VALID.replace("id: warehouse", f"id: warehouse\n    {text}: 1"), id="key"),
        pytest.param(lambda text: VALID.replace("127.0.0.1:5020", text), id="value"),
    ],
)
def test_what_a_message_repeats_is_cut(yaml: Yaml, make: Callable[[str], str]) -> None:
    for line in yaml.problems(make("x" * 1000)):
        assert len(line) < 1500


class Untouchable(dict[str, object]):
    """A mapping that may be carried, but not looked into."""

    def items(self) -> object:  # type: ignore[override]
        raise AssertionError("looked into")


def test_what_no_schema_speaks_of_is_not_looked_into() -> None:
    root = {"sources": 1, "x": Untouchable(a=1)}
    schema = {"properties": {"sources": {"type": "integer"}}}
    assert adapt(SchemaWalk(schema), root, {}) == root


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("sinks:\n" + "  - {}\n" * 1500, "1002:5: sinks[1000]"),
        ("sources:\n" + "  - 1\n" * 1500, "1002:5: sources[1000]"),
        ("t: &t {id: x, type: csv_sink}\nsinks:\n" + "  - *t\n" * 1500, "1:4: sinks[1000]"),
        ("sinks:\n  - id: x\n    inputs:\n" + "    - {a: 1}\n" * 1500, "1004:7: sinks[0].inputs[1000]"),
        ("plugins:\n  enabled:\n" + "  - x\n" * 1500, "1003:5: plugins.enabled[1000]"),
        ("plugins:\n  disabled:\n" + "  - x\n" * 1500, "1003:5: plugins.disabled[1000]"),
    ],
)
def test_parts_without_end_are_refused_before_any_is_validated(yaml: Yaml, text: str, place: str) -> None:
    assert yaml.problems(text) == [f"agent.yaml:{place}: more than 1000 entries"]


def test_of_the_problems_of_many_parts_the_first_thousand_are_shown(yaml: Yaml) -> None:
    found = yaml.problems(VALID + "".join(f"  - {{id: {n}}}\n" for n in range(900)))
    assert sum("more than 1000 problems; the others are not shown" in line for line in found) == 1
    assert len(found) < 1100


def test_entries_that_cannot_be_sorted_are_not_compared_pair_by_pair(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("jsonschema._keywords.uniq", lambda _: pytest.fail("compared"))
    document = read(tmp_path, "\n".join(f"- {{a{n}: 1}}" for n in range(50)))
    validation, entries = Validation(document, {}), cast("list[object]", document.root)
    assert validation.problems({"uniqueItems": True}, entries) == []
    assert [str(one.message) for one in validation.problems({"uniqueItems": True}, [*entries, {"a7": 1}])] == [
        "contains an entry twice"
    ]


def test_problems_without_end_are_not_collected_to_the_end(tmp_path: Path, yaml: Yaml) -> None:
    found = read(tmp_path, "a: 1\n" * 3000).problems
    assert len(found) == 1001
    assert str(found[-1]).endswith("1002:1: more than 1000 problems; the rest of the file is not read")
    unknown = [line for line in yaml.problems(VALID + "".join(f"x{n}: 1\n" for n in range(5000))) if "unknown" in line]
    assert len(unknown) == 101
    assert "agent.yaml:110:1: x100: 5000 unknown keys; the first 100 are named" in unknown
