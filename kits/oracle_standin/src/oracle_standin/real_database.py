"""RealDatabase: a real Oracle Database in place of the stand-in.

ORACLE_TEST_DSN (host:port/service), ORACLE_TEST_USER and ORACLE_TEST_PASSWORD name it. A test that needs what only the
stand-in can do is skipped with the reason "needs the stand-in", which ``.ci/oracle`` looks for.

``python -m oracle_standin.real_database`` waits until the account can log in, tries what the tests need of it, and says
in one line what is missing.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

import oracledb
import pytest

from oracle_standin.process import Standin, StandinError

_LOG_IN_SECONDS: Final = 300.0
_PAUSE_SECONDS: Final = 10.0
_REFUSALS: Final = 5
"""Fewer than lock an account in Oracle's default profile (10): the account may not be there yet, or not be ours."""

_LOCK_SECONDS: Final = 60
"""Sessions of an agent that was stopped may hold their row locks until the server notices."""

_LOCK_TRIES: Final = 3
_REFUSED, _LOCKED = ("ORA-01017", "ORA-28000"), ("ORA-00054", "ORA-04021")
_DDL: Final = re.compile(r"\s*(create|alter|drop|truncate)\b", re.IGNORECASE)
_TRIAL: Final = (
    "CREATE TABLE tagferry_trial (a NUMBER)",
    "INSERT INTO tagferry_trial VALUES (1)",  # the first row, not the table, needs the quota
    "CREATE SEQUENCE tagferry_trial_seq",
    """CREATE TRIGGER tagferry_trial_tr BEFORE INSERT ON tagferry_trial FOR EACH ROW WHEN (NEW.a < 0)
    BEGIN raise_application_error(-20001, 'a value is below zero'); END;""",
)


def database_under_test(**options: Any) -> Standin:
    """The real database of the environment, or else a stand-in with ``options``; neither is started."""
    return real_database() or Standin(**options)


def real_database() -> RealDatabase | None:
    """The database of the environment; None if it names none."""
    names = ("ORACLE_TEST_DSN", "ORACLE_TEST_USER", "ORACLE_TEST_PASSWORD")
    dsn, user, password = (os.environ.get(name) for name in names)
    return RealDatabase(dsn, user, password) if dsn and user and password else None


class RealDatabase(Standin):
    """A real database with the interface of the stand-in, as far as possible; the rest skips the test."""

    def __init__(self, dsn: str, user: str, password: str) -> None:
        super().__init__(user=user, password=password)
        self._dsn = dsn
        self.service = self.address[2]

    @property
    def dsn(self) -> str:
        return self._dsn

    def start(self) -> Standin:
        return self

    def reset(self) -> None:
        """There are no faults."""

    def failures(self) -> list[str]:
        return []

    def connect(self) -> oracledb.Connection:
        """A session in UTC, wherever the tests run, whose DDL waits for the locks of others."""
        connection = oracledb.connect(
            user=self.user, password=self.password, dsn=self._dsn, tcp_connect_timeout=_LOCK_SECONDS
        )
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER SESSION SET TIME_ZONE = '+00:00' DDL_LOCK_TIMEOUT = {_LOCK_SECONDS}")
        return connection

    def sql(self, text: str, user: str | None = None) -> Any:
        """DDL waits for the row locks of others, three times a minute at most."""
        for tries_left in reversed(range(_LOCK_TRIES if _DDL.match(text) else 1)):
            try:
                return self._sql(text)
            except oracledb.DatabaseError as error:
                if not tries_left or _code(error) not in _LOCKED:
                    raise
        raise AssertionError

    def _sql(self, text: str) -> Any:
        with self.connect() as connection:
            cursor = connection.cursor()
            cursor.execute(text)
            if cursor.warning is not None:  # a trigger was created and does not compile
                raise oracledb.DatabaseError(cursor.warning)
            if cursor.description is not None:
                return [[_plain(value) for value in row] for row in cursor.fetchall()]
            connection.commit()
            return cursor.rowcount

    def wait_for_account(
        self, pause: Callable[[float], None] = time.sleep, clock: Callable[[], float] = time.monotonic
    ) -> str:
        """The server's release, once the account can log in: five minutes, and five refusals, at most.

        A container answers before its database is open, and opens before it has created the account. Raises
        StandinError with the last error.
        """
        ends_at, refusals = clock() + _LOG_IN_SECONDS, 0
        while True:
            try:
                with self.connect() as connection:
                    return str(connection.version)
            except (oracledb.Error, OSError) as error:
                refusals += _code(error) in _REFUSED
                if clock() >= ends_at or refusals == _REFUSALS:
                    raise StandinError(f"no log-in as {self.user} at {self._dsn}; the last error: {error}") from error
            pause(_PAUSE_SECONDS)

    def try_account(self) -> None:
        """Does once what the tests do. Raises StandinError with the statement that the account may not run."""
        self._drop_trial()
        try:
            for statement in _TRIAL:
                self._try(statement)
        finally:
            self._drop_trial()

    def _try(self, statement: str) -> None:
        try:
            self.sql(statement)
        except oracledb.DatabaseError as error:
            raise StandinError(f"{self.user} cannot run {statement!r}: {error}") from error

    def _drop_trial(self) -> None:
        for what in ("TABLE tagferry_trial", "SEQUENCE tagferry_trial_seq"):
            self.drop(what)

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        pytest.skip("needs the stand-in")


def _code(error: BaseException) -> str:
    """``ORA-nnnnn`` or ``DPY-nnnn``; empty when the driver did not raise it."""
    return str(getattr(error.args[0] if error.args else None, "full_code", ""))


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    return float(value) if isinstance(value, Decimal) else value


def main() -> int:
    database = real_database()
    if database is None:
        print("ORACLE_TEST_DSN, ORACLE_TEST_USER and ORACLE_TEST_PASSWORD name no database", file=sys.stderr)
        return 1
    try:
        release = database.wait_for_account()
        database.try_account()
    except StandinError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{database.user} at {database.dsn}, release {release}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
