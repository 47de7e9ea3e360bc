"""Catalogues that were made to cost time or memory: each is refused after a number of steps that is known."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from polling_source.config import CatalogConfig
from polling_source.tags.csv_tags import MAX_BYTES, CsvTags
from polling_source.tags.sqlite_catalog import SqliteCatalog
from polling_source.tags.sqlite_rows import SqliteRows
from polling_source.tags.tag import Place, parse_tag
from polling_source.tags.yaml_catalog import YamlCatalog

from agent_core.api import ConfigError
from agent_core.testing.clock import ManualClock

HEADER = "name,address,data_type\n"

PLANT = """
CREATE TABLE plc_connections (id, plc_code, ip_address, port, enabled);
CREATE TABLE polling_groups (id, group_name, plc_id, mode, interval_ms, enabled);
INSERT INTO plc_connections VALUES (1, 'PLC01', '10.0.0.1', 5010, 1);
INSERT INTO polling_groups VALUES (1, 'G', 1, 'FIXED', 1000, 1);
"""
TAG = "'D1' AS tag_address, {name} AS tag_name, 'WORD' AS data_type, 1 AS plc_id, 1 AS polling_group_id"
ENDLESS = f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT {TAG} FROM n"


def csv_problem(folder: Path, text: str) -> str:
    file = folder / "tags.csv"
    file.write_text(text, encoding="utf-8")
    found = CsvTags.read(file)
    (problem,) = (*found.problems, *found.tag_problems)
    return str(problem).replace(f"{folder}{os.sep}", "")


def sqlite_file(folder: Path, *scripts: str) -> Path:
    file = folder / "scada.db"
    with closing(sqlite3.connect(file)) as connection:
        for script in scripts:
            connection.executescript(script)
    return file


def sqlite_catalog(folder: Path, *scripts: str) -> SqliteCatalog:
    return SqliteCatalog.read(CatalogConfig(sqlite_file(folder, *scripts), 16, "utf-8"))


def sqlite_problem(folder: Path, *scripts: str) -> str:
    (problem,) = sqlite_catalog(folder, *scripts).problems
    return problem.message


def test_a_tag_list_that_is_too_large_is_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "tags.csv"
    with file.open("wb") as stream:
        stream.truncate(400_000_000)

    def fail(*_: object) -> bytes:
        raise AssertionError("the file was read")

    monkeypatch.setattr(os, "read", fail)
    (problem,) = CsvTags.read(file).problems
    assert problem.message == f"cannot read the tag list: it is larger than {MAX_BYTES // 2**20} MiB"


def test_a_cell_without_end_is_a_problem_of_its_line(tmp_path: Path) -> None:
    assert csv_problem(tmp_path, f"{HEADER}A,hr:1,WORD\nB,{'9' * 200_000},WORD\n") == (
        "tags.csv:3: the tag list is not a CSV file: field larger than field limit (131072)"
    )
    assert csv_problem(tmp_path, f"{HEADER}A,hr:{'9' * 100_000},WORD\n") == (
        "tags.csv:2: column address: has 100003 characters, more than 1000"
    )


def test_a_header_without_end_is_one_problem(tmp_path: Path) -> None:
    assert csv_problem(tmp_path, HEADER.strip() + ",name" * 100_000).startswith(
        "tags.csv:1: 100003 columns are more than 100 (known: name, address, data_type"
    )


def test_rows_without_end_are_read_to_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("polling_source.tags.csv_tags.MAX_ROWS", 10)
    text = HEADER + "".join(f"T{n},hr:{n},WORD\n" for n in range(10))
    (tmp_path / "fits.csv").write_text(text, encoding="utf-8")
    assert len(CsvTags.read(tmp_path / "fits.csv").rows) == 10
    assert csv_problem(tmp_path, text + "X,hr:1,WORX\n" * 100) == "tags.csv:12: more than 10 rows"


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("length", "9" * 4000, "is not a number of bytes from 1 to 65535"),
        ("length", "9" * 100_000, "is not a number of bytes from 1 to 65535"),
        ("length", 4_000_000_000, "is not a number of bytes from 1 to 65535"),
        ("scale", "9" * 100_000, "is not a number"),
        ("enum", "9" * 100_000 + "=X", "is not number=text"),
        ("encoding", "utf-8\0", "is not a text encoding"),
        ("encoding", "undefined", "is not a text encoding"),
    ],
)
def test_a_field_that_cannot_be_used_is_a_problem_that_can_be_read(field: str, value: object, message: str) -> None:
    tag = {"name": "A", "address": "hr:1", "data_type": "STRING" if field in ("length", "encoding") else "WORD"}
    problems = parse_tag({"length": 4 if field == "encoding" else None, **tag, field: value}, Place(file="t", line=1))
    assert isinstance(problems, list)
    text = str(problems[0])
    assert f"t:1: column {field}: " in text
    assert message in text or len(text) > 500
    assert len(text) < 1000


def test_a_view_that_ends_is_a_table_like_others(tmp_path: Path) -> None:
    names = "SELECT 'T' || value AS name FROM json_each('[1, 2, 3]')"
    found = sqlite_catalog(tmp_path, PLANT, f"CREATE VIEW tags AS SELECT {TAG.format(name='name')} FROM ({names})")
    assert found.problems == []
    assert [tag.spec.name for tag in found.tags["G"]] == ["T1", "T2", "T3"]
    assert [tag.place.line for tag in found.tags["G"]] == [1, 2, 3]


def test_a_view_without_a_row_is_interrupted_after_so_many_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("polling_source.tags.sqlite_rows.MAX_STEPS", 100_000)
    assert sqlite_problem(tmp_path, PLANT, f"CREATE VIEW tags AS {ENDLESS.format(name='i')} WHERE i < 0") == (
        "cannot read the catalogue: reading takes more than 100000 steps or 60 s; is a table an endless view?"
    )


def test_a_view_without_a_row_is_interrupted_after_a_time(tmp_path: Path) -> None:
    file = sqlite_file(tmp_path, PLANT, f"CREATE VIEW tags AS {ENDLESS.format(name='i')} WHERE i < 0")
    clock = ManualClock()

    def now() -> float:
        clock.advance(1.0)
        return clock.monotonic()

    with (
        closing(sqlite3.connect(file)) as connection,
        pytest.raises(sqlite3.OperationalError, match="interrupted"),
    ):
        list(SqliteRows(connection, now).rows("tags"))
    assert clock.monotonic() < 100.0


def test_a_view_without_end_is_read_to_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("polling_source.tags.sqlite_rows.MAX_ROWS", 1000)
    assert sqlite_problem(tmp_path, PLANT, f"CREATE VIEW tags AS {ENDLESS.format(name='i')}") == (
        "cannot read the catalogue: more than 1000 rows; is tags an endless view?"
    )


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("zeroblob(1000000000)", "string or blob too big"),
        ("hex(zeroblob(400000))", "more than 5000000 characters, at row 7 of tags"),
    ],
)
def test_values_without_end_are_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, message: str
) -> None:
    monkeypatch.setattr("polling_source.tags.sqlite_rows.MAX_CHARACTERS", 5_000_000)
    view = f"CREATE VIEW tags AS {ENDLESS.format(name=name)}"
    assert sqlite_problem(tmp_path, PLANT, view) == f"cannot read the catalogue: {message}"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_no_catalogue(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "scada.db")
    (problem,) = SqliteCatalog.read(CatalogConfig(tmp_path / "scada.db", 16, "utf-8")).problems
    assert problem.message == "cannot read the catalogue: it is not a regular file"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "a0: &a0 {x: 1}\n" + "".join(f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}]}}\n" for n in range(1, 40)),
            "no groups",
        ),
        ("groups:\n" + "".join(" " * n + "-\n" for n in range(500)), ":33:32: more than 32 nested"),
        ("groups: [{id: G, tags: [1, [x]]}]", ":1:25: groups[0].tags[0]: expected a mapping (key: value)"),
        ("groups: [{id: *hunter2tiger}]", ":1:15: this alias (*...) refers to nothing"),
    ],
)
def test_a_yaml_catalogue_has_the_limits_of_the_configuration(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "groups.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"groups\.yaml") as raised:
        YamlCatalog.read(file)
    assert message in str(raised.value)
    assert "tiger" not in str(raised.value)
