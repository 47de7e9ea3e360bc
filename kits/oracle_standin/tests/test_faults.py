"""Each fault, as the driver sees it."""

from __future__ import annotations

import time

import oracledb
import pytest
from oracle_standin.process import Standin, StandinError

from .sessions import connect


@pytest.fixture(scope="module", params=["23", "19"])
def profile(request: pytest.FixtureRequest) -> str:
    """As 23ai and as 19c: they differ in log-on, replies and error texts."""
    return str(request.param)


INSERT = "INSERT INTO tag_data VALUES (:1, :2, SYSTIMESTAMP, 'GOOD')"
BREAK_MS = 1000
"""A call time-out after which there is still as long for the answer to the break."""

LOST = r"DPY-4011|DPY-1001|ORA-03113|ORA-00028"


def insert(connection: oracledb.Connection, name: str = "A") -> None:
    connection.cursor().execute(INSERT, [name, "1"])


# after a reset the driver forgets its socket without closing it
DRIVER_LEAK = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")


@DRIVER_LEAK
@pytest.mark.parametrize("action", ["drop", "rst", "midpacket"])
def test_a_connection_lost_before_the_work_changes_nothing(
    db: Standin, connection: oracledb.Connection, action: str
) -> None:
    db.fault("execute", action, match="^insert")
    with pytest.raises(oracledb.DatabaseError, match=LOST):
        insert(connection)
    assert db.tables()["SCOTT.TAG_DATA"] == 0
    assert db.faults()[0]["fired"] == 1


def test_a_commit_whose_reply_is_lost_has_committed(db: Standin, connection: oracledb.Connection) -> None:
    insert(connection)
    db.fault("commit", "drop", when="after")
    with pytest.raises(oracledb.DatabaseError, match=LOST):
        connection.commit()
    assert db.tables()["SCOTT.TAG_DATA"] == 1


def test_a_commit_dropped_before_it_has_rolled_back(db: Standin, connection: oracledb.Connection) -> None:
    insert(connection)
    db.fault("commit", "drop")
    with pytest.raises(oracledb.DatabaseError, match=LOST):
        connection.commit()
    assert db.tables()["SCOTT.TAG_DATA"] == 0


@pytest.mark.parametrize("point", ["execute", "commit"])
def test_a_hung_call_ends_with_the_call_timeout(db: Standin, connection: oracledb.Connection, point: str) -> None:
    if point == "commit":
        insert(connection)
    db.fault(point, "hang")
    connection.call_timeout = BREAK_MS
    with pytest.raises(oracledb.DatabaseError, match="DPY-4024"):
        insert(connection) if point == "execute" else connection.commit()
    connection.call_timeout = 0
    connection.ping()
    connection.rollback()
    assert db.tables()["SCOTT.TAG_DATA"] == 0
    assert db.counters()["breaks"] == 1


def test_a_frozen_session_keeps_its_locks_and_costs_the_timeout_twice(
    db: Standin, connection: oracledb.Connection
) -> None:
    insert = "INSERT INTO tag_data VALUES ('K', '1', TIMESTAMP '2026-01-01 00:00:00', 'GOOD')"
    db.fault("execute", "freeze", when="after")
    connection.call_timeout = 150
    start = time.monotonic()
    with pytest.raises(oracledb.DatabaseError, match="DPY-4011"):
        connection.cursor().execute(insert)
    assert time.monotonic() - start >= 0.3
    with connect(db) as other:
        other.call_timeout = BREAK_MS
        with pytest.raises(oracledb.DatabaseError, match="DPY-4024"):
            other.cursor().execute(insert)
        db.clear_faults()
        other.call_timeout = 0
        other.cursor().execute(insert)


def test_latency_delays_a_call_or_every_reply(db: Standin, connection: oracledb.Connection) -> None:
    db.fault("ping", "latency", seconds=0.2)
    start = time.monotonic()
    connection.ping()
    assert time.monotonic() - start >= 0.2
    db.latency(0.1)
    start = time.monotonic()
    connection.ping()
    assert time.monotonic() - start >= 0.1


def test_an_ora_code_fails_the_statement_until_it_is_used_up(db: Standin, connection: oracledb.Connection) -> None:
    db.fault("execute", "ora", code=1653, times=2, nth=2, message="unable to extend table")
    insert(connection, "A")
    for _ in range(2):
        with pytest.raises(oracledb.DatabaseError, match="ORA-01653: unable to extend table"):
            insert(connection, "B")
    insert(connection, "C")


def test_every_rule_that_matches_counts_the_call(db: Standin, connection: oracledb.Connection) -> None:
    db.fault("execute", "ora", code=54, times=1)
    db.fault("execute", "ora", code=60, nth=2)
    for code in ("ORA-00054", "ORA-00060"):
        with pytest.raises(oracledb.DatabaseError, match=code):
            insert(connection)
    insert(connection)
    assert [(rule["seen"], rule["fired"]) for rule in db.faults()] == [(3, 1), (3, 1)]


def test_an_ora_code_fails_one_row_of_an_array(db: Standin, connection: oracledb.Connection) -> None:
    db.fault("execute", "ora", code=14400, row=1)
    cursor = connection.cursor()
    cursor.executemany(INSERT, [("A", "1"), ("B", "1"), ("C", "1")], batcherrors=True)
    assert [(e.offset, e.code) for e in cursor.getbatcherrors()] == [(1, 14400)]


def test_a_trigger_rejects_each_row_whose_value_matches(db: Standin, connection: oracledb.Connection) -> None:
    db.fault("execute", "ora", code=20001, value="^poison", times=0)
    cursor = connection.cursor()
    cursor.executemany(INSERT, [("A", "1"), ("B", "poison 1"), ("C", "poison 2")], batcherrors=True)
    assert [(e.offset, e.code) for e in cursor.getbatcherrors()] == [(1, 20001), (2, 20001)]


def test_a_trigger_and_other_faults_hide_each_other_no_more_than_in_a_database(
    db: Standin, connection: oracledb.Connection
) -> None:
    db.fault("execute", "ora", code=20001, value="^poison", times=0)
    db.fault("execute", "ora", code=60)
    db.fault("execute", "latency", seconds=0.01)
    db.fault("execute", "ora", code=14400, row=0)
    for expected in ("ORA-00060", "ORA-14400", "ORA-20001"):
        with pytest.raises(oracledb.DatabaseError, match=expected):
            insert(connection, "poison")


def test_a_full_tablespace_takes_no_rows(db: Standin, connection: oracledb.Connection) -> None:
    db.fill_tablespace()
    with pytest.raises(oracledb.DatabaseError, match="ORA-01653"):
        insert(connection)
    db.fill_tablespace(False)
    insert(connection)


@pytest.mark.parametrize("point", ["query", "fetch", "rollback", "ping"])
def test_every_other_call_can_fail_too(db: Standin, connection: oracledb.Connection, point: str) -> None:
    cursor = connection.cursor()
    cursor.arraysize = cursor.prefetchrows = 1

    def select() -> None:
        cursor.execute("SELECT * FROM tag_data").fetchall()

    cursor.executemany(INSERT, [("A", "1"), ("B", "1"), ("C", "1")])
    db.fault(point, "ora", code=1089)
    calls = {"query": select, "fetch": select, "rollback": connection.rollback, "ping": connection.ping}
    with pytest.raises(oracledb.DatabaseError, match=r"ORA-01089|DPY-4011"):
        calls[point]()


@pytest.mark.parametrize(("action", "expected"), [("drop", "DPY-4011|DPY-6005"), ("refuse", "ORA-12528")])
def test_connecting_can_fail(db: Standin, action: str, expected: str) -> None:
    db.fault("connect", action, code=12528)
    with pytest.raises(oracledb.DatabaseError, match=expected):
        connect(db)
    connect(db).close()


def test_a_database_that_starts_up_refuses_log_ons(db: Standin) -> None:
    db.fault("auth", "ora", code=1033)
    with pytest.raises(oracledb.DatabaseError, match="ORA-01033"):
        connect(db)


def test_a_stopped_listener_refuses_and_open_sessions_go_on(db: Standin, connection: oracledb.Connection) -> None:
    db.listener_stop()
    with pytest.raises(oracledb.OperationalError, match="DPY-6005"):
        connect(db)
    connection.ping()
    db.listener_start()
    connect(db).close()


def test_a_black_hole_accepts_and_never_answers(db: Standin) -> None:
    db.black_hole(True)
    pool = oracledb.create_pool(
        user=db.user, password=db.password, dsn=db.dsn, min=0, max=1,
        getmode=oracledb.POOL_GETMODE_TIMEDWAIT, wait_timeout=100,
    )  # fmt: skip
    with pytest.raises(oracledb.DatabaseError, match="DPY-4005"):
        pool.acquire()
    db.black_hole(False)
    pool.close(force=True)


def test_a_session_is_gone_when_its_log_off_is_answered(db: Standin) -> None:
    for _ in range(20):  # its socket goes later
        connect(db).close()
        assert db.sessions() == []


def test_a_killed_session_says_so_once_and_is_gone(db: Standin, connection: oracledb.Connection) -> None:
    insert(connection)
    assert db.kill_sessions() == 1
    with pytest.raises(oracledb.DatabaseError, match=r"ORA-00028|DPY-4011"):
        insert(connection, "B")
    assert not connection.is_healthy()
    assert db.tables()["SCOTT.TAG_DATA"] == 0


@DRIVER_LEAK
@pytest.mark.parametrize("rst", [False, True])
def test_dropped_sessions_are_noticed_at_the_next_call(db: Standin, connection: oracledb.Connection, rst: bool) -> None:
    assert db.drop_sessions(rst) == 1
    with pytest.raises((oracledb.DatabaseError, OSError)):
        connection.ping()


def test_a_rule_answers_with_one_code_after_the_other_and_can_be_taken_back(
    db: Standin, connection: oracledb.Connection
) -> None:
    db.fault("execute", "ora", codes=[60, 0, 54], match="^insert", times=0)
    seen = []
    for name in "ABCD":
        try:
            insert(connection, name)
        except oracledb.DatabaseError as error:
            seen.append((name, error.args[0].code))
    assert seen == [("A", 60), ("C", 54), ("D", 60)]
    db.clear_faults()
    rule = db.fault("execute", "ora", code=60, match="^insert", times=0)
    other = db.fault("commit", "ora", code=60, times=0)
    db.clear_fault(rule)
    assert [kept["id"] for kept in db.faults()] == [other]
    insert(connection, "E")


def test_a_rule_that_makes_no_sense_is_refused(db: Standin) -> None:
    with pytest.raises(StandinError, match="point must be one of"):
        db.fault("lunch", "drop")
    with pytest.raises(StandinError, match="needs a code"):
        db.fault("commit", "ora")
    with pytest.raises(StandinError, match="unexpected keyword"):
        db.fault("commit", "drop", often=True)
