"""Disk: the one place where this plugin opens, makes, renames, deletes and syncs files.

What only looks (names, sizes, times) is elsewhere, too. All raise OSError.
"""

from __future__ import annotations

import os
import shutil
from io import FileIO
from pathlib import Path
from typing import BinaryIO, Final

PRIVATE_FILE: Final = 0o600
PRIVATE_FOLDER: Final = 0o700


def create(path: Path) -> FileIO:
    """A new file, for its owner only, to be written without a buffer."""
    return FileIO(path, "x", opener=lambda name, flags: os.open(name, flags, PRIVATE_FILE))


def open_to_read(path: Path) -> BinaryIO:
    """A file that is there."""
    return path.open("rb")


def open_to_repair(path: Path) -> BinaryIO:
    """A file that is there, to be read and cut."""
    return path.open("r+b")


def try_to_open(path: Path) -> None:
    """Open it for writing, and leave it as it is."""
    os.close(os.open(path, os.O_RDWR))


def write_note(path: Path, text: str) -> None:
    """Write an ASCII file that is of use while this process lives; it is not synced."""
    path.touch(mode=PRIVATE_FILE)
    path.write_text(text, encoding="ascii")


def make_folder(path: Path) -> None:
    """Make a folder, for its owner only, unless it is there."""
    path.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)


def sync(file: FileIO | BinaryIO) -> None:
    """Return when what was written is on disk."""
    os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Make names in a folder durable. Windows has no such call and needs none (NTFS journals names)."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def rename(path: Path, target: Path) -> None:
    """Give a file another name, in its folder or in another, durably."""
    path.rename(target)
    sync_folder(target.parent)
    if path.parent != target.parent:
        sync_folder(path.parent)


def delete(path: Path, *, missing_ok: bool = False) -> None:
    """Remove a name. After a power cut it may be there again; ``sync_folder`` makes sure."""
    path.unlink(missing_ok=missing_ok)


def set_time(path: Path, time_ns: int) -> None:
    """Set when the file was changed last (UTC ns)."""
    os.utime(path, ns=(time_ns, time_ns))


def free_bytes(folder: Path) -> int:
    """The free space of its file system."""
    return shutil.disk_usage(folder).free
