"""Disk: what a real folder would hold after a power cut: nothing is sure that was not made durable.

The code under test writes real files. The disk notes, at each ``fsync`` of a file, how far it is safe, and at each
``fsync`` of a folder, which names it has. ``cut_power`` then takes a seeded part of the rest away.
"""

from __future__ import annotations

import os
import random
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

_REAL_STAT: Final = os.stat
_REAL_FSTAT: Final = os.fstat
_CLOCK_NS: Final = 4_000_000
"""How coarse the times of a file system are."""


FileTimes = dict[int, tuple[object, int]]
"""What is there and since when (virtual UTC ns), by inode."""


class Disk:
    """One folder and all below it. ``before_sync`` runs first in each fsync, ``before_look`` in each fstat; what they
    raise, these raise.

    ``times`` outlives a life: files keep their times.
    """

    def __init__(
        self,
        root: Path,
        time_ns: Callable[[], int],
        before_sync: Callable[[], None] = lambda: None,
        times: FileTimes | None = None,
        before_look: Callable[[], None] = lambda: None,
    ) -> None:
        self.root = root
        self.before_sync = before_sync
        self.before_look = before_look
        self._time_ns = time_ns
        self._changed_ns: FileTimes = {} if times is None else times
        self._safe_bytes: dict[int, int] = {}  # by inode
        self._safe_names: dict[Path, dict[str, int]] = {}  # inodes by name, by folder
        for folder in (root, *(path for path in sorted(root.rglob("*")) if path.is_dir())):
            self._note_folder(folder)
        for path in root.rglob("*"):
            if path.is_file():
                self._safe_bytes[path.stat().st_ino] = path.stat().st_size

    def fsync(self, descriptor: int) -> None:
        """Stands in for ``os.fsync``."""
        self.before_sync()
        found = _REAL_FSTAT(descriptor)
        if stat.S_ISDIR(found.st_mode):
            self._note_folder(Path(f"/proc/self/fd/{descriptor}").resolve())
        else:
            self._safe_bytes[found.st_ino] = found.st_size

    def stat(self, path: str | int | os.PathLike[str], **options: Any) -> os.stat_result:
        """Stands in for ``os.stat``: what changed has a virtual time."""
        return self._timed(_REAL_STAT(path, **options), path)

    def fstat(self, descriptor: int) -> os.stat_result:
        """Stands in for ``os.fstat``."""
        self.before_look()
        return self._timed(_REAL_FSTAT(descriptor), descriptor)

    def _timed(self, found: os.stat_result, path: str | int | os.PathLike[str]) -> os.stat_result:
        is_folder = stat.S_ISDIR(found.st_mode)
        if not is_folder and not stat.S_ISREG(found.st_mode):
            return found
        there = tuple(sorted(os.listdir(path))) if is_folder else found.st_size  # noqa: PTH208 - may be a descriptor
        known, since_ns = self._changed_ns.get(found.st_ino, (None, 0))
        if known != there:
            since_ns = self._time_ns() // _CLOCK_NS * _CLOCK_NS
            self._changed_ns[found.st_ino] = there, since_ns
        times = {"st_mtime": since_ns / 1e9, "st_mtime_ns": since_ns, "st_ctime_ns": since_ns}
        return os.stat_result(tuple(found)[:10], {**_extra(found), **times})

    def install(self) -> None:
        """Take the place of the functions in ``os``, for the rest of this process."""
        vars(os).update(fsync=self.fsync, stat=self.stat, fstat=self.fstat)

    def cut_power(self, randomness: random.Random) -> None:
        """Lose what is not safe, or a part of it. No process may use the folder meanwhile."""
        for folder in [self.root, *sorted(path for path in self.root.rglob("*") if path.is_dir())]:
            self._lose_names(folder, randomness)
        for path in sorted(self.root.rglob("*")):
            if path.is_file():
                found = path.stat()
                safe = min(self._safe_bytes.get(found.st_ino, 0), found.st_size)
                os.truncate(path, safe + randomness.randint(0, found.st_size - safe))

    def _note_folder(self, folder: Path) -> None:
        self._safe_names[folder] = {path.name: path.lstat().st_ino for path in folder.iterdir()}

    def _lose_names(self, folder: Path, randomness: random.Random) -> None:
        """Undo renames that may not have reached the disk; a file that has only just been made may be gone."""
        safe = self._safe_names.get(folder, {})
        by_inode = {inode: name for name, inode in safe.items()}
        for path in sorted(folder.iterdir()):
            inode = path.lstat().st_ino
            if path.is_dir() or safe.get(path.name) == inode or randomness.random() < 0.5:
                continue
            before = by_inode.get(inode)
            if before is None:
                path.unlink()
            elif not (folder / before).exists():
                path.rename(folder / before)


def _extra(found: os.stat_result) -> dict[str, Any]:
    return {name: getattr(found, name) for name in dir(found) if name.startswith("st_")}
