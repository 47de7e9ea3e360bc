"""Store: the file. The one place of this buffer that reads and writes it; SQLite in WAL mode, one connection.

::

    batch(position, records, at, data)   position: records before it, so it only grows; data: a frame of the codec
    done(position, start, stop)          records of a batch that are gone before the others are
    names(key, copy, data)               names that batches share, each twice: a damaged page must not cost them all
    damaged(position, records, at, data) batches that were set aside as they are

``position`` and ``records`` are all that is believed without a checksum, and the frame of a batch is checked against
them.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from agent_core.api.codec import CodecError, decode_names
from agent_core.api.files.private import PRIVATE_FILE, make_private_folder

APPLICATION_ID: Final = 0x54464255
VERSION: Final = 1
"""In the file's header. A file of a newer version is left alone."""

_SCHEMA: Final = (
    "CREATE TABLE batch (position INTEGER PRIMARY KEY, records INTEGER, at INTEGER, data BLOB)",
    "CREATE TABLE done (position INTEGER, start INTEGER, stop INTEGER, PRIMARY KEY (position, start)) WITHOUT ROWID",
    "CREATE TABLE names (key BLOB, copy INTEGER, data BLOB NOT NULL, PRIMARY KEY (key, copy))",
    "CREATE TABLE damaged (position INTEGER PRIMARY KEY, records INTEGER, at INTEGER, data BLOB)",
    f"PRAGMA application_id = {APPLICATION_ID}",
    f"PRAGMA user_version = {VERSION}",
)
_MOST_DAMAGED: Final = 1000
_DAMAGED_CODES: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class StoreFull(OSError):
    """There is no room on the disk."""


class StoreDamaged(OSError):
    """The file, or a page of it, is not what SQLite wrote."""


@dataclass(frozen=True, slots=True)
class StoredBatch:
    """A batch of the file; ``done`` are the records of it that are gone. ``at_ns``: UTC."""

    position: int
    records: int
    at_ns: int
    data: bytes
    done: tuple[tuple[int, int], ...] = ()

    def live(self) -> Iterator[tuple[int, int]]:
        """The ranges of records that are not gone, in order."""
        start = 0
        for first, last in sorted(self.done):
            if first > start:
                yield start, first
            start = max(start, last)
        if start < self.records:
            yield start, self.records


@dataclass(frozen=True, slots=True)
class Changes:
    """What one transaction does. ``whole`` are positions of batches of which nothing is left."""

    added: Sequence[StoredBatch] = ()
    names: Sequence[tuple[bytes, bytes]] = ()
    whole: Sequence[int] = ()
    ranges: Sequence[tuple[int, int, int]] = ()


@dataclass(frozen=True, slots=True)
class Totals:
    """What the file holds. ``data_bytes`` are those of the frames; ``next_position`` is free for the next batch."""

    records: int
    oldest_at_ns: int
    next_position: int
    data_bytes: int


class Store:
    """Not thread-safe. Every method raises OSError, StoreFull or StoreDamaged; then nothing has changed."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._connection: sqlite3.Connection | None = None
        self._synchronous = ""

    @property
    def is_open(self) -> bool:
        return self._connection is not None

    def open(self) -> None:
        """Open the file or make a new one. OSError when another process has it, or a newer version wrote it."""
        make_private_folder(self.file.parent)
        try:
            os.close(os.open(self.file, os.O_RDWR | os.O_CREAT, PRIVATE_FILE))
            connection = sqlite3.connect(self.file, timeout=0, isolation_level=None, check_same_thread=False)
        except sqlite3.Error as error:
            raise self._translated(error) from error
        try:
            self._prepare(connection)
        except sqlite3.Error as error:
            connection.close()
            raise self._translated(error) from error
        except BaseException:
            connection.close()
            raise
        self._connection, self._synchronous = connection, ""

    def close(self) -> None:
        """Give the file back; SQLite moves its log into it. Never raises."""
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None

    def totals(self) -> Totals:
        """Count what is there: reads every page but those of long frames."""
        [(records, oldest, following, size)] = self._rows(
            "SELECT total(records), min(at), max(position + records), total(length(data)) FROM batch"
        )
        [(done,)] = self._rows("SELECT total(stop - start) FROM done")
        return Totals(int(records - done), oldest or 0, following or 0, int(size))

    def write(self, changes: Changes, *, sync: bool) -> None:
        """One transaction; with ``sync`` it is on the disk when this returns, with all that was written before."""
        connection = self._connected()
        wanted = "FULL" if sync else "NORMAL"
        try:
            if self._synchronous != wanted:
                connection.execute(f"PRAGMA synchronous = {wanted}")
                self._synchronous = wanted
            connection.execute("BEGIN IMMEDIATE")
            if changes.whole:  # first, so that what is added can use their pages
                gone = [(position,) for position in changes.whole]
                connection.executemany("DELETE FROM batch WHERE position = ?", gone)
                connection.executemany("DELETE FROM done WHERE position = ?", gone)
            if changes.names:
                connection.executemany(
                    "INSERT OR REPLACE INTO names VALUES (?, ?, ?)",
                    [(key, copy, data) for copy in (0, 1) for key, data in changes.names],
                )
            if changes.added:
                connection.executemany(
                    "INSERT INTO batch VALUES (?, ?, ?, ?)",
                    [(batch.position, batch.records, batch.at_ns, batch.data) for batch in changes.added],
                )
            if changes.ranges:
                connection.executemany("INSERT OR REPLACE INTO done VALUES (?, ?, ?)", changes.ranges)
            if not (changes.added or changes.names or changes.whole or changes.ranges):
                connection.execute(f"PRAGMA user_version = {VERSION}")  # a page, so that there is something to sync
            connection.execute("COMMIT")
        except (sqlite3.Error, OverflowError) as error:
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            raise self._translated(error) from error

    def read(self, position: int, before: int, records: int) -> list[StoredBatch]:
        """Batches of the positions ``position:before``, in order, until they hold so many records or more."""
        connection = self._connected()
        found: list[StoredBatch] = []
        held = 0
        try:
            statement = "SELECT * FROM batch WHERE position >= ? AND position < ? ORDER BY position"
            with closing(connection.execute(statement, (position, before))) as rows:
                for row in rows:
                    found.append(StoredBatch(*row))
                    held += found[-1].records
                    if held >= records:
                        break
            if not found:
                return found
            done: dict[int, list[tuple[int, int]]] = {}
            for where, start, stop in connection.execute(
                "SELECT * FROM done WHERE position BETWEEN ? AND ?", (found[0].position, found[-1].position)
            ):
                done.setdefault(where, []).append((start, stop))
        except sqlite3.Error as error:
            raise self._translated(error) from error
        return [
            StoredBatch(one.position, one.records, one.at_ns, one.data, tuple(done.get(one.position, ())))
            for one in found
        ]

    def at_ns(self, position: int, before: int) -> int | None:
        """When the first batch of ``position:before`` came; None when there is none."""
        statement = "SELECT at FROM batch WHERE position >= ? AND position < ? ORDER BY position LIMIT 1"
        rows = self._rows(statement, position, before)
        return rows[0][0] if rows else None

    def names(self, key: bytes) -> tuple[str, ...] | None:
        """The names that are kept under ``key``, from the copy that is whole."""
        for (data,) in self._rows("SELECT data FROM names WHERE key = ? ORDER BY copy", key):
            with suppress(CodecError):
                return decode_names(data)
        return None

    def set_aside(self, position: int) -> None:
        """Move a batch to the damaged ones as it is; the oldest of these make room."""
        connection = self._connected()
        try:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("INSERT OR REPLACE INTO damaged SELECT * FROM batch WHERE position = ?", (position,))
            connection.execute("DELETE FROM batch WHERE position = ?", (position,))
            connection.execute("DELETE FROM done WHERE position = ?", (position,))
            connection.execute(
                "DELETE FROM damaged WHERE position NOT IN "
                "(SELECT position FROM damaged ORDER BY position DESC LIMIT ?)",
                (_MOST_DAMAGED,),
            )
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            raise self._translated(error) from error

    def checkpoint(self) -> None:
        """Move the log into the file, as far as there is room."""
        self._rows("PRAGMA wal_checkpoint(TRUNCATE)")

    def shrink(self, pages: int) -> bool:
        """Give so many unused pages back to the disk, if a quarter of the file is unused; False when it is not."""
        [(unused,)], [(total,)] = self._rows("PRAGMA freelist_count"), self._rows("PRAGMA page_count")
        if unused < 256 or unused * 4 < total:
            return False
        try:
            # execute() would take one step, which is one page: the statement has no columns.
            self._connected().executescript(f"PRAGMA incremental_vacuum({pages})")
        except sqlite3.Error as error:
            raise self._translated(error) from error
        return True

    def replace(self) -> Path:
        """Rename the damaged file aside, begin a new one, and bring over what can be read; where the old one is."""
        self.close()
        aside = next(
            path for number in range(1, 10**6) if not (path := self.file.with_name(f"damaged-{number:03}.db")).exists()
        )
        for ending in ("-wal", "-shm", ""):
            with suppress(FileNotFoundError):
                self.file.with_name(self.file.name + ending).rename(aside.with_name(aside.name + ending))
        self.open()
        with suppress(sqlite3.Error), closing(sqlite3.connect(aside, timeout=0, isolation_level=None)) as old:
            self._bring_over(old)
        return aside

    def _bring_over(self, old: sqlite3.Connection) -> None:
        """One transaction, so that a crash meanwhile leaves an empty file and the old one."""
        new = self._connected()
        new.execute("BEGIN IMMEDIATE")
        try:
            new.executemany("INSERT OR IGNORE INTO names VALUES (?, ?, ?)", _readable(old, "names"))
            new.executemany("INSERT OR IGNORE INTO batch VALUES (?, ?, ?, ?)", _readable(old, "batch"))
            new.executemany("INSERT OR IGNORE INTO done VALUES (?, ?, ?)", _readable(old, "done"))
            new.execute("DELETE FROM done WHERE position NOT IN (SELECT position FROM batch)")
            new.execute("COMMIT")
        except sqlite3.Error:
            with suppress(sqlite3.Error):
                new.execute("ROLLBACK")
            raise

    def _prepare(self, connection: sqlite3.Connection) -> None:
        if not self.file.stat().st_size:
            for pragma in ("page_size = 4096", "auto_vacuum = INCREMENTAL"):  # only before anything else
                connection.execute(f"PRAGMA {pragma}").fetchall()
        connection.execute("PRAGMA locking_mode = EXCLUSIVE").fetchall()
        connection.execute("BEGIN IMMEDIATE")  # takes the lock that keeps every other process out
        [(application,)] = connection.execute("PRAGMA application_id").fetchall()
        [(version,)] = connection.execute("PRAGMA user_version").fetchall()
        [(tables,)] = connection.execute("SELECT count(*) FROM sqlite_master").fetchall()
        connection.execute("ROLLBACK")
        if version > VERSION:
            text = f"it was written by a newer version of disk_buffer ({version}, not {VERSION}): update tagferry"
            raise OSError(errno.EPROTO, text, str(self.file))
        if tables and application != APPLICATION_ID:
            raise OSError(errno.EINVAL, "it is not a file of disk_buffer: set another directory", str(self.file))
        connection.execute("PRAGMA journal_mode = WAL").fetchall()
        connection.execute("PRAGMA journal_size_limit = 4194304").fetchall()
        connection.execute("BEGIN IMMEDIATE")
        for statement in _SCHEMA if not tables else ():
            connection.execute(statement)
        # An empty buffer forgets names that nobody uses any more.
        connection.execute("DELETE FROM names WHERE NOT EXISTS (SELECT 1 FROM batch)")
        connection.execute("COMMIT")

    def _rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        try:
            return self._connected().execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise self._translated(error) from error

    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            raise OSError(errno.EBADF, "the buffer is closed", str(self.file))
        return self._connection

    def _translated(self, error: Exception) -> OSError:
        """Codes: sqlite.org/rescode.html; the low byte is the primary code."""
        primary = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        name = str(self.file)
        if primary == sqlite3.SQLITE_FULL:
            return StoreFull(errno.ENOSPC, "the disk is full", name)
        if primary in _DAMAGED_CODES:
            return StoreDamaged(errno.EIO, f"the file is damaged: {error}", name)
        if primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            text = "another process has the buffer open: two agents need a state_dir, or a directory, each"
            return OSError(errno.EBUSY, text, name)
        code = getattr(error, "sqlite_errorname", type(error).__name__)
        return OSError(errno.EIO, f"{error} ({code})", name)


def _readable(connection: sqlite3.Connection, table: str) -> Iterator[tuple[object, ...]]:
    """The rows of a damaged file that can be read: from the first on to a bad page, then back from the last."""
    order = {"names": "rowid", "batch": "position", "done": "position"}[table]
    seen: set[tuple[object, ...]] = set()
    for direction in ("ASC", "DESC"):
        with suppress(sqlite3.Error):
            for row in connection.execute(f"SELECT * FROM {table} ORDER BY {order} {direction}"):  # noqa: S608
                if row[:2] in seen:
                    return
                seen.add(row[:2])
                yield row
