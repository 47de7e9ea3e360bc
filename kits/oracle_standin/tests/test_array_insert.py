"""Array DML as a sink uses it: batch errors, row counts, microseconds, limits."""

from __future__ import annotations

import datetime as dt

import oracledb
import pytest
from oracle_standin.process import Standin

from .sessions import connect


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


@pytest.mark.parametrize("count_only", [False, True])
def test_a_request_may_end_anywhere_in_a_packet(count_only: bool) -> None:
    """Nothing marks the end of a request, so one that just fills its last packet is the hard case."""
    ddl = "CREATE TABLE widths (a NUMBER, b VARCHAR2(4000))"
    with Standin(count_only=count_only, ddl=[ddl]) as db, connect(db, sdu=1024) as opened, opened.cursor() as cursor:
        assert opened.sdu == 1024
        for width in range(1000, 2100, 4):  # more than a packet's worth of lengths, in steps smaller than its header
            cursor.setinputsizes(None, 4000)
            cursor.executemany("INSERT INTO widths VALUES (:1, :2)", [(1, "x" * width), (2, "x")])
        opened.commit()
        assert db.tables() == {"SCOTT.WIDTHS": 550}
        if not count_only:
            assert db.sql("SELECT MAX(LENGTH(b)), COUNT(DISTINCT b), SUM(a) FROM widths") == [[2096, 276, 825]]


def test_strings_longer_than_a_packet_and_longer_than_a_bind(connection: oracledb.Connection) -> None:
    cursor = connection.cursor()
    for length in (300, 20_000, 32_767):
        text = "가" * (length // 3)
        assert cursor.execute("SELECT :1, :2 FROM dual", [text, 1]).fetchone() == (text, 1)
    cursor.execute("SELECT LENGTH(:1), :2 FROM dual", ["x" * 40_000, "after"])
    assert cursor.fetchone() == (40_000, "after")


def test_binds_of_types_no_column_has(connection: oracledb.Connection) -> None:
    cursor = connection.cursor()
    cursor.setinputsizes(oracledb.DB_TYPE_NVARCHAR, oracledb.DB_TYPE_TIMESTAMP_LTZ, oracledb.DB_TYPE_TIMESTAMP_TZ)
    cursor.execute("SELECT :1 || '!', :2, :3 FROM dual", ["가나", MOMENT, MOMENT])
    assert cursor.fetchone() == ("가나!", MOMENT, MOMENT)
    cursor.setinputsizes()
    # a bool is a BOOLEAN for 23ai and a NUMBER for 19c: what a text column gets depends on the release
    cursor.execute("SELECT :1 || '' FROM dual", [True])
    assert cursor.fetchone() == ("1" if connection.version.startswith("19") else "TRUE",)
    with pytest.raises(oracledb.DatabaseError, match="ORA-03115"):
        cursor.execute("SELECT :1 FROM dual", [dt.timedelta(days=1)])


def test_numbers_and_doubles_into_text_and_back(db: Standin, connection: oracledb.Connection) -> None:
    db.sql("CREATE TABLE mixed (a VARCHAR2(40), b BINARY_DOUBLE, c NUMBER(5,1), d DATE, e TIMESTAMP(3))")
    cursor = connection.cursor()
    cursor.setinputsizes(
        oracledb.DB_TYPE_BINARY_DOUBLE, None, oracledb.DB_TYPE_BINARY_DOUBLE, None, oracledb.DB_TYPE_DATE
    )
    rows = [(1.5, "2.5", 3.25, MOMENT, MOMENT), (None, 4, None, None, None), (-2.0, None, 9999.9, MOMENT, None)]
    cursor.executemany(
        "INSERT INTO mixed VALUES (:1, :2, :3, :4, :5)",
        [(a, None if b is None else str(b), c, d, e) for a, b, c, d, e in rows],
    )
    day = MOMENT.replace(microsecond=0)
    assert cursor.execute("SELECT * FROM mixed").fetchall() == [
        ("1.5", 2.5, 3.3, day, day), (None, 4, None, None, None), ("-2", None, 9999.9, day, None),
    ]  # fmt: skip
    with pytest.raises(oracledb.DatabaseError, match="ORA-01426"):
        cursor.execute("INSERT INTO mixed (c) VALUES (CAST('Infinity' AS BINARY_DOUBLE))")
    with pytest.raises(oracledb.DatabaseError, match="ORA-00932"):
        cursor.execute("INSERT INTO mixed (d) VALUES (1)")
    connection.rollback()
    db.sql("DROP TABLE mixed")


def test_count_only_mode_counts_and_stores_nothing() -> None:
    ddl = "CREATE TABLE tag_data (tag_name VARCHAR2(9), tag_value VARCHAR2(9), timestamp TIMESTAMP, quality CHAR(4))"
    with Standin(count_only=True, ddl=[ddl]) as db, connect(db) as opened:
        insert(opened, [row()] * 1000)
        insert(opened, [row("x" * 99)] * 1000)
        assert db.tables() == {"SCOTT.TAG_DATA": 2000}
        assert db.counters()["rows"] == 2000
