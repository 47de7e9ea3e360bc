"""Folder: the files of one sink, by name and age."""

from __future__ import annotations

import re
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import Final, NamedTuple

from csv_sink.part import SUFFIX, sync_folder
from csv_sink.timestamp import file_stamp

DONE: Final = "done"
DAMAGED: Final = "damaged"

_NAME: Final = re.compile(r"(backup|rejected)_(\d{8}_\d{6})(?:_(\d{3,}))?\.csv(?:\.part)?", re.ASCII)


class Kind(StrEnum):
    """Good rows that wait for their destination, or rows that it refused for their content."""

    BACKUP = "backup"
    REJECTED = "rejected"


class Replayed(NamedTuple):
    """A file in ``done``: since when (UTC ns), where, how large."""

    since_ns: int
    path: Path
    size_bytes: int


class Folder:
    """``<directory>/<sink id>``. Holds no state: what it says is what the file system says at that moment."""

    def __init__(self, directory: Path, sink_id: str) -> None:
        self.directory = directory
        self.path = directory / sink_id
        self.done = self.path / DONE
        self.damaged = self.path / DAMAGED

    def make(self) -> None:
        """Make the folder, for its owner only."""
        self.directory.parent.mkdir(parents=True, exist_ok=True)
        for folder in (self.directory, self.path):
            folder.mkdir(mode=0o700, exist_ok=True)

    def parts(self) -> list[Path]:
        """Files that are not complete."""
        return [path for path in self._files(self.path) if path.name.endswith(SUFFIX)]

    def complete(self) -> list[tuple[Path, int]]:
        """Files to replay, oldest first, with their sizes in bytes."""
        found = []
        for path in self._files(self.path):
            if not path.name.endswith(SUFFIX):
                with suppress(FileNotFoundError):  # whoever holds the folder has just moved it
                    found.append((path, path.stat().st_size))
        return found

    def new_part(self, kind: Kind, time_ns: int) -> Path:
        """A name that no file here, in ``done`` or in ``damaged`` has or had within this second."""
        stamp = file_stamp(time_ns)
        taken = [
            int(match[3] or 0)
            for folder in (self.path, self.done, self.damaged)
            for path in self._files(folder)
            if (match := _NAME.fullmatch(path.name)) and (match[1], match[2]) == (kind, stamp)
        ]
        number = f"_{max(taken) + 1:03d}" if taken else ""
        return self.path / f"{kind}_{stamp}{number}.csv{SUFFIX}"

    def file(self, name: str) -> Path:
        """The complete file of that name. Raises FileNotFoundError; a name from elsewhere leads nowhere."""
        path = self.path / name
        if not _NAME.fullmatch(name) or name.endswith(SUFFIX) or not path.is_file():
            raise FileNotFoundError(f"{self.path} has no complete file {name!r}")
        return path

    def finish(self, name: str, *, damaged: bool) -> Path:
        """Move a complete file to ``done``, or to ``damaged``; returns its new path."""
        path, folder = self.file(name), self.damaged if damaged else self.done
        folder.mkdir(mode=0o700, exist_ok=True)
        target = folder / name
        path.replace(target)
        sync_folder(folder)
        sync_folder(self.path)
        return target

    def replayed(self) -> list[Replayed]:
        """Files in ``done``, the longest there first."""
        found = []
        for path in self._files(self.done):
            with suppress(FileNotFoundError):
                stat = path.stat()
                found.append(Replayed(stat.st_mtime_ns, path, stat.st_size))
        return sorted(found)

    def with_damage(self) -> list[Path]:
        """Files in ``damaged``."""
        return self._files(self.damaged)

    def _files(self, folder: Path) -> list[Path]:
        found = [path for path in folder.iterdir() if _NAME.fullmatch(path.name)] if folder.is_dir() else []
        return sorted(found, key=_age)


def kind_of(path: Path) -> Kind:
    """What a file of ours holds."""
    return Kind(path.name.partition("_")[0])


def _age(path: Path) -> tuple[str, int, str]:
    match = _NAME.fullmatch(path.name)
    assert match is not None
    return match[2], int(match[3] or 0), match[1]
