"""One stand-in process for each profile, and a connection and an empty TAG_DATA for each test."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator

import oracledb
import pytest
from oracle_standin.process import Standin

from .behaviour import Target, target
from .sessions import connect

TAG_DATA = """
CREATE TABLE tag_data (
    tag_name  VARCHAR2(100) NOT NULL,
    tag_value VARCHAR2(255) NOT NULL,
    timestamp TIMESTAMP(6)  NOT NULL,
    quality   VARCHAR2(20)  NOT NULL,
    CONSTRAINT tag_data_pk PRIMARY KEY (tag_name, timestamp)
)"""


@pytest.fixture(scope="module")
def profile() -> str:
    """The release to stand in for; a module about the protocol overrides it with both."""
    return "23"


@pytest.fixture(scope="package")
def standins() -> Iterator[Callable[[str], Standin]]:
    """The stand-in of a profile: one process for all modules, because a start costs more than most of them."""
    with contextlib.ExitStack() as running:

        @functools.cache
        def start(profile: str) -> Standin:
            ddl = [TAG_DATA, "CREATE INDEX tag_data_ts ON tag_data (timestamp)"]
            return running.enter_context(Standin(profile=profile, ddl=ddl))

        yield start


@pytest.fixture(scope="module")
def standin(standins: Callable[[str], Standin], profile: str) -> Iterator[Standin]:
    """The stand-in that a module shares with the others: whatever a test creates, it drops."""
    db = standins(profile)
    yield db
    assert db.failures() == []


@pytest.fixture
def db(standin: Standin) -> Iterator[Standin]:
    """The stand-in without faults and with an empty TAG_DATA."""
    yield standin
    standin.reset()
    standin.sql("TRUNCATE TABLE tag_data")


@pytest.fixture
def connection(db: Standin) -> Iterator[oracledb.Connection]:
    with connect(db) as opened:
        yield opened


@pytest.fixture(scope="module")
def database() -> Iterator[Target]:
    """The database of the driver behaviour tests: a stand-in, or the real one of the environment."""
    with target() as found:
        yield found


@pytest.fixture
def conn(database: Target) -> Iterator[oracledb.Connection]:
    """A connection to it, with an empty work table."""
    with database.connect() as opened, opened.cursor() as cursor:
        cursor.execute("DELETE FROM behaviour_work")
        opened.commit()
        yield opened
        opened.rollback()


@pytest.fixture
def cursor(conn: oracledb.Connection) -> oracledb.Cursor:
    return conn.cursor()
