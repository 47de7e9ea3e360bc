"""Fixtures: a database, a table in it, and sinks that write to it.

The database is the stand-in (not Oracle), unless ORACLE_TEST_DSN, ORACLE_TEST_USER and ORACLE_TEST_PASSWORD name a
real one; then tests that need faults or counters are skipped. They create and drop the table TAGFERRY_TEST, the
sequence TAGFERRY_TEST_SEQ, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import cast

import pytest
from oracle_sink.config import OracleSinkConfig
from oracle_sink.session.latch import Latches
from oracle_sink.sink import OracleSink
from oracle_standin.process import Standin
from oracle_standin.real_database import database_under_test

from agent_core.api import Clock, ComponentContext, Config, Secret, SystemClock, settings

TAG_DATA = """CREATE TABLE tagferry_test (
    tag_name VARCHAR2(100) NOT NULL, tag_value VARCHAR2(255) NOT NULL, timestamp TIMESTAMP(6) NOT NULL,
    quality VARCHAR2(20) NOT NULL, CONSTRAINT pk_tagferry_test PRIMARY KEY (tag_name, timestamp))"""

PATIENT = {"connect": 60.0, "login": 240.0, "call": 60.0, "wait": 60.0}
"""Time-outs that a busy machine keeps."""

DEFAULTS: dict[str, object] = {
    "table": "TAGFERRY_TEST",
    "columns": {"TAG_NAME": "name", "TAG_VALUE": "value", "TIMESTAMP": "timestamp", "QUALITY": "quality"},
    "key": (),
    "on_conflict": "keep",
    "bad_value_text": "BAD",
    "true_text": "1",
    "false_text": "0",
    "max_future": 86_400.0 * 365 * 200,
    "pool": {"min": 1, "max": 5, "max_age": 3600.0},
    "timeouts": PATIENT,
    "login_interval": 5.0,
    "config_dir": None,
    "wallet_location": None,
    "wallet_password": None,
    "disable_oob": False,
    "program": "tagferry",
    "module": None,
    "thick": None,
    "session": [],
    "watermark": None,
}

MakeSink = Callable[..., OracleSink]
Recreate = Callable[[str], None]


@pytest.fixture(scope="session")
def server() -> Iterator[Standin]:
    with database_under_test(users=[("writer", "right")]) as database:
        yield database
        _drop(database)


@pytest.fixture
def database(server: Standin) -> Iterator[Standin]:
    """With an empty table of four columns and without faults."""
    server.reset()
    _drop(server)
    server.sql(TAG_DATA)
    yield server
    assert server.failures() == []


@pytest.fixture
def recreate(database: Standin) -> Recreate:
    """``recreate(ddl)``: another table, under the name that follows ``CREATE TABLE``."""

    def create(ddl: str) -> None:
        _drop(database)
        database.sql(ddl)

    return create


def _drop(database: Standin) -> None:
    for what in ("TABLE tagferry_test", "SEQUENCE tagferry_test_seq"):
        database.drop(what)


@pytest.fixture
def make_sink(database: Standin, tmp_path: Path) -> Iterator[MakeSink]:
    """``make_sink(clock=..., latches=..., pool=..., **config)``: a sink that is closed at the end."""
    sinks: list[OracleSink] = []

    def make(
        clock: Clock | None = None,
        latches: Latches | None = None,
        pool: Mapping[str, object] = MappingProxyType({}),
        **config: object,
    ) -> OracleSink:
        account: Config = {
            "dsn": database.dsn,
            "user": database.user,
            "password": Secret(lambda: database.password),
            "pool": cast("dict[str, object]", DEFAULTS["pool"]) | dict(pool),
        }
        typed = settings(OracleSinkConfig, DEFAULTS | dict(account) | config)
        context = ComponentContext("warehouse", "line-1", tmp_path, "oracle_sink", clock or SystemClock())
        sink = OracleSink(typed, context, (latches or Latches()).of(typed.dsn, typed.user, tmp_path))
        sinks.append(sink)
        return sink

    yield make
    for sink in sinks:
        sink.close()
