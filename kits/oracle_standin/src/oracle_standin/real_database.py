"""RealDatabase: a real Oracle Database in place of the stand-in.

ORACLE_TEST_DSN, ORACLE_TEST_USER and ORACLE_TEST_PASSWORD name it. A test that needs what only the stand-in can do is
skipped with the reason "needs the stand-in", which ``.ci/oracle`` looks for.
"""

from __future__ import annotations

import os
from datetime import datetime
from decimal import Decimal
from typing import Any

import oracledb
import pytest

from oracle_standin.process import Standin


def database_under_test(**options: Any) -> Standin:
    """The real database of the environment, or else a stand-in with ``options``; neither is started."""
    names = ("ORACLE_TEST_DSN", "ORACLE_TEST_USER", "ORACLE_TEST_PASSWORD")
    dsn, user, password = (os.environ.get(name) for name in names)
    return RealDatabase(dsn, user, password) if dsn and user and password else Standin(**options)


class RealDatabase(Standin):
    """A real database with the interface of the stand-in, as far as possible; the rest skips the test."""

    def __init__(self, dsn: str, user: str, password: str) -> None:
        super().__init__(user=user, password=password)
        self._dsn = dsn

    @property
    def dsn(self) -> str:
        return self._dsn

    def start(self) -> Standin:
        return self

    def reset(self) -> None:
        """There are no faults."""

    def failures(self) -> list[str]:
        return []

    def sql(self, text: str, user: str | None = None) -> Any:
        with oracledb.connect(user=self.user, password=self.password, dsn=self._dsn) as connection:
            cursor = connection.cursor()
            cursor.execute(text)
            if cursor.warning is not None:  # a trigger was created and does not compile
                raise oracledb.DatabaseError(cursor.warning)
            if cursor.description is not None:
                return [[_plain(value) for value in row] for row in cursor.fetchall()]
            connection.commit()
            return cursor.rowcount

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        pytest.skip("needs the stand-in")


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    return float(value) if isinstance(value, Decimal) else value
