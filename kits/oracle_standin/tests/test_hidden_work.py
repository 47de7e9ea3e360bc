"""What a database does to rows behind the client's back: triggers that change them, policies that hide them."""

from __future__ import annotations

from collections.abc import Iterator

import oracledb
import pytest
from oracle_standin.process import Standin, StandinError

from .sessions import error_code

INSERT = "INSERT INTO notes VALUES (:1, :2, :3)"
NORMALISE = """CREATE OR REPLACE TRIGGER normalise BEFORE {} ON notes FOR EACH ROW {}
BEGIN
    {}
END normalise;
"""


@pytest.fixture(autouse=True)
def notes(db: Standin) -> Iterator[Standin]:
    db.sql("""CREATE TABLE notes (tag VARCHAR2(5), at TIMESTAMP, amount NUMBER(5,2),
              CONSTRAINT notes_pk PRIMARY KEY (tag))""")
    yield db
    db.sql("DROP TABLE notes")


@pytest.mark.parametrize(
    ("events", "when", "body", "stored"),
    [
        ("INSERT", "", ":NEW.tag := UPPER(TRIM(:NEW.tag));", ("A", "2026-03-05T10:11:12.500000", 1.26)),
        ("INSERT OR UPDATE", "", ":new.amount := ROUND(:new.amount, 1);", (" a ", "2026-03-05T10:11:12.500000", 1.3)),
        ("INSERT", "", ":NEW.at := TRUNC(:NEW.at);", (" a ", "2026-03-05T00:00:00", 1.26)),
        ("INSERT", "WHEN (NEW.amount > 5)", ":NEW.amount := 0;", (" a ", "2026-03-05T10:11:12.500000", 1.26)),
        ("INSERT", "", "SELECT 7 INTO :NEW.amount FROM dual;", (" a ", "2026-03-05T10:11:12.500000", 7)),
        (
            "INSERT", "", "IF :NEW.amount > 1 THEN :NEW.amount := 1; :NEW.tag := 'big'; END IF;",
            ("big", "2026-03-05T10:11:12.500000", 1),
        ),
    ],
)  # fmt: skip
def test_a_trigger_changes_the_row_on_its_way_in(
    notes: Standin, connection: oracledb.Connection, events: str, when: str, body: str, stored: tuple[object, ...]
) -> None:
    notes.sql(NORMALISE.format(events, when, body))
    notes.sql("INSERT INTO notes VALUES (' a ', TIMESTAMP '2026-03-05 10:11:12.5', 1.255)")
    assert notes.sql("SELECT tag, at, amount FROM notes") == [list(stored)]


def test_a_key_that_a_trigger_makes_collides(notes: Standin, connection: oracledb.Connection) -> None:
    notes.sql(NORMALISE.format("INSERT", "", ":NEW.tag := UPPER(:NEW.tag);"))
    with connection.cursor() as cursor:
        cursor.executemany(INSERT, [("a", None, 1), ("A", None, 2), ("b", None, 3)], batcherrors=True)
        assert [(e.offset, e.full_code) for e in cursor.getbatcherrors()] == [(1, "ORA-00001")]
        connection.commit()
        assert cursor.execute("SELECT amount FROM notes WHERE tag = 'a'").fetchall() == []


@pytest.mark.parametrize(
    ("body", "first"),
    [
        (":NEW.tag := 'far too long';", "ORA-06502"),
        ("raise_application_error(-20007, 'it''s wrong');", "ORA-20007: it's wrong"),
        (":NEW.tag := NULL;", "ORA-01400"),
    ],
)
def test_a_trigger_fails(notes: Standin, connection: oracledb.Connection, body: str, first: str) -> None:
    notes.sql(NORMALISE.format("INSERT", "", body))
    with connection.cursor() as cursor:
        cursor.executemany(INSERT, [("a", None, 1)], batcherrors=True)
        assert cursor.getbatcherrors()[0].message.startswith(first)
        notes.sql("ALTER TRIGGER normalise DISABLE")
        cursor.executemany(INSERT, [("a", None, 1)])
    connection.commit()
    notes.sql("DROP TRIGGER normalise")


def test_a_trigger_of_other_pl_sql_is_refused(notes: Standin) -> None:
    with pytest.raises(StandinError, match="ORA-03001"):
        notes.sql(NORMALISE.format("INSERT", "", "INSERT INTO log VALUES (:NEW.tag);"))
    with pytest.raises(StandinError, match="ORA-04084"):
        notes.sql(NORMALISE.format("INSERT", "", ":NEW.tag := 'a';").replace("BEFORE", "AFTER"))


def test_a_policy_hides_rows_that_are_there(notes: Standin, connection: oracledb.Connection) -> None:
    notes.policy("notes", "amount < 5")
    with connection.cursor() as cursor:
        cursor.executemany(INSERT, [("a", None, 1), ("b", None, 9)])
        connection.commit()
        for query in (
            "SELECT tag FROM notes",
            "SELECT n.tag FROM dual d, notes n",
            "SELECT tag FROM notes WHERE tag IN ('a', 'b')",
        ):
            assert cursor.execute(query).fetchall() == [("a",)]
        assert cursor.execute("SELECT COUNT(*) FROM notes").fetchone() == (1,)
        cursor.executemany(INSERT, [("b", None, 1)], batcherrors=True)
        assert [error.full_code for error in cursor.getbatcherrors()] == ["ORA-00001"]
        cursor.execute("UPDATE notes SET amount = 2")
        assert cursor.rowcount == 1
        cursor.execute("DELETE FROM notes WHERE tag = 'b'")
        assert cursor.rowcount == 0
    connection.rollback()
    assert notes.sql("SELECT COUNT(*) FROM notes") == [[2]]
    notes.policy("notes", None)
    with connection.cursor() as cursor:
        assert cursor.execute("SELECT COUNT(*) FROM notes").fetchone() == (2,)


def test_a_policy_with_check_option_refuses_what_it_would_hide(notes: Standin, connection: oracledb.Connection) -> None:
    notes.policy("notes", "amount < 5", statements=["insert", "update"], check=True)
    with connection.cursor() as cursor:
        cursor.executemany(INSERT, [("a", None, 1), ("b", None, 9)], batcherrors=True)
        assert [(e.offset, e.full_code) for e in cursor.getbatcherrors()] == [(1, "ORA-28115")]
        with pytest.raises(oracledb.DatabaseError) as caught:
            cursor.execute("UPDATE notes SET amount = 9")
        assert error_code(caught) == "ORA-28115"
        merge = """MERGE INTO notes n USING dual ON (n.tag = :1)
                   WHEN NOT MATCHED THEN INSERT (tag, amount) VALUES (:2, 1)"""
        with pytest.raises(oracledb.DatabaseError, match="ORA-28132"):
            cursor.execute(merge, ["c", "c"])
        notes.policy("notes", "amount < 5", check=True)
        cursor.execute(merge, ["c", "c"])
        assert cursor.rowcount == 1
