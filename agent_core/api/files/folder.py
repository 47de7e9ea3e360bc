"""FolderProbe: whether a part can write in a folder, and how much room there is."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import NamedTuple


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
