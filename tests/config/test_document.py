"""YAML with positions: what is read, what is refused, and where it is."""
# ruff: noqa: E501 - a line of the output is a line here

from __future__ import annotations

import os
from pathlib import Path

import pytest
from config.conftest import VALID, Yaml

from agent_core.api.document import Document, read_document


def document(folder: Path, data: str | bytes) -> Document:
    file = folder / "agent.yaml"
    file.write_bytes(data.encode() if isinstance(data, str) else data)
    return read_document(file)


def only_problem(folder: Path, data: str | bytes) -> str:
    (problem,) = document(folder, data).problems
    return str(problem).replace(f"{folder}{os.sep}", "")


def test_every_key_and_value_has_a_place(tmp_path: Path) -> None:
    found = document(tmp_path, "a: 1\nlist:\n  - x: y\n    z: [1, 2]\n")
    assert found.root == {"a": 1, "list": [{"x": "y", "z": [1, 2]}]}
    assert found.position(("a",)) == (1, 4)
    assert found.key_position(("a",)) == (1, 1)
    assert found.position(("list", 0, "x")) == (3, 8)
    assert found.position(("list", 0, "z")) == (4, 5)
    assert found.position(("list", 0, "z", 1)) == (4, 12)
    assert found.position(("list", 0)) == (3, 5)
    assert found.position(("list", 0, "missing", "deeper")) == (3, 5)
    assert found.position(("nothing",)) == (1, 1)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("off", "off"),
        ("yes", "yes"),
        ("NO", "NO"),
        ("true", True),
        ("False", False),
        ("~", None),
        ("", None),
        ("null", None),
        ("1:30", "1:30"),
        ("2026-01-01", "2026-01-01"),
        ("12", 12),
        ("-12", -12),
        ("012", 12),
        ("0x1F", 31),
        ("0o17", 15),
        ("1_000", "1_000"),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        (".inf", ".inf"),
        (".nan", ".nan"),
        ("'12'", "12"),
        ('"true"', "true"),
        ("=", "="),
        ("!!str 12", "12"),
    ],
)
def test_scalars_follow_the_core_schema_of_yaml_1_2(tmp_path: Path, text: str, value: object) -> None:
    found = document(tmp_path, f"a: {text}\n")
    assert found.problems == []
    assert found.root == {"a": value}
    assert isinstance(found.root, dict)
    assert type(found.root["a"]) is type(value)


def test_anchors_and_merge_keys_work_and_keep_their_places(tmp_path: Path) -> None:
    found = document(tmp_path, "base: &b {x: 1, y: 2}\nmade:\n  <<: *b\n  y: 3\nsame: *b\n")
    assert found.problems == []
    assert found.root == {"base": {"x": 1, "y": 2}, "made": {"x": 1, "y": 3}, "same": {"x": 1, "y": 2}}
    assert found.position(("made", "x")) == (1, 14)
    assert found.position(("made", "y")) == (4, 6)


def test_several_mappings_may_be_merged_the_first_wins(tmp_path: Path) -> None:
    found = document(tmp_path, "a: &a {x: 1}\nb: &b {x: 2, y: 2}\nc: {<<: [*a, *b], z: 3}\n")
    assert isinstance(found.root, dict)
    assert found.root["c"] == {"x": 1, "y": 2, "z": 3}


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ("", "agent.yaml:1:1: the file is empty (it needs sources: and sinks:)"),
        ("# only a comment\n", "agent.yaml:1:1: the file is empty (it needs sources: and sinks:)"),
        ("a:\n\tb: 1\n", "agent.yaml:2:1: there is a tab here (indent YAML with spaces)"),
        ("a:\n  b:\n  \t- 1\n", "agent.yaml:3:3: there is a tab here (indent YAML with spaces)"),
        ("a: 1\nb: 2\na: 3\n", "agent.yaml:3:1: a: key 'a' appears twice (first at line 1)"),
        ("x:\n  - {k: 1, k: 2}\n", "agent.yaml:2:12: x[0].k: key 'k' appears twice (first at line 2)"),
        ("a: b: c\n", "agent.yaml:1:5: a second ':' on one line (put the value in quotes, or start a new line)"),
        ("a: @b\n", "agent.yaml:1:4: a value cannot begin with @ (put it in quotes)"),
        (
            "a: *b\n",
            "agent.yaml:1:4: this alias (*...) refers to nothing: no value is marked with & (put a text that begins with * in quotes)",
        ),
        ("a: !!python/object:os.system x\n", "agent.yaml:1:4: a: a tag (!...) is not allowed here"),
        (
            "a: !secret x\n",
            "agent.yaml:1:4: a: a tag (!...) is not allowed here (put a text that begins with ! in quotes)",
        ),
        ("a: 1\n---\nb: 2\n", "agent.yaml:2:1: the file contains a second document (remove ---)"),
        ("? [a]\n: 1\n", "agent.yaml:1:3: a key must be a word"),
        ("a: &x [*x]\n", "agent.yaml:1:4: a[0]: an alias cannot contain itself"),
        ("a: {<<: 5}\n", "agent.yaml:1:9: a: << must name a mapping"),
        (b"a: \xe4\xb8\n", "agent.yaml:1:4: the file is not UTF-8: byte 0xe4 (save it as UTF-8)"),
        ("é: 1\nb: ".encode() + b"\xff\n", "agent.yaml:2:4: the file is not UTF-8: byte 0xff (save it as UTF-8)"),
        ("a: 1\n".encode("utf-16"), "agent.yaml:1:1: the file is UTF-16 (save it as UTF-8)"),
        ("a: 1\nb: é\x07y\n", "agent.yaml:2:5: the character U+0007 is not allowed in YAML"),
        ("[" * 200_000 + "]" * 200_000, "agent.yaml:1:33: more than 32 nested lists and mappings"),
        ("a: [1, 2\nb: 3\n", "agent.yaml:1:4: the [ that opens here is not closed (noticed on line 2)"),
        ("a:\n  - {x: 1, y: [2\n  - z\n", "agent.yaml:2:15: the [ that opens here is not closed"),
        ("a: {b: 1\nc: 2\n", "agent.yaml:1:4: the { that opens here is not closed (noticed on line 2)"),
        ("a: [1,\n", "agent.yaml:1:4: the [ that opens here is not closed"),
        ("a: {b: 1", "agent.yaml:1:4: the { that opens here is not closed"),
        ("a: [1}\n", "agent.yaml:1:6: this is not allowed here (it belongs to what begins on line 1)"),
        ("a: 'text\n", "agent.yaml:2:1: "),
        ("a:\n  b: 1\n c: 2\n", "agent.yaml:3:2: "),
    ],
)
def test_what_cannot_be_read_is_one_problem_with_its_place(tmp_path: Path, data: str | bytes, problem: str) -> None:
    assert only_problem(tmp_path, data).startswith(problem)


def test_a_byte_order_mark_is_not_part_of_the_first_key(tmp_path: Path) -> None:
    found = document(tmp_path, b"\xef\xbb\xbfa: 1\n")
    assert found.root == {"a": 1}
    assert found.key_position(("a",)) == (1, 1)


def test_windows_line_ends_change_no_place(tmp_path: Path) -> None:
    found = document(tmp_path, "a: 1\r\nb:\r\n  c: 2\r\n")
    assert found.root == {"a": 1, "b": {"c": 2}}
    assert found.position(("b", "c")) == (3, 6)


def test_aliases_cannot_multiply_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent_core.api.document.nodes.MAX_VALUES", 10_000)
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    found = document(tmp_path, "\n".join(lines))
    assert [problem.message for problem in found.problems] == [
        "the aliases of this file expand to more than 10000 values"
    ]


def test_a_missing_file_is_a_problem_not_an_exception(tmp_path: Path) -> None:
    (problem,) = read_document(tmp_path / "nowhere.yaml").problems
    assert problem.message == "no such file"
    (problem,) = read_document(tmp_path).problems
    assert problem.message in ("this is a folder, not a file", "the file cannot be read: Permission denied")


def test_an_unreadable_file_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, limit_bytes: int) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("agent_core.api.document.nodes.read_whole", refuse)
    (problem,) = read_document(tmp_path / "agent.yaml").problems
    assert problem.message == "the file cannot be read: Permission denied"


@pytest.mark.parametrize("text", ["just text\n", "- a\n- b\n", "12\n"])
def test_the_file_must_be_a_mapping(yaml: Yaml, text: str) -> None:
    assert yaml.problems(text) == ["agent.yaml:1:1: expected a mapping (key: value), such as sources: and sinks:"]


def test_problems_of_the_yaml_and_of_the_schema_are_reported_together(yaml: Yaml) -> None:
    found = yaml.problems(VALID + "log: {level: info, level: debug, colour: red}\n")
    assert found == [
        "agent.yaml:10:20: log.level: key 'level' appears twice (first at line 10)",
        "agent.yaml:10:34: log.colour: unknown key 'colour' (known: level, format, file)",
    ]
