"""Fixtures: a database for the tests of this folder, a table in it, and sinks that write to it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from oracle_sink.config import OracleSinkConfig
from oracle_sink.latch import Latches
from oracle_sink.sink import OracleSink
from oracle_standin.process import Standin

from agent_core.api import Clock, ComponentContext, Config, Secret, SystemClock

TAG_DATA = """CREATE TABLE tag_data (
    tag_name VARCHAR2(100) NOT NULL, tag_value VARCHAR2(255) NOT NULL, timestamp TIMESTAMP(6) NOT NULL,
    quality VARCHAR2(20) NOT NULL, CONSTRAINT pk_tag_data PRIMARY KEY (tag_name, timestamp))"""

DEFAULTS: dict[str, object] = {
    "user": "scott",
    "password": Secret(lambda: "tiger"),
    "table": "TAG_DATA",
    "columns": {"TAG_NAME": "name", "TAG_VALUE": "value", "TIMESTAMP": "timestamp", "QUALITY": "quality"},
    "on_conflict": "keep",
    "bad_value_text": "BAD",
    "true_text": "1",
    "false_text": "0",
    "max_future": 86_400.0 * 365 * 200,
    "pool": {"min": 1, "max": 5},
    "timeouts": {"connect": 2.0, "login": 2.0, "call": 2.0, "wait": 2.0},
    "login_interval": 5.0,
    "config_dir": None,
    "wallet_location": None,
    "wallet_password": None,
    "disable_oob": False,
    "program": "tag-agent",
    "module": None,
    "thick": None,
}

MakeSink = Callable[..., OracleSink]


@pytest.fixture(scope="session")
def server() -> Iterator[Standin]:
    with Standin() as standin:
        yield standin


@pytest.fixture
def database(server: Standin) -> Iterator[Standin]:
    """The stand-in with an empty TAG_DATA and without faults."""
    server.clear_faults()
    for name in server.tables():
        server.sql(f"DROP TABLE {name}")
    server.sql(TAG_DATA)
    server.reset_counters()
    yield server
    assert server.failures() == []


@pytest.fixture
def make_sink(database: Standin, tmp_path: Path) -> Iterator[MakeSink]:
    """``make_sink(clock=..., latches=..., **config)``: a sink that is closed at the end."""
    sinks: list[OracleSink] = []

    def make(clock: Clock | None = None, latches: Latches | None = None, **config: object) -> OracleSink:
        typed = OracleSinkConfig.from_config(settings(**{"dsn": database.dsn} | config))
        context = ComponentContext(
            "warehouse", "line-1", tmp_path, logging.getLogger("oracle_sink"), clock or SystemClock()
        )
        sink = OracleSink(typed, context, (latches or Latches()).of(typed.dsn, typed.user))
        sinks.append(sink)
        return sink

    yield make
    for sink in sinks:
        sink.close()


def settings(**config: object) -> Config:
    """A ``config:`` mapping as the core hands it over."""
    return DEFAULTS | config
