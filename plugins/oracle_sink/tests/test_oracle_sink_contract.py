"""The contract of every sink, with a table as ddl/ creates it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

import pytest
from oracle_standin.process import Standin

from agent_core.api import QUALITY_VALUES, Sink, Value
from agent_core.testing.sinks import SinkContract, StoredRecord

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class TestOracleSinkContract(SinkContract):
    timestamp_precision_ns: ClassVar[int] = 1000

    @pytest.fixture(autouse=True)
    def _database(self, database: Standin, make_sink: Callable[..., Sink]) -> None:
        self._standin = database
        self._make_sink = make_sink

    def make_sink(self, folder: Path) -> Sink:
        return self._make_sink()

    def stored_records(self, sink: Sink) -> Sequence[StoredRecord]:
        rows: list[list[Any]] = self._standin.sql("SELECT tag_name, tag_value, timestamp, quality FROM tagferry_test")
        return [StoredRecord(name, value, _ns(stamp), QUALITY_VALUES[quality]) for name, value, stamp, quality in rows]

    def stored_value(self, value: Value) -> object:
        if value is None:
            return "BAD"
        if isinstance(value, bool):
            return "1" if value else "0"
        return str(value) if isinstance(value, str | Decimal) else repr(value)

    def accepts(self, value: Value) -> bool:
        return value != ""  # which is NULL in Oracle, and TAG_VALUE is NOT NULL


def _ns(stamp: str) -> int:
    since = datetime.fromisoformat(stamp).replace(tzinfo=UTC) - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000_000 + since.microseconds * 1000
