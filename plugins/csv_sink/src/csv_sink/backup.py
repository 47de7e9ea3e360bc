"""CsvBackups: reads backup files anywhere, for ``tagferry replay FILE.csv``."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from agent_core.api import BacklogFile, ReplayBatch
from csv_sink.files import disk
from csv_sink.files.failure import backup_changed
from csv_sink.files.folder import FileKind, FileVersion
from csv_sink.format.reader import Reader, replay_batches


class CsvBackups:
    """A BackupReader. A file may have any name; one that begins with ``rejected_`` has rejected records."""

    def describe(self, path: Path) -> BacklogFile:
        """Raises OSError."""
        rejected = path.name.startswith(f"{FileKind.REJECTED}_")
        return BacklogFile(str(path), path.stat().st_size, None, rejected, path)

    def read(self, path: Path, from_record: int = 0, max_records: int = 500) -> Iterator[ReplayBatch]:
        """The records from number ``from_record`` on, and the damaged lines with their numbers.

        Raises OSError, and BackupChangedError for a file that somebody has saved meanwhile.
        """
        with disk.open_to_read(path) as opened:
            version = FileVersion.of(os.fstat(opened.fileno()))
            for batch, _ in replay_batches(Reader(opened), from_record, max_records):
                if batch.bad_lines:
                    _check(path, version)
                yield batch
            _check(path, version)


def _check(path: Path, version: FileVersion) -> None:
    if FileVersion.of(path.stat()) != version:
        raise backup_changed(path)
