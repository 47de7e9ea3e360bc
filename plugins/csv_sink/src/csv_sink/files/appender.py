"""Appender: the open files of a folder, one per kind.

::

    open -> append, append ... -> close
              |
              `- the folder is gone, or was replaced: it is taken again by the next append, and what was left in it is
                 completed by the next look at the backlog
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from agent_core.api import ComponentContext, RetryableError
from csv_sink.config import CsvSinkConfig
from csv_sink.files.claim import FolderClaim
from csv_sink.files.failure import lacks_room, translated
from csv_sink.files.folder import FileKind, Folder
from csv_sink.files.inventory import Inventory
from csv_sink.files.listing import Listing
from csv_sink.files.part import Part, salvage
from csv_sink.files.replayed import ReplayedFiles

# Files of rejected records stay until they are replayed. One tag that is always refused makes one file per day, not
# one per minute.
_REJECTED_AGE_SECONDS: Final = 86_400.0

_FILES_PER_GROWTH: Final = 60
"""While so many files wait, the next ones may be twice as old and as large, and so on: a long outage makes hundreds of
files, not ten thousands."""

_MOST_AGE_GROWTH: Final = 64
_MOST_SIZE_GROWTH: Final = 8


class Lines:
    """Lines to be appended for one caller. ``failure``: why they are not on disk; None if they are."""

    __slots__ = ("data", "failure", "kind", "records", "settled")

    def __init__(self, kind: FileKind, data: bytes, records: int) -> None:
        self.kind = kind
        self.data = data
        self.records = records
        self.failure: RetryableError | None = None
        self.settled = False


class Appender:
    """Thread-safe: one lock. An error leaves the files as they were, and the next call tries everything again.

    Callers that wait for the disk at the same time share one write and one sync: one of them leads and appends what all
    of them have brought. So a caller waits for two syncs at most, the one under way and its own.
    """

    def __init__(
        self,
        folder: Folder,
        config: CsvSinkConfig,
        context: ComponentContext,
        claim: FolderClaim,
        inventory: Inventory,
        listing: Listing,
        replayed: ReplayedFiles,
    ) -> None:
        self._folder = folder
        self._config = config
        self._clock = context.clock
        self._log = context.log
        self._sink_id = context.component_id
        self._claim = claim
        self._inventory = inventory
        self._listing = listing
        self._replayed = replayed
        self._lock = threading.Lock()
        self._is_open = False
        self._turn = threading.Condition()
        self._leading = False
        self._waiting: deque[Lines] = deque()
        self._parts: dict[FileKind, Part] = {}
        self._left: set[Path] = set()  # parts that are not open and are to be completed
        self._completing: set[Path] = set()
        self.failing = False
        """Whether the last append failed."""

    def open(self) -> None:
        """Lock the folder and complete what an earlier process left. Raises RetryableError, also for a held lock."""
        with self._lock:
            if not self._claim.held:
                self._take_folder()
            self._is_open = True
        self.complete_left()

    def close(self) -> None:
        """Complete the open files and release the folder."""
        with self._lock:
            self._is_open = False
            for kind in list(self._parts):
                self._complete(kind)
            self._claim.release()

    @property
    def is_open(self) -> bool:
        """True between ``open`` and ``close``."""
        return self._is_open

    def append(self, kind: FileKind, data: bytes, records: int) -> None:
        """Return when the lines are on disk. Raises RetryableError; then none of them is."""
        lines = Lines(kind, data, records)
        with self._turn:
            self._waiting.append(lines)
            while self._leading and not lines.settled:
                self._clock.wait(self._turn)
            leads = not lines.settled
            self._leading |= leads
        if leads:
            self._lead()
        if lines.failure is not None:
            failure = lines.failure
            # One for each caller: an exception that two threads raise has the traceback of both.
            raise RetryableError(str(failure), code=failure.code, throttle=failure.throttle) from failure

    def _lead(self) -> None:
        """Append what all have brought, one's own lines among it; then let another lead.

        Those who wait need no lock to learn that their lines are on disk, so a later append cannot hold them up.
        """
        try:
            with self._lock:
                self._append_waiting()
        finally:
            with self._turn:
                self._leading = False
                self._turn.notify_all()

    def check_open(self) -> None:
        """Raise RetryableError unless the folder is open, and take it again if it was lost."""
        with self._lock:
            self._ensure_folder()

    def complete_old(self) -> None:
        """Complete the open files that are old enough, even if no record came since."""
        for kind in FileKind:
            self._complete_older(kind, self._longest_age(kind))

    def complete(self) -> bool:
        """Complete the open file of good records, whatever its age; False if there is none."""
        return self._complete_older(FileKind.BACKUP, 0.0)

    def complete_rejected(self) -> bool:
        """Complete the open file of rejected records if it is as old as one of good records may become."""
        return self._complete_older(FileKind.REJECTED, self._config.max_file_age_seconds)

    def complete_left(self) -> None:
        """Complete files that are not open: left by a process that died, a lost folder, or a failed ``complete``.

        A file that cannot be completed is left for the next time and does not affect the others. Reads whole files, so
        it takes no lock: nothing else touches a file that is neither open nor complete.
        """
        with self._lock:
            left, self._left = self._left, set()
            self._completing |= left
        try:
            self._salvage(sorted(left))
        finally:
            with self._lock:
                self._completing -= left

    def _salvage(self, left: Iterable[Path]) -> None:
        for path in left:
            try:
                salvaged = salvage(path)
            except OSError as error:
                # One that is not there may come back with its folder; then the folder is taken again and listed.
                if isinstance(error, FileNotFoundError):
                    self._inventory.remove(path.name)
                else:
                    with self._lock:
                        self._left.add(path)
                self._log.warning(
                    "backup file not salvaged", sink=self._sink_id, file=path, error=error, every=self._sink_id
                )
                continue
            self._inventory.remove(path.name)
            if salvaged.path is not None:
                self._inventory.add(salvaged.path, salvaged.size_bytes, salvaged.records)
                self._listing.add(salvaged.path)
            self._log.info(
                "backup file salvaged",
                sink=self._sink_id,
                file=path,
                records=salvaged.records,
                torn_bytes=salvaged.torn_bytes,
                every=self._sink_id,
            )

    # ---- with the lock held

    def _append_waiting(self) -> None:
        waiting: list[Lines] = []
        while self._waiting:
            waiting.append(self._waiting.popleft())
        try:
            for kind in FileKind:
                if mine := [lines for lines in waiting if lines.kind is kind]:
                    self._append_together(kind, mine)
        finally:
            for lines in waiting:
                if not lines.settled:
                    lines.failure = RetryableError("the thread that appended these records was interrupted")
                    lines.settled = True

    def _append_together(self, kind: FileKind, waiting: Sequence[Lines]) -> None:
        failure = self._try(kind, waiting)
        if failure is not None and failure.throttle and len(waiting) > 1:
            for lines in waiting:  # a part of them may fit
                self._settle([lines], self._try(kind, [lines]))
        else:
            self._settle(waiting, failure)

    def _settle(self, waiting: Iterable[Lines], failure: RetryableError | None) -> None:
        self.failing = failure is not None
        for lines in waiting:
            lines.failure, lines.settled = failure, True

    def _try(self, kind: FileKind, waiting: Sequence[Lines]) -> RetryableError | None:
        data = waiting[0].data if len(waiting) == 1 else b"".join(lines.data for lines in waiting)
        records = sum(lines.records for lines in waiting)
        try:
            with translated(self._folder.path):
                self._ensure_folder()
                part = self._part(kind)
                self._replayed.ensure_free_disk(len(data))
                try:
                    self._write(part, data, records)
                except OSError:
                    if part.torn:
                        self._abandon(kind)
                        self._inventory.ended(part.path, part.size_bytes, part.records)
                    raise
        except RetryableError as error:
            return error
        self._inventory.open_file(kind, part.records)
        if part.size_bytes >= self._config.max_file_size_bytes * self._growth(kind, _MOST_SIZE_GROWTH):
            self._complete(kind)
        return None

    def _write(self, part: Part, data: bytes, records: int) -> None:
        try:
            part.append(data, records)
        except OSError as error:
            if part.torn or not lacks_room(error) or not self._replayed.make_room(len(data)):
                raise
            part.append(data, records)

    def _part(self, kind: FileKind) -> Part:
        """The open file of a kind; a new one if there is none."""
        part = self._parts.get(kind)
        if part is not None and not part.in_place:
            self._log.error(
                "backup file missing",
                sink=self._sink_id,
                file=part.path,
                records=part.records,
                next_step="find out what removes files there, or bring the folder back: then they are found again",
                every=self._sink_id,
            )
            self._claim.note_lost()
            self._abandon(kind)
        elif part is not None and self._age(part) >= self._longest_age(kind):
            self._complete(kind)
        if kind not in self._parts:
            if not self._claim.in_place:  # the folder was deleted, and the lock with it
                self._take_folder()
            self._inventory.open_file(kind, 0)
            path = self._folder.new_part(kind, self._clock.time_ns(), self._left | self._completing)
            self._parts[kind] = Part(path, self._clock.monotonic())
            self._listing.touched()
        return self._parts[kind]

    def _complete_older(self, kind: FileKind, age_seconds: float) -> bool:
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
        if path is None:
            self._listing.touched()
            return
        self._inventory.ended(path, part.size_bytes, part.records)
        self._listing.add(path)
        self._log.info(
            "backup file completed",
            sink=self._sink_id,
            file=path,
            records=part.records,
            size_bytes=part.size_bytes,
            every=self._sink_id,
        )

    def _abandon(self, kind: FileKind) -> None:
        part = self._parts.pop(kind)
        part.abandon()
        self._left.add(part.path)

    def _ensure_folder(self) -> None:
        if not self._is_open:
            raise RetryableError(f"{self._folder.path} is not open")
        if not self._claim.held:
            self._take_folder()

    def _take_folder(self) -> None:
        """What lies in the folder unfinished is for ``complete_left``."""
        unfinished = self._claim.take(again=self._is_open)
        self._left = set(unfinished) - {part.path for part in self._parts.values()}
        self._listing.forget()
        for kind in FileKind:
            if kind not in self._parts:  # it was lost with the other folder
                self._inventory.open_file(kind, 0)

    def _age(self, part: Part) -> float:
        return self._clock.monotonic() - part.created_at

    def _longest_age(self, kind: FileKind) -> float:
        age = self._config.max_file_age_seconds * self._growth(kind, _MOST_AGE_GROWTH)
        return age if kind is FileKind.BACKUP else max(age, _REJECTED_AGE_SECONDS)

    def _growth(self, kind: FileKind, most: int) -> int:
        if kind is FileKind.REJECTED:
            return 1
        return min(most, 1 << min(16, self._listing.waiting(kind) // _FILES_PER_GROWTH))
