"""SqliteSink passes the suite of every sink."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest
from sqlite_sink.config import Journal, OnConflict, SqliteSinkConfig, Synchronous
from sqlite_sink.sink import SqliteSink

from agent_core.api import QUALITY_VALUES, ComponentContext, Sink
from agent_core.testing.sinks import SinkContract, StoredRecord


class TestSqliteSink(SinkContract):
    on_conflict = OnConflict.KEEP

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.path = tmp_path / "data.db"

    def make_sink(self, folder: Path) -> Sink:
        config = SqliteSinkConfig(
            folder / "data.db", "TAG_DATA", Journal.WAL, Synchronous.NORMAL, self.on_conflict, busy_timeout_seconds=5.0
        )
        return SqliteSink(config, ComponentContext("local", "line-1", folder, "sqlite_sink"))

    def stored_records(self, sink: Sink) -> Sequence[StoredRecord]:
        with closing(sqlite3.connect(self.path)) as connection:
            rows = connection.execute("SELECT tag_name, tag_value, value_type, timestamp, quality FROM TAG_DATA")
            return [
                StoredRecord(name, _value(cell, value_type), _timestamp_ns(stamp), QUALITY_VALUES[quality])
                for name, cell, value_type, stamp, quality in rows
            ]


class TestSqliteSinkThatUpdates(TestSqliteSink):
    on_conflict = OnConflict.UPDATE


def _value(cell: object, value_type: str) -> object:
    if value_type == "null":
        return cell
    kinds: dict[str, type] = {"float": float, "int": int, "bool": bool, "str": str, "decimal": Decimal}
    return kinds[value_type](cell)


def _timestamp_ns(text: str) -> int:
    whole = datetime.fromisoformat(text[:19] + "+00:00") - datetime.fromisoformat("1970-01-01T00:00:00+00:00")
    return (whole.days * 86_400 + whole.seconds) * 1_000_000_000 + int(text[20:29])
