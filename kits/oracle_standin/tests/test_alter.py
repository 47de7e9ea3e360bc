"""ALTER TABLE under a client that is running: what its cursors meet the next time."""

from __future__ import annotations

from collections.abc import Iterator

import oracledb
import pytest
from oracle_standin.process import Standin, StandinError

from .sessions import error_code

INSERT = "INSERT INTO live (tag, amount) VALUES (:1, :2)"
CREATE = """CREATE TABLE live (tag VARCHAR2(5) NOT NULL, amount NUMBER(5,2), note VARCHAR2(9),
            CONSTRAINT live_pk PRIMARY KEY (tag), CONSTRAINT live_amount CHECK (amount < 500))"""


@pytest.fixture(autouse=True)
def live(db: Standin) -> Iterator[Standin]:
    db.sql(CREATE)
    yield db
    db.sql("DROP TABLE IF EXISTS live")


@pytest.mark.parametrize(
    ("change", "code", "undo"),
    [
        ("ALTER TABLE live ADD (plant VARCHAR2(3) DEFAULT 'x' NOT NULL, line NUMBER)", None, ""),
        ("ALTER TABLE live ADD CONSTRAINT live_at UNIQUE (amount)", 1, "ALTER TABLE live DROP CONSTRAINT live_at"),
        ("ALTER TABLE live ADD CHECK (amount < 0)", 2293, ""),
        ("ALTER TABLE live MODIFY (tag VARCHAR2(1), note NOT NULL)", 2296, ""),
        ("ALTER TABLE live MODIFY tag VARCHAR2(1)", 12899, "ALTER TABLE live MODIFY tag VARCHAR2(9)"),
        ("ALTER TABLE live RENAME COLUMN amount TO total", 904, "ALTER TABLE live RENAME COLUMN total TO amount"),
        ("ALTER TABLE live DROP COLUMN amount CASCADE CONSTRAINTS", 904, "ALTER TABLE live ADD amount NUMBER"),
        ("ALTER TABLE live RENAME TO dead", 942, "ALTER TABLE dead RENAME TO live"),
        ("ALTER TABLE live READ ONLY", 12081, "ALTER TABLE live READ WRITE"),
        ("ALTER TABLE live MOVE", 1502, "ALTER INDEX live_pk REBUILD"),
        ("DROP TABLE live", 942, CREATE),
    ],
)
def test_a_cursor_meets_the_table_as_it_is_now(
    live: Standin, connection: oracledb.Connection, change: str, code: int | None, undo: str
) -> None:
    with connection.cursor() as cursor:
        cursor.executemany(INSERT, [("a", 1), ("b", 2)])
        connection.commit()
        if code in (2293, 2296):
            with pytest.raises(StandinError, match=f"ORA-0{code}"):
                live.sql(change)
            return
        live.sql(change)
        if code is not None:
            with pytest.raises(oracledb.DatabaseError) as caught:
                cursor.executemany(INSERT, [("cc", 1)])
            assert error_code(caught) == f"ORA-{code:05}"
            connection.rollback()
            live.sql(undo)
        cursor.executemany(INSERT, [("dd", 1)])
        connection.commit()
        assert cursor.execute("SELECT amount FROM live WHERE tag = 'dd'").fetchall() == [(1,)]


def test_a_mandatory_column_is_missed_by_an_insert_that_does_not_know_it(
    live: Standin, connection: oracledb.Connection
) -> None:
    with connection.cursor() as cursor:
        every = "INSERT INTO live VALUES (:1, 1, 'n')"
        cursor.execute(every, ["a"])
        with pytest.raises(StandinError, match="ORA-00054"):
            live.sql("ALTER TABLE live ADD plant NUMBER")
        connection.rollback()
        live.sql("ALTER TABLE live ADD plant NUMBER NOT NULL")
        for statement, code in [(INSERT.replace(":2", "2"), 1400), (every, 947)]:
            with pytest.raises(oracledb.DatabaseError) as caught:
                cursor.execute(statement, ["a"])
            assert error_code(caught) == f"ORA-{code:05}"
        live.sql("ALTER TABLE live MODIFY plant DEFAULT 7 NULL")
        cursor.execute(INSERT, ["a", 1])
        assert cursor.execute("SELECT * FROM live").fetchall() == [("a", 1, None, 7)]


def test_a_constraint_is_switched_off_and_on(live: Standin) -> None:
    live.sql("ALTER TABLE live DISABLE CONSTRAINT live_pk")
    assert live.sql("SELECT status FROM user_constraints WHERE constraint_name = 'LIVE_PK'") == [["DISABLED"]]
    for amount in (1, 2):
        live.sql(f"INSERT INTO live (tag, amount) VALUES ('a', {amount})")
    with pytest.raises(StandinError, match="ORA-02437"):
        live.sql("ALTER TABLE live ENABLE CONSTRAINT live_pk")
    live.sql("ALTER TABLE live DROP PRIMARY KEY")
    live.sql("ALTER TABLE live ADD CONSTRAINT live_pk PRIMARY KEY (tag) DEFERRABLE ENABLE NOVALIDATE")
    with pytest.raises(StandinError, match="ORA-00001"):
        live.sql("INSERT INTO live (tag, amount) VALUES ('a', 3)")
    assert live.sql("SELECT validated FROM user_constraints WHERE constraint_name = 'LIVE_PK'") == [["NOT VALIDATED"]]
    live.sql("DELETE FROM live WHERE amount = 1")
    live.sql("ALTER TABLE live MODIFY CONSTRAINT live_pk DISABLE")
    live.sql("ALTER TABLE live ENABLE VALIDATE PRIMARY KEY")
    with pytest.raises(StandinError, match="ORA-00001"):
        live.sql("INSERT INTO live (tag, amount) VALUES ('a', 3)")


def test_a_key_over_an_index_that_is_not_unique_lets_old_doubles_stay(
    live: Standin, connection: oracledb.Connection
) -> None:
    live.sql("ALTER TABLE live DROP CONSTRAINT live_pk")
    for amount in (1, 2):
        live.sql(f"INSERT INTO live (tag, amount) VALUES ('a', {amount})")
    key = "ALTER TABLE live ADD CONSTRAINT live_pk PRIMARY KEY (tag) ENABLE NOVALIDATE"
    with pytest.raises(StandinError, match="ORA-02437"):
        live.sql(key)
    live.sql("CREATE INDEX live_tag ON live (tag, amount)")
    live.sql(key.replace("ENABLE", "USING INDEX live_tag ENABLE"))
    with connection.cursor() as cursor:
        cursor.executemany(INSERT, [("a", 3), ("b", 3)], batcherrors=True)
        assert [(e.offset, e.full_code) for e in cursor.getbatcherrors()] == [(0, "ORA-00001")]
        assert cursor.execute("SELECT amount FROM live WHERE tag = 'a' ORDER BY 1").fetchall() == [(1,), (2,)]
        cursor.execute("DELETE FROM live WHERE amount = 1")
        with pytest.raises(oracledb.IntegrityError, match=r"ORA-00001.*LIVE_PK"):
            cursor.execute(INSERT, ["a", 1])
        connection.rollback()
    constraint = "SELECT index_name, validated FROM user_constraints WHERE constraint_name = 'LIVE_PK'"
    assert live.sql(constraint) == [["LIVE_TAG", "NOT VALIDATED"]]
    index = "SELECT index_name, uniqueness FROM user_indexes WHERE table_name = 'LIVE'"
    assert live.sql(index) == [["LIVE_TAG", "NONUNIQUE"]]
    with pytest.raises(StandinError, match="ORA-02429"):
        live.sql("DROP INDEX live_tag")


@pytest.mark.parametrize(
    ("clause", "code"),
    [
        ("ADD tag NUMBER", 1430),
        ("ADD plant NUMBER NOT NULL", 1758),
        ("MODIFY tag VARCHAR2(0)", 1723),
        ("MODIFY tag VARCHAR2(1)", 1441),
        ("MODIFY amount NUMBER(4,2)", 1440),
        ("MODIFY amount VARCHAR2(9)", 1439),
        ("MODIFY tag NOT NULL", 1442),
        ("MODIFY amount NULL", 1451),
        ("RENAME COLUMN tag TO amount", 957),
        ("DROP COLUMN nothing", 904),
        ("DROP CONSTRAINT nothing", 2443),
        ("ADD PRIMARY KEY (amount)", 2260),
        ("FLASHBACK ARCHIVE", 3001),
    ],
)
def test_a_change_that_is_refused(live: Standin, clause: str, code: int) -> None:
    live.sql("INSERT INTO live VALUES ('abc', 1, NULL)")
    with pytest.raises(StandinError, match=f"ORA-{code:05}"):
        live.sql(f"ALTER TABLE live {clause}")


def test_a_trigger_and_a_policy_of_a_column_that_is_gone_are_invalid(
    live: Standin, connection: oracledb.Connection
) -> None:
    live.sql("CREATE TRIGGER upper BEFORE INSERT ON live FOR EACH ROW BEGIN :NEW.note := UPPER(:NEW.note); END;")
    live.sql("ALTER TABLE live DROP COLUMN note")
    with connection.cursor() as cursor:
        with pytest.raises(oracledb.DatabaseError, match="ORA-04098"):
            cursor.execute(INSERT, ["a", 1])
        live.policy("live", "amount > 0")
        live.sql("ALTER TABLE live RENAME COLUMN amount TO total")
        with pytest.raises(oracledb.DatabaseError, match="ORA-28113"):
            cursor.execute("SELECT * FROM live")


def test_a_temporary_table_is_left_alone_while_a_session_has_rows_in_it(
    live: Standin, connection: oracledb.Connection
) -> None:
    live.sql("CREATE GLOBAL TEMPORARY TABLE passing (a NUMBER) ON COMMIT DELETE ROWS")
    connection.cursor().execute("INSERT INTO passing VALUES (1)")
    with pytest.raises(StandinError, match="ORA-14450"):
        live.sql("ALTER TABLE passing ADD b NUMBER")
    connection.rollback()
    live.sql("ALTER TABLE passing ADD b NUMBER")
    live.sql("DROP TABLE passing")
