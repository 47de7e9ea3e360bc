"""Failure: what an error of the file system means to the core."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from agent_core.api import BackupChangedError, RetryableError

_NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT)


def lacks_room(error: OSError) -> bool:
    """True if the disk or a quota is full, so that deleting files helps."""
    return error.errno in _NO_ROOM


def backup_changed(path: Path) -> BackupChangedError:
    """The error for a file that is not what it was when it was listed, or when reading began."""
    return BackupChangedError(f"{path} was changed while it was read: what was read is not what it holds")


@contextmanager
def translated(folder: Path) -> Iterator[None]:
    """Raise RetryableError for an OSError: disk space and permissions can be fixed without a restart."""
    try:
        yield
    except OSError as error:
        code = errno.errorcode.get(error.errno or 0, type(error).__name__)
        full = lacks_room(error) or error.errno == errno.EFBIG
        what = "the disk is full; free space" if full else error.strerror or str(error)
        raise RetryableError(f"{error.filename or folder}: {what} ({code})", code=code, throttle=full) from error
