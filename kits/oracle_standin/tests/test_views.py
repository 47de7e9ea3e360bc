"""Views and synonyms: what they let through, what they refuse, and what the dictionary knows of them."""

from __future__ import annotations

from collections.abc import Iterator

import oracledb
import pytest
from oracle_standin.process import Standin, StandinError

from .sessions import error_code

VIEWS = (
    """CREATE VIEW good AS SELECT tag_name, tag_value, timestamp, quality FROM tag_data WHERE quality = 'GOOD'
       WITH CHECK OPTION""",
    "CREATE VIEW short (name, at) AS SELECT g.tag_name, g.timestamp FROM good g",
    "CREATE VIEW counted AS SELECT quality, COUNT(*) AS n FROM tag_data GROUP BY quality",
    "CREATE OR REPLACE VIEW fixed AS SELECT * FROM tag_data WITH READ ONLY",
    "CREATE SYNONYM near FOR good",
    "CREATE SYNONYM far FOR near",
)  # fmt: skip
NAMES = ["good", "short", "counted", "fixed"]


@pytest.fixture(autouse=True)
def views(db: Standin) -> Iterator[Standin]:
    for statement in VIEWS:
        db.sql(statement)
    yield db
    for name in NAMES:
        db.sql(f"DROP VIEW {name}")
    for name in ("near", "far"):
        db.sql(f"DROP SYNONYM {name}")


def insert(cursor: oracledb.Cursor, name: str, *rows: tuple[str, str]) -> list[tuple[int, str]]:
    cursor.executemany(
        f"INSERT INTO {name} VALUES (:1, '1', TIMESTAMP '2026-03-05 00:00:00', :2)", list(rows), batcherrors=True
    )
    return [(error.offset, error.full_code) for error in cursor.getbatcherrors()]


def test_a_simple_view_is_written_and_read(views: Standin, connection: oracledb.Connection) -> None:
    with connection.cursor() as cursor:
        rows = [("A", "GOOD"), ("B", "BAD"), ("A", "GOOD"), ("C", "GOOD")]
        assert insert(cursor, "far", *rows) == [(1, "ORA-01402"), (2, "ORA-00001")]
        assert insert(cursor, "tag_data", ("D", "BAD")) == []
        assert cursor.execute("SELECT name FROM short WHERE name IN ('A', 'D') ORDER BY 1").fetchall() == [("A",)]
        assert cursor.execute("SELECT COUNT(*) FROM near").fetchone() == (2,)
        assert cursor.execute("SELECT * FROM counted ORDER BY quality").fetchall() == [("BAD", 1), ("GOOD", 2)]
        assert [column[0] for column in cursor.execute("SELECT * FROM short").description] == ["NAME", "AT"]
        cursor.execute("UPDATE short SET name = 'Z' WHERE name = 'A'")
        assert cursor.rowcount == 1
        cursor.execute("DELETE FROM good")
        assert cursor.rowcount == 2
        assert cursor.execute("SELECT tag_name FROM fixed").fetchall() == [("D",)]


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("INSERT INTO short VALUES ('A', SYSTIMESTAMP)", 1400),
        ("INSERT INTO short (tag_name) VALUES ('A')", 904),
        ("SELECT tag_name FROM short", 904),
        ("UPDATE good SET quality = 'BAD'", 1402),
        ("INSERT INTO counted VALUES ('A', 1)", 1732),
        ("DELETE FROM fixed", 42399),
        ("CREATE INDEX viewed ON good (tag_name)", 1702),
        ("CREATE VIEW good AS SELECT * FROM tag_data", 955),
        ("CREATE VIEW v AS SELECT * FROM nowhere", 942),
        ("CREATE NOFORCE VIEW v AS SELECT nothing FROM tag_data", 904),
        ("DROP VIEW nowhere", 942),
        ("DROP SYNONYM nowhere", 1434),
    ],
)
def test_what_a_view_refuses(connection: oracledb.Connection, sql: str, code: int) -> None:
    with connection.cursor() as cursor:
        insert(cursor, "good", ("A", "GOOD"))
        with pytest.raises(oracledb.DatabaseError) as caught:
            cursor.execute(sql)
        assert error_code(caught) == f"ORA-{code:05}"


def test_a_view_has_columns_and_no_key(views: Standin) -> None:
    assert views.sql("""SELECT column_name, data_type, nullable FROM user_tab_columns WHERE table_name = 'SHORT'
                        ORDER BY column_id""") == [["NAME", "VARCHAR2", "N"], ["AT", "TIMESTAMP(6)", "N"]]  # fmt: skip
    columns = "SELECT COUNT(*) FROM user_tab_cols WHERE table_name = 'FIXED' AND virtual_column = 'NO'"
    assert views.sql(columns) == [[4]]
    for view in ("user_constraints", "user_indexes", "user_tables"):
        assert views.sql(f"SELECT COUNT(*) FROM {view} WHERE table_name IN ('SHORT', 'GOOD', 'FIXED')") == [[0]]
    assert views.sql("SELECT object_type FROM user_objects WHERE object_name = 'GOOD'") == [["VIEW"]]
    assert views.sql("SELECT read_only FROM user_views WHERE view_name = 'FIXED'") == [["Y"]]


def test_what_is_left_when_the_table_is_gone(db: Standin) -> None:
    db.sql("CREATE TABLE gone (a NUMBER, b NUMBER)")
    db.sql("CREATE VIEW of_gone AS SELECT a FROM gone")
    db.sql("CREATE SYNONYM for_gone FOR gone")
    db.sql("CREATE SYNONYM loop FOR round")
    db.sql("CREATE SYNONYM round FOR loop")
    db.sql("ALTER TABLE gone DROP COLUMN a")
    with pytest.raises(StandinError, match=r'ORA-04063: view "SCOTT.OF_GONE" has errors'):
        db.sql("SELECT * FROM of_gone")
    db.sql("DROP TABLE gone")
    for name, code in [("of_gone", 4063), ("for_gone", 980), ("loop", 1775)]:
        for statement in ("SELECT * FROM {}", "INSERT INTO {} VALUES (1)"):
            with pytest.raises(StandinError, match=f"ORA-{code:05}"):
                db.sql(statement.format(name))
    assert db.sql("SELECT status FROM user_objects WHERE object_name = 'OF_GONE'") == [["INVALID"]]
    db.sql("CREATE TABLE gone (a NUMBER)")
    assert db.sql("SELECT * FROM of_gone") == []
    db.sql("CREATE OR REPLACE FORCE VIEW of_gone AS SELECT b FROM gone")
    with pytest.raises(StandinError, match="ORA-04063"):
        db.sql("SELECT * FROM of_gone")
    for what in ("TABLE gone", "VIEW of_gone", "SYNONYM for_gone", "SYNONYM loop", "SYNONYM round"):
        db.sql(f"DROP {what}")


def test_a_view_lends_its_owners_rights() -> None:
    ddl = [
        "CREATE TABLE t (a NUMBER, b NUMBER)",
        "CREATE VIEW v AS SELECT a FROM t",
        "GRANT SELECT, INSERT ON v TO writer",
    ]
    with (
        Standin(users=[("writer", "secret")], ddl=ddl) as db,
        oracledb.connect(user="writer", password="secret", dsn=db.dsn) as writer,
        writer.cursor() as cursor,
    ):
        cursor.execute("INSERT INTO scott.v VALUES (1)")
        assert cursor.execute("SELECT * FROM scott.v").fetchall() == [(1,)]
        for statement, code in [("SELECT * FROM scott.t", 942), ("DELETE FROM scott.v", 1031)]:
            with pytest.raises(oracledb.DatabaseError) as caught:
                cursor.execute(statement)
            assert error_code(caught) == f"ORA-{code:05}"
