"""FolderLock: one process at a time uses a folder; the operating system releases the lock when that process dies."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from agent_core.api.files.whole_file import read_whole
from csv_sink.files import disk

NAME: Final = ".lock"
HOLDER_NAME: Final = ".holder"
_HOLDER_BYTES: Final = 1024


class FolderHeld(Exception):
    """Another process, or another sink of this one, uses the folder."""


class FolderLock:
    """The file ``.lock`` in a folder, held from ``acquire`` to ``release``; ``.holder`` says by which process.

    Two files, because on Windows a locked file cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = self._unlocked()
        self._identity: os.stat_result | None = None

    @property
    def held(self) -> bool:
        """True between ``acquire`` and ``release``."""
        return self._lock.is_locked

    @property
    def in_place(self) -> bool:
        """True if the locked file is still the one in the folder, which may have been deleted."""
        try:
            return self._identity is not None and os.path.samestat(self._stat(), self._identity)
        except OSError:
            return False

    def acquire(self) -> None:
        """Take the lock without waiting. Raises FolderHeld, or OSError if the file cannot be created."""
        try:
            self._lock.acquire(blocking=False)
        except Timeout:
            raise FolderHeld(f"{self._folder} is in use by process {holder(self._folder) or 'unknown'}") from None
        except NotImplementedError as error:  # what the library makes of ENOSYS
            raise OSError(errno.ENOSYS, "the file system has no locks", str(self._folder)) from error
        try:
            self._identity = self._stat()
        except OSError:
            self.release()
            raise
        with suppress(OSError):  # a full disk must not prevent reading what is there
            disk.write_note(self._folder / HOLDER_NAME, f"{os.getpid()}\n")

    def release(self) -> None:
        """Release the lock. Safe without ``acquire``."""
        if not self.held:
            return
        if self.in_place:
            with suppress(OSError):
                disk.delete(self._folder / HOLDER_NAME, missing_ok=True)
        self._identity = None
        try:
            self._lock.release()
        except OSError:  # its file system is gone, and the lock with it; the object would count as locked for ever
            self._lock = self._unlocked()

    def _unlocked(self) -> FileLock:
        # With thread_local it would belong to the thread that opens the sink, but another thread closes it.
        return FileLock(self._folder / NAME, mode=disk.PRIVATE_FILE, thread_local=False)

    def _stat(self) -> os.stat_result:
        return (self._folder / NAME).stat()


def holder(folder: Path) -> str | None:
    """The process that last took the folder and has not released it; it may have died since."""
    with suppress(OSError):
        text = read_whole(folder / HOLDER_NAME, _HOLDER_BYTES).decode("ascii", "replace")
        return text[:20].strip() or None
    return None
