"""Cursors as python-oracledb publishes them, adapted from its suites 1700 (errors), 3900 (execute), 4300 (cursors).

The facts are the published suite's, the words and the code are not. Each test names the case it follows.
"""

from __future__ import annotations

import pickle
from typing import Any

import oracledb
import pytest

from .behaviour import Target
from .sessions import error_code

FIVE = [(i, f"text {i}") for i in range(1, 6)]
INSERT = "INSERT INTO behaviour_work (id, text) VALUES (:1, :2)"
SELECT = "SELECT id, text FROM behaviour_work ORDER BY id"


@pytest.fixture
def five(cursor: oracledb.Cursor) -> oracledb.Cursor:
    cursor.executemany(INSERT, FIVE)
    return cursor


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda c: c.execute(None), "DPY-2001"),
        (lambda c: c.execute("  "), "DPY-2066"),
        (lambda c: c.execute("SELECT :a FROM dual", {"a": 1}, a=1), "DPY-2005"),
        (lambda c: c.execute("SELECT y FROM dual"), "ORA-00904"),
        (lambda c: c.execute("SELECT :value FROM dual", value2=3), "DPY-4008"),
        (lambda c: c.execute("SELECT :value, :value2 FROM dual", [3]), "DPY-4009"),
        (lambda c: c.execute("SELECT :value FROM dual"), "DPY-4010"),
        (lambda c: c.execute("SELECT :1 FROM dual", "not parameters"), "DPY-2003"),
        (lambda c: c.execute("SELECT 'open FROM dual"), "DPY-2041"),
        (lambda c: c.fetchone(), "DPY-1003"),
        (lambda c: c.executemany("SELECT 1 FROM dual", 2.5), "DPY-2004"),
    ],
)
def test_mistakes_and_the_next_statement_works_39xx(cursor: oracledb.Cursor, call: Any, code: str) -> None:
    with pytest.raises(oracledb.Error) as caught:
        call(cursor)
    assert error_code(caught) == code
    assert cursor.execute("SELECT 1 FROM dual").fetchone() == (1,)


def test_fetching_after_a_failed_statement_3908(cursor: oracledb.Cursor) -> None:
    with pytest.raises(oracledb.DatabaseError, match="ORA-00904"):
        cursor.execute("SELECT y FROM dual")
    with pytest.raises(oracledb.InterfaceError) as caught:
        cursor.fetchall()
    assert error_code(caught) == "DPY-1003"


def test_binds_by_name_and_position_3910_3912(five: oracledb.Cursor) -> None:
    query = "SELECT text FROM behaviour_work WHERE id = :one AND text = :two"
    assert five.execute(query, one=1, two="text 1").fetchall() == [("text 1",)]
    assert five.execute(query, {"one": 3, "two": "text 3"}).fetchall() == [("text 3",)]
    with five.connection.cursor() as other:
        assert other.execute(query, [2, "text 2"]).fetchall() == [("text 2",)]


def test_quoted_bind_names_3921_4336(cursor: oracledb.Cursor) -> None:
    cursor.execute(
        'SELECT :"_value1" + :"VaLue_2" + :"3VALUE" FROM dual', {'"_value1"': 1, '"VaLue_2"': 2, '"3VALUE"': 3}
    )
    assert cursor.fetchone() == (6,)
    assert cursor.execute("SELECT :TEST FROM dual", test="x").fetchone() == ("x",)


def test_bind_names_4304(cursor: oracledb.Cursor) -> None:
    cursor.prepare("SELECT :a, :b, :a, ':c', /* :d */ :e FROM dual -- :f")
    assert cursor.bindnames() == ["A", "B", "E"]


def test_the_array_size_may_change_after_execute_3906(five: oracledb.Cursor) -> None:
    five.execute(SELECT)
    five.arraysize = 20
    assert five.fetchall() == FIVE


@pytest.mark.parametrize(("arraysize", "prefetch"), [(1, 0), (2, 3), (3, 2), (100, 2), (2, 100), (5, 5)])
def test_array_size_and_prefetch_change_no_result_3929_4322_4339(
    five: oracledb.Cursor, arraysize: int, prefetch: int
) -> None:
    five.arraysize, five.prefetchrows = arraysize, prefetch
    assert five.execute(SELECT).fetchall() == FIVE
    assert five.rowcount == 5


def test_prefetch_saves_round_trips_4322(database: Target, five: oracledb.Cursor) -> None:
    if database.standin is None:
        pytest.skip("needs the stand-in: counts its requests")
    trips = []
    for prefetch in (0, 6):
        five.prefetchrows = prefetch
        before = database.standin.counters()["requests"]
        five.execute(SELECT).fetchall()
        trips.append(database.standin.counters()["requests"] - before)
    assert trips == [2, 1]


def test_row_factories_3923_3925(five: oracledb.Cursor) -> None:
    five.execute(SELECT)
    names = [column[0] for column in five.description or ()]
    five.rowfactory = lambda *row: dict(zip(names, row, strict=True))
    assert five.fetchone() == {"ID": 1, "TEXT": "text 1"}
    assert five.execute("SELECT 1 FROM dual").fetchall() == [(1,)]


def test_iterating_4302_4303(five: oracledb.Cursor) -> None:
    assert list(five.execute(SELECT)) == FIVE
    rows = iter(five.execute("SELECT id FROM behaviour_work WHERE id BETWEEN 1 AND 3 ORDER BY id"))
    assert next(rows) == (1,)
    five.execute("SELECT id FROM behaviour_work WHERE id > 3 ORDER BY id")
    assert [next(rows), next(rows)] == [(4,), (5,)]
    with pytest.raises(StopIteration):
        next(rows)


def test_a_closed_cursor_4301(cursor: oracledb.Cursor) -> None:
    cursor.close()
    with pytest.raises(oracledb.InterfaceError) as caught:
        cursor.execute("SELECT 1 FROM dual")
    assert error_code(caught) == "DPY-1006"


def test_parsing_only_describes_4311_4326(five: oracledb.Cursor) -> None:
    five.parse("SELECT id FROM behaviour_work")
    assert five.statement == "SELECT id FROM behaviour_work"
    assert [column[0] for column in five.description or ()] == ["ID"]
    five.parse("INSERT INTO behaviour_work (id) VALUES (9)")
    assert five.description is None
    assert five.execute("SELECT COUNT(*) FROM behaviour_work").fetchone() == (5,)


def test_rowcount_of_a_query_grows_with_fetching_4317_4356(five: oracledb.Cursor) -> None:
    five.arraysize = five.prefetchrows = 2
    five.execute(SELECT)
    assert five.rowcount == 0
    counts = []
    while five.fetchone():
        counts.append(five.rowcount)
    assert counts == [1, 2, 3, 4, 5]


def test_rowcount_of_dml(five: oracledb.Cursor) -> None:
    five.execute("UPDATE behaviour_work SET small = 1 WHERE id <= 2")
    assert five.rowcount == 2
    five.execute("DELETE FROM behaviour_work WHERE id = 99")
    assert five.rowcount == 0


def test_fetchmany_with_and_without_a_number_4349_4364(five: oracledb.Cursor) -> None:
    five.arraysize = 3
    five.execute(SELECT)
    assert [len(five.fetchmany()), len(five.fetchmany()), len(five.fetchmany())] == [3, 2, 0]
    five.execute(SELECT)
    assert [len(five.fetchmany(4)), len(five.fetchmany(4))] == [4, 1]


def test_the_same_statement_on_many_cursors_3918_4333(conn: oracledb.Connection) -> None:
    for row in FIVE:
        with conn.cursor() as cursor:
            cursor.execute(INSERT, row)
    with conn.cursor() as cursor:
        cursor.prepare(SELECT, cache_statement=False)
        assert cursor.execute(None).fetchall() == FIVE


def test_executing_again_after_an_error_4341(cursor: oracledb.Cursor) -> None:
    cursor.execute(INSERT, [1, "x"])
    for _ in range(2):
        with pytest.raises(oracledb.IntegrityError, match="ORA-00001"):
            cursor.execute(INSERT, [1, "x"])
    cursor.execute(INSERT, [2, "x"])
    assert cursor.rowcount == 1


def test_equal_values_in_consecutive_rows_4344(cursor: oracledb.Cursor) -> None:
    rows = [(i, "same" if i < 8 else None) for i in range(1, 12)]
    cursor.executemany(INSERT, rows)
    for _ in range(2):
        assert cursor.execute(SELECT).fetchall() == rows


def test_a_bind_changes_its_type_4351(cursor: oracledb.Cursor) -> None:
    for value in (1, "x", 2.5, None, b"raw"):
        assert cursor.execute("SELECT :1 FROM dual", [value]).fetchone() == (value,)


def test_input_sizes_without_arguments_4306_4308(cursor: oracledb.Cursor) -> None:
    assert cursor.setinputsizes() == []
    assert cursor.execute("SELECT :1 FROM dual", [1]).fetchone() == (1,)


def test_ddl_again_and_again_4334(cursor: oracledb.Cursor) -> None:
    for _ in range(2):
        cursor.execute("CREATE TABLE behaviour_again (id NUMBER)")
        assert cursor.execute("SELECT * FROM behaviour_again").fetchall() == []
        cursor.execute("DROP TABLE behaviour_again PURGE")


def test_a_column_that_appears_under_a_cached_query_4353(cursor: oracledb.Cursor) -> None:
    cursor.execute("CREATE TABLE behaviour_again (id NUMBER)")
    assert cursor.execute("SELECT * FROM behaviour_again").fetchall() == []
    cursor.execute("DROP TABLE behaviour_again PURGE")
    cursor.execute("CREATE TABLE behaviour_again (id NUMBER, name VARCHAR2(9))")
    cursor.execute("INSERT INTO behaviour_again VALUES (1, 'x')")
    assert cursor.execute("SELECT * FROM behaviour_again").fetchall() == [(1, "x")]
    cursor.connection.rollback()
    cursor.execute("DROP TABLE behaviour_again PURGE")


def test_sql_that_is_not_ascii_4335(cursor: oracledb.Cursor) -> None:
    assert cursor.execute("SELECT 'FÖÖ' || '가' FROM dual").fetchone() == ("FÖÖ가",)


def test_errors_have_a_code_an_offset_and_survive_pickling_1701(cursor: oracledb.Cursor) -> None:
    with pytest.raises(oracledb.DatabaseError) as caught:
        cursor.execute("SELECT 1 / 0 FROM dual")
    error = caught.value.args[0]
    assert (error.code, error.full_code, error.isrecoverable) == (1476, "ORA-01476", False)
    again = pickle.loads(pickle.dumps(error))
    assert (again.message, again.code, again.offset) == (error.message, error.code, error.offset)


def test_errors_point_to_the_help_pages_1703(cursor: oracledb.Cursor) -> None:
    with pytest.raises(oracledb.DatabaseError, match=r"https://docs\.oracle\.com/error-help/db/ora-01476/"):
        cursor.execute("SELECT 1 / 0 FROM dual")


def test_an_error_in_the_middle_of_the_rows_1158(five: oracledb.Cursor) -> None:
    five.arraysize = five.prefetchrows = 2
    with pytest.raises(oracledb.DatabaseError, match="ORA-01476"):
        five.execute("SELECT 10 / (3 - id) FROM behaviour_work ORDER BY id").fetchall()
    assert five.execute(SELECT).fetchall() == FIVE
