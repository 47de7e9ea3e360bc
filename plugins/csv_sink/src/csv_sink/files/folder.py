"""Folder: the files of one sink, by name and age."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Collection
from contextlib import suppress
from enum import StrEnum
from itertools import count
from pathlib import Path
from stat import S_ISREG
from typing import Final, NamedTuple

from agent_core.api.files.private import make_private_folder
from csv_sink.files import disk
from csv_sink.files.part import SUFFIX
from csv_sink.format.timestamp import file_stamp

DONE: Final = "done"
DAMAGED: Final = "damaged"

_NAME: Final = re.compile(r"(backup|rejected)_(\d{8}_\d{6})(?:_(\d{3,}))?\.csv(?:\.part)?", re.ASCII)


_COPY: Final = re.compile(r"delivered_(\d{8}_\d{6})(?:_(\d{3,}))?\.csv(?:\.part)?", re.ASCII)
_ANY: Final = re.compile(r"([a-z]+)_(\d{8}_\d{6})(?:_(\d{3,}))?\.csv(?:\.part)?", re.ASCII)


class FileKind(StrEnum):
    """Good records that wait for their destination, or records that it refused for their content."""

    BACKUP = "backup"
    REJECTED = "rejected"


class Replayed(NamedTuple):
    """A file in ``done``: since when (UTC ns), where, how large."""

    since_ns: int
    path: Path
    size_bytes: int


class FileVersion(NamedTuple):
    """What changes when somebody saves a file, in place or under its name."""

    size_bytes: int
    modified_ns: int
    inode: int

    @classmethod
    def of(cls, stat: os.stat_result) -> FileVersion:
        """The version that was found."""
        return cls(stat.st_size, stat.st_mtime_ns, stat.st_ino)

    def __str__(self) -> str:
        return "-".join(map(str, self))


class Waiting(NamedTuple):
    """A complete file, as it was when it was looked at."""

    path: Path
    version: FileVersion


class Folder:
    """``<directory>/<sink id>``. It has no state: it returns what the file system says at that moment."""

    def __init__(self, directory: Path, sink_id: str) -> None:
        self.directory = directory
        self.path = directory / sink_id
        self.done = self.path / DONE
        self.damaged = self.path / DAMAGED

    def make(self) -> None:
        """Create the folder, for its owner only. Raises OSError."""
        make_private_folder(self.directory.parent)
        for folder in (self.directory, self.path):
            try:
                disk.make_folder(folder)
            except FileExistsError:
                raise NotADirectoryError(errno.ENOTDIR, "a file has the folder's name", str(folder)) from None

    def parts(self) -> list[Path]:
        """Files that are not complete."""
        return [path for path in self._files(self.path) if path.name.endswith(SUFFIX) and path.is_file()]

    def complete(self) -> list[Waiting]:
        """Files to replay, oldest first."""
        found = []
        for path in self._files(self.path):
            if not path.name.endswith(SUFFIX):
                with suppress(FileNotFoundError):  # the process that holds the folder has just moved it
                    stat = path.stat()
                    if S_ISREG(stat.st_mode):
                        found.append(Waiting(path, FileVersion.of(stat)))
        return found

    def changed_ns(self) -> int:
        """When a name in the folder was last made, changed or removed (UTC ns, as coarse as the file system's clock).

        0 where there is no folder.
        """
        with suppress(OSError):
            return self.path.stat().st_mtime_ns
        return 0

    def new_part(self, kind: FileKind, time_ns: int, taken: Collection[Path] = ()) -> Path:
        """A name that no file has here, in ``done`` or in ``damaged``, and that is not ``taken`` either."""
        return self.path / f"{self._free_name(kind, file_stamp(time_ns), taken)}{SUFFIX}"

    def file(self, name: str) -> Path:
        """The complete file of that name. Raises FileNotFoundError, also for a name with another path in it."""
        path = self.path / name
        if not _NAME.fullmatch(name) or name.endswith(SUFFIX) or not path.is_file():
            raise FileNotFoundError(f"{self.path} has no complete file {name!r}")
        return path

    def finish(self, name: str, since_ns: int, *, damaged: bool) -> Path:
        """Move a complete file to ``done`` (from now, UTC ns), or to ``damaged``; returns its new path.

        It gets another name if that one is taken there, for example because a copy was put back.
        """
        path, folder = self.file(name), self.damaged if damaged else self.done
        disk.make_folder(folder)
        target = folder / name
        if os.path.lexists(target):
            stamp, _, kind = age_of(path)
            target = folder / self._free_name(kind, stamp)
        with suppress(OSError):  # then the retention counts from the last record, which is good enough
            disk.set_time(path, since_ns)
        disk.rename(path, target)
        return target

    def new_copy(self, time_ns: int) -> Path:
        """A name in ``done`` for copies of delivered records."""
        return self.done / f"{self._free_name('delivered', file_stamp(time_ns))}{SUFFIX}"

    def copies(self, *, complete: bool = True) -> list[Path]:
        """Copies of delivered records in ``done``, oldest first; or those that are not complete."""
        return [path for path in self._files(self.done, _COPY) if path.name.endswith(SUFFIX) is not complete]

    def delivered(self) -> list[Path]:
        """All files in ``done`` whose records the destination has had, oldest first."""
        return sorted([*self._files(self.done), *self.copies()], key=age_of)

    def replayed(self) -> list[Replayed]:
        """Files in ``done``, copies included; those that have been there longest come first."""
        found = []
        for path in self.delivered():
            with suppress(OSError):
                stat = path.stat()
                found.append(Replayed(stat.st_mtime_ns, path, stat.st_size))
        return sorted(found)

    def with_damage(self) -> list[Path]:
        """Files in ``damaged``."""
        return self._files(self.damaged)

    def _free_name(self, kind: str, stamp: str, taken: Collection[Path] = ()) -> str:
        names = (f"{kind}_{stamp}{f'_{number:03d}' if number else ''}.csv" for number in count())
        return next(name for name in names if self.path / f"{name}{SUFFIX}" not in taken and not self._is_taken(name))

    def _is_taken(self, name: str) -> bool:
        """Checks the name only: listing a large folder takes a second."""
        parts = (self.path / f"{name}{SUFFIX}", self.done / f"{name}{SUFFIX}")
        places = (self.path / name, self.done / name, self.damaged / name, *parts)
        return any(map(os.path.lexists, places))

    def _files(self, folder: Path, name: re.Pattern[str] = _NAME) -> list[Path]:
        found = [path for path in folder.iterdir() if name.fullmatch(path.name)] if folder.is_dir() else []
        return sorted(found, key=age_of)


def kind_of(path: Path) -> FileKind:
    """The kind of one of our files."""
    return FileKind(path.name.partition("_")[0])


def age_of(path: Path) -> tuple[str, int, str]:
    """Sorts our files, the oldest first."""
    match = _ANY.fullmatch(path.name)
    assert match is not None
    return match[2], int(match[3] or 0), match[1]
