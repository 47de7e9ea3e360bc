"""What the store checks on every row, and the codes it answers with."""

from __future__ import annotations

from typing import Any

import oracledb
import pytest
from oracle_standin.process import Standin, StandinError

from .sessions import error_code

LIMITS = """
CREATE TABLE limits (
    id     NUMBER(3) PRIMARY KEY,
    bytes  VARCHAR2(3),
    chars  VARCHAR2(3 CHAR),
    fixed  CHAR(3),
    price  NUMBER(5,2),
    count  NUMBER,
    raw    RAW(2),
    double BINARY_DOUBLE,
    day    DATE,
    level_ NUMBER CONSTRAINT level_range CHECK (level_ BETWEEN 0 AND 10),
    code   VARCHAR2(5) DEFAULT 'none' CONSTRAINT code_unique UNIQUE
)"""


@pytest.fixture
def limits(db: Standin) -> Any:
    db.sql(LIMITS)
    yield db
    db.sql("DROP TABLE limits")


@pytest.mark.parametrize(
    ("column", "value", "code"),
    [
        ("id", None, 1400),
        ("id", 1000, 1438),
        ("bytes", "abcd", 12899),
        ("bytes", "가나", 12899),
        ("chars", "가나다라", 12899),
        ("fixed", "abcd", 12899),
        ("price", 1000, 1438),
        ("count", "twelve", 1722),
        ("raw", b"abc", 12899),
        ("double", "x", 1722),
        ("day", "2026-01-01", 1861),
        ("level_", 11, 2290),
    ],
)
def test_a_value_a_column_cannot_hold(
    limits: Standin, connection: oracledb.Connection, column: str, value: object, code: int
) -> None:
    sql = (
        f"INSERT INTO limits (id, {column}) VALUES (1, :1)" if column != "id" else "INSERT INTO limits (id) VALUES (:1)"
    )
    with pytest.raises(oracledb.DatabaseError) as caught:
        connection.cursor().execute(sql, [value])
    assert error_code(caught) == f"ORA-{code:05}"


@pytest.mark.parametrize(
    ("column", "value", "stored"),
    [
        ("bytes", "가", "가"),
        ("bytes", "", None),
        ("bytes", 1.5, "1.5"),
        ("bytes", 0.5, ".5"),
        ("chars", "가나다", "가나다"),
        ("fixed", "a", "a  "),
        ("price", 1.005, 1.01),
        ("price", "12.5", 12.5),
        ("count", 12345678901234567890, 12345678901234567890),
        ("count", 1e-10, 1e-10),
        ("raw", b"\0\xff", b"\0\xff"),
        ("double", float("inf"), float("inf")),
        ("double", -0.25, -0.25),
        ("day", "05-MAR-26", "2026-03-05"),
        ("level_", None, None),
    ],
)
def test_a_value_a_column_can_hold(
    limits: Standin, connection: oracledb.Connection, column: str, value: object, stored: object
) -> None:
    cursor = connection.cursor()
    if isinstance(value, float) and column == "double":
        cursor.setinputsizes(oracledb.DB_TYPE_BINARY_DOUBLE)
    cursor.execute(f"INSERT INTO limits (id, {column}) VALUES (1, :1)", [value])
    found = cursor.execute(f"SELECT {column} FROM limits").fetchone()[0]
    assert (f"{found:%Y-%m-%d}" if column == "day" else found) == stored


def test_an_update_is_checked_like_an_insert(limits: Standin, connection: oracledb.Connection) -> None:
    cursor = connection.cursor()
    cursor.executemany("INSERT INTO limits (id, code) VALUES (:1, :2)", [(1, "a"), (2, "b")])
    for change, code in [("id = NULL", 1407), ("bytes = 'abcd'", 12899), ("code = 'a'", 1), ("level_ = -1", 2290)]:
        with pytest.raises(oracledb.DatabaseError) as caught:
            cursor.execute(f"UPDATE limits SET {change} WHERE id = 2")
        assert error_code(caught) == f"ORA-{code:05}"
    cursor.execute("UPDATE limits SET id = id + 10")
    assert cursor.rowcount == 2
    assert cursor.execute("SELECT id, code FROM limits ORDER BY id").fetchall() == [(11, "a"), (12, "b")]


def test_nulls_are_not_duplicates_and_defaults_apply(limits: Standin, connection: oracledb.Connection) -> None:
    cursor = connection.cursor()
    cursor.executemany("INSERT INTO limits (id, code) VALUES (:1, :2)", [(1, None), (2, None), (3, "")])
    cursor.execute("INSERT INTO limits (id) VALUES (4)")
    assert cursor.execute("SELECT id FROM limits WHERE code = 'none'").fetchall() == [(4,)]
    with pytest.raises(oracledb.IntegrityError, match=r"ORA-00001.*CODE_UNIQUE"):
        cursor.execute("INSERT INTO limits VALUES (5,'b','c','f',1,1,NULL,1,SYSDATE,1,DEFAULT)")


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("SELECT * FROM nowhere", 942),
        ("INSERT INTO nowhere VALUES (1)", 942),
        ("SELECT nothing FROM tag_data", 904),
        ("INSERT INTO tag_data (nothing) VALUES (1)", 904),
        ("INSERT INTO tag_data (tag_name, tag_name) VALUES (1, 2)", 957),
        ("INSERT INTO tag_data (tag_name) VALUES (1, 2)", 913),
        ("INSERT INTO tag_data (tag_name, quality) VALUES (1)", 947),
        ("INSERT INTO tag_data SELECT tag_name FROM tag_data", 947),
        ("SELECT COUNT(*), tag_name FROM tag_data", 937),
        ("SELECT tag_name FROM tag_data WHERE COUNT(*) > 1", 934),
        ("SELECT 1 / 0 FROM dual", 1476),
        ("SELECT missing.NEXTVAL FROM dual", 2289),
        ("SELECT 'a' + 1 FROM dual", 1722),
        ("SELECT tag_name FROM tag_data a, tag_data b", 918),
        ("SELEKT 1", 900),
        ("BEGIN NULL; END;", 3001),
        ("CREATE TABLE tag_data (a NUMBER)", 955),
        ("CREATE TABLE t (a NUMBER, a NUMBER)", 957),
        ("CREATE TABLE t (a CLOB)", 902),
        ("CREATE TABLE t (a NUMBER PRIMARY KEY, b NUMBER PRIMARY KEY)", 2260),
        ("CREATE TABLE t (a TIMESTAMP WITH TIME ZONE PRIMARY KEY)", 2329),
        ("CREATE TABLE t (a NUMBER, b TIMESTAMP WITH TIME ZONE, UNIQUE (a, b))", 2329),
        ("CREATE TABLE t (a VARCHAR2(4000), b VARCHAR2(600 CHAR), PRIMARY KEY (a, b))", 1450),
        ("CREATE TABLE t (a VARCHAR2(0))", 1723),
        ("CREATE TABLE t (a VARCHAR2(4001))", 910),
        ("CREATE TABLE t (a CHAR(2001))", 910),
        ("CREATE TABLE t (a RAW(2001))", 910),
        ("CREATE TABLE t (a VARCHAR2)", 906),
        ("CREATE TABLE t (a NUMBER(39))", 1727),
        ("CREATE TABLE t (a NUMBER(0))", 1727),
        ("CREATE TABLE t (a NUMBER(10,200))", 1728),
        ("CREATE TABLE t (a NUMBER(10,-85))", 1728),
        ("CREATE TABLE t (a TIMESTAMP(10))", 30088),
        ("CREATE TABLE t (a NUMBER REFERENCES tag_data)", 3001),
        ("CREATE TABLE t (a NUMBER CHECK)", 906),
        ("CREATE FUNCTION f RETURN NUMBER IS BEGIN RETURN 1; END;", 3001),
        ("CREATE INDEX again ON tag_data (timestamp)", 1408),
        ("DROP INDEX nowhere", 1418),
        ("DROP INDEX tag_data_pk", 2429),
        ("DROP TABLE nowhere", 942),
        ("DROP SEQUENCE nowhere", 2289),
    ],
)
def test_statements_that_cannot_run(connection: oracledb.Connection, sql: str, code: int) -> None:
    with pytest.raises(oracledb.DatabaseError) as caught:
        connection.cursor().execute(sql)
    assert error_code(caught) == f"ORA-{code:05}"


@pytest.mark.parametrize(("binds", "code"), [([], "DPY-4010"), ([1, 2], "DPY-4009")])
def test_the_number_of_binds_is_checked(connection: oracledb.Connection, binds: list[int], code: str) -> None:
    with pytest.raises(oracledb.DatabaseError) as caught:
        connection.cursor().execute("SELECT :1 FROM dual", binds)
    assert error_code(caught) == code


def test_an_identifier_is_upper_case_unless_quoted(db: Standin, connection: oracledb.Connection) -> None:
    db.sql('CREATE TABLE "Mixed" ("Case" NUMBER, plain NUMBER)')
    cursor = connection.cursor()
    cursor.execute('SELECT "Case", PLAIN, plain AS "Other" FROM "Mixed"')
    assert [column[0] for column in cursor.description or ()] == ["Case", "PLAIN", "Other"]
    with pytest.raises(oracledb.DatabaseError, match="ORA-00942"):
        cursor.execute("SELECT * FROM mixed")
    db.sql('DROP TABLE "Mixed"')


def test_a_unique_index_finds_duplicates_that_are_there(db: Standin) -> None:
    db.sql("INSERT INTO tag_data VALUES ('A', '1', SYSTIMESTAMP, 'GOOD')")
    db.sql("INSERT INTO tag_data VALUES ('B', '1', SYSTIMESTAMP, 'GOOD')")
    with pytest.raises(StandinError, match="ORA-01452"):
        db.sql("CREATE UNIQUE INDEX values_once ON tag_data (tag_value)")
    db.sql("CREATE UNIQUE INDEX names_once ON tag_data (tag_name)")
    with pytest.raises(StandinError, match=r"ORA-00001.*NAMES_ONCE"):
        db.sql("INSERT INTO tag_data VALUES ('A', '2', SYSTIMESTAMP, 'GOOD')")
    db.sql("DROP INDEX names_once")


def test_a_table_in_use_cannot_be_dropped(db: Standin, connection: oracledb.Connection) -> None:
    db.sql("CREATE TABLE busy (a NUMBER)")
    connection.cursor().execute("INSERT INTO busy VALUES (1)")
    for sql in ("DROP TABLE busy", "TRUNCATE TABLE busy"):
        with pytest.raises(StandinError, match="ORA-00054"):
            db.sql(sql)
    connection.rollback()
    db.sql("DROP TABLE busy PURGE")


def test_storage_clauses_are_accepted(db: Standin) -> None:
    for tail in (
        "TABLESPACE users PCTFREE 10",
        "ORGANIZATION INDEX COMPRESS 1",
        """PARTITION BY RANGE (b) INTERVAL (NUMTODSINTERVAL(1, 'DAY'))
           (PARTITION p0 VALUES LESS THAN (TIMESTAMP '2020-01-01 00:00:00'))""",
    ):
        db.sql(
            f"CREATE TABLE stored (a NUMBER, b TIMESTAMP, CONSTRAINT st PRIMARY KEY (a, b) USING INDEX LOCAL) {tail}"
        )
        db.sql("DROP TABLE stored CASCADE CONSTRAINTS PURGE")
    db.sql("CREATE TABLE IF NOT EXISTS tag_data (a NUMBER)")
    db.sql("DROP TABLE IF EXISTS nowhere")


BELOW_ZERO = """
    CREATE {}TRIGGER below_zero BEFORE INSERT ON limits FOR EACH ROW WHEN (NEW.price < 0)
    BEGIN
        raise_application_error(-20001, 'no price is below zero');
    END;"""


def test_a_trigger_refuses_the_new_rows_that_its_condition_selects(
    limits: Standin, connection: oracledb.Connection
) -> None:
    with connection.cursor() as cursor:
        cursor.execute(BELOW_ZERO.format("OR REPLACE "))
        cursor.executemany(
            "INSERT INTO limits (id, price, code) VALUES (:1, :2, :3)",
            [(1, 0, 1), (2, -1, 2), (3, None, 3), (4, 1, 4)],
            batcherrors=True,
        )
        [error] = cursor.getbatcherrors()
        assert (error.offset, error.full_code) == (1, "ORA-20001")
        assert error.message.splitlines() == [
            "ORA-20001: no price is below zero",
            'ORA-06512: at "SCOTT.BELOW_ZERO", line 1',
            "ORA-04088: error during execution of trigger 'SCOTT.BELOW_ZERO'",
        ]
        cursor.execute("UPDATE limits SET price = -1 WHERE id = 4")
        assert cursor.rowcount == 1
        with pytest.raises(oracledb.DatabaseError, match="ORA-20001"):
            cursor.execute("INSERT INTO limits (id, price, code) SELECT 5, -2, 5 FROM dual")
        connection.commit()
    assert limits.sql("SELECT COUNT(*) FROM limits") == [[3]]


def test_a_trigger_is_replaced_only_when_asked_to(limits: Standin) -> None:
    limits.sql(BELOW_ZERO.format(""))
    with pytest.raises(StandinError, match="ORA-04081"):
        limits.sql(BELOW_ZERO.format(""))
    limits.sql(BELOW_ZERO.format("OR REPLACE ").replace("20001", "20002"))
    with pytest.raises(StandinError, match="ORA-20002"):
        limits.sql("INSERT INTO limits (id, price) VALUES (1, -1)")
