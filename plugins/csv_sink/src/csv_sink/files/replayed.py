"""ReplayedFiles: the files in ``done``, and when they are deleted."""

from __future__ import annotations

import threading
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Final

from agent_core.api import ComponentContext, RetryableError
from csv_sink.config import CsvSinkConfig
from csv_sink.files import disk
from csv_sink.files.folder import Folder, Replayed

_PRUNE_INTERVAL_SECONDS: Final = 3600.0


class ReplayedFiles:
    """Deletes replayed files after ``done_retention``, or a longer ``keep_done``; earlier when the disk runs short.

    Their records are in their destination. ``prune`` is thread-safe; callers of the other methods hold the sink's lock.
    """

    def __init__(self, folder: Folder, config: CsvSinkConfig, context: ComponentContext) -> None:
        self._folder = folder
        self._config = config
        self._clock = context.clock
        self._log = context.log
        self._sink_id = context.component_id
        self._lock = threading.Lock()
        self._pruned_at: float | None = None
        self._oldest: deque[Replayed] = deque()  # the rest of the last listing of ``done``
        self._deleted_early = 0  # files, since the last such log event

    def prune(self) -> None:
        """Delete files that have been kept long enough; does nothing if called again within an hour."""
        with self._lock:
            now = self._clock.monotonic()
            if self._pruned_at is not None and now - self._pruned_at < _PRUNE_INTERVAL_SECONDS:
                return
            self._pruned_at = now
        kept_seconds = max(self._config.done_retention_seconds, self._config.keep_done_seconds)
        limit_ns = self._clock.time_ns() - round(kept_seconds * 1e9)
        try:
            replayed = self._folder.replayed()
        except OSError as error:
            self._warn_not_deleted(self._folder.done, error)
            return
        for since_ns, path, _ in replayed:
            if since_ns >= limit_ns:
                break
            try:
                disk.delete(path, missing_ok=True)
            except OSError as error:  # on Windows, if a program has it open
                self._warn_not_deleted(path, error)
                continue
            self._log.info("replayed file deleted", sink=self._sink_id, file=path, every=self._sink_id)

    def ensure_free_disk(self, needed_bytes: int) -> None:
        """Make sure that ``min_free_disk`` stays free after ``needed_bytes``. Raises RetryableError or OSError."""
        free, wanted = self._free_disk(), needed_bytes + self._config.min_free_disk_bytes
        if free < wanted and self.make_room(wanted - free):
            free = self._free_disk()
        if free < wanted:
            raise RetryableError(
                f"{self._folder.path}: {free} bytes are free, min_free_disk keeps {self._config.min_free_disk_bytes}; "
                "free disk space",
                code="MIN_FREE_DISK",
                throttle=True,
            )

    def make_room(self, size_bytes: int) -> bool:
        """Delete files of that total size, those that have been there longest first; False if there are none.

        Lists the folder again only after all files of the last listing are deleted.
        """
        deleted: list[int] = []
        for look in (False, True):
            if look and sum(deleted) < size_bytes:
                self._oldest = deque(self._folder.replayed())
            while self._oldest and sum(deleted) < size_bytes:
                _, path, size = self._oldest.popleft()
                with suppress(OSError):
                    disk.delete(path)
                    deleted.append(size)
        self._deleted_early += len(deleted)
        if deleted and self._log.warning(
            "replayed files deleted early",
            sink=self._sink_id,
            files=self._deleted_early,
            free_bytes=self._free_disk(),
            next_step="free disk space",
            every=self._sink_id,
        ):
            self._deleted_early = 0
        return bool(deleted)

    def _free_disk(self) -> int:
        return disk.free_bytes(self._folder.path)

    def _warn_not_deleted(self, path: Path, error: OSError) -> None:
        self._log.warning("replayed file not deleted", sink=self._sink_id, file=path, error=error, every=self._sink_id)
