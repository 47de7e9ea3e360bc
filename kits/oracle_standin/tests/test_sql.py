"""Queries, MERGE and the other statements a sink or its tests send."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import oracledb
import pytest
from oracle_standin.process import Standin

from .sessions import connect

MOMENT = dt.datetime(2026, 1, 1, 12, 0, 0, 250000)
ROWS = [
    ("A", "1", MOMENT, "GOOD"),
    ("A", "2", MOMENT + dt.timedelta(seconds=1), "GOOD"),
    ("B", "3", MOMENT, "BAD"),
    ("C%", "10", MOMENT, "GOOD"),
]


@pytest.fixture
def cursor(connection: oracledb.Connection) -> oracledb.Cursor:
    cursor = connection.cursor()
    cursor.setinputsizes(100, 255, oracledb.DB_TYPE_TIMESTAMP, 20)
    cursor.executemany("INSERT INTO tag_data VALUES (:1, :2, :3, :4)", ROWS)
    return connection.cursor()


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("SELECT COUNT(*) FROM tag_data", [(4,)]),
        ("SELECT COUNT(DISTINCT tag_name), MIN(tag_name), MAX(timestamp) FROM tag_data",
         [(3, "A", MOMENT + dt.timedelta(seconds=1))]),
        ("SELECT SUM(tag_value), AVG(tag_value) FROM tag_data WHERE tag_name <> 'C%'", [(6, 2)]),
        ("SELECT COUNT(*), SUM(tag_value), MIN(quality) FROM tag_data WHERE 1 = 0", [(0, None, None)]),
        ("SELECT tag_name, COUNT(*) FROM tag_data GROUP BY tag_name HAVING COUNT(*) > 1", [("A", 2)]),
        ("SELECT quality q, COUNT(*) FROM tag_data GROUP BY quality ORDER BY COUNT(*) DESC", [("GOOD", 3), ("BAD", 1)]),
        ("SELECT tag_value FROM tag_data WHERE tag_name = 'A' OR quality = 'BAD' ORDER BY 1 DESC",
         [("3",), ("2",), ("1",)]),
        ("SELECT tag_value FROM tag_data WHERE tag_name IN ('A', 'B') AND NOT quality = 'BAD' ORDER BY tag_value",
         [("1",), ("2",)]),
        ("SELECT tag_value FROM tag_data WHERE tag_name NOT IN ('A', 'B')", [("10",)]),
        ("SELECT tag_value FROM tag_data WHERE tag_name LIKE 'C\\%' ESCAPE '\\'", [("10",)]),
        ("SELECT tag_value FROM tag_data WHERE tag_name LIKE '_' AND tag_value BETWEEN 2 AND 3 ORDER BY 1",
         [("2",), ("3",)]),
        ("SELECT tag_value FROM tag_data WHERE tag_value > 9", [("10",)]),
        ("SELECT tag_value FROM tag_data ORDER BY tag_name DESC, timestamp FETCH FIRST 2 ROWS ONLY", [("10",), ("3",)]),
        ("SELECT tag_value FROM tag_data ORDER BY tag_value OFFSET 1 ROWS FETCH NEXT 1 ROWS ONLY", [("10",)]),
        ("SELECT COUNT(*) FROM tag_data WHERE ROWNUM <= 3", [(3,)]),
        ("SELECT 1 FROM tag_data WHERE ROWNUM = 1", [(1,)]),
        ("SELECT DISTINCT quality FROM tag_data ORDER BY quality", [("BAD",), ("GOOD",)]),
        (("SELECT a.tag_value, b.tag_value FROM tag_data a JOIN tag_data b ON b.tag_name = a.tag_name "
          "AND b.timestamp = a.timestamp WHERE a.quality = 'BAD'"), [("3", "3")]),
        (("SELECT a.tag_name, b.tag_name FROM tag_data a LEFT JOIN tag_data b ON b.tag_name = a.tag_name || 'x' "
          "WHERE a.quality = 'BAD'"), [("B", None)]),
        ("SELECT x.n FROM (SELECT tag_name n, COUNT(*) c FROM tag_data GROUP BY tag_name) x WHERE x.c = 2", [("A",)]),
        (("SELECT (SELECT MAX(tag_value) FROM tag_data i WHERE i.tag_name = o.tag_name) FROM tag_data o "
          "WHERE tag_name = 'B'"), [("3",)]),
        (("SELECT tag_name FROM tag_data o WHERE EXISTS (SELECT 1 FROM tag_data i WHERE i.tag_name = o.tag_name "
          "AND i.timestamp > o.timestamp)"), [("A",)]),
        ("SELECT COUNT(*) FROM tag_data WHERE tag_name IN (SELECT tag_name FROM tag_data WHERE quality = 'BAD')",
         [(1,)]),
        ("SELECT 1 a FROM dual UNION ALL SELECT 2 FROM dual UNION SELECT 2 FROM dual", [(1,), (2,)]),
        ("SELECT NVL(NULL, 'x'), COALESCE(NULL, 1), CASE WHEN 1 > 2 THEN 'a' ELSE 'b' END FROM dual", [("x", 1, "b")]),
        ("SELECT DECODE(2, 1, 'one', 2, 'two', 'many'), DECODE(3, 1, 'one', 'many'), DECODE(3, 1, 'one') FROM dual",
         [("two", "many", None)]),
        ("SELECT CASE 2 WHEN 2 THEN 'two' END, NULL, '' FROM dual", [("two", None, None)]),
        ("SELECT 1 + 2 * 3 - 4 / 2, -(1), MOD(7, 3), ROUND(2.345, 2), ABS(-3) FROM dual", [(5, -1, 1, 2.35, 3)]),
        ("SELECT UPPER('a') || LOWER('B') || SUBSTR('abc', -2, 1), LENGTH('가'), LENGTHB('가') FROM dual",
         [("Abb", 1, 3)]),
        ("SELECT TO_CHAR(timestamp, 'YYYY-MM-DD\"T\"HH24:MI:SS.FF3') FROM tag_data WHERE tag_name = 'B'",
         [("2026-01-01T12:00:00.250",)]),
        ("SELECT TO_TIMESTAMP('2026-01-01 12:00:00.25', 'YYYY-MM-DD HH24:MI:SS.FF6') FROM dual", [(MOMENT,)]),
        (("SELECT TO_DATE('01-JAN-26'), TO_TIMESTAMP('01-JAN-26 12.00.00.25 PM'), TO_DATE(NULL), TO_TIMESTAMP(NULL) "
          "FROM dual"),
         [(dt.datetime(2026, 1, 1), MOMENT, None, None)]),
        (("SELECT SYS_EXTRACT_UTC(TO_TIMESTAMP_TZ('2026-01-01 21:00:00.25 +09:00', "
          "'YYYY-MM-DD HH24:MI:SSXFF TZH:TZM')) FROM dual"), [(MOMENT,)]),
        ("SELECT TO_DATE('2026/01/02', 'YYYY/MM/DD') - DATE '2026-01-01' FROM dual", [(1,)]),
        ("SELECT TIMESTAMP '2026-01-01 12:00:00.25' + 1 FROM dual", [(MOMENT + dt.timedelta(days=1),)]),
        ("SELECT CAST('12' AS NUMBER) + TO_NUMBER('1'), CAST(1.5 AS VARCHAR2(9)), TO_CHAR(0.5) FROM dual",
         [(13, "1.5", ".5")]),
        ("SELECT EXTRACT(YEAR FROM DATE '2026-01-01'), TRUNC(TIMESTAMP '2026-01-01 12:00:00') FROM dual",
         [(2026, dt.datetime(2026, 1, 1))]),
        ("SELECT SYS_EXTRACT_UTC(TIMESTAMP '2026-01-01 12:00:00.25' AT TIME ZONE '+09:00') FROM dual", [(MOMENT,)]),
        (("SELECT COUNT(*) FROM dual WHERE TRUNC(TO_TIMESTAMP_TZ('2026-01-01 05:00 +09:00', "
          "'YYYY-MM-DD HH24:MI TZH:TZM')) = DATE '2026-01-01'"), [(1,)]),
        ("SELECT USER, SYS_CONTEXT('USERENV', 'CURRENT_SCHEMA'), SYS_CONTEXT('USERENV', 'SERVICE_NAME') FROM dual",
         [("SCOTT", "SCOTT", "FREEPDB1")]),
        ("SELECT COUNT(*) FROM tag_data WHERE quality IS NULL OR tag_value IS NOT NULL", [(4,)]),
        ("SELECT tag_value AS v FROM tag_data WHERE quality = 'GOOD' ORDER BY v DESC", [("2",), ("10",), ("1",)]),
        ("SELECT NULLIF_ FROM (SELECT NULL nullif_ FROM dual UNION ALL SELECT 1 FROM dual) ORDER BY 1",
         [(1,), (None,)]),
        ("SELECT n FROM (SELECT NULL n FROM dual UNION ALL SELECT 1 FROM dual) ORDER BY 1 NULLS FIRST",
         [(None,), (1,)]),
        ("SELECT CAST(1 AS BINARY_DOUBLE) / 4 * 2 + 1 - CAST(3 AS BINARY_DOUBLE) FROM dual", [(-1.5,)]),
        (("SELECT MAX(d), SUM(d), AVG(d) FROM (SELECT 1.5 + CAST(0 AS BINARY_DOUBLE) d FROM dual "
          "UNION ALL SELECT 2.5 FROM dual)"),
         [(2.5, 4.0, 2.0)]),
        ("SELECT CAST('NaN' AS BINARY_DOUBLE) || '', CAST('Infinity' AS BINARY_DOUBLE) || '' FROM dual",
         [("Nan", "Inf")]),
        ("SELECT COUNT(*) FROM dual WHERE CAST('NaN' AS BINARY_DOUBLE) = CAST('NaN' AS BINARY_DOUBLE)", [(1,)]),
        ("SELECT COUNT(*) FROM tag_data WHERE NULL IN ('A') OR tag_name IN (NULL, 'B')", [(1,)]),
        ("SELECT COUNT(*) FROM tag_data WHERE tag_name NOT IN ('A', NULL)", [(0,)]),
        (("SELECT tag_value FROM tag_data WHERE (tag_name = 'B' AND timestamp = TIMESTAMP '2026-01-01 12:00:00.25') "
          "OR (tag_name = 'C%' AND timestamp = TIMESTAMP '2026-01-01 12:00:00.25') ORDER BY 1"), [("10",), ("3",)]),
        ("SELECT UPPER(NULL), LENGTH(NULL), TO_CHAR(NULL), SUBSTR(NULL, 1), ROUND(NULL), NULL + 1, -NULL FROM dual",
         [(None,) * 7]),
        ("SELECT q'[it's]' /* a :comment */ FROM dual -- and :another", [("it's",)]),
    ],
)  # fmt: skip
def test_a_query(cursor: oracledb.Cursor, query: str, expected: list[tuple[Any, ...]]) -> None:
    assert cursor.execute(query).fetchall() == expected


def test_what_would_be_answered_wrongly_is_refused(cursor: oracledb.Cursor) -> None:
    with pytest.raises(oracledb.DatabaseError, match="ORA-03001"):
        cursor.execute("SELECT ROWNUM FROM dual CONNECT BY ROWNUM <= 5")


def test_many_keys_are_looked_up_by_row_values(cursor: oracledb.Cursor) -> None:
    pairs = [(name, moment) for name, _, moment, _ in ROWS] + [("missing", MOMENT)]
    binds = ", ".join(f"(:{2 * i + 1}, :{2 * i + 2})" for i in range(len(pairs)))
    cursor.setinputsizes(*[kind for _ in pairs for kind in (100, oracledb.DB_TYPE_TIMESTAMP)])
    cursor.execute(
        f"SELECT tag_value FROM tag_data WHERE (tag_name, timestamp) IN ({binds}) ORDER BY tag_value",
        [value for pair in pairs for value in pair],
    )
    assert cursor.fetchall() == [("1",), ("10",), ("2",), ("3",)]


def test_the_same_bind_name_twice(cursor: oracledb.Cursor) -> None:
    query = "SELECT COUNT(*) FROM tag_data WHERE tag_name = :n OR tag_value = :v OR tag_name = :n"
    assert cursor.execute(query, n="A", v="3").fetchone() == (3,)


def test_a_cursor_fetches_in_batches(cursor: oracledb.Cursor) -> None:
    cursor.arraysize, cursor.prefetchrows = 3, 2
    assert len(cursor.execute("SELECT * FROM tag_data").fetchall()) == 4
    assert cursor.rowcount == 4
    columns = list(cursor.description or ())
    assert [column[0] for column in columns] == ["TAG_NAME", "TAG_VALUE", "TIMESTAMP", "QUALITY"]
    assert columns[0][1:4] == (oracledb.DB_TYPE_VARCHAR, 100, 100)
    assert not columns[0][6]


MERGE = """
MERGE INTO tag_data t
USING (SELECT :1 tag_name, :2 tag_value, :3 timestamp, :4 quality FROM dual) s
ON (t.tag_name = s.tag_name AND t.timestamp = s.timestamp)
WHEN MATCHED THEN UPDATE SET t.tag_value = s.tag_value, t.quality = s.quality
WHEN NOT MATCHED THEN INSERT (tag_name, tag_value, timestamp, quality)
VALUES (s.tag_name, s.tag_value, s.timestamp, s.quality)"""


def test_merge_updates_what_is_there_and_inserts_what_is_not(db: Standin, cursor: oracledb.Cursor) -> None:
    cursor.setinputsizes(100, 255, oracledb.DB_TYPE_TIMESTAMP, 20)
    rows = [("A", "changed", MOMENT, "GOOD"), ("D", "new", MOMENT, "GOOD"), ("D", "newer", MOMENT, "GOOD")]
    cursor.executemany(MERGE, rows, batcherrors=True, arraydmlrowcounts=True)
    assert cursor.getarraydmlrowcounts() == [1, 1, 1]
    cursor.connection.commit()
    found = db.sql("SELECT tag_value FROM tag_data WHERE tag_name IN ('A', 'D') ORDER BY tag_value")
    assert found == [["2"], ["changed"], ["newer"]]


def test_merge_branches_may_have_conditions(cursor: oracledb.Cursor) -> None:
    cursor.execute("""
        MERGE INTO tag_data t USING (SELECT 'A' n, TIMESTAMP '2026-01-01 12:00:00.25' m FROM dual
                                     UNION ALL SELECT 'N', TIMESTAMP '2026-01-01 00:00:00' FROM dual) s
        ON (t.tag_name = s.n AND t.timestamp = s.m)
        WHEN MATCHED THEN UPDATE SET tag_value = 'x' WHERE t.quality = 'BAD'
        WHEN NOT MATCHED THEN INSERT VALUES (s.n, 'x', s.m, 'GOOD') WHERE s.n <> 'N'""")
    assert cursor.rowcount == 0
    with pytest.raises(oracledb.DatabaseError, match="ORA-38104"):
        cursor.execute("""
            MERGE INTO tag_data t USING (SELECT 'A' n FROM dual) s ON (t.tag_name = s.n)
            WHEN MATCHED THEN UPDATE SET tag_name = 'x'""")
    with pytest.raises(oracledb.DatabaseError, match="ORA-30926"):
        cursor.execute("""
            MERGE INTO tag_data t USING (SELECT 'B' n FROM dual UNION ALL SELECT 'B' FROM dual) s
            ON (t.tag_name = s.n) WHEN MATCHED THEN UPDATE SET tag_value = 'x'""")


@pytest.fixture
def staging(db: Standin) -> Iterator[Standin]:
    db.sql("""CREATE GLOBAL TEMPORARY TABLE staging (
        tag_name VARCHAR2(100), tag_value VARCHAR2(255), timestamp TIMESTAMP(6), quality VARCHAR2(20)
    ) ON COMMIT DELETE ROWS""")
    yield db
    db.drop_sessions()
    db.sql("DROP TABLE staging")


def test_known_rows_are_left_out_through_a_staging_table(staging: Standin, cursor: oracledb.Cursor) -> None:
    cursor.setinputsizes(100, 255, oracledb.DB_TYPE_TIMESTAMP, 20)
    new = [*ROWS, ("D", "4", MOMENT, "GOOD")]
    cursor.executemany("INSERT INTO staging VALUES (:1, :2, :3, :4)", new)
    cursor.execute("""
        INSERT INTO tag_data (tag_name, tag_value, timestamp, quality)
        SELECT s.tag_name, s.tag_value, s.timestamp, s.quality FROM staging s
        WHERE NOT EXISTS (SELECT NULL FROM tag_data t WHERE t.tag_name = s.tag_name AND t.timestamp = s.timestamp)""")
    assert cursor.rowcount == 1
    cursor.connection.commit()
    assert staging.tables()["SCOTT.TAG_DATA"] == 5
    assert cursor.execute("SELECT COUNT(*) FROM staging").fetchone() == (0,)


def test_a_temporary_table_belongs_to_its_session(staging: Standin, connection: oracledb.Connection) -> None:
    connection.cursor().execute("INSERT INTO staging VALUES ('A', '1', SYSTIMESTAMP, 'GOOD')")
    with connect(staging) as other:
        assert other.cursor().execute("SELECT COUNT(*) FROM staging").fetchone() == (0,)
    assert connection.cursor().execute("SELECT COUNT(*) FROM staging").fetchone() == (1,)


def test_rows_may_outlive_a_commit_and_a_definition_may_not(connection: oracledb.Connection) -> None:
    cursor = connection.cursor()
    cursor.execute("CREATE PRIVATE TEMPORARY TABLE ora$ptt_keep (a NUMBER) ON COMMIT PRESERVE DEFINITION")
    cursor.execute("INSERT INTO ora$ptt_keep VALUES (1)")
    connection.commit()
    assert cursor.execute("SELECT a FROM ora$ptt_keep").fetchall() == [(1,)]
    cursor.execute("DROP TABLE ora$ptt_keep")
    cursor.execute("CREATE PRIVATE TEMPORARY TABLE ora$ptt_drop (a NUMBER) ON COMMIT DROP DEFINITION")
    cursor.execute("INSERT INTO ora$ptt_drop VALUES (1)")
    connection.commit()
    with pytest.raises(oracledb.DatabaseError, match="ORA-00942"):
        cursor.execute("SELECT * FROM ora$ptt_drop")


def test_a_sequence_outlives_a_rollback(db: Standin, connection: oracledb.Connection) -> None:
    db.sql("CREATE SEQUENCE numbers START WITH 10 INCREMENT BY 5")
    db.sql("CREATE TABLE numbered (id NUMBER PRIMARY KEY, name VARCHAR2(9))")
    cursor = connection.cursor()
    insert = "INSERT INTO numbered (id, name) VALUES (numbers.NEXTVAL, :1)"
    cursor.executemany(insert, [("a",), ("b",)])
    connection.rollback()
    cursor.executemany(insert, [("c",), ("d",)])
    assert cursor.execute("SELECT id, name FROM numbered ORDER BY id").fetchall() == [(20, "c"), (25, "d")]
    assert cursor.execute("SELECT numbers.CURRVAL FROM dual").fetchone() == (25,)
    connection.rollback()
    db.sql("DROP TABLE numbered")
    db.sql("DROP SEQUENCE numbers")


def test_select_for_update_locks_its_rows(cursor: oracledb.Cursor) -> None:
    cursor.connection.commit()
    cursor.execute("SELECT tag_value FROM tag_data WHERE tag_name = 'B' FOR UPDATE").fetchall()
    assert cursor.connection.transaction_in_progress
    cursor.connection.rollback()


def test_count_and_scan_agree_while_rows_are_pending(db: Standin, cursor: oracledb.Cursor) -> None:
    cursor.connection.commit()
    cursor.execute("DELETE FROM tag_data WHERE tag_name = 'A'")
    cursor.execute("UPDATE tag_data SET quality = 'UNCERTAIN' WHERE tag_name = 'B'")
    for sql, mine, theirs in [
        ("SELECT COUNT(*) FROM tag_data", 2, 4),
        ("SELECT COUNT(*) FROM tag_data WHERE quality = 'BAD'", 0, 1),
    ]:
        assert cursor.execute(sql).fetchone() == (mine,)
        assert db.sql(sql) == [[theirs]]
    cursor.connection.rollback()
    assert cursor.execute("SELECT COUNT(*) FROM tag_data WHERE tag_name = 'A'").fetchone() == (2,)
