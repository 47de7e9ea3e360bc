"""CsvSink passes the suites of every sink and of every fallback that can be replayed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from csv_sink.config import CsvSinkConfig
from csv_sink.sink import CsvSink

from agent_core.api import ComponentContext, Sink
from agent_core.testing.backups import Backup, BackupContract
from agent_core.testing.sinks import SinkContract, StoredRecord


def make_sink(folder: Path) -> CsvSink:
    config = CsvSinkConfig(folder / "backup", 64 * 1024 * 1024, 60.0, 0, 86_400.0)
    return CsvSink(config, ComponentContext("warehouse", "line-1", folder, "csv_sink"))


class TestCsvSink(SinkContract):
    def make_sink(self, folder: Path) -> Sink:
        return make_sink(folder)

    def stored_records(self, sink: Sink) -> Sequence[StoredRecord]:
        assert isinstance(sink, CsvSink)
        sink.close()
        sink.open()
        return [
            StoredRecord(*record[:4])
            for file in sink.backlog()
            for part in sink.read(file.name)
            for record in part.batch.records()
        ]


class TestCsvBackup(BackupContract):
    def make_backup(self, folder: Path) -> Backup:
        return make_sink(folder)


def test_the_sink_is_found_by_its_optional_contracts(tmp_path: Path) -> None:
    from agent_core.api import Diagnosable, FallbackSink, Replayable

    sink = make_sink(tmp_path)
    for contract in (FallbackSink, Replayable, Diagnosable):
        assert isinstance(sink, contract)
