"""FolderLock: one process at a time uses a folder; the operating system takes the lock back when that process dies."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import Final

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

NAME: Final = ".lock"

# Windows locks bytes, and nobody else may read those; far behind the text they do not hide who holds the lock.
_LOCKED_BYTE: Final = 1 << 20

# What the systems say when somebody else has the lock: man 2 flock; msvcrt.locking.
_HELD: Final = (errno.EWOULDBLOCK, errno.EACCES, errno.EDEADLK)


class FolderHeld(Exception):
    """Another process, or another sink of this one, uses the folder."""


class FolderLock:
    """The file ``.lock`` in a folder, held from ``acquire`` to ``release``. It stays there: removing it would race."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME
        self._file: FileIO | None = None

    @property
    def held(self) -> bool:
        """True between ``acquire`` and ``release``."""
        return self._file is not None

    @property
    def in_place(self) -> bool:
        """True when the file that is held is still the one in the folder, which somebody may have removed."""
        if self._file is None:
            return False
        try:
            return os.path.samestat(self._path.stat(), os.fstat(self._file.fileno()))
        except OSError:
            return False

    def acquire(self) -> None:
        """Take the lock at once. Raises FolderHeld, or OSError when the file cannot be made."""
        file = FileIO(self._path, "a+", opener=lambda path, flags: os.open(path, flags, 0o600))
        try:
            _lock(file)
        except OSError as error:
            file.seek(0)
            holder = (file.read(20) or b"").decode("ascii", "replace").strip()
            file.close()
            if error.errno not in _HELD:
                raise
            raise FolderHeld(f"{self._path.parent} is in use by process {holder or 'unknown'}") from None
        with suppress(OSError):  # a full disk must not keep anybody from reading what is there
            file.truncate(0)
            file.write(f"{os.getpid()}\n".encode("ascii"))
        self._file = file

    def release(self) -> None:
        """Give the lock back. Safe without ``acquire``."""
        file, self._file = self._file, None
        if file is not None:
            with suppress(OSError):
                file.truncate(0)
            _unlock(file)
            file.close()


if sys.platform == "win32":

    def _lock(file: FileIO) -> None:
        file.seek(_LOCKED_BYTE)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)

    def _unlock(file: FileIO) -> None:
        file.seek(_LOCKED_BYTE)
        msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)

else:
    # flock and not lockf: the latter belongs to the process, so two sinks of one process would both get it, and any
    # close of the file anywhere in the process would lose it (man 2 flock, man 2 fcntl).

    def _lock(file: FileIO) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _unlock(file: FileIO) -> None:
        fcntl.flock(file, fcntl.LOCK_UN)
