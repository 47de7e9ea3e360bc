"""ReplayedFiles: the files in ``done``, and when they are deleted."""

from __future__ import annotations

import shutil
import threading
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Final

from agent_core.api import ComponentContext, RetryableError
from csv_sink.config import CsvSinkConfig
from csv_sink.files.folder import Folder, Replayed

_PRUNE_INTERVAL_SECONDS: Final = 3600.0


class ReplayedFiles:
    """Deletes replayed files after ``done_retention``, and earlier when the disk runs short.

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
        self._oldest: deque[Replayed] = deque()  # what the last look found in ``done``, the longest there first
        self._deleted_early = 0  # files, since the log last said so

    def prune(self) -> None:
        """Delete files that have been kept long enough; looks at most once an hour."""
        with self._lock:
            now = self._clock.monotonic()
            if self._pruned_at is not None and now - self._pruned_at < _PRUNE_INTERVAL_SECONDS:
                return
            self._pruned_at = now
        limit_ns = self._clock.time_ns() - round(self._config.done_retention_seconds * 1e9)
        try:
            replayed = self._folder.replayed()
        except OSError as error:
            self._warn_not_deleted(self._folder.done, error)
            return
        for since_ns, path, _ in replayed:
            if since_ns >= limit_ns:
                break
            try:
                path.unlink(missing_ok=True)
            except OSError as error:  # on Windows, held open by whoever looks at it
                self._warn_not_deleted(path, error)
                continue
            self._log.info("replayed file deleted", sink=self._sink_id, file=path, every=self._sink_id)

    def ensure_free_disk(self, needed_bytes: int) -> None:
        """Return when ``needed_bytes`` can be written and leave ``min_free_disk``. Raises RetryableError or OSError."""
        free, wanted = self._free_disk(), needed_bytes + self._config.min_free_disk_bytes
        if free < wanted and self.make_room(wanted - free):
            free = self._free_disk()
        if free < wanted:
            raise RetryableError(
                f"{self._folder.path}: {free} bytes are free, min_free_disk keeps {self._config.min_free_disk_bytes}; "
                "free space",
                code="MIN_FREE_DISK",
                throttle=True,
            )

    def make_room(self, size_bytes: int) -> bool:
        """Delete files of that size together, the longest there first; False when there is none.

        Looks again only once those that the last look found are used up.
        """
        deleted: list[int] = []
        for look in (False, True):
            if look and sum(deleted) < size_bytes:
                self._oldest = deque(self._folder.replayed())
            while self._oldest and sum(deleted) < size_bytes:
                _, path, size = self._oldest.popleft()
                with suppress(OSError):
                    path.unlink()
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
        return shutil.disk_usage(self._folder.path).free

    def _warn_not_deleted(self, path: Path, error: OSError) -> None:
        self._log.warning("replayed file not deleted", sink=self._sink_id, file=path, error=error, every=self._sink_id)
