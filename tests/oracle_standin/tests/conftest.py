"""One stand-in process for each test module, and a connection and an empty TAG_DATA for each test."""

from __future__ import annotations

from collections.abc import Iterator

import oracledb
import pytest
from oracle_standin.process import Standin
from oracle_standin.tests.sessions import connect

TAG_DATA = """
CREATE TABLE tag_data (
    tag_name  VARCHAR2(100) NOT NULL,
    tag_value VARCHAR2(255) NOT NULL,
    timestamp TIMESTAMP(6)  NOT NULL,
    quality   VARCHAR2(20)  NOT NULL,
    CONSTRAINT tag_data_pk PRIMARY KEY (tag_name, timestamp)
)"""


@pytest.fixture(scope="module", params=["23", "19"])
def standin(request: pytest.FixtureRequest) -> Iterator[Standin]:
    """As 23ai and as 19c."""
    with Standin(profile=request.param, ddl=[TAG_DATA, "CREATE INDEX tag_data_ts ON tag_data (timestamp)"]) as db:
        yield db
        assert db.failures() == []


@pytest.fixture
def db(standin: Standin) -> Iterator[Standin]:
    """The stand-in without faults and with an empty TAG_DATA."""
    yield standin
    standin.clear_faults()
    standin.listener_start()
    standin.black_hole(False)
    standin.drop_sessions()
    standin.lock_account(False)
    standin.change_password(standin.password)
    standin.sql("TRUNCATE TABLE tag_data")
    standin.reset_counters()


@pytest.fixture
def connection(db: Standin) -> Iterator[oracledb.Connection]:
    with connect(db) as opened:
        yield opened
