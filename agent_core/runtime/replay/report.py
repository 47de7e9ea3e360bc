"""What a manual replay says about itself: before, while and after it writes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from agent_core.api import BackupChangedError, BadLine, Batch, ReplayBatch
from agent_core.runtime.replay.file import FileLedger, ReplayFile
from agent_core.runtime.replay.record_filter import Choose

BAD_LINES_KEPT = 1000
"""A file that is not a backup at all has only bad lines; nobody reads more than these."""


@dataclass(slots=True)
class FilePreview:
    """What reading a whole file showed, from record ``start`` on.

    ``records`` can be read, ``wanted`` of them pass the filter and lie between ``oldest_ns`` and ``newest_ns`` (UTC
    ns); ``bad_lines`` are the first of ``bad_line_count``. ``error``: why the rest of it cannot be read.
    """

    file: ReplayFile
    start: int
    records: int = 0
    wanted: int = 0
    oldest_ns: int | None = None
    newest_ns: int | None = None
    bad_lines: tuple[BadLine, ...] = ()
    bad_line_count: int = 0
    error: str | None = None

    @classmethod
    def of(
        cls, file: ReplayFile, start: int, choose: Choose, max_records: int, reading: Callable[[int], None]
    ) -> FilePreview:
        """Read the file from ``start`` to its end; ``reading`` is told now and then how many records were read."""
        preview = cls(file, start)
        try:
            for part in file.read(start, max_records):
                preview._add(part, choose(part.batch))
                reading(preview.records)
        except OSError as error:
            preview.error = error.strerror or str(error)
        except BackupChangedError as error:
            preview.error = str(error)
        return preview

    def ledger(self) -> FileLedger:
        """An account in which every record remains."""
        own = self.file.finish is not None
        return FileLedger(self.file.name, own, read=self.records, remaining=self.records, next_record=self.start)

    def _add(self, part: ReplayBatch, chosen: Batch) -> None:
        self.records += len(part.batch)
        self.bad_line_count += len(part.bad_lines)
        self.bad_lines += part.bad_lines[: BAD_LINES_KEPT - len(self.bad_lines)]
        if chosen:
            self.wanted += len(chosen)
            stamps = chosen.stamps()
            first, last = min(stamps), max(stamps)
            self.oldest_ns = first if self.oldest_ns is None else min(first, self.oldest_ns)
            self.newest_ns = last if self.newest_ns is None else max(last, self.newest_ns)


@dataclass(frozen=True, slots=True)
class ReplayPreview:
    """What would be replayed. ``left_out`` names files of rejected records that were not asked for."""

    sink_id: str
    sink_type: str
    files: tuple[FilePreview, ...]
    left_out: tuple[str, ...]

    @property
    def records(self) -> int:
        """Records that would be read."""
        return sum(file.records for file in self.files)

    @property
    def wanted(self) -> int:
        """Records that would be written."""
        return sum(file.wanted for file in self.files)


@dataclass(frozen=True, slots=True)
class ReplayProgress:
    """How far it came: file ``number`` of ``files`` (from 1); ``records_total`` is None during the preview."""

    file: str
    number: int
    files: int
    records: int
    records_total: int | None
    elapsed_seconds: float


class ReplayEnd(StrEnum):
    """How a replay ended: all written, asked to stop, or something failed."""

    COMPLETE = "complete"
    INTERRUPTED = "interrupted"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """What became of every record. ``rejected_files`` hold what the sink rejected."""

    sink_id: str
    end: ReplayEnd
    files: tuple[FileLedger, ...]
    elapsed_seconds: float
    rejected_codes: Mapping[str, int]
    rejected_files: tuple[str, ...]

    @property
    def error(self) -> str | None:
        """Why something is left: the first file that failed."""
        return next((file.error for file in self.files if file.error is not None), None)

    @property
    def total(self) -> FileLedger:
        """The sum over all files."""
        return FileLedger(
            self.sink_id,
            read=sum(file.read for file in self.files),
            inserted=sum(file.inserted for file in self.files),
            duplicates=sum(file.duplicates for file in self.files),
            rejected=sum(file.rejected for file in self.files),
            skipped=sum(file.skipped for file in self.files),
            remaining=sum(file.remaining for file in self.files),
            bad_lines=sum(file.bad_lines for file in self.files),
        )
