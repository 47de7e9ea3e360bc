"""Connections and pools as python-oracledb publishes them, adapted from its suites 1100 (connection) and 2400 (pool).

The facts are the published suite's, the words and the code are not. Each test names the case it follows.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import oracledb
import pytest

from .behaviour import Target
from .sessions import error_code

COUNT = "SELECT COUNT(*) FROM behaviour_work"
_BREAK_SECONDS = 60.0
"""Within which a server that waits for a lock looks for a break: every three seconds, unless it is told to skip."""


def count(connection: oracledb.Connection) -> int:
    found: int = connection.cursor().execute(COUNT).fetchone()[0]
    return found


def executes(database: Target) -> int | None:
    """How many statements the stand-in was asked to execute; None for a real database."""
    return None if database.standin is None else database.standin.counters()["executes"]


def test_a_connection_says_what_it_is_connected_to_1100_1118(database: Target, conn: oracledb.Connection) -> None:
    assert (conn.username, conn.dsn, conn.thin) == (database.user, database.dsn, True)
    assert all(part.isdigit() for part in conn.version.split("."))
    assert conn.service_name
    assert conn.instance_name
    assert conn.db_name
    assert conn.max_open_cursors > 0
    assert conn.session_id > 0
    assert conn.serial_num > 0
    assert conn.sdu >= 512
    sid = conn.cursor().execute("SELECT SYS_CONTEXT('USERENV', 'SID') FROM dual").fetchone()[0]
    assert int(sid) == conn.session_id


def test_autocommit_1104(database: Target, conn: oracledb.Connection) -> None:
    with database.connect() as other:
        conn.cursor().execute("INSERT INTO behaviour_work (id) VALUES (1)")
        assert count(other) == 0
        conn.autocommit = True
        conn.cursor().execute("INSERT INTO behaviour_work (id) VALUES (2)")
        assert count(other) == 2


def test_autocommit_on_executing_again_1128(database: Target, conn: oracledb.Connection) -> None:
    conn.autocommit = True
    with database.connect() as other, conn.cursor() as cursor:
        for i in (1, 2, 3):
            cursor.execute("INSERT INTO behaviour_work (id) VALUES (:1)", [i])
            assert count(other) == i


@pytest.mark.parametrize(("password", "code"), [("not it", "ORA-01017"), ("x" * 100, "ORA-01017")])
def test_a_bad_password_1106(database: Target, password: str, code: str) -> None:
    with pytest.raises(oracledb.DatabaseError) as caught:
        oracledb.connect(user=database.user, password=password, dsn=database.dsn)
    assert error_code(caught) == code


def test_no_password_1106(database: Target) -> None:
    with pytest.raises(oracledb.DatabaseError) as caught:
        oracledb.connect(user=database.user, dsn=database.dsn)
    assert error_code(caught) == "DPY-4001"


@pytest.mark.parametrize("new", ["another", "with/slash", "with@sign", "p" * 30])
def test_changing_the_password_1107_1109(database: Target, new: str) -> None:
    if database.standin is None:
        pytest.skip("needs the stand-in: leaves real passwords alone")
    with database.connect() as opened:
        opened.changepassword(database.password, new)
    with oracledb.connect(user=database.user, password=new, dsn=database.dsn) as opened:
        opened.changepassword(new, database.password)
    with database.connect() as opened:
        opened.ping()


def test_a_wrong_old_password_changes_nothing_1108(database: Target, conn: oracledb.Connection) -> None:
    with pytest.raises(oracledb.DatabaseError) as caught:
        conn.changepassword("not it", "another")
    assert error_code(caught) in ("ORA-28008", "ORA-01017")
    database.connect().close()


def test_a_closed_connection_1110_1119(database: Target) -> None:
    closed = database.connect()
    closed.close()
    for call in (closed.commit, closed.rollback, closed.ping, closed.cursor, lambda: closed.version):
        with pytest.raises(oracledb.InterfaceError) as caught:
            call()
        assert error_code(caught) == "DPY-1001"
    assert not closed.is_healthy()


@pytest.mark.parametrize("how", ["close", "leave", "forget"])
def test_what_was_not_committed_is_rolled_back_1113_1114_1117(
    database: Target, conn: oracledb.Connection, how: str
) -> None:
    other: oracledb.Connection | None = database.connect()
    assert other is not None
    if how == "leave":
        with other:
            other.cursor().execute("INSERT INTO behaviour_work (id) VALUES (1)")
    else:
        other.cursor().execute("INSERT INTO behaviour_work (id) VALUES (1)")
        if how == "close":
            other.close()
        other = None
    conn.cursor().execute("INSERT INTO behaviour_work (id) VALUES (1)")  # would wait forever otherwise
    assert count(conn) == 1


def test_many_threads_with_a_connection_each_1115(database: Target, conn: oracledb.Connection) -> None:
    def work(number: int) -> None:
        with database.connect() as opened:
            opened.cursor().executemany(
                "INSERT INTO behaviour_work (id) VALUES (:1)", [[number * 100 + i] for i in range(20)]
            )
            opened.commit()

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert count(conn) == 120


def test_many_threads_share_one_connection_1125(conn: oracledb.Connection) -> None:
    found: list[int] = []

    def work(number: int) -> None:
        with conn.cursor() as cursor:
            found.append(cursor.execute("SELECT :1 FROM dual", [number]).fetchone()[0])

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == list(range(8))


def test_a_ping_is_one_round_trip_1120(database: Target, conn: oracledb.Connection) -> None:
    if database.standin is None:
        pytest.skip("needs the stand-in: counts its requests")
    before = database.standin.counters()["requests"]
    conn.ping()
    assert database.standin.counters()["requests"] == before + 1


def test_cancel_ends_a_call_of_another_thread_1126(database: Target, conn: oracledb.Connection) -> None:
    conn.cursor().execute("INSERT INTO behaviour_work (id) VALUES (1)")
    with database.connect() as other:
        before, ended, looked = executes(database), threading.Event(), True

        def cancel() -> None:
            nonlocal looked
            if before is None:
                time.sleep(5)  # a real database does not tell that the call has come
            else:
                while executes(database) == before:
                    pass
            other.cancel()
            looked = ended.wait(_BREAK_SECONDS)
            if not looked:
                conn.rollback()  # so that the INSERT goes on

        thread = threading.Thread(target=cancel)
        thread.start()
        caught = None
        try:
            other.cursor().execute("INSERT INTO behaviour_work (id) VALUES (1)")
        except oracledb.DatabaseError as error:
            caught = error
        ended.set()
        thread.join()
        if not looked:
            pytest.skip("needs the stand-in: this server does not look for breaks (BREAK_POLL_SKIP in its sqlnet.ora)")
        assert isinstance(caught, oracledb.OperationalError)
        assert caught.args[0].full_code == "ORA-01013"
        assert count(other) == 0


def test_the_current_schema_1129(conn: oracledb.Connection) -> None:
    query = "SELECT SYS_CONTEXT('USERENV', 'CURRENT_SCHEMA') FROM dual"
    user = conn.cursor().execute("SELECT USER FROM dual").fetchone()[0]
    conn.current_schema = "SYS"
    assert conn.cursor().execute(query).fetchone() == ("SYS",)
    conn.current_schema = user
    assert conn.cursor().execute(query).fetchone() == (user,)


def test_the_call_timeout_is_kept_1131(conn: oracledb.Connection) -> None:
    conn.call_timeout = 60_500
    assert conn.call_timeout == 60_500
    conn.ping()


def test_a_transaction_is_known_to_be_open_1141(conn: oracledb.Connection) -> None:
    seen = [conn.transaction_in_progress]
    for end in (conn.commit, conn.rollback):
        conn.cursor().execute("INSERT INTO behaviour_work (id) VALUES (1)")
        seen.append(conn.transaction_in_progress)
        end()
        seen.append(conn.transaction_in_progress)
        conn.cursor().execute("DELETE FROM behaviour_work")
        conn.commit()
    assert seen == [False, True, False, True, False]


def test_who_connects_is_known_to_the_server_1146_1147(database: Target) -> None:
    with oracledb.connect(
        user=database.user, password=database.password, dsn=database.dsn, program="collector", machine="plant"
    ) as opened:
        sid = opened.session_id
        query = "SELECT program, machine FROM v$session WHERE sid = :1"
        if database.standin is not None:
            assert opened.cursor().execute(query, [sid]).fetchone() == ("collector", "plant")


@pytest.fixture
def pool(database: Target) -> Iterator[oracledb.ConnectionPool]:
    made = make_pool(database)
    yield made
    made.close(force=True)


def make_pool(database: Target, **options: Any) -> oracledb.ConnectionPool:
    options = {"min": 1, "max": 2, "increment": 1, **options}
    return oracledb.create_pool(user=database.user, password=database.password, dsn=database.dsn, **options)


def test_the_pool_says_what_it_holds_2400(pool: oracledb.ConnectionPool) -> None:
    with pool.acquire(), pool.acquire():
        assert (pool.busy, pool.opened, pool.max) == (2, 2, 2)
    assert pool.busy == 0
    assert pool.thin


def test_released_connections_are_rolled_back_2403(pool: oracledb.ConnectionPool, conn: oracledb.Connection) -> None:
    opened = pool.acquire()
    opened.cursor().execute("INSERT INTO behaviour_work (id) VALUES (1)")
    pool.release(opened)
    opened = pool.acquire()
    assert count(opened) == 0
    assert not opened.transaction_in_progress
    pool.release(opened)
    assert count(conn) == 0


def test_threads_share_a_pool_2404_2405(database: Target) -> None:
    pool = make_pool(database, max=3, getmode=oracledb.POOL_GETMODE_WAIT)
    failed: list[str] = []

    def work() -> None:
        with pool.acquire() as opened:
            opened.cursor().execute("SELECT COUNT(*) FROM behaviour_work").fetchone()
            try:
                opened.cursor().execute("SELECT COUNT(*) FROM behaviour_missing")
            except oracledb.DatabaseError as error:
                failed.append(error.args[0].full_code)

    threads = [threading.Thread(target=work) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == ["ORA-00942"] * 12
    pool.close()


def test_a_dropped_connection_leaves_the_pool_2413(pool: oracledb.ConnectionPool) -> None:
    first, second = pool.acquire(), pool.acquire()
    pool.drop(first)
    assert (pool.opened, pool.busy) == (1, 1)
    pool.release(second)
    with pytest.raises(oracledb.InterfaceError, match="DPY-1001"):
        first.ping()


def test_a_callback_prepares_each_new_session_once_2423(database: Target) -> None:
    prepared: list[int] = []

    def prepare(connection: oracledb.Connection, requested_tag: str) -> None:
        connection.cursor().execute("ALTER SESSION SET TIME_ZONE = '+00:00' NLS_DATE_FORMAT = 'YYYY'")
        prepared.append(connection.session_id)

    pool = make_pool(database, session_callback=prepare)
    for _ in range(3):
        with pool.acquire() as opened:
            year = opened.cursor().execute("SELECT TO_CHAR(DATE '2026-01-01') FROM dual").fetchone()
            assert year == ("2026",)
    assert len(prepared) == 1
    pool.close()


def test_closing_a_pool_in_use_needs_force_2418_2421(database: Target) -> None:
    pool = make_pool(database)
    opened = pool.acquire()
    with pytest.raises(oracledb.InterfaceError) as caught:
        pool.close()
    assert error_code(caught) == "DPY-1005"
    pool.close(force=True)
    with pytest.raises(oracledb.InterfaceError):
        pool.acquire()
    with pytest.raises(oracledb.InterfaceError):
        opened.ping()


@pytest.mark.parametrize("mode", [oracledb.POOL_GETMODE_NOWAIT, oracledb.POOL_GETMODE_TIMEDWAIT])
def test_an_exhausted_pool_2422_2438(database: Target, mode: oracledb.PoolGetMode) -> None:
    pool = make_pool(database, max=1, getmode=oracledb.POOL_GETMODE_WAIT, wait_timeout=100)
    with pool.acquire():
        pool.getmode = mode
        with pytest.raises(oracledb.DatabaseError) as caught:
            pool.acquire()
    assert error_code(caught) == "DPY-4005"
    pool.close()


def test_a_dead_connection_is_replaced_2424_2457(database: Target) -> None:
    if database.standin is None:
        pytest.skip("needs the stand-in: kills its sessions")
    pool = make_pool(database, max=1, ping_interval=0)
    with pool.acquire() as opened:
        first = opened.session_id
    database.standin.kill_sessions()
    with pool.acquire() as opened:
        assert opened.session_id != first
        assert count(opened) >= 0
    pool.close()


def test_an_empty_pool_makes_connections_on_demand_2425(database: Target) -> None:
    pool = make_pool(database, min=0)
    assert pool.opened == 0
    with pool.acquire() as opened:
        opened.ping()
    pool.close()


def test_the_pools_own_ping_leaves_the_call_timeout_alone_2439_2459(database: Target) -> None:
    pool = make_pool(database, max=1, ping_interval=0, ping_timeout=1000)
    with pool.acquire() as opened:
        assert opened.call_timeout == 0
        opened.call_timeout = 2500
    with pool.acquire() as opened:
        assert opened.call_timeout == 2500
    pool.close()


def test_a_pool_with_a_bad_password_2458(database: Target) -> None:
    pool = oracledb.create_pool(user=database.user, password="not it", dsn=database.dsn, min=0, max=1)
    with pytest.raises(oracledb.DatabaseError, match="ORA-01017"):
        pool.acquire()
    pool.close(force=True)


def test_a_waiter_gets_the_released_connection_2462(database: Target) -> None:
    pool = make_pool(database, max=1, getmode=oracledb.POOL_GETMODE_WAIT)
    opened = pool.acquire()
    threading.Timer(0.1, lambda: pool.release(opened)).start()
    with pool.acquire() as again:
        again.ping()
    pool.close()
