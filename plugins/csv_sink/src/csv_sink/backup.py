"""CsvBackups: reads backup files anywhere, for ``tagferry replay FILE.csv``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from agent_core.api import BacklogFile, ReplayBatch
from csv_sink.files.folder import FileKind
from csv_sink.format.reader import Reader, replay_batches


class CsvBackups:
    """A BackupReader. A file may have any name; one that begins with ``rejected_`` has rejected records."""

    def describe(self, path: Path) -> BacklogFile:
        """Raises OSError."""
        rejected = path.name.startswith(f"{FileKind.REJECTED}_")
        return BacklogFile(str(path), path.stat().st_size, None, rejected, path)

    def read(self, path: Path, from_record: int = 0, max_records: int = 500) -> Iterator[ReplayBatch]:
        """The records from number ``from_record`` on, and the damaged lines with their numbers. Raises OSError."""
        with path.open("rb") as opened:
            for batch, _ in replay_batches(Reader(opened), from_record, max_records):
                yield batch
