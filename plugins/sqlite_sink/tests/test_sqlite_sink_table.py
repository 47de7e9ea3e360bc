"""What a SQLite browser shows."""

from __future__ import annotations

import sqlite3
from array import array
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest
from sqlite_sink.config import Journal, OnConflict, SqliteSinkConfig, Synchronous
from sqlite_sink.row import timestamp_text
from sqlite_sink.sink import CONFLICT, SqliteSink

from agent_core.api import BAD, GOOD, UNCERTAIN, Batch, ComponentContext, Origin, Value, WriteOutcome

NOON = 1_767_268_800_000_000_000
ORIGIN = Origin("line1", "PLC01", "LINE1_PROCESS1")


def make_sink(folder: Path, on_conflict: OnConflict = OnConflict.KEEP) -> SqliteSink:
    config = SqliteSinkConfig(folder / "sub" / "data.db", "TAG_DATA", Journal.WAL, Synchronous.FULL, on_conflict, 5.0)
    return SqliteSink(config, ComponentContext("local", "line-1", folder, "sqlite_sink"))


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[SqliteSink]:
    sink = make_sink(tmp_path)
    sink.open()
    yield sink
    sink.close()


def ask(folder: Path, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(folder / "sub" / "data.db")) as connection:
        return connection.execute(query).fetchall()


def test_values_lie_in_sqlites_own_types(sink: SqliteSink, tmp_path: Path) -> None:
    values = (1.5, 3, True, "RUN", Decimal("1.50"), 2**64, float("nan"), float("inf"), None)
    sink.write(Batch.of(ORIGIN, "ABCDEFGHI", values, NOON))
    query = "SELECT tag_value, typeof(tag_value), value_type FROM TAG_DATA ORDER BY tag_name"
    assert ask(tmp_path, query) == [
        (1.5, "real", "float"),
        (3, "integer", "int"),
        (1, "integer", "bool"),
        ("RUN", "text", "str"),
        ("1.50", "text", "decimal"),
        ("18446744073709551616", "text", "int"),
        ("NaN", "text", "float"),
        (float("inf"), "real", "float"),
        (None, "null", "null"),
    ]


def test_an_integer_too_long_for_decimal_digits_is_kept_in_hexadecimal(sink: SqliteSink, tmp_path: Path) -> None:
    value = 10**5000
    sink.write(Batch.of(ORIGIN, "A", (value,), NOON))
    assert ask(tmp_path, "SELECT tag_value FROM TAG_DATA") == [(hex(value),)]


def test_time_quality_and_origin_are_readable(sink: SqliteSink, tmp_path: Path) -> None:
    stamps = array("q", (NOON + 1, NOON - 1, -1))
    sink.write(Batch.of(ORIGIN, "ABC", (1.0, 2.0, None), stamps, bytes((GOOD, UNCERTAIN, BAD))))
    query = "SELECT timestamp, quality, source, device, group_name FROM TAG_DATA ORDER BY tag_name"
    assert ask(tmp_path, query) == [
        ("2026-01-01T12:00:00.000000001Z", "GOOD", *ORIGIN),
        ("2026-01-01T11:59:59.999999999Z", "UNCERTAIN", *ORIGIN),
        ("1969-12-31T23:59:59.999999999Z", "BAD", *ORIGIN),
    ]


@pytest.mark.parametrize(
    ("timestamp_ns", "text"),
    [
        (-(2**63), "1677-09-21T00:12:43.145224192Z"),
        (2**63 - 1, "2262-04-11T23:47:16.854775807Z"),
        (0, "1970-01-01T00:00:00.000000000Z"),
    ],
)
def test_every_int64_timestamp_has_a_text(timestamp_ns: int, text: str) -> None:
    assert timestamp_text(timestamp_ns) == text


def test_the_latest_value_of_each_tag_is_in_a_table(sink: SqliteSink, tmp_path: Path) -> None:
    for second in range(3):
        sink.write(Batch.of(ORIGIN, ("A", "B"), (second, second * 10), NOON + second * 1_000_000_000))
    sink.write(Batch.of(ORIGIN, ("C",), ("once",), NOON))
    query = "SELECT tag_name, tag_value FROM TAG_DATA_latest ORDER BY tag_name"
    assert ask(tmp_path, query) == [("A", 2), ("B", 20), ("C", "once")]


def test_records_that_come_late_do_not_replace_the_latest_value(sink: SqliteSink, tmp_path: Path) -> None:
    for second in (2, 0, 1):
        sink.write(Batch.of(ORIGIN, ("A", "B"), (second, None), NOON + second * 1_000_000_000))
    assert ask(tmp_path, "SELECT tag_name, tag_value FROM TAG_DATA_latest") == [("A", 2), ("B", None)]


def test_a_rejected_record_is_not_the_latest_value(sink: SqliteSink, tmp_path: Path) -> None:
    for value in (1.0, 2.0):
        sink.write(Batch.of(ORIGIN, "A", (value,), NOON))
    assert ask(tmp_path, "SELECT tag_value FROM TAG_DATA_latest") == [(1.0,)]


def test_keep_rejects_another_value_and_names_both(sink: SqliteSink, tmp_path: Path) -> None:
    sink.write(Batch.of(ORIGIN, "AB", (1.0, 1.0), NOON))
    outcome = sink.write(Batch.of(ORIGIN, "ABC", (1.0, 2.0, 3.0), NOON))
    assert (outcome.inserted, outcome.duplicates) == (1, 1)
    (rejection,) = outcome.rejected
    assert (rejection.position, rejection.code) == (1, CONFLICT)
    assert "B at 2026-01-01T12:00:00.000000000Z: the table has 1.0 GOOD, the new record 2.0 GOOD" in rejection.message
    assert ask(tmp_path, "SELECT tag_value FROM TAG_DATA ORDER BY tag_name") == [(1.0,), (1.0,), (3.0,)]


def test_update_replaces_the_row_and_its_origin(tmp_path: Path) -> None:
    sink = make_sink(tmp_path, OnConflict.UPDATE)
    sink.open()
    sink.write(Batch.of(ORIGIN, "A", (1.0,), NOON))
    outcome = sink.write(Batch.of(Origin("line2", "PLC02", "G"), "AA", (2.0, 3.0), NOON, bytes((GOOD, UNCERTAIN))))
    sink.close()
    assert outcome == WriteOutcome(inserted=2)
    for table in ("TAG_DATA", "TAG_DATA_latest"):
        assert ask(tmp_path, f"SELECT tag_value, quality, device FROM {table}") == [(3.0, "UNCERTAIN", "PLC02")]


@pytest.mark.parametrize(
    ("first", "second"), [(1, 1.0), (1, True), ("1", 1), (Decimal("1.0"), Decimal("1.00")), (None, ""), (0, None)]
)
def test_values_that_only_look_alike_are_not_duplicates(sink: SqliteSink, first: object, second: object) -> None:
    sink.write(Batch.of(ORIGIN, "A", (first,), NOON))  # type: ignore[arg-type]
    assert sink.write(Batch.of(ORIGIN, "A", (second,), NOON)).duplicates == 0  # type: ignore[arg-type]


def test_the_same_value_from_elsewhere_is_a_duplicate(sink: SqliteSink) -> None:
    sink.write(Batch.of(ORIGIN, "A", (1.0,), NOON))
    assert sink.write(Batch.of(Origin("x", "y", "z"), "A", (1.0,), NOON)) == WriteOutcome(0, duplicates=1)


def test_a_record_that_the_table_refuses_costs_one_record(sink: SqliteSink, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "sub" / "data.db")) as connection:
        connection.execute(
            "CREATE TRIGGER guard BEFORE INSERT ON TAG_DATA WHEN new.tag_value > 100 "
            "BEGIN SELECT RAISE(ABORT, 'too hot'); END"
        )
    outcome = sink.write(Batch.of(ORIGIN, "ABCD", (1.0, 101.0, "\udc80", 2.0), NOON))
    assert outcome.inserted == 2
    assert [(rejection.position, rejection.code) for rejection in outcome.rejected] == [
        (1, "SQLITE_CONSTRAINT_TRIGGER"),
        (2, "UNFIT"),
    ]
    assert "too hot" in outcome.rejected[0].message
    assert ask(tmp_path, "SELECT tag_name FROM TAG_DATA ORDER BY tag_name") == [("A",), ("D",)]


class Unprintable(float):
    """A value whose own method fails."""

    def __eq__(self, other: object) -> bool:
        raise ArithmeticError("not comparable")

    __hash__ = float.__hash__


def test_a_value_that_cannot_be_stored_costs_its_own_record_only(sink: SqliteSink, tmp_path: Path) -> None:
    values: tuple[Value, ...] = (1, Decimal("1E+1000000"), Unprintable(), "\ud800", 10**5000, 6)
    batch = Batch.of(ORIGIN, "ABCDEF", values, NOON)
    outcome = sink.write(batch)
    assert outcome.inserted == 4
    assert [(position, code) for position, code, _ in outcome.rejected] == [(2, "UNFIT"), (3, "UNFIT")]
    assert "valid Unicode" in outcome.rejected[1].message
    assert sink.write(batch).duplicates == 4
    assert ask(tmp_path, "SELECT tag_name FROM TAG_DATA ORDER BY tag_name") == [("A",), ("B",), ("E",), ("F",)]


def test_a_tag_whose_name_is_not_valid_unicode_costs_its_own_record_only(sink: SqliteSink, tmp_path: Path) -> None:
    batch = Batch.of(ORIGIN, ("A", "B\udc80", "C"), (1, 2, 3), NOON)
    for _ in range(2):
        outcome = sink.write(batch)
        assert [(position, code) for position, code, _ in outcome.rejected] == [(1, "UNFIT")]
    assert ask(tmp_path, "SELECT tag_name FROM TAG_DATA ORDER BY tag_name") == [("A",), ("C",)]
