"""CsvSink: keeps records in files that are read back exactly."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from agent_core.api import (
    BacklogFile,
    Batch,
    ComponentContext,
    Diversion,
    Finding,
    ReplayBatch,
    RetryableError,
    Stock,
    WriteOutcome,
)
from csv_sink.config import CsvSinkConfig
from csv_sink.diagnosis import diagnose
from csv_sink.files.failure import lacks_room, translated
from csv_sink.files.folder import FileKind, Folder, kind_of
from csv_sink.files.inventory import Inventory
from csv_sink.files.lock import FolderHeld, FolderLock
from csv_sink.files.part import Part, salvage
from csv_sink.files.replayed import ReplayedFiles
from csv_sink.format.line import LineWriter
from csv_sink.format.reader import BEGIN, Position, Reader, replay_batches

# Files of rejected records stay until they are replayed. One tag that is always refused makes one file per day, not
# one per minute.
_REJECTED_AGE_SECONDS: Final = 86_400.0


class CsvSink:
    """A Sink, a FallbackSink, Replayable and Stocked. Thread-safe: one lock for the files, none while it formats.

    ``write`` and ``divert`` append to one open file per kind and return when the records are on disk; an error leaves
    the file as it was. A folder that may be large is listed outside the lock, because ``divert`` delays ``emit``.
    Between ``open`` and ``close`` the folder is locked against other processes; ``backlog`` and ``read`` need no lock
    and work without ``open``.
    """

    def __init__(self, config: CsvSinkConfig, context: ComponentContext) -> None:
        self._config = config
        self._clock = context.clock
        self._log = context.log
        self._sink_id = context.component_id
        self._folder = Folder(config.directory, context.component_id)
        self._folder_lock = FolderLock(self._folder.path)
        self._writer = LineWriter()
        self._lock = threading.Lock()
        self._parts: dict[FileKind, Part] = {}
        self._inventory = Inventory()
        self._positions: dict[str, Position] = {}
        self._damaged: set[str] = set()
        self._left: set[Path] = set()  # parts that are not open and could not be completed
        self._replayed = ReplayedFiles(self._folder, config, context)

    @property
    def idempotent(self) -> bool:
        """False: records written twice are in the files twice. The sink they are replayed into recognises them."""
        return False

    def open(self) -> None:
        """Lock the folder and complete what an earlier process left. Raises RetryableError, also for a held lock."""
        with self._lock:
            if not self._folder_lock.held:
                self._take_folder()
        self._replayed.prune()

    def close(self) -> None:
        """Complete the open files and release the folder."""
        with self._lock:
            for kind in list(self._parts):
                self._complete(kind)
            self._folder_lock.release()

    def write(self, batch: Batch) -> WriteOutcome:
        """Append the records, without a reason. Raises RetryableError."""
        self._append(FileKind.BACKUP, batch, self._clock.time_ns(), "")
        return WriteOutcome(inserted=len(batch))

    def divert(self, batch: Batch, diversion: Diversion) -> None:
        """Append the records and the reason; rejected ones go to their own file. Raises RetryableError."""
        reasons: str | Sequence[str] = diversion.reason
        if diversion.details is not None:
            reasons = [f"{diversion.reason}: {detail}" for detail in diversion.details]
        kind = FileKind.REJECTED if diversion.rejected else FileKind.BACKUP
        self._append(kind, batch, diversion.attempted_at_ns, reasons)

    def backlog(self) -> Sequence[BacklogFile]:
        """Complete files, oldest first. An open file that is old enough is completed, even if no record came since.

        While no file of rejected records is waiting, the open one is completed as early as others. So an operator who
        replays those that wait gets the latest ones too; if nobody replays them, there is one file per day.
        """
        for kind in FileKind:
            self._complete_old(kind, self._max_age(kind))
        if self._folder_lock.held:
            with self._lock:
                left, self._left = self._left, set()
            self._salvage(left)
            self._replayed.prune()
        mark = self._inventory.mark()
        files = self._folder.complete()
        rejected_wait = any(kind_of(path) is FileKind.REJECTED for path, _ in files)
        if not rejected_wait and self._complete_old(FileKind.REJECTED, self._config.max_file_age_seconds):
            mark = self._inventory.mark()
            files = self._folder.complete()
        self._inventory.compare(mark, files)
        self._inventory.count(self._folder.path)
        return [
            BacklogFile(path.name, size, self._inventory.records(path.name), kind_of(path) is FileKind.REJECTED, path)
            for path, size in files
        ]

    def stock(self) -> Stock:
        """The records in all files; those that an earlier run left are known from the first ``backlog`` on."""
        return self._inventory.stock()

    def read(self, file: str, from_record: int = 0, max_records: int = 500) -> Iterator[ReplayBatch]:
        """The records of one file. Continuing where the last ``read`` stopped is cheap; else it reads from the start.

        So a caller that reads to the end has read every line, even after a restart in the middle, and ``finish`` knows
        whether one is damaged. Raises FileNotFoundError if the backlog has no such file.
        """
        known = self._positions.get(file, BEGIN)
        with self._folder.file(file).open("rb") as opened:
            reader = Reader(opened, known if known.record == from_record else BEGIN)
            for batch, position in replay_batches(reader, from_record, max_records):
                self._positions[file] = position
                self._note_damage(file, reader)
                yield batch
            self._note_damage(file, reader)

    def finish(self, file: str) -> None:
        """Move the file to ``done``, where it is kept for ``done_retention``. Raises OSError or RetryableError.

        A file with damaged lines goes to ``damaged`` and stays there: what they held is nowhere else.
        """
        with self._lock:
            self._check_open()
            damaged = file in self._damaged
            target = self._folder.finish(file, self._clock.time_ns(), damaged=damaged)
            if damaged:
                self._log.warning(
                    "damaged file kept",
                    sink=self._sink_id,
                    file=target,
                    next_step="fix its damaged lines, then replay the file by name",
                    every=self._sink_id,
                )
            self._inventory.remove(file)
            self._positions.pop(file, None)
            self._damaged.discard(file)

    def diagnose(self) -> Iterable[Finding]:
        """Check folder, free disk and backlog."""
        return diagnose(self._config, self._folder)

    def _append(self, kind: FileKind, batch: Batch, attempted_at_ns: int, reasons: str | Sequence[str]) -> None:
        if not batch:
            return
        lines = self._writer.lines(batch, attempted_at_ns, reasons)
        with self._lock, translated(self._folder.path):
            self._check_open()
            part = self._part(kind)
            self._replayed.ensure_free_disk(len(lines))
            try:
                self._write(part, lines, len(batch))
            except OSError:
                if part.torn:
                    self._parts.pop(kind).abandon()
                    self._left.add(part.path)
                    self._inventory.ended(part.path, part.size_bytes, part.records)
                raise
            self._inventory.open_file(kind, part.records)
            if part.size_bytes >= self._config.max_file_size_bytes:
                self._complete(kind)

    def _write(self, part: Part, lines: bytes, records: int) -> None:
        try:
            part.append(lines, records)
        except OSError as error:
            if part.torn or not lacks_room(error) or not self._replayed.make_room(len(lines)):
                raise
            part.append(lines, records)

    def _part(self, kind: FileKind) -> Part:
        """The open file of a kind; a new one if there is none."""
        part = self._parts.get(kind)
        if part is not None and not part.in_place:
            self._log.error(
                "backup file missing",
                sink=self._sink_id,
                file=part.path,
                records=part.records,
                next_step="find out what deletes files in the backup folder",
                every=self._sink_id,
            )
            del self._parts[kind]
            self._inventory.open_file(kind, 0)
            part.abandon()
        elif part is not None and self._age(part) >= self._max_age(kind):
            self._complete(kind)
        if kind not in self._parts:
            if not self._folder_lock.in_place:  # the folder was deleted, and the lock with it
                self._folder_lock.release()
                self._take_folder()
            path = self._folder.new_part(kind, self._clock.time_ns())
            self._parts[kind] = Part(path, self._clock.monotonic())
        return self._parts[kind]

    def _complete_old(self, kind: FileKind, age_seconds: float) -> bool:
        """Complete the open file of a kind if it is that old; False if it is not."""
        with self._lock:
            part = self._parts.get(kind)
            if part is None or self._age(part) < age_seconds:
                return False
            self._complete(kind)
            return True

    def _complete(self, kind: FileKind) -> None:
        """Never raises: the records are on disk, whatever the file is called."""
        part = self._parts.pop(kind)
        try:
            path = part.complete()
        except OSError as error:
            self._left.add(part.path)
            self._inventory.ended(part.path, part.size_bytes, part.records)
            self._log.warning(
                "backup file not completed", sink=self._sink_id, file=part.path, error=error, every=self._sink_id
            )
            return
        if path is not None:
            self._inventory.ended(path, part.size_bytes, part.records)
            self._log.info(
                "backup file completed",
                sink=self._sink_id,
                file=path,
                records=part.records,
                size_bytes=part.size_bytes,
                every=self._sink_id,
            )

    def _take_folder(self) -> None:
        with translated(self._folder.path):
            self._folder.make()
            try:
                self._folder_lock.acquire()
            except FolderHeld as error:
                raise RetryableError(f"{error}; stop it, or give each sink its own directory:") from None
            self._left.clear()
            open_files = {part.path for part in self._parts.values()}
            self._salvage(path for path in self._folder.parts() if path not in open_files)

    def _salvage(self, paths: Iterable[Path]) -> None:
        """Complete files that are not open: left by a process that died, or by a ``complete`` that failed.

        A file that cannot be completed is left for the next time and does not affect the others. Needs no lock: nothing
        else touches a file that is neither open nor complete, and only one thread takes what is left.
        """
        for path in paths:
            try:
                salvaged = salvage(path)
            except OSError as error:
                if not isinstance(error, FileNotFoundError):
                    self._left.add(path)
                self._log.warning(
                    "backup file not salvaged", sink=self._sink_id, file=path, error=error, every=self._sink_id
                )
                continue
            self._inventory.remove(path.name)
            if salvaged.path is not None:
                self._inventory.add(salvaged.path, salvaged.path.stat().st_size, salvaged.records)
            self._log.info(
                "backup file salvaged",
                sink=self._sink_id,
                file=path,
                records=salvaged.records,
                torn_bytes=salvaged.torn_bytes,
                every=self._sink_id,
            )

    def _age(self, part: Part) -> float:
        return self._clock.monotonic() - part.created_at

    def _max_age(self, kind: FileKind) -> float:
        age = self._config.max_file_age_seconds
        return age if kind is FileKind.BACKUP else max(age, _REJECTED_AGE_SECONDS)

    def _check_open(self) -> None:
        if not self._folder_lock.held:
            raise RetryableError(f"{self._folder.path} is not open")

    def _note_damage(self, file: str, reader: Reader) -> None:
        if reader.damaged:
            self._damaged.add(file)
