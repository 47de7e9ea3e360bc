"""DeliveredCopies: copies of what the destination has, for ``keep_done``, in case it loses its last minutes later.

::

    keep (data path) -> waiting -> a write and a sync per second (a thread of its own) -> done/delivered_*.csv

A copy is less than a record: nothing waits for one. What cannot be copied is counted and said, and the record is in its
destination all the same.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import Final

from agent_core.api import Batch, ComponentContext, Finding, Severity
from csv_sink.config import CsvSinkConfig
from csv_sink.files import disk
from csv_sink.files.folder import Folder
from csv_sink.files.part import Part, salvage
from csv_sink.format.line import LineWriter

_MOST_WAITING_RECORDS: Final = 200_000
"""A minute of a large plant. A disk that is slower for longer costs copies, not memory."""

_GROUP_SECONDS: Final = 1.0
_CLOSE_SECONDS: Final = 5.0

NEXT_STEP: Final = "free disk space, use a faster disk, or lower keep_done:; the records are in their destination"

NO_THREAD_NEXT_STEP: Final = "raise the limit of threads (TasksMax, pids, ulimit -u), then restart the agent"


class DeliveredCopies:
    """Between ``open`` and ``close`` a thread writes what ``keep`` was given. ``keep`` and ``missing`` are thread-safe.

    Its folder is that of the sink, which holds the lock on it.
    """

    def __init__(self, folder: Folder, config: CsvSinkConfig, context: ComponentContext) -> None:
        self._folder = folder
        self._config = config
        self._clock = context.clock
        self._log = context.log
        self._sink_id = context.component_id
        self._writer = LineWriter()
        self._changed = threading.Condition()
        self._waiting: list[Batch] = []
        self._waiting_records = 0
        self._closing = False
        self._ended = True
        self._part: Part | None = None
        self._missing = 0
        self._missed_at = 0.0

    @property
    def active(self) -> bool:
        """Whether copies are wanted."""
        return self._config.keep_done_seconds > 0

    def open(self) -> None:
        """Complete what an earlier process left, and start the thread. Does nothing if it runs, or without a wish."""
        if not self.active or not self._ended:
            return
        with suppress(OSError):  # they are found the next time; copies are no reason not to start
            for path in self._folder.copies(complete=False):
                salvage(path)
        with self._changed:
            self._closing = False
        thread = threading.Thread(target=self._run, name=f"{self._sink_id}-copies", daemon=True)
        self._ended = False
        try:
            thread.start()
        except (RuntimeError, MemoryError) as error:  # the limit of a container: the fallback works without copies
            self._ended = True
            self._log.warning(
                "copies not started",
                sink=self._sink_id,
                error=error,
                next_step=NO_THREAD_NEXT_STEP,
                every=self._sink_id,
            )

    def close(self) -> None:
        """Write what waits, and end the thread; a disk that hangs is left to it after some seconds."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
            until = self._clock.monotonic() + _CLOSE_SECONDS
            while not self._ended and (left := until - self._clock.monotonic()) > 0:
                self._clock.wait(self._changed, left)

    def keep(self, batch: Batch) -> None:
        """Hand over a copy; returns at once and never raises."""
        if not self.active or not batch:
            return
        with self._changed:
            if self._waiting_records + len(batch) <= _MOST_WAITING_RECORDS:
                self._waiting.append(batch)
                self._waiting_records += len(batch)
                return
        self._miss(len(batch), "the disk is too slow")

    def advice(self) -> tuple[Finding, ...]:
        """That copies are missing, as long as they would be kept."""
        missing, since = self._missing, self._clock.monotonic() - self._missed_at
        if not missing or since > self._config.keep_done_seconds:
            return ()
        message = f"no copy of {missing:,} delivered records, the last {since:.0f} s ago"
        return (Finding(Severity.WARNING, f"CSV {self._folder.done}", message, NEXT_STEP),)

    # ---- in the thread

    def _run(self) -> None:
        try:
            while self._write_group():
                pass
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def _write_group(self) -> bool:
        """False after the last one."""
        taken, closing = self._next_group()
        try:
            if taken:
                self._store(taken)
            self._complete_old(closing=closing)
        except BaseException as error:  # whatever it is: the next group gets another file
            with suppress(BaseException):
                self._give_part_up()
                self._miss(sum(map(len, taken)), error)
        return not closing

    def _next_group(self) -> tuple[list[Batch], bool]:
        """What came within a second, and whether it is the last."""
        with self._changed:
            due = self._clock.monotonic() + _GROUP_SECONDS
            while not self._closing and (left := due - self._clock.monotonic()) > 0:
                self._clock.wait(self._changed, left)
            taken, self._waiting, self._waiting_records = self._waiting, [], 0
            return taken, self._closing

    def _store(self, batches: list[Batch]) -> None:
        """Append one group; it goes into one file as a whole."""
        pieces = []
        refused = 0
        now_ns = self._clock.time_ns()
        for batch in batches:
            lines, without = self._writer.write(batch, now_ns, "delivered")
            pieces.append(lines)
            refused += len(without)
        data = b"".join(pieces)
        self._make_room(len(data))
        part = self._part
        if part is None or not part.in_place:
            self._give_part_up()
            disk.make_folder(self._folder.done)
            part = self._part = Part(self._folder.new_copy(now_ns), self._clock.monotonic())
        part.append(data, sum(map(len, batches)) - refused)
        if refused:
            self._miss(refused, "records that make no line")

    def _make_room(self, size_bytes: int) -> None:
        """Older copies make room for new ones; nothing else does. Raises OSError."""
        wanted = size_bytes + self._config.min_free_disk_bytes
        if disk.free_bytes(self._folder.path) >= wanted:
            return  # without a look at thousands of files each second
        for path in self._folder.copies():
            if disk.free_bytes(self._folder.path) >= wanted:
                return
            disk.delete(path, missing_ok=True)
        if disk.free_bytes(self._folder.path) < wanted:
            raise OSError(f"min_free_disk keeps {self._config.min_free_disk_bytes} bytes free")

    def _complete_old(self, *, closing: bool) -> None:
        part = self._part
        if part is None:
            return
        old = self._clock.monotonic() - part.created_at >= self._config.max_file_age_seconds
        if closing or old or part.size_bytes >= self._config.max_file_size_bytes:
            self._part = None
            part.complete()
            self._prune()

    def _prune(self) -> None:
        limit_ns = self._clock.time_ns() - round(self._config.keep_done_seconds * 1e9)
        for path in self._folder.copies():
            with suppress(OSError):  # the fallback made room, or a program has it open
                if path.stat().st_mtime_ns < limit_ns:
                    disk.delete(path, missing_ok=True)
        disk.sync_folder(self._folder.done)

    def _give_part_up(self) -> None:
        part, self._part = self._part, None
        if part is not None:
            part.abandon()
            with suppress(OSError):  # else the next ``open`` completes it
                salvage(part.path)

    def _miss(self, records: int, error: BaseException | str) -> None:
        if not records:
            return
        with self._changed:
            self._missing += records
            self._missed_at = self._clock.monotonic()
        self._log.warning(
            "delivered records not copied",
            sink=self._sink_id,
            records=records,
            error=error,
            next_step=NEXT_STEP,
            every=self._sink_id,
        )
