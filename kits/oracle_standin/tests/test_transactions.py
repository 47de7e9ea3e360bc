"""Isolation, locks and time-outs between sessions."""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Iterator
from random import Random

import oracledb
import pytest
from oracle_standin.process import Standin
from oracle_standin.server import Server

from .sessions import connect

INSERT = "INSERT INTO tag_data VALUES (:1, :2, SYSTIMESTAMP, 'GOOD')"
KEYED = "INSERT INTO tag_data VALUES ('K', :1, TIMESTAMP '2026-01-01 00:00:00', 'GOOD')"


@pytest.fixture
def other(db: Standin) -> Iterator[oracledb.Connection]:
    with connect(db) as opened:
        yield opened


def names(connection: oracledb.Connection) -> list[str]:
    return [r[0] for r in connection.cursor().execute("SELECT tag_name FROM tag_data ORDER BY 1")]


def test_others_see_committed_rows_only(connection: oracledb.Connection, other: oracledb.Connection) -> None:
    connection.cursor().execute(INSERT, ["A", "1"])
    assert names(connection) == ["A"]
    assert names(other) == []
    connection.commit()
    assert names(other) == ["A"]


def test_rollback_undoes_inserts_updates_and_deletes(connection: oracledb.Connection) -> None:
    cursor = connection.cursor()
    cursor.executemany(INSERT, [("A", "1"), ("B", "2")])
    connection.commit()
    cursor.execute("UPDATE tag_data SET tag_value = 'x', tag_name = 'Z' WHERE tag_name = 'A'")
    cursor.execute("DELETE FROM tag_data WHERE tag_name = 'B'")
    cursor.execute(INSERT, ["C", "3"])
    assert names(connection) == ["C", "Z"]
    connection.rollback()
    assert names(connection) == ["A", "B"]


def test_others_see_the_row_before_an_update(connection: oracledb.Connection, other: oracledb.Connection) -> None:
    connection.cursor().execute(INSERT, ["A", "old"])
    connection.commit()
    connection.cursor().execute("UPDATE tag_data SET tag_value = 'new'")
    query = "SELECT tag_value FROM tag_data"
    assert other.cursor().execute(query).fetchone() == ("old",)
    assert connection.cursor().execute(query).fetchone() == ("new",)


def test_closing_a_connection_rolls_back(db: Standin, other: oracledb.Connection) -> None:
    with connect(db) as gone:
        gone.cursor().execute(INSERT, ["A", "1"])
    assert names(other) == []
    other.cursor().execute(INSERT, ["A", "1"])


def test_savepoints(connection: oracledb.Connection) -> None:
    cursor = connection.cursor()
    cursor.execute(INSERT, ["A", "1"])
    cursor.execute("SAVEPOINT here")
    cursor.execute(INSERT, ["B", "1"])
    cursor.execute("ROLLBACK TO here")
    assert names(connection) == ["A"]
    with pytest.raises(oracledb.DatabaseError, match="ORA-01086"):
        cursor.execute("ROLLBACK TO SAVEPOINT nowhere")


@pytest.mark.parametrize("end", ["commit", "rollback"])
def test_the_same_key_waits_for_the_other_transaction(
    db: Standin, connection: oracledb.Connection, other: oracledb.Connection, end: str
) -> None:
    connection.cursor().execute(KEYED, ["first"])
    outcome: list[str] = []

    def insert() -> None:
        try:
            other.cursor().execute(KEYED, ["second"])
            outcome.append("inserted")
        except oracledb.IntegrityError as error:
            outcome.append(error.args[0].full_code)

    waiter = threading.Thread(target=insert)
    waiter.start()
    while db.counters()["executes"] < 2:
        pass
    assert outcome == []
    getattr(connection, end)()
    waiter.join(60)
    assert outcome == ["ORA-00001" if end == "commit" else "inserted"]


def test_waiting_for_a_lock_is_bounded_by_the_call_timeout(
    connection: oracledb.Connection, other: oracledb.Connection
) -> None:
    connection.cursor().execute(KEYED, ["first"])
    other.cursor().execute(INSERT, ["kept", "1"])
    other.call_timeout = 1000
    with pytest.raises(oracledb.DatabaseError, match="DPY-4024"):
        other.cursor().execute(KEYED, ["second"])
    other.call_timeout = 0
    assert names(other) == ["kept"]  # the session lives, only the statement is undone
    connection.rollback()
    other.cursor().execute(KEYED, ["second"])


def test_a_session_can_be_killed_while_it_waits(
    db: Standin, connection: oracledb.Connection, other: oracledb.Connection
) -> None:
    connection.cursor().execute(KEYED, ["first"])
    outcome: list[str] = []

    def insert() -> None:
        try:
            other.cursor().executemany(KEYED, [["second"], ["third"]], batcherrors=True)
        except oracledb.DatabaseError as error:
            outcome.append(error.args[0].full_code)

    waiter = threading.Thread(target=insert)
    waiter.start()
    while db.counters()["executes"] < 2:
        pass
    db.kill_sessions()
    waiter.join(60)
    assert outcome == ["DPY-4011"]
    assert db.tables()["SCOTT.TAG_DATA"] == 0


def test_two_transactions_that_wait_for_each_other_are_a_deadlock(
    db: Standin, connection: oracledb.Connection, other: oracledb.Connection
) -> None:
    connection.cursor().executemany(INSERT, [("A", "1"), ("B", "1")])
    connection.commit()
    update = "UPDATE tag_data SET tag_value = 'x' WHERE tag_name = :1"
    connection.cursor().execute(update, ["A"])
    other.cursor().execute(update, ["B"])
    waiter = threading.Thread(target=lambda: connection.cursor().execute(update, ["B"]))
    waiter.start()
    while db.counters()["executes"] < 4:
        pass
    with pytest.raises(oracledb.DatabaseError, match="ORA-00060"):
        other.cursor().execute(update, ["A"])
    other.rollback()
    waiter.join(60)
    assert not waiter.is_alive()


def test_random_changes_leave_what_a_model_says(connection: oracledb.Connection, other: oracledb.Connection) -> None:
    """Inserts, updates, deletes, savepoints, commits and rollbacks against a dict, looked at by key and by scan."""
    random = Random(11)
    cursor = connection.cursor()
    moment = dt.datetime(2026, 1, 1)
    committed: dict[str, str] = {}
    mine: dict[str, str] = {}
    saved: dict[str, str] = {}
    cursor.execute("SAVEPOINT here")
    for step in range(250):
        name, value = f"T{random.randrange(8)}", str(step)
        action = random.choice(["insert", "insert", "update", "rename", "delete", "save", "back", "commit", "rollback"])
        if action == "insert":
            try:
                cursor.execute("INSERT INTO tag_data VALUES (:1, :2, :3, 'GOOD')", [name, value, moment])
                assert name not in mine
                mine[name] = value
            except oracledb.IntegrityError:
                assert name in mine
        elif action == "update":
            cursor.execute(
                "UPDATE tag_data SET tag_value = :1 WHERE tag_name = :2 AND timestamp = :3", [value, name, moment]
            )
            assert cursor.rowcount == (name in mine)
            mine |= {name: value} if name in mine else {}
        elif action == "rename":
            new = f"T{random.randrange(8)}"
            try:
                cursor.execute("UPDATE tag_data SET tag_name = :1 WHERE tag_name = :2", [new, name])
                assert new == name or new not in mine or name not in mine
                mine |= {new: mine.pop(name)} if name in mine else {}
            except oracledb.IntegrityError:
                assert new in mine
        elif action == "delete":
            cursor.execute("DELETE FROM tag_data WHERE tag_name = :1", [name])
            assert cursor.rowcount == (mine.pop(name, None) is not None)
        elif action == "save":
            cursor.execute("SAVEPOINT here")
            saved = dict(mine)
        elif action == "back":
            cursor.execute("ROLLBACK TO here")
            mine = dict(saved)
        else:
            getattr(connection, action)()
            committed = dict(mine) if action == "commit" else committed
            mine, saved = dict(committed), dict(committed)
            cursor.execute("SAVEPOINT here")
        for session, expected in ((connection, mine), (other, committed)):
            rows = session.cursor().execute("SELECT tag_name, tag_value FROM tag_data").fetchall()
            assert dict(rows) == expected
            assert len(rows) == len(expected)
            found = session.cursor().execute(
                "SELECT tag_value FROM tag_data WHERE tag_name = :1 AND timestamp = :2", [name, moment]
            )
            assert found.fetchall() == ([(expected[name],)] if name in expected else [])


def test_a_key_freed_and_used_again_is_still_the_old_row_for_others(
    connection: oracledb.Connection, other: oracledb.Connection
) -> None:
    connection.cursor().execute(KEYED, ["old"])
    connection.commit()
    connection.cursor().execute("DELETE FROM tag_data")
    connection.cursor().execute(KEYED, ["new"])
    query = "SELECT tag_value FROM tag_data WHERE tag_name = 'K' AND timestamp = :1"
    key = [dt.datetime(2026, 1, 1)]
    assert other.cursor().execute(query, key).fetchall() == [("old",)]
    assert connection.cursor().execute(query, key).fetchall() == [("new",)]
    connection.commit()
    assert other.cursor().execute(query, key).fetchall() == [("new",)]


def test_a_session_killed_while_it_commits_is_not_told_that_it_did() -> None:
    server = Server(0, {"scott": "tiger"}, "FREEPDB1")
    server.start()
    try:
        server.sql("CREATE TABLE t (a NUMBER)")
        dsn = f"127.0.0.1:{server.port}/FREEPDB1"
        with oracledb.connect(user="scott", password="tiger", dsn=dsn) as connection:
            connection.cursor().execute("INSERT INTO t VALUES (1)")
            outcome: list[str] = []

            def commit() -> None:
                try:
                    connection.commit()
                    outcome.append("committed")
                except oracledb.DatabaseError as error:
                    outcome.append(error.args[0].full_code)

            committing = threading.Thread(target=commit)
            with server.database.locks.lock:
                before = server.counters()["requests"]
                committing.start()
                while server.counters()["requests"] == before:
                    pass
                time.sleep(0.05)  # so that it most likely waits for the lock; if not, the kill comes before the commit
                server.kill_sessions()
            committing.join(60)
            assert outcome == ["DPY-4011"]
    finally:
        server.stop()
