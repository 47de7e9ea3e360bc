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
from oracle_standin.real_database import real_database

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
    """The database of the environment, else a stand-in, with empty tables."""
    real = real_database()
    with real or Standin(profile=os.environ.get("STANDIN_PROFILE", "23")) as db:
        for name, columns in TABLES.items():
            db.drop(f"TABLE {name}")
            db.sql(f"CREATE TABLE {name} {columns}")
        db.drop("TABLE behaviour_again")
        yield Target(db.user, db.password, db.dsn, None if real else db)
        assert db.failures() == []
        for name in TABLES:
            db.drop(f"TABLE {name}")
