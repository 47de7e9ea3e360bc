"""The data dictionary, as a sink reads it at its start."""

from __future__ import annotations

from collections.abc import Iterator

import oracledb
import pytest
from oracle_standin.process import Standin

WIDE = """
CREATE TABLE wide (
    id NUMBER(10) CONSTRAINT wide_pk PRIMARY KEY, name VARCHAR2(30 CHAR) NOT NULL, note VARCHAR2(40 BYTE) DEFAULT 'n/a',
    amount NUMBER(12,4), any_number NUMBER, ratio BINARY_DOUBLE, share_ BINARY_FLOAT, at TIMESTAMP(3),
    zoned TIMESTAMP WITH TIME ZONE, local TIMESTAMP WITH LOCAL TIME ZONE, day DATE, flag CHAR(1), bits RAW(16),
    CONSTRAINT wide_name UNIQUE (name, day), CONSTRAINT wide_check CHECK (amount > 0)
)"""


@pytest.fixture
def cursor(db: Standin, connection: oracledb.Connection) -> Iterator[oracledb.Cursor]:
    db.sql(WIDE)
    db.sql("CREATE INDEX wide_at ON wide (at, id)")
    yield connection.cursor()
    db.sql("DROP TABLE wide")


def test_columns(cursor: oracledb.Cursor) -> None:
    cursor.execute(
        """
        SELECT column_name, data_type, data_length, data_precision, data_scale, nullable, char_length, char_used,
               data_default
        FROM user_tab_columns WHERE table_name = :1 ORDER BY column_id""",
        ["WIDE"],
    )
    assert cursor.fetchall() == [
        ("ID", "NUMBER", 22, 10, 0, "N", 0, None, None),
        ("NAME", "VARCHAR2", 120, None, None, "N", 30, "C", None),
        ("NOTE", "VARCHAR2", 40, None, None, "Y", 40, "B", "'n/a'"),
        ("AMOUNT", "NUMBER", 22, 12, 4, "Y", 0, None, None),
        ("ANY_NUMBER", "NUMBER", 22, None, None, "Y", 0, None, None),
        ("RATIO", "BINARY_DOUBLE", 8, None, None, "Y", 0, None, None),
        ("SHARE_", "BINARY_FLOAT", 4, None, None, "Y", 0, None, None),
        ("AT", "TIMESTAMP(3)", 11, None, 3, "Y", 0, None, None),
        ("ZONED", "TIMESTAMP(6) WITH TIME ZONE", 13, None, 6, "Y", 0, None, None),
        ("LOCAL", "TIMESTAMP(6) WITH LOCAL TIME ZONE", 11, None, 6, "Y", 0, None, None),
        ("DAY", "DATE", 7, None, None, "Y", 0, None, None),
        ("FLAG", "CHAR", 1, None, None, "Y", 1, "B", None),
        ("BITS", "RAW", 16, None, None, "Y", 0, None, None),
    ]  # fmt: skip
    cursor.execute("SELECT * FROM wide")
    columns = list(cursor.description or ())
    assert [column[1] for column in columns[3:8]] == [
        oracledb.DB_TYPE_NUMBER, oracledb.DB_TYPE_NUMBER, oracledb.DB_TYPE_BINARY_DOUBLE,
        oracledb.DB_TYPE_BINARY_FLOAT, oracledb.DB_TYPE_TIMESTAMP,
    ]  # fmt: skip
    assert columns[3][4:6] == (12, 4)


def test_the_primary_key_and_its_columns(cursor: oracledb.Cursor) -> None:
    cursor.execute("""
        SELECT k.constraint_name, k.index_name, c.column_name
        FROM all_constraints k JOIN all_cons_columns c
          ON c.owner = k.owner AND c.constraint_name = k.constraint_name
        WHERE k.owner = SYS_CONTEXT('USERENV', 'CURRENT_SCHEMA') AND k.table_name = 'TAG_DATA'
          AND k.constraint_type = 'P'
        ORDER BY c.position""")
    assert cursor.fetchall() == [
        ("TAG_DATA_PK", "TAG_DATA_PK", "TAG_NAME"),
        ("TAG_DATA_PK", "TAG_DATA_PK", "TIMESTAMP"),
    ]


def test_constraints_and_indexes(cursor: oracledb.Cursor) -> None:
    cursor.execute("""SELECT constraint_name, constraint_type FROM user_constraints WHERE table_name = 'WIDE'
                      AND constraint_name LIKE 'WIDE%' ORDER BY 1""")
    assert cursor.fetchall() == [("WIDE_CHECK", "C"), ("WIDE_NAME", "U"), ("WIDE_PK", "P")]
    cursor.execute(
        """SELECT search_condition FROM user_constraints WHERE table_name = 'WIDE' AND constraint_type = 'C'
           ORDER BY constraint_name"""
    )
    assert ('"NAME" IS NOT NULL',) in cursor.fetchall()
    cursor.execute("""
        SELECT i.index_name, i.uniqueness, c.column_name FROM user_indexes i, user_ind_columns c
        WHERE c.index_name = i.index_name AND i.table_name = 'WIDE' ORDER BY i.index_name, c.column_position""")
    assert cursor.fetchall() == [
        ("WIDE_AT", "NONUNIQUE", "AT"), ("WIDE_AT", "NONUNIQUE", "ID"),
        ("WIDE_NAME", "UNIQUE", "NAME"), ("WIDE_NAME", "UNIQUE", "DAY"), ("WIDE_PK", "UNIQUE", "ID"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("SELECT value FROM nls_database_parameters WHERE parameter = 'NLS_CHARACTERSET'", "AL32UTF8"),
        ("SELECT value FROM nls_session_parameters WHERE parameter = 'NLS_DATE_FORMAT'", "DD-MON-RR"),
        ("SELECT account_status FROM user_users WHERE username = USER", "OPEN"),
        ("SELECT max_bytes FROM user_ts_quotas WHERE tablespace_name = 'USERS'", -1),
        ("SELECT COUNT(*) FROM session_privs WHERE privilege = 'CREATE SESSION'", 1),
        ("SELECT status FROM v$instance", "OPEN"),
        ("SELECT COUNT(*) FROM v$session WHERE username = 'SCOTT' AND status = 'ACTIVE'", 1),
        ("SELECT table_name FROM user_tables WHERE table_name = 'TAG_DATA'", "TAG_DATA"),
        ("SELECT COUNT(*) FROM dba_tables WHERE owner = 'SCOTT' AND temporary = 'N'", 2),
    ],
)
def test_a_view(cursor: oracledb.Cursor, query: str, expected: object) -> None:
    assert cursor.execute(query).fetchone() == (expected,)


def test_the_version_says_it_is_a_stand_in(cursor: oracledb.Cursor, connection: oracledb.Connection) -> None:
    banner = cursor.execute("SELECT banner_full FROM v$version").fetchone()[0]
    assert "stand-in" in banner
    assert cursor.execute("SELECT version_full FROM product_component_version").fetchone() == (connection.version,)


def test_a_synonym_leads_to_its_table() -> None:
    ddl = ["CREATE TABLE t (a NUMBER)", "CREATE PUBLIC SYNONYM shared FOR scott.t", "CREATE SYNONYM own FOR t"]
    with (
        Standin(users=[("writer", "secret")], ddl=[*ddl, "GRANT INSERT ON t TO writer"]) as db,
        oracledb.connect(user="writer", password="secret", dsn=db.dsn) as writer,
    ):
        cursor = writer.cursor()
        cursor.execute("INSERT INTO shared VALUES (1)")
        writer.commit()
        assert db.sql("SELECT a FROM own") == [[1]]
        cursor.execute("""SELECT table_owner, table_name FROM all_synonyms
            WHERE owner IN ('SCOTT', 'PUBLIC') AND db_link IS NULL ORDER BY DECODE(owner, 'PUBLIC', 1, 0)""")
        assert cursor.fetchall() == [("SCOTT", "T"), ("SCOTT", "T")]
        with pytest.raises(oracledb.DatabaseError, match="ORA-00942"):
            cursor.execute("INSERT INTO own VALUES (1)")


def test_sequences_are_listed(db: Standin, cursor: oracledb.Cursor) -> None:
    db.sql("CREATE SEQUENCE listed")
    assert cursor.execute("SELECT sequence_name FROM user_sequences").fetchall() == [("LISTED",)]
    db.sql("DROP SEQUENCE listed")


def test_another_users_table_needs_a_grant() -> None:
    with (
        Standin(users=[("writer", "secret")], ddl=["CREATE TABLE t (a NUMBER)"]) as db,
        oracledb.connect(user="writer", password="secret", dsn=db.dsn) as writer,
    ):
        cursor = writer.cursor()
        insert = "INSERT INTO scott.t VALUES (1)"
        with pytest.raises(oracledb.DatabaseError, match="ORA-00942"):
            cursor.execute(insert)
        db.sql("GRANT SELECT ON t TO writer")
        with pytest.raises(oracledb.DatabaseError, match="ORA-01031"):
            cursor.execute(insert)
        db.sql("GRANT INSERT, SELECT ON t TO writer")
        cursor.execute(insert)
        cursor.execute("SELECT privilege FROM all_tab_privs WHERE grantee = USER AND table_name = 'T' ORDER BY 1")
        assert cursor.fetchall() == [("INSERT",), ("SELECT",)]
        assert cursor.execute("SELECT owner, table_name FROM user_tab_privs").fetchone() == ("SCOTT", "T")
        assert cursor.execute("SELECT owner FROM all_tables").fetchall() == [("SCOTT",)]
        cursor.execute("ALTER SESSION SET CURRENT_SCHEMA = scott")
        assert cursor.execute("SELECT a FROM t").fetchall() == [(1,)]
        db.sql("REVOKE INSERT ON t FROM writer")
        writer.rollback()
        writer.current_schema = "WRITER"
        with pytest.raises(oracledb.DatabaseError, match="ORA-01031"):
            cursor.execute(insert)
