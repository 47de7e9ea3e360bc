"""Inventory: how many records lie in the files of a folder."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent_core.api import Stock
from csv_sink.files import disk
from csv_sink.files.folder import FileKind, kind_of

RECORD_BYTES: Final = 140
"""About the size of a record, for files whose records are not counted yet."""

COUNTED_AT_ONCE_BYTES: Final = 256 * 1024 * 1024
"""How much of files that an earlier run left is read between two listings; the rest is counted later."""

_CHUNK_BYTES: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class _File:
    kind: FileKind
    size_bytes: int
    records: int | None


class Inventory:
    """Thread-safe, and exact to the last record that was stored: its numbers move with the files, not with listings.

    A listing adds the files that others put there and takes out those that others removed.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._files: dict[str, _File] = {}
        self._open: dict[FileKind, int] = {}
        self._records: Counter[FileKind] = Counter()
        self._uncounted_bytes: Counter[FileKind] = Counter()
        self._changes = 0
        self._compared = False

    def stock(self) -> Stock:
        """What lies there now; not ``counted`` before the first listing."""
        with self._lock:
            backup, rejected = map(self._stock, (FileKind.BACKUP, FileKind.REJECTED))
            return Stock(backup, rejected, counted=self._compared and not self.uncounted)

    @property
    def uncounted(self) -> bool:
        """True while the records of some files are estimated."""
        return any(self._uncounted_bytes.values())

    def records(self, name: str) -> int | None:
        """Records of one complete file, if they have been counted."""
        with self._lock:
            known = self._files.get(name)
            return None if known is None else known.records

    def open_file(self, kind: FileKind, records: int) -> None:
        """The open file of a kind has so many records; 0 without one."""
        with self._lock:
            self._open[kind] = records

    def ended(self, path: Path, size_bytes: int, records: int) -> None:
        """The open file of its kind is open no more and is called ``path`` now, complete or not."""
        with self._lock:
            self._open[kind_of(path)] = 0
            self._put(path.name, _File(kind_of(path), size_bytes, records))

    def add(self, path: Path, size_bytes: int, records: int | None) -> None:
        """A file whose records are known, or not."""
        with self._lock:
            self._put(path.name, _File(kind_of(path), size_bytes, records))

    def remove(self, name: str) -> None:
        """The file has left the folder."""
        with self._lock:
            self._put(name, None)

    def mark(self) -> int:
        """Ask before a listing: what ``compare`` needs."""
        return self._changes

    def compare(self, mark: int, files: Sequence[tuple[Path, int]]) -> None:
        """Follow a listing of the complete files, unless something has changed since ``mark``: then the next one."""
        with self._lock:
            if self._changes != mark:
                return
            self._compared = True
            listed = {path.name: (path, size) for path, size in files}
            gone = [name for name in self._files if name not in listed and name.endswith(".csv")]
            for name in gone:
                self._put(name, None)
            for name, (path, size) in listed.items():
                known = self._files.get(name)
                if known is None or known.size_bytes != size:
                    self._put(name, _File(kind_of(path), size, None))

    def count(self, folder: Path) -> None:
        """Count the records of some files that nobody has counted yet. Reads the disk; a file that is gone stays so."""
        left = COUNTED_AT_ONCE_BYTES
        with self._lock:
            if not self.uncounted:
                return
            uncounted = [(name, file) for name, file in self._files.items() if file.records is None]
        for name, file in uncounted:
            if left <= 0:
                return
            left -= file.size_bytes
            try:
                records = record_count(folder / name)
            except OSError:
                continue
            with self._lock:
                if self._files.get(name) == file:
                    self._put(name, _File(file.kind, file.size_bytes, records))

    def _put(self, name: str, file: _File | None) -> None:
        old = self._files.pop(name, None)
        for one, sign in ((old, -1), (file, 1)):
            if one is not None and one.records is None:
                self._uncounted_bytes[one.kind] += sign * one.size_bytes
            elif one is not None:
                self._records[one.kind] += sign * (one.records or 0)
        if file is not None:
            self._files[name] = file
        self._changes += 1

    def _stock(self, kind: FileKind) -> int:
        return self._records[kind] + self._open.get(kind, 0) + self._uncounted_bytes[kind] // RECORD_BYTES


def record_count(path: Path) -> int:
    """Lines after the header that hold something: a line end within a quoted text is none. Raises OSError."""
    lines, quotes, tail = 0, 0, b""
    for chunk in _chunks(path):
        if b'"' in chunk or quotes % 2:
            pieces = chunk.split(b'"')
            lines += sum(piece.count(b"\n") for piece in pieces[quotes % 2 :: 2])
            quotes += len(pieces) - 1
        else:
            lines += chunk.count(b"\n")
        tail = chunk
    return max(0, lines - 1 + bool(tail and not tail.endswith(b"\n")))


def _chunks(path: Path) -> Iterator[bytes]:
    with disk.open_to_read(path) as file:
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk
