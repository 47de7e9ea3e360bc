"""Text in other character sets, in the national one, and LONG: what fits, what is replaced, and what arrives."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import oracledb
import pytest
from oracle_standin.process import Standin
from oracle_standin.server import Server

from .sessions import error_code

TABLE = "CREATE TABLE words (w VARCHAR2(6) PRIMARY KEY, c VARCHAR2(4 CHAR))"


@contextlib.contextmanager
def running(character_set: str) -> Iterator[str]:
    """The DSN of a stand-in in this process."""
    server = Server(0, {"scott": "tiger"}, "FREEPDB1", character_set=character_set)
    server.start()
    try:
        server.sql(TABLE)
        yield f"127.0.0.1:{server.port}/FREEPDB1"
        assert server.failures == []
    finally:
        server.stop()


@pytest.mark.parametrize(
    ("name", "fits", "too_long", "lost"),
    [
        ("KO16MSWIN949", "가나다", "가나다라", [("aéb", "a?b"), ("ü", "?")]),
        ("WE8MSWIN1252", "äöüß€é", "äöüß€éx", [("가", "¿"), ("a나b", "a¿b")]),
        ("UTF8", "가나", "😀a", [("é", "é"), ("€€", "€€")]),
    ],
)
def test_a_database_holds_what_its_character_set_has(
    name: str, fits: str, too_long: str, lost: list[tuple[str, str]]
) -> None:
    with running(name) as dsn, oracledb.connect(user="scott", password="tiger", dsn=dsn) as opened:
        cursor = opened.cursor()
        cursor.execute("SELECT value FROM nls_database_parameters WHERE parameter = 'NLS_CHARACTERSET'")
        assert cursor.fetchall() == [(name,)]
        insert = "INSERT INTO words (w) VALUES (:1)"
        rows = [(fits,), (too_long,), *[(sent,) for sent, _ in lost]]
        if name != "UTF8":
            rows.append((lost[0][0].replace("é", "😀").replace("가", "나"),))  # becomes the same key
        cursor.setinputsizes(30)
        cursor.executemany(insert, rows, batcherrors=True)
        found = {error.offset: error.full_code for error in cursor.getbatcherrors()}
        assert found == ({1: "ORA-12899", 4: "ORA-00001"} if name != "UTF8" else {1: "ORA-12899"})
        for sent, stored in [(fits, fits), *lost]:
            cursor.execute("SELECT w FROM words WHERE w = :1", [sent])
            assert cursor.fetchall() == [(stored,)]
        cursor.execute("SELECT data_length FROM user_tab_columns WHERE table_name = 'WORDS' ORDER BY column_id")
        assert cursor.fetchall() == [(6,), ({"KO16MSWIN949": 8, "WE8MSWIN1252": 4, "UTF8": 12}[name],)]


def test_national_text_counts_in_utf_16(db: Standin, connection: oracledb.Connection) -> None:
    db.sql("CREATE TABLE national (w NVARCHAR2(3) PRIMARY KEY, f NCHAR(3), v VARCHAR2(1334 CHAR))")
    with connection.cursor() as cursor:
        rows = [("가나다", "a"), ("가나다라", "a"), ("😀b", "b"), ("😀😀", "b"), ("가나다", "c")]
        for size in (20, oracledb.DB_TYPE_NVARCHAR):
            cursor.setinputsizes(size, 20)
            cursor.executemany("INSERT INTO national (w, f) VALUES (:1, :2)", rows, batcherrors=True)
            codes = {error.offset: error.full_code for error in cursor.getbatcherrors()}
            assert codes == {1: "ORA-12899", 3: "ORA-12899", 4: "ORA-00001"}
            cursor.execute("SELECT w, f FROM national WHERE w IN (:1, :2) ORDER BY w", ["가나다", "😀b"])
            assert sorted(cursor.fetchall()) == [("가나다", "a  "), ("😀b", "b  ")]
            kinds = [column[1] for column in cursor.description]
            assert kinds == [oracledb.DB_TYPE_NVARCHAR, oracledb.DB_TYPE_NCHAR]
            connection.rollback()
        cursor.execute("INSERT INTO national VALUES (N'나', 'x', :1)", ["나" * 1333])
        with pytest.raises(oracledb.DatabaseError) as caught:
            cursor.execute("UPDATE national SET v = :1", ["나" * 1334])
        assert error_code(caught) == "ORA-01461"
        cursor.execute("""SELECT data_type, data_length, char_length, char_used FROM user_tab_columns
                          WHERE table_name = 'NATIONAL' ORDER BY column_id""")
        assert cursor.fetchall() == [
            ("NVARCHAR2", 6, 3, "C"), ("NCHAR", 6, 3, "C"), ("VARCHAR2", 4000, 1334, "C"),
        ]  # fmt: skip
        connection.rollback()
    db.sql("DROP TABLE national")


def test_a_long_comes_with_a_fetch_of_its_own_and_cannot_be_compared(
    db: Standin, connection: oracledb.Connection
) -> None:
    db.sql("CREATE TABLE spoken (a VARCHAR2(9) DEFAULT 'x', b NUMBER, c NUMBER DEFAULT 12)")
    of_spoken = "FROM user_tab_columns WHERE table_name = 'SPOKEN'"
    with connection.cursor() as cursor:
        for column, trips in [("column_name", 1), ("data_default, column_name", 2)]:
            cursor.prefetchrows = 50
            db.reset_counters()
            cursor.execute(f"SELECT {column} {of_spoken} ORDER BY column_id")
            rows = cursor.fetchall()
            assert db.counters()["requests"] == trips
        assert rows == [("'x'", "A"), (None, "B"), ("12", "C")]
        assert cursor.description[0][1] == oracledb.DB_TYPE_LONG
        for condition in ("data_default = '12'", "data_default LIKE '1%'", "UPPER(data_default) = 'X'"):
            with pytest.raises(oracledb.DatabaseError) as caught:
                cursor.execute(f"SELECT column_name {of_spoken} AND {condition}")
            assert error_code(caught) == "ORA-00997"
        cursor.execute(f"SELECT column_name {of_spoken} AND data_default IS NULL")
        assert cursor.fetchall() == [("B",)]
    db.sql("DROP TABLE spoken")
