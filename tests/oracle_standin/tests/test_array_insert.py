"""Array DML as a sink uses it: batch errors, row counts, microseconds, limits."""

from __future__ import annotations

import datetime as dt

import oracledb
import pytest
from oracle_standin.process import Standin
from oracle_standin.tests.sessions import connect


@pytest.fixture(scope="module", params=["23", "19"])
def profile(request: pytest.FixtureRequest) -> str:
    """As 23ai and as 19c: they differ in log-on, replies and error texts."""
    return str(request.param)


INSERT = "INSERT INTO tag_data (tag_name, tag_value, timestamp, quality) VALUES (:1, :2, :3, :4)"
MOMENT = dt.datetime(2026, 3, 29, 1, 59, 59, 123456)
Row = tuple[str | None, str, dt.datetime, str]


def row(name: str | None = "T1", value: str = "1.5", moment: dt.datetime = MOMENT) -> Row:
    return name, value, moment, "GOOD"


def insert(connection: oracledb.Connection, rows: list[Row], **options: bool) -> oracledb.Cursor:
    cursor = connection.cursor()
    cursor.setinputsizes(100, 255, oracledb.DB_TYPE_TIMESTAMP, 20)
    cursor.executemany(INSERT, rows, **options)
    return cursor


def test_a_batch_is_stored_and_committed(db: Standin, connection: oracledb.Connection) -> None:
    cursor = insert(connection, [row(f"T{i}") for i in range(500)])
    assert cursor.rowcount == 500
    assert db.sql("SELECT COUNT(*) FROM tag_data") == [[0]]
    connection.commit()
    assert db.sql("SELECT COUNT(*) FROM tag_data") == [[500]]
    assert db.tables() == {"SCOTT.TAG_DATA": 500}
    assert db.counters()["rows"] == 500


def test_microseconds_survive(db: Standin, connection: oracledb.Connection) -> None:
    insert(connection, [row(), row(moment=MOMENT + dt.timedelta(microseconds=1))])
    fetched = connection.cursor().execute("SELECT timestamp FROM tag_data ORDER BY timestamp").fetchall()
    assert fetched == [(MOMENT,), (MOMENT + dt.timedelta(microseconds=1),)]


def test_a_datetime_bound_as_date_loses_its_fraction(connection: oracledb.Connection) -> None:
    cursor = connection.cursor()
    cursor.execute(INSERT, row())
    cursor.execute("SELECT timestamp FROM tag_data")
    assert cursor.fetchone() == (MOMENT.replace(microsecond=0),)


def test_good_rows_go_in_beside_bad_ones(db: Standin, connection: oracledb.Connection) -> None:
    rows = [row("A"), row("A"), row("B" * 101), row(None), row("C"), row("가" * 34)]
    cursor = insert(connection, rows, batcherrors=True, arraydmlrowcounts=True)
    errors = {error.offset: error.full_code for error in cursor.getbatcherrors()}
    assert errors == {1: "ORA-00001", 2: "ORA-12899", 3: "ORA-01400", 5: "ORA-12899"}
    assert cursor.getarraydmlrowcounts() == [1, 0, 0, 0, 1, 0]
    assert cursor.rowcount == 2
    connection.commit()
    assert db.sql("SELECT tag_name FROM tag_data ORDER BY tag_name") == [["A"], ["C"]]
    assert db.counters()["rows_failed"] == 4


def test_a_duplicate_is_worded_as_its_release_does(connection: oracledb.Connection) -> None:
    insert(connection, [row()])
    error = insert(connection, [row(), row("T2")], batcherrors=True).getbatcherrors()[0]
    first, *rest = error.message.splitlines()
    if connection.version.startswith("19"):
        assert first == "ORA-00001: unique constraint (SCOTT.TAG_DATA_PK) violated"
    else:
        assert first == (
            "ORA-00001: unique constraint (SCOTT.TAG_DATA_PK) violated on table SCOTT.TAG_DATA "
            "columns (TAG_NAME, TIMESTAMP)"
        )
        assert rest[0].startswith("ORA-03301: ")
        assert "TAG_NAME:'T1'" in rest[0]


def test_without_batch_errors_rows_before_the_error_stay(connection: oracledb.Connection) -> None:
    with pytest.raises(oracledb.IntegrityError) as caught:
        insert(connection, [row("A"), row("B"), row("A"), row("C")])
    assert caught.value.args[0].full_code == "ORA-00001"
    assert caught.value.args[0].offset == 2
    assert connection.cursor().execute("SELECT COUNT(*) FROM tag_data").fetchone() == (2,)


def test_row_counts_are_known_up_to_the_error(connection: oracledb.Connection) -> None:
    cursor = connection.cursor()
    cursor.setinputsizes(100, 255, oracledb.DB_TYPE_TIMESTAMP, 20)
    with pytest.raises(oracledb.IntegrityError):
        cursor.executemany(INSERT, [row("A"), row("B"), row("A")], arraydmlrowcounts=True)
    assert cursor.getarraydmlrowcounts() == [1, 1]
    assert cursor.rowcount == 2


def test_autocommit_commits_only_a_batch_without_errors(db: Standin) -> None:
    with connect(db) as opened:
        opened.autocommit = True
        insert(opened, [row("A")], batcherrors=True)
        assert db.tables()["SCOTT.TAG_DATA"] == 1
        insert(opened, [row("A"), row("B")], batcherrors=True)
        assert opened.transaction_in_progress
        assert db.tables()["SCOTT.TAG_DATA"] == 1


def test_a_long_batch_spans_many_packets(connection: oracledb.Connection) -> None:
    rows = [row(f"T{i:05}", "x" * 255) for i in range(5000)]
    assert insert(connection, rows).rowcount == 5000
    assert connection.cursor().execute("SELECT MAX(tag_name) FROM tag_data").fetchone() == ("T04999",)


def test_count_only_mode_counts_and_stores_nothing() -> None:
    ddl = "CREATE TABLE tag_data (tag_name VARCHAR2(9), tag_value VARCHAR2(9), timestamp TIMESTAMP, quality CHAR(4))"
    with Standin(count_only=True, ddl=[ddl]) as db, connect(db) as opened:
        insert(opened, [row()] * 1000)
        insert(opened, [row("x" * 99)] * 1000)
        assert db.tables() == {"SCOTT.TAG_DATA": 2000}
        assert db.counters()["rows"] == 2000
