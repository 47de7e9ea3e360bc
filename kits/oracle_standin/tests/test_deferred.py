"""Deferrable constraints: checked at COMMIT, unless the session asks for more."""

from __future__ import annotations

from collections.abc import Iterator

import oracledb
import pytest
from oracle_standin.process import Standin

from .sessions import connect, error_code

LATE = """CREATE TABLE late (id NUMBER, name VARCHAR2(9), amount NUMBER,
          CONSTRAINT late_pk PRIMARY KEY (id) DEFERRABLE INITIALLY DEFERRED,
          CONSTRAINT late_name UNIQUE (name) DEFERRABLE,
          CONSTRAINT late_amount CHECK (amount > 0) INITIALLY DEFERRED)"""
INSERT = "INSERT INTO late VALUES (:1, :2, :3)"


@pytest.fixture(autouse=True)
def late(db: Standin) -> Iterator[Standin]:
    db.sql(LATE)
    yield db
    db.sql("DROP TABLE late")


def count(db: Standin) -> int:
    return int(db.sql("SELECT COUNT(*) FROM late")[0][0])


@pytest.mark.parametrize(
    ("rows", "inner"),
    [
        ([(1, "a", 1), (1, "b", 1)], "ORA-00001: unique constraint (SCOTT.LATE_PK) violated"),
        ([(1, "a", 1), (2, "b", 0)], "ORA-02290: check constraint (SCOTT.LATE_AMOUNT) violated"),
    ],
)
def test_a_violation_shows_at_commit_and_takes_everything_back(
    late: Standin, connection: oracledb.Connection, rows: list[tuple[int, str, int]], inner: str
) -> None:
    with connection.cursor() as cursor:
        cursor.executemany(INSERT, rows, batcherrors=True, arraydmlrowcounts=True)
        assert cursor.getbatcherrors() == []
        assert cursor.getarraydmlrowcounts() == [1, 1]
        assert cursor.execute("SELECT COUNT(*) FROM late WHERE id IN (1, 2)").fetchone() == (2,)
        with pytest.raises(oracledb.DatabaseError) as caught:
            connection.commit()
        assert error_code(caught) == "ORA-02091"
        assert inner in str(caught.value)
        assert not connection.transaction_in_progress
    assert count(late) == 0


def test_what_is_put_right_before_the_commit_is_no_violation(late: Standin, connection: oracledb.Connection) -> None:
    with connection.cursor() as cursor:
        cursor.executemany(INSERT, [(1, "a", 1), (2, "b", 1)])
        connection.commit()
        cursor.execute("UPDATE late SET id = 3 - id")  # one statement, and each step meets the other's key
        cursor.execute(INSERT, [1, "c", -1])
        cursor.execute("UPDATE late SET id = 3, amount = 1 WHERE name = 'c'")
        connection.commit()
        assert cursor.execute("SELECT id, name FROM late ORDER BY id").fetchall() == [(1, "b"), (2, "a"), (3, "c")]
        cursor.execute(INSERT, [1, "d", 1])
        connection.rollback()
        assert cursor.execute("SELECT name FROM late WHERE id = 1").fetchall() == [("b",)]


@pytest.mark.parametrize(
    "immediate",
    ["SET CONSTRAINTS ALL IMMEDIATE", "SET CONSTRAINT late_pk IMMEDIATE", "ALTER SESSION SET CONSTRAINTS = IMMEDIATE"],
)
def test_a_session_can_ask_for_it_at_once(late: Standin, connection: oracledb.Connection, immediate: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(INSERT, [1, "a", 1])
        cursor.execute(immediate)
        cursor.executemany(INSERT, [(1, "b", 1), (2, "c", 1)], batcherrors=True)
        assert [error.full_code for error in cursor.getbatcherrors()] == ["ORA-00001"]
        connection.commit()
        assert count(late) == 2
        cursor.executemany(INSERT, [(1, "d", 1)], batcherrors=True)
        # SET CONSTRAINTS ends with its transaction, ALTER SESSION does not
        assert len(cursor.getbatcherrors()) == immediate.startswith("ALTER")


def test_asking_for_it_too_late_says_what_is_wrong(late: Standin, connection: oracledb.Connection) -> None:
    with connection.cursor() as cursor:
        cursor.executemany(INSERT, [(1, "a", 1), (1, "b", 1)])
        for statement, code in [
            ("SET CONSTRAINTS ALL IMMEDIATE", 1),
            ("SET CONSTRAINT tag_data_pk DEFERRED", 2447),
            ("SET CONSTRAINT nowhere DEFERRED", 2448),
        ]:
            with pytest.raises(oracledb.DatabaseError) as caught:
                cursor.execute(statement)
            assert error_code(caught) == f"ORA-{code:05}"
        cursor.execute("SET CONSTRAINT late_name DEFERRED")
        cursor.execute("UPDATE late SET id = 2, name = 'a' WHERE name = 'b'")
        with pytest.raises(oracledb.DatabaseError, match=r"ORA-02091[^)]*LATE_NAME"):
            connection.commit()


def test_two_sessions_cannot_both_have_a_key(late: Standin, connection: oracledb.Connection) -> None:
    with connect(late) as other, connection.cursor() as cursor:
        cursor.execute(INSERT, [1, "a", 1])
        other.cursor().execute(INSERT, [1, "b", 1])
        connection.commit()
        with pytest.raises(oracledb.DatabaseError, match=r"ORA-02091[^)]*LATE_PK"):
            other.commit()
    assert late.sql("SELECT name FROM late") == [["a"]]


def test_the_dictionary_says_so(late: Standin) -> None:
    query = (
        "SELECT deferrable, deferred FROM user_constraints WHERE table_name = 'LATE' AND constraint_type IN ('P', 'U')"
    )
    assert late.sql(query + " ORDER BY 2") == [["DEFERRABLE", "DEFERRED"], ["DEFERRABLE", "IMMEDIATE"]]
    assert late.sql("SELECT uniqueness FROM user_indexes WHERE index_name = 'LATE_PK'") == [["NONUNIQUE"]]


def test_a_double_that_a_savepoint_takes_back_is_forgotten(late: Standin, connection: oracledb.Connection) -> None:
    with connection.cursor() as cursor:
        cursor.execute(INSERT, [1, "a", 1])
        cursor.execute("SAVEPOINT before_it")
        cursor.execute(INSERT, [1, "b", -1])
        cursor.execute("ROLLBACK TO before_it")
        connection.commit()
        assert cursor.execute("SELECT name FROM late WHERE id = 1").fetchall() == [("a",)]


def test_a_row_is_found_again_by_its_key_after_a_rollback_among_doubles(
    late: Standin, connection: oracledb.Connection
) -> None:
    late.sql("INSERT INTO late VALUES (1, 'first', 1)")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE late SET id = 2 WHERE id = 1")
        cursor.executemany(INSERT, [(1, "b", 1), (1, "c", 1)])
        connection.rollback()
        assert cursor.execute("SELECT name FROM late WHERE id = 1").fetchall() == [("first",)]
        cursor.execute(INSERT, [1, "d", 1])
        with pytest.raises(oracledb.DatabaseError, match=r"ORA-02091[^)]*LATE_PK"):
            connection.commit()
