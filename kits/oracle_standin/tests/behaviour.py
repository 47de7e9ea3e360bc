"""What the driver behaviour tests share: a database to run on, and its tables.

With ORACLE_TEST_DSN, ORACLE_TEST_USER and ORACLE_TEST_PASSWORD set the same tests run on a real database, which is
how the stand-in's fidelity is judged by something its author did not write.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass

import oracledb
from oracle_standin.process import Standin

TABLES = {
    "behaviour_numbers": """(
        id NUMBER(9) NOT NULL PRIMARY KEY, long_id NUMBER(16) NOT NULL, price NUMBER(9,2) NOT NULL,
        free NUMBER NOT NULL, maybe NUMBER(38))""",
    "behaviour_strings": """(
        id NUMBER(9) NOT NULL PRIMARY KEY, text VARCHAR2(20) NOT NULL, bits RAW(30) NOT NULL, fixed CHAR(40) NOT NULL,
        maybe VARCHAR2(50))""",
    "behaviour_timestamps": """(
        id NUMBER(9) NOT NULL PRIMARY KEY, moment TIMESTAMP NOT NULL, maybe TIMESTAMP, coarse TIMESTAMP(4))""",
    "behaviour_work": """(
        id NUMBER(9) NOT NULL PRIMARY KEY, text VARCHAR2(400), amount NUMBER(9,2), small NUMBER(3))""",
}


@dataclass(frozen=True)
class Target:
    """Where the tests run; ``standin`` is None on a real database."""

    user: str
    password: str
    dsn: str
    standin: Standin | None

    def connect(self) -> oracledb.Connection:
        return oracledb.connect(user=self.user, password=self.password, dsn=self.dsn)


@contextlib.contextmanager
def target() -> Iterator[Target]:
    """The database of the environment, else a stand-in."""
    dsn = os.environ.get("ORACLE_TEST_DSN")
    with contextlib.ExitStack() as stack:
        if dsn:
            found = Target(os.environ["ORACLE_TEST_USER"], os.environ["ORACLE_TEST_PASSWORD"], dsn, None)
        else:
            db = stack.enter_context(Standin(profile=os.environ.get("STANDIN_PROFILE", "23")))
            found = Target(db.user, db.password, db.dsn, db)
        with found.connect() as connection, connection.cursor() as cursor:
            for name, columns in TABLES.items():
                with contextlib.suppress(oracledb.DatabaseError):
                    cursor.execute(f"DROP TABLE {name} PURGE")
                cursor.execute(f"CREATE TABLE {name} {columns}")
        yield found
        if found.standin is not None:
            assert found.standin.failures() == []
            return
        with found.connect() as connection, connection.cursor() as cursor:
            for name in TABLES:
                cursor.execute(f"DROP TABLE {name} PURGE")
