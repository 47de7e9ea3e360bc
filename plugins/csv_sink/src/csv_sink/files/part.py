"""Part: the file that records are appended to, ``*.csv.part`` until it is complete.

::

    create -> append, append ... -> complete (renamed to *.csv)
                 |
                 `- a write failed: cut back to the last good length

Whatever kills the process, the file has complete lines of accepted records, then perhaps a torn one, which ``salvage``
cuts off at the next start.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from csv_sink.files import disk
from csv_sink.format.line import HEADER
from csv_sink.format.reader import Reader, Step

SUFFIX: Final = ".part"

_BYTES_AT_A_TIME: Final = 1024 * 1024


class Part:
    """An open file. Not thread-safe; raises OSError."""

    def __init__(self, path: Path, created_at: float) -> None:
        """Make the file ``path`` (which ends in ``.csv.part``), new and for its owner only.

        ``created_at``: monotonic seconds. The file is empty until the first ``append`` writes the header too.
        """
        self.path = path
        self.created_at = created_at
        self.records = 0
        self.size_bytes = 0
        self.torn = False
        self._file = disk.create(path)

    @property
    def in_place(self) -> bool:
        """True while the name leads to this file; False if it was deleted or replaced, or its folder was.

        Raises OSError if that cannot be seen now.
        """
        try:
            named = self.path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return False
        try:
            return os.path.samestat(named, os.fstat(self._file.fileno()))
        except OSError:  # the open file is lost, whatever the name leads to
            return False

    def append(self, lines: bytes, records: int) -> None:
        """Write complete lines and return when they are on disk. After an error the file is as it was before.

        If a half-written line could not even be cut off, ``torn`` is True: abandon the file, ``salvage`` repairs it.
        """
        data = lines if self.size_bytes else HEADER + lines
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[self._file.write(rest) or 0 :]
            disk.sync(self._file)
            if not self.size_bytes:
                disk.sync_folder(self.path.parent)
        except BaseException:
            # Also after a failed fsync: the kernel may have dropped the pages, so they must be written again.
            self.torn = True
            self._file.truncate(self.size_bytes)
            self._file.seek(self.size_bytes)
            disk.sync(self._file)
            self.torn = False
            raise
        self.size_bytes += len(data)
        self.records += records

    def complete(self) -> Path | None:
        """Close the file and take ``.part`` off its name; returns the new path. A file without records is deleted.

        After an OSError the file is closed, and ``salvage`` has to complete it.
        """
        self._file.close()
        if not self.records:
            disk.delete(self.path, missing_ok=True)
            return None
        return publish(self.path)

    def abandon(self) -> None:
        """Close a file that is torn or no longer in place, and leave it."""
        with suppress(OSError):  # its file system may be gone; what was appended is on disk
            self._file.close()


@dataclass(frozen=True, slots=True)
class Salvaged:
    """What became of a part that its process did not complete. ``path`` is None if it had no record."""

    path: Path | None
    size_bytes: int
    records: int
    torn_bytes: int


def salvage(path: Path) -> Salvaged:
    """Cut a torn last line off a part and complete it. Reads the whole file.

    Nothing before a complete record is ever cut: a line damaged in the middle stays, and ``read`` reports it.
    """
    records = 0
    torn_at: int | None = None
    with disk.open_to_repair(path) as file:
        reader = Reader(file)
        start = forgotten = 0
        while (step := reader.step()) is not None:
            if step is Step.WHOLE:
                records += 1
                torn_at = None
            elif step in (Step.UNTERMINATED, Step.TORN) and torn_at is None:
                torn_at = start
            start = reader.position.offset
            if start - forgotten >= _BYTES_AT_A_TIME:
                reader.builder.take()
                reader.bad_lines.clear()
                forgotten = start
        whole_bytes = start if torn_at is None else torn_at
        if whole_bytes > len(HEADER) and whole_bytes < start:
            file.truncate(whole_bytes)
            disk.sync(file)
    if whole_bytes <= len(HEADER):
        disk.delete(path)
        return Salvaged(None, 0, 0, start - whole_bytes)
    return Salvaged(publish(path), whole_bytes, records, start - whole_bytes)


def publish(part: Path) -> Path:
    """Take ``.part`` off the name of a closed file, durably; returns the new path.

    Raises OSError, also if there is another file of that name: then it waits until that one is replayed.
    """
    path = part.with_suffix("")
    if os.path.lexists(path):
        raise FileExistsError(errno.EEXIST, "another file has the name", str(path))
    disk.rename(part, path)
    return path
