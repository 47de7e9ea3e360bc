"""FolderProbe: whether a part can write in a folder, and how much room there is."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

_RIGHTS: Final = "give the agent's user the right to write there"
_ROOM: Final = "free space there"
_DISK: Final = "check the disk or mount behind it"
_NEXT_STEPS: Final[Mapping[int | None, str]] = {
    errno.EROFS: "mount it for writing, and check the disk: errors make a system mount it read-only",
    errno.ENOSPC: _ROOM,
    getattr(errno, "EDQUOT", errno.ENOSPC): _ROOM,
    errno.EIO: _DISK,
    getattr(errno, "ESTALE", errno.EIO): _DISK,
    errno.ENOTDIR: "remove the file that is in the folder's place",
    errno.EEXIST: "remove the file that is in the folder's place",
}


class FolderProbe(NamedTuple):
    """``place`` is the folder, or the nearest one above it that exists."""

    place: Path
    free_bytes: int


def probe_folder(folder: Path) -> FolderProbe:
    """Write and sync a nameless file in ``folder``, which is then gone; for ``diagnose``.

    As a folder may be created later, the nearest one above it that exists will do. Raises OSError with a message that
    says where it failed, and why.
    """
    place = next(place for place in (folder, *folder.parents) if place.exists())
    try:
        with tempfile.TemporaryFile(dir=place) as file:
            file.write(b"tagferry doctor\n")
            file.flush()
            os.fsync(file.fileno())
        return FolderProbe(place, shutil.disk_usage(place).free)
    except OSError as error:
        raise OSError(f"cannot write in {place}: {error.strerror or error}") from error


def write_next_step(error: OSError) -> str:
    """What a person can do when nothing can be written in a folder; ``probe_folder`` or a write raised ``error``."""
    code, cause = error.errno, error.__cause__
    if code is None and isinstance(cause, OSError):
        code = cause.errno
    return _NEXT_STEPS.get(code, _RIGHTS)
