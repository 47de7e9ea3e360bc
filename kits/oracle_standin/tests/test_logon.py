"""Logging on: passwords, accounts, services."""

from __future__ import annotations

import oracledb
import pytest
from oracle_standin.process import Standin

from .sessions import connect, error_code


@pytest.fixture(scope="module", params=["23", "19"])
def profile(request: pytest.FixtureRequest) -> str:
    """As 23ai and as 19c: they differ in log-on, replies and error texts."""
    return str(request.param)


def test_the_release_is_that_of_the_profile(connection: oracledb.Connection) -> None:
    assert connection.version.split(".")[0] in ("23", "19")


def test_a_wrong_password_is_refused_and_counted(db: Standin) -> None:
    with pytest.raises(oracledb.DatabaseError) as caught:
        oracledb.connect(user=db.user, password="wrong", dsn=db.dsn)
    assert error_code(caught) == "ORA-01017"
    assert db.counters()["bad_logons"] == 1
    assert db.counters()["logons"] == 0


@pytest.mark.parametrize("password", ["p", "p" * 15, "p" * 16, "p" * 17, "한글 비밀번호", "p/q@r s", "é" * 15])
def test_a_password_of_any_length_logs_on_and_its_like_do_not(db: Standin, password: str) -> None:
    db.change_password(password)
    oracledb.connect(user=db.user, password=password, dsn=db.dsn).close()
    for wrong in (password + "p", password[:-1] or "x", password.swapcase() + " "):
        with pytest.raises(oracledb.DatabaseError) as caught:
            oracledb.connect(user=db.user, password=wrong, dsn=db.dsn)
        assert error_code(caught) == "ORA-01017"


@pytest.mark.parametrize("size", [1, 30, 31, 1024, 4000])
def test_a_wrong_password_of_any_length_is_refused(db: Standin, size: int) -> None:
    with pytest.raises(oracledb.DatabaseError) as caught:
        oracledb.connect(user=db.user, password="x" * size, dsn=db.dsn)
    assert error_code(caught) == "ORA-01017"


def test_a_password_as_long_as_the_release_allows_can_be_set_1108_1137(db: Standin, profile: str) -> None:
    longest, code = (1024, "ORA-28218") if profile == "23" else (30, "ORA-00972")
    with connect(db) as opened:
        opened.changepassword(db.password, "p" * longest)
        with pytest.raises(oracledb.DatabaseError) as caught:
            opened.changepassword("p" * longest, "p" * (longest + 1))
        assert error_code(caught) == code
        with pytest.raises(oracledb.DatabaseError, match="ORA-00988"):
            opened.changepassword("p" * longest, "1" * 1500)
    oracledb.connect(user=db.user, password="p" * longest, dsn=db.dsn).close()


def test_who_connects_is_known_to_the_server_1148_1149(db: Standin) -> None:
    with connect(db, osuser="operator", terminal="tty1", program="agent") as opened:
        found = opened.cursor().execute("SELECT osuser, terminal, program FROM v$session").fetchall()
        assert found == [("operator", "tty1", "agent")]


def test_an_unknown_user_looks_like_a_wrong_password(db: Standin) -> None:
    with pytest.raises(oracledb.DatabaseError) as caught:
        oracledb.connect(user="nobody", password=db.password, dsn=db.dsn)
    assert error_code(caught) == "ORA-01017"


def test_an_unknown_service_is_refused_by_the_listener(db: Standin) -> None:
    with pytest.raises(oracledb.OperationalError, match="ORA-12514"):
        oracledb.connect(user=db.user, password=db.password, dsn=f"127.0.0.1:{db.port}/NOWHERE")


def test_a_locked_account_cannot_log_on(db: Standin) -> None:
    db.lock_account()
    with pytest.raises(oracledb.DatabaseError) as caught:
        connect(db)
    assert error_code(caught) == "ORA-28000"


def test_ten_wrong_passwords_lock_the_account(db: Standin) -> None:
    for _ in range(10):
        with pytest.raises(oracledb.DatabaseError, match="ORA-01017"):
            oracledb.connect(user=db.user, password="wrong", dsn=db.dsn)
    with pytest.raises(oracledb.DatabaseError, match="ORA-28000"):
        connect(db)


def test_an_expired_password_is_refused_until_it_is_changed(db: Standin) -> None:
    db.expire_password()
    with pytest.raises(oracledb.DatabaseError) as caught:
        connect(db)
    assert error_code(caught) == "ORA-28001"
    with oracledb.connect(user=db.user, password=db.password, newpassword="lion", dsn=db.dsn) as changed:
        changed.ping()
    with oracledb.connect(user=db.user, password="lion", dsn=db.dsn) as again:
        again.ping()


def test_a_password_about_to_expire_only_warns(db: Standin) -> None:
    db.expire_soon(5)
    with connect(db) as opened:
        assert opened.warning is not None
        assert opened.warning.full_code == "ORA-28002"
        status = opened.cursor().execute("SELECT account_status, expiry_date - SYSDATE FROM user_users").fetchone()
        assert status[0] == "EXPIRED(GRACE)"
        assert round(status[1]) == 5


def test_a_session_can_change_its_password(db: Standin, connection: oracledb.Connection) -> None:
    connection.changepassword(db.password, "lion")
    with oracledb.connect(user=db.user, password="lion", dsn=db.dsn) as again:
        again.ping()


def test_end_to_end_attributes_reach_the_server(connection: oracledb.Connection) -> None:
    connection.module = "collector"
    connection.action = "write"
    connection.clientinfo = "line 1"
    connection.client_identifier = "agent"
    query = "SELECT SYS_CONTEXT('USERENV', 'MODULE'), SYS_CONTEXT('USERENV', 'ACTION') FROM dual"
    assert connection.cursor().execute(query).fetchone() == ("collector", "write")


def test_a_pool_hands_out_sessions(db: Standin) -> None:
    pool = oracledb.create_pool(user=db.user, password=db.password, dsn=db.dsn, min=1, max=2)
    with pool.acquire() as one, pool.acquire() as two:
        one.ping()
        two.ping()
    pool.close(force=True)
    assert db.counters()["logons"] == 2
