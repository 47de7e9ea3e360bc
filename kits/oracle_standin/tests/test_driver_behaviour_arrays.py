"""Array execution as python-oracledb publishes it, adapted from its suites 3200 (12.1 features) and 4000 (executemany).

The facts are the published suite's, the words and the code are not. Each test names the case it follows.
"""

from __future__ import annotations

import collections.abc
import decimal
from collections.abc import Sequence
from typing import Any

import oracledb
import pytest

from .behaviour import Target
from .sessions import error_code

INSERT = "INSERT INTO behaviour_work (id, text, small) VALUES (:1, :2, :3)"
EIGHT = [
    (1, "a", 100),
    (2, "b", 200),
    (3, "c", 300),
    (4, "d", 300),
    (5, "e", 300),
    (6, "f", 400),
    (7, "g", 400),
    (8, "h", 500),
]


def offsets(cursor: oracledb.Cursor) -> list[tuple[int, str]]:
    return [(error.offset, error.full_code) for error in cursor.getbatcherrors()]


def stored(cursor: oracledb.Cursor, columns: str = "id") -> list[Any]:
    rows: list[Any] = cursor.execute(f"SELECT {columns} FROM behaviour_work ORDER BY id").fetchall()
    return rows


@pytest.mark.parametrize("options", [{}, {"arraydmlrowcounts": False}])
def test_row_counts_must_be_asked_for_3200(cursor: oracledb.Cursor, options: dict[str, bool]) -> None:
    cursor.executemany(INSERT, EIGHT[:2], **options)
    with pytest.raises(oracledb.DatabaseError) as caught:
        cursor.getarraydmlrowcounts()
    assert error_code(caught) == "DPY-4006"


def test_row_counts_of_an_insert_are_ones_3201(conn: oracledb.Connection, cursor: oracledb.Cursor) -> None:
    cursor.executemany(INSERT, EIGHT[:5], arraydmlrowcounts=True)
    conn.commit()
    assert cursor.getarraydmlrowcounts() == [1, 1, 1, 1, 1]
    assert len(stored(cursor)) == 5


def test_row_counts_stop_at_the_error_3217(cursor: oracledb.Cursor) -> None:
    with pytest.raises(oracledb.IntegrityError) as caught:
        cursor.executemany(INSERT, [EIGHT[0], EIGHT[1], EIGHT[1], EIGHT[3]], arraydmlrowcounts=True)
    assert error_code(caught) == "ORA-00001"
    assert cursor.getarraydmlrowcounts() == [1, 1]


def test_row_counts_of_a_delete_3218(cursor: oracledb.Cursor) -> None:
    cursor.executemany(INSERT, EIGHT)
    cursor.executemany("DELETE FROM behaviour_work WHERE small = :1", [(200,), (300,), (400,)], arraydmlrowcounts=True)
    assert cursor.getarraydmlrowcounts() == [1, 3, 2]
    assert cursor.rowcount == 6


def test_row_counts_of_an_update_3219(cursor: oracledb.Cursor) -> None:
    cursor.executemany(INSERT, EIGHT)
    changes = [("one", 100), ("two", 200), ("three", 300), ("four", 400)]
    cursor.executemany("UPDATE behaviour_work SET text = :1 WHERE small = :2", changes, arraydmlrowcounts=True)
    assert cursor.getarraydmlrowcounts() == [1, 1, 3, 2]
    assert cursor.rowcount == 7


def test_distinct_batch_errors_come_in_no_row_order_3222(cursor: oracledb.Cursor) -> None:
    rows = [EIGHT[0], EIGHT[1], EIGHT[1], EIGHT[3], (5, "e", 1000)]
    cursor.executemany(INSERT, rows, batcherrors=True, arraydmlrowcounts=True)
    assert offsets(cursor) == [(4, "ORA-01438"), (2, "ORA-00001")]
    assert cursor.getarraydmlrowcounts() == [1, 1, 0, 1, 0]


def test_without_batch_errors_the_first_error_raises_3223(cursor: oracledb.Cursor) -> None:
    with pytest.raises(oracledb.IntegrityError, match="ORA-00001"):
        cursor.executemany(INSERT, [EIGHT[0], EIGHT[1], EIGHT[1]], batcherrors=False)


def test_batch_errors_of_an_insert_then_of_an_update_3224(cursor: oracledb.Cursor) -> None:
    rows = [(1, "first", 100), (2, "second", 200), (3, "third", 300), (4, "second", 300), (6, "x", 1), (6, "y", 2)]
    cursor.executemany(INSERT, rows, batcherrors=True)
    assert offsets(cursor) == [(5, "ORA-00001")]
    changes = [(101, "first"), (201, "second"), (3000, "third"), (900, "ninth"), (301, "third")]
    cursor.executemany(
        "UPDATE behaviour_work SET small = :1 WHERE text = :2", changes, arraydmlrowcounts=True, batcherrors=True
    )
    assert offsets(cursor) == [(2, "ORA-01438")]
    assert cursor.getarraydmlrowcounts() == [1, 2, 0, 0, 1]
    assert cursor.rowcount == 4


def test_no_errors_are_an_empty_list_3226(cursor: oracledb.Cursor) -> None:
    cursor.executemany(INSERT, EIGHT, batcherrors=True)
    assert cursor.getbatcherrors() == []


def test_batch_errors_are_those_of_the_last_call_3227(cursor: oracledb.Cursor) -> None:
    cursor.executemany(INSERT, [EIGHT[0], EIGHT[1], EIGHT[1]], batcherrors=True)
    assert offsets(cursor) == [(2, "ORA-00001")]
    cursor.executemany(INSERT, [EIGHT[2], EIGHT[2], EIGHT[3]], batcherrors=True)
    assert offsets(cursor) == [(1, "ORA-00001")]


@pytest.mark.parametrize("option", ["batcherrors", "arraydmlrowcounts"])
def test_array_options_are_for_dml_only_3230_3231(cursor: oracledb.Cursor, option: str) -> None:
    with pytest.raises(oracledb.DatabaseError) as caught:
        cursor.executemany("BEGIN NULL; END;", 3, **{option: True})
    assert error_code(caught) == "DPY-2040"


@pytest.mark.parametrize("rows", [[{"n": i} for i in range(250)], [[i] for i in range(230)]])
def test_rows_by_name_and_by_position_4000_4001(cursor: oracledb.Cursor, rows: list[Any]) -> None:
    cursor.executemany("INSERT INTO behaviour_work (id) VALUES (:n)", rows)
    assert cursor.rowcount == len(rows)
    assert len(stored(cursor)) == len(rows)


def test_a_prepared_statement_is_executed_many_times_4002(cursor: oracledb.Cursor) -> None:
    cursor.prepare("INSERT INTO behaviour_work (id) VALUES (:1)")
    cursor.executemany(None, [[i] for i in range(225)])
    assert len(stored(cursor)) == 225


def test_executing_again_binds_again_4003(cursor: oracledb.Cursor) -> None:
    rows = [[i] for i in range(235)]
    for part in (rows[:50], rows[50:]):
        cursor.executemany("INSERT INTO behaviour_work (id) VALUES (:1)", part)
    assert len(stored(cursor)) == 235


def test_a_bind_that_was_all_null_gets_its_type_later_4005_4032(cursor: oracledb.Cursor) -> None:
    rows = [(i, None) for i in range(1, 6)] + [(i, i * 0.25) for i in range(6, 12)]
    for start in range(0, len(rows), 4):
        cursor.executemany("INSERT INTO behaviour_work (id, amount) VALUES (:1, :2)", rows[start : start + 4])
    assert stored(cursor, "id, amount") == rows


def test_numbers_of_many_python_types_4006(cursor: oracledb.Cursor) -> None:
    rows = [(1, 5), (2, 7.0), (3, 6.5), (4, 2**20), (5, decimal.Decimal("24.5"))]
    cursor.executemany("INSERT INTO behaviour_work (id, amount) VALUES (:1, :2)", rows)
    assert stored(cursor, "id, amount") == rows


def test_strings_grow_within_a_batch_4007(cursor: oracledb.Cursor) -> None:
    rows = [(1, "first"), (2, "second"), (3, "the third and by far the longest")]
    cursor.executemany("INSERT INTO behaviour_work (id, text) VALUES (:1, :2)", rows)
    assert stored(cursor, "id, text") == rows


def test_rowcount_after_an_error_is_what_was_done_4008(cursor: oracledb.Cursor) -> None:
    with pytest.raises(oracledb.IntegrityError, match="ORA-00001"):
        cursor.executemany("INSERT INTO behaviour_work (id) VALUES (:n)", [{"n": n} for n in (1, 2, 3, 2, 5)])
    assert cursor.rowcount == 3


@pytest.mark.parametrize(
    ("rows", "code"),
    [("not rows", "DPY-2004"), ([1], "DPY-2004"), ([["x"], {"n": 1}], "DPY-2006"), ([{"n": 1}, ["x"]], "DPY-2006")],
)
def test_rows_of_the_wrong_shape_4009_4013_4014_4015(cursor: oracledb.Cursor, rows: Any, code: str) -> None:
    with pytest.raises(oracledb.Error) as caught:
        cursor.executemany("INSERT INTO behaviour_work (id) VALUES (:n)", rows)
    assert error_code(caught) == code


def test_no_statement_at_all_4023(cursor: oracledb.Cursor) -> None:
    with pytest.raises(oracledb.Error) as caught:
        cursor.executemany(None, [(1,)])
    assert error_code(caught) == "DPY-2001"


def test_a_number_of_iterations_repeats_the_binds_4024(cursor: oracledb.Cursor) -> None:
    cursor.execute("INSERT INTO behaviour_work (id, small) VALUES (0, 0)")
    cursor.executemany("UPDATE behaviour_work SET small = small + :1", [(2,), (3,), (4,)])
    cursor.executemany(None, 2)
    assert stored(cursor, "small") == [(2 + 3 + 4 + 2 + 3,)]


def test_the_offset_of_the_error_is_its_row_4026(cursor: oracledb.Cursor) -> None:
    with pytest.raises(oracledb.DatabaseError) as caught:
        cursor.executemany(
            "INSERT INTO behaviour_work (id, amount) VALUES (:1, 10 / (4 - :2))", [(i, i) for i in range(1, 9)]
        )
    assert error_code(caught) == "ORA-01476"
    assert caught.value.args[0].offset == 3


class Columns(collections.abc.Sequence[Any]):
    """A row that is neither a list nor a tuple."""

    def __init__(self, *values: Any) -> None:
        self._values = values

    def __len__(self) -> int:
        return len(self._values)

    def __getitem__(self, index: Any) -> Any:
        return self._values[index]


def test_a_row_may_be_any_sequence_3928(cursor: oracledb.Cursor) -> None:
    rows: Sequence[Any] = [Columns(1, "one"), Columns(2, "two")]
    cursor.executemany("INSERT INTO behaviour_work (id, text) VALUES (:1, :2)", list(rows))
    assert stored(cursor, "id, text") == [(1, "one"), (2, "two")]


@pytest.mark.parametrize("size", [1, 5, 99, 199, 200])
def test_batch_size_decides_on_the_round_trips_4031(database: Target, cursor: oracledb.Cursor, size: int) -> None:
    if database.standin is None:
        pytest.skip("needs the stand-in: counts its requests")
    rows = [(i, f"row {i}") for i in range(200)]
    before = database.standin.counters()["requests"]
    cursor.executemany("INSERT INTO behaviour_work (id, text) VALUES (:1, :2)", rows, batch_size=size)
    assert database.standin.counters()["requests"] - before == -(-len(rows) // size)
    assert stored(cursor, "id, text") == rows
