"""CsvSink: keeps records in files that are read back exactly."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, NoReturn

from agent_core.api import (
    BacklogFile,
    Batch,
    ComponentContext,
    Diversion,
    Finding,
    Rejection,
    ReplayBatch,
    Severity,
    Stock,
    WriteOutcome,
)
from csv_sink.config import CsvSinkConfig
from csv_sink.diagnosis import diagnose
from csv_sink.files import disk
from csv_sink.files.appender import Appender
from csv_sink.files.claim import REPLACED_NEXT_STEP, FolderClaim
from csv_sink.files.delivered import DeliveredCopies
from csv_sink.files.failure import backup_changed
from csv_sink.files.folder import FileKind, FileVersion, Folder
from csv_sink.files.inventory import Inventory, record_count
from csv_sink.files.listing import Listing
from csv_sink.files.replayed import ReplayedFiles
from csv_sink.format.line import LineWriter
from csv_sink.format.reader import BEGIN, Position, Reader, replay_batches


class _Reading(NamedTuple):
    """How far a file was read, which version of it, and whether a line was damaged."""

    version: FileVersion
    position: Position
    damaged: bool


class CsvSink:
    """A Sink, a FallbackSink, Replayable, Stocked, Completing, KeepsDelivered and Advising. Thread-safe.

    Records are formatted outside any lock.

    ``write`` and ``divert`` append to one open file per kind and return when the records are on disk; an error leaves
    the file as it was, and the next call makes the folder, the lock and the file again where they are gone. A folder
    that may be large is listed outside the lock, because ``divert`` delays ``emit``. Between ``open`` and ``close`` the
    folder is locked against other processes; ``backlog`` and ``read`` need no lock and work without ``open``.
    """

    def __init__(self, config: CsvSinkConfig, context: ComponentContext) -> None:
        self._config = config
        self._clock = context.clock
        self._log = context.log
        self._sink_id = context.component_id
        self._folder = Folder(config.directory, context.component_id)
        self._inventory = Inventory()
        self._listing = Listing(self._folder, self._inventory, context.clock)
        self._replayed = ReplayedFiles(self._folder, config, context)
        self._claim = FolderClaim(self._folder, context, self._inventory)
        self._appender = Appender(
            self._folder, config, context, self._claim, self._inventory, self._listing, self._replayed
        )
        self._copies = DeliveredCopies(self._folder, config, context)
        self._writer = LineWriter()
        self._moving = threading.Lock()
        self._readings: dict[str, _Reading] = {}

    @property
    def idempotent(self) -> bool:
        """False: records written twice are in the files twice. The sink they are replayed into recognises them."""
        return False

    def open(self) -> None:
        """Lock the folder and complete what an earlier process left. Raises RetryableError, also for a held lock."""
        self._appender.open()
        self._replayed.prune()
        self._copies.open()

    def close(self) -> None:
        """Complete the open files and release the folder."""
        self._copies.close()
        self._appender.close()

    def write(self, batch: Batch) -> WriteOutcome:
        """Append the records, without a reason; those that make no line are rejected. Raises RetryableError."""
        refused = self._append(FileKind.BACKUP, batch, self._clock.time_ns(), "")
        return WriteOutcome(len(batch) - len(refused), 0, refused)

    def divert(self, batch: Batch, diversion: Diversion) -> Sequence[Rejection]:
        """Append the records and the reason; rejected ones go to their own file. Raises RetryableError.

        Returns those that make no line.
        """
        reasons: str | Sequence[str] = diversion.reason
        if diversion.details is not None:
            reasons = [f"{diversion.reason}: {detail}" for detail in diversion.details]
        kind = FileKind.REJECTED if diversion.rejected else FileKind.BACKUP
        return self._append(kind, batch, diversion.attempted_at_ns, reasons)

    def keep_delivered(self, batch: Batch) -> None:
        """Keep copies for ``keep_done``. Returns at once; they are on disk about a second later."""
        self._copies.keep(batch)

    def delivered_files(self) -> Sequence[Path]:
        """The complete files in ``done``: copies, and files that were replayed."""
        return self._folder.delivered()

    def backlog(self) -> Sequence[BacklogFile]:
        """Complete files, oldest first. An open file that is old enough is completed, even if no record came since.

        While no file of rejected records is waiting, the open one is completed as early as others. So an operator who
        replays those that wait gets the latest ones too; if nobody replays them, there is one file per day. Raises
        RetryableError or OSError when the folder cannot be used.
        """
        if self._appender.is_open:
            self._appender.check_open()
            self._appender.complete_old()
            self._appender.complete_left()
            self._replayed.prune()
        files = self._listing.files()
        if not self._listing.waiting(FileKind.REJECTED) and self._appender.complete_rejected():
            files = self._listing.files()
        self._claim.note()
        return files

    def complete(self) -> bool:
        """Complete the open file of good records early: nothing else waits to be written back."""
        return self._appender.is_open and self._appender.complete()

    def stock(self) -> Stock:
        """The records in all files; those that an earlier run left are known from the first ``backlog`` on."""
        return self._inventory.stock()

    def read(self, file: str, from_record: int = 0, max_records: int = 500) -> Iterator[ReplayBatch]:
        """The records of one file. Continuing where the last ``read`` stopped is cheap; else it reads from the start.

        So a caller that reads to the end has read every line, even after a restart in the middle, and ``finish`` knows
        whether one is damaged. Raises FileNotFoundError if the backlog has no such file, and BackupChangedError at the
        end of one that somebody has saved meanwhile.
        """
        path = self._folder.file(file)
        with disk.open_to_read(path) as opened:
            version = FileVersion.of(os.fstat(opened.fileno()))
            known = self._readings.get(file)
            expected = known.version if known is not None else self._listing.version(file)
            if from_record and expected not in (None, version):
                self._raise_changed(file)
            resumes = known is not None and known.version == version and known.position.record == from_record
            reader = Reader(opened, known.position if known is not None and resumes else BEGIN)
            damaged = known is not None and known.version == version and known.damaged
            for batch, position in replay_batches(reader, from_record, max_records):
                if batch.bad_lines and self._version_now(file) != version:
                    self._raise_changed(file)
                damaged |= reader.damaged
                self._readings[file] = _Reading(version, position, damaged)
                yield batch
            if self._version_now(file) != version:
                self._raise_changed(file)
            self._readings[file] = _Reading(version, reader.position, damaged or reader.damaged)

    def finish(self, file: str) -> None:
        """Move the file to ``done``, where it is kept for ``done_retention``. Raises OSError or RetryableError.

        A file with damaged lines goes to ``damaged`` and stays there: what they held is nowhere else. Raises
        BackupChangedError for one that was saved since it was read to its end.
        """
        with self._moving:
            self._appender.check_open()
            reading = self._readings.get(file)
            if reading is not None and self._version_now(file) != reading.version:
                self._raise_changed(file)
            damaged = reading is not None and reading.damaged
            target = self._folder.finish(file, self._clock.time_ns(), damaged=damaged)
            if damaged:
                self._log.warning(
                    "damaged file kept",
                    sink=self._sink_id,
                    file=target,
                    next_step="fix its damaged lines, then replay the file by name",
                    every=self._sink_id,
                )
            self._listing.remove(file)
            self._readings.pop(file, None)

    def discard(self, file: str) -> int:
        """Delete a file of the backlog permanently; how many records it held. Raises OSError or RetryableError."""
        with self._moving:
            self._appender.check_open()
            path = self._folder.file(file)
            records = self._inventory.records(file)
            if records is None:
                records = record_count(path)
            disk.delete(path)
            disk.sync_folder(path.parent)
            self._listing.remove(file)
            self._readings.pop(file, None)
            return records

    def advice(self) -> Sequence[Finding]:
        """Whether the folder is another one than before (in the last run, or earlier in this one); missing copies."""
        replaced = self._claim.replaced
        missing = self._copies.advice()
        if replaced is None:
            return missing
        waiting = "1 record" if replaced.records == 1 else f"{replaced.records:,} records"
        message = f"not the folder that was used before ({replaced.folder}, where {waiting} waited)"
        return (Finding(Severity.WARNING, f"CSV {self._folder.path}", message, REPLACED_NEXT_STEP), *missing)

    def diagnose(self) -> Iterable[Finding]:
        """Check folder, free disk and backlog."""
        return diagnose(self._config, self._folder, self._claim.memory)

    def _append(
        self, kind: FileKind, batch: Batch, attempted_at_ns: int, reasons: str | Sequence[str]
    ) -> tuple[Rejection, ...]:
        if not batch:
            return ()
        if self._appender.failing:
            self._appender.check_open()  # before the work of formatting what may have no place
        lines, refused = self._writer.write(batch, attempted_at_ns, reasons)
        if lines:
            self._appender.append(kind, lines, len(batch) - len(refused))
        return refused

    def _version_now(self, file: str) -> FileVersion | None:
        with suppress(OSError):
            return FileVersion.of(self._folder.file(file).stat())
        return None

    def _raise_changed(self, file: str) -> NoReturn:
        self._readings.pop(file, None)
        self._listing.forget()
        raise backup_changed(self._folder.path / file)
