"""RealDatabase, with a stand-in (not Oracle) in the place of the database."""

from __future__ import annotations

from collections.abc import Callable

import oracledb
import pytest
from oracle_standin.process import Standin, StandinError
from oracle_standin.real_database import RealDatabase


@pytest.fixture
def real(db: Standin) -> RealDatabase:
    return RealDatabase(db.dsn, db.user, db.password)


class Pauses:
    """Counts seconds in place of waiting; what happens at a pause is what the test says."""

    def __init__(self, at_the_second: Callable[[], object] = lambda: None) -> None:
        self.count = 0
        self.seconds = 0.0
        self._at_the_second = at_the_second

    def pause(self, seconds: float) -> None:
        self.count += 1
        self.seconds += seconds
        if self.count == 2:
            self._at_the_second()

    def clock(self) -> float:
        return self.seconds


def test_an_account_is_waited_for_until_the_database_has_created_it(db: Standin, real: RealDatabase) -> None:
    db.change_password("not yet")
    pauses = Pauses(lambda: db.change_password(db.password))
    assert real.wait_for_account(pauses.pause, pauses.clock).startswith("23.")
    assert pauses.count == 2


def test_a_wrong_password_is_given_up_before_it_locks_the_account(db: Standin, real: RealDatabase) -> None:
    db.change_password("another")
    pauses = Pauses()
    with pytest.raises(StandinError, match=f"no log-in as {db.user} at {db.dsn}; the last error: ORA-01017"):
        real.wait_for_account(pauses.pause, pauses.clock)
    assert db.counters()["bad_logons"] == 5


def test_a_listener_that_is_away_is_waited_for_and_not_for_ever(db: Standin, real: RealDatabase) -> None:
    db.listener_stop()
    pauses = Pauses(db.listener_start)
    real.wait_for_account(pauses.pause, pauses.clock)
    db.listener_stop()
    pauses = Pauses()
    with pytest.raises(StandinError, match="the last error: DPY-6005"):
        real.wait_for_account(pauses.pause, pauses.clock)
    assert 300 <= pauses.seconds < 320


def test_an_account_that_may_not_do_what_the_tests_do_is_told_apart(db: Standin, real: RealDatabase) -> None:
    real.try_account()
    db.fault("execute", "ora", code=1950, match="insert into tagferry_trial")
    with pytest.raises(StandinError, match=r"cannot run 'INSERT INTO tagferry_trial.*ORA-01950"):
        real.try_account()
    assert not any("TAGFERRY_TRIAL" in table for table in db.tables())


def test_a_drop_waits_for_locks_and_not_for_ever(db: Standin, real: RealDatabase) -> None:
    real.sql("CREATE TABLE held (a NUMBER)")
    db.fault("execute", "ora", code=54, match="DROP TABLE held", times=2)
    real.drop("TABLE held")
    real.drop("TABLE held")  # there is none
    real.sql("CREATE TABLE held (a NUMBER)")
    db.fault("execute", "ora", code=54, match="DROP TABLE held", times=3)
    with pytest.raises(oracledb.DatabaseError, match="ORA-00054"):
        real.drop("TABLE held")
    db.clear_faults()
    real.drop("TABLE held")


def test_what_only_the_standin_can_do_skips_the_test(real: RealDatabase) -> None:
    with pytest.raises(pytest.skip.Exception, match="needs the stand-in"):
        real.black_hole(True)
    assert real.service == "FREEPDB1"
