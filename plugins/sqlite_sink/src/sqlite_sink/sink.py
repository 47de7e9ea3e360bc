"""SqliteSink: writes batches into one table, each record once."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace

from agent_core.api import (
    Batch,
    ComponentContext,
    ConfigurationError,
    Finding,
    Rejection,
    RetryableError,
    WriteOutcome,
)
from agent_core.api.files.private import PRIVATE_FILE, make_private_folder
from sqlite_sink.config import OnConflict, SqliteSinkConfig
from sqlite_sink.diagnosis import diagnose
from sqlite_sink.failure import translate
from sqlite_sink.row import UNFIT, Row, rows_of, unfit_text
from sqlite_sink.table import Content, Table, content_of, key_of

CONFLICT = "CONFLICT"
"""Code of a record whose tag and timestamp are in the table with another value or quality."""

# What SQLite and its Python module raise for one row: a constraint, a value too large, a text that is not Unicode.
_ROW_REFUSED = (sqlite3.IntegrityError, sqlite3.DataError, OverflowError, UnicodeEncodeError)


class SqliteSink:
    """One connection and one lock: SQLite takes one writer at a time, so workers take turns.

    A batch is one transaction, inserted in one call. Only if some keys were already in the table is it rolled back, and
    the rows are looked up and inserted one by one. Idempotent: the table's key is (tag_name, timestamp).
    """

    def __init__(self, config: SqliteSinkConfig, context: ComponentContext) -> None:
        self._config = config
        self._log = context.log
        self._sink_id = context.component_id
        self._table = Table(config.table, replaces=config.on_conflict is OnConflict.UPDATE)
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None
        self._is_open = False

    @property
    def idempotent(self) -> bool:
        return True

    def open(self) -> None:
        """Open the file, create the table. Raises ConfigurationError or RetryableError."""
        with self._lock:
            if self._connection is None:
                self._connect()
            self._is_open = True

    def close(self) -> None:
        with self._lock:
            self._is_open = False
            self._disconnect()

    def write(self, batch: Batch) -> WriteOutcome:
        """Write one transaction. Waits for the other workers, and for other programs at most ``busy_timeout``.

        Errors of SQLite become RetryableError (locked, disk full, I/O) or ConfigurationError (not a database,
        read-only, another table). Then nothing of the batch is in the table, unless the error is ``ambiguous``.
        """
        if not batch:
            return WriteOutcome(inserted=0)
        found = rows_of(batch)
        with self._lock:
            connection = self._connected()
            committing = False
            try:
                connection.execute("BEGIN IMMEDIATE")
                outcome = self._insert(connection, found.rows)
                committing = True
                connection.execute("COMMIT")
            except sqlite3.ProgrammingError:
                self._disconnect()
                raise
            except sqlite3.Error as error:
                failure = translate(error, self._config.path, committing=committing)
                self._roll_back(connection)
                if isinstance(failure, ConfigurationError):
                    self._disconnect()  # the next probe checks the file again and creates what is missing
                raise failure from error
            except BaseException:
                self._roll_back(connection)
                raise
        if not found.refused:
            return outcome
        rejected = [rejection._replace(position=found.positions[rejection.position]) for rejection in outcome.rejected]
        return replace(outcome, rejected=tuple(sorted([*rejected, *found.refused])))

    def diagnose(self) -> Iterable[Finding]:
        """Check the file without changing it."""
        return diagnose(self._config, self._table)

    def _insert(self, connection: sqlite3.Connection, rows: Sequence[Row]) -> WriteOutcome:
        with suppress(*_ROW_REFUSED):
            if self._table.insert_new(connection, rows) == len(rows):
                return WriteOutcome(inserted=len(rows))
        connection.execute("ROLLBACK")
        connection.execute("BEGIN IMMEDIATE")
        return self._insert_one_by_one(connection, rows)

    def _insert_one_by_one(self, connection: sqlite3.Connection, rows: Sequence[Row]) -> WriteOutcome:
        unfit = {number: why for number, row in enumerate(rows) if (why := unfit_text(row)) is not None}
        stored = self._table.contents(connection, [row for number, row in enumerate(rows) if number not in unfit])
        duplicates = 0
        rejected: list[Rejection] = []
        for number, row in enumerate(rows):
            if number in unfit:
                rejected.append(Rejection(number, UNFIT, unfit[number]))
                continue
            key, content = key_of(row), content_of(row)
            if (present := stored.get(key)) is not None:
                if present == content:
                    duplicates += 1
                    continue
                if self._config.on_conflict is OnConflict.KEEP:
                    rejected.append(Rejection(number, CONFLICT, _conflict_text(row, present)))
                    continue
            try:
                self._table.put(connection, row)
            except _ROW_REFUSED as error:
                code = getattr(error, "sqlite_errorname", type(error).__name__)
                rejected.append(Rejection(number, code, f"{row[0]} at {row[3]}: {error}"))
            else:
                stored[key] = content
        return WriteOutcome(len(rows) - duplicates - len(rejected), duplicates, tuple(rejected))

    def _connected(self) -> sqlite3.Connection:
        """The connection; a new one after a failure, or if its file was moved or replaced.

        Without this check, rows would continue to go into a deleted file and be lost with the process.
        """
        if not self._is_open:
            raise RetryableError(f"{self._config.path}: the sink is closed")
        if self._connection is not None and self._file != self._identity():
            self._log.warning("database file replaced", sink=self._sink_id, path=self._config.path, every=self._sink_id)
            self._disconnect()
        return self._connection or self._connect()

    def _connect(self) -> sqlite3.Connection:
        config = self._config
        connection: sqlite3.Connection | None = None
        try:
            make_private_folder(config.path.parent)
            # A new file is its owner's alone, whatever the umask; SQLite gives its -wal and -shm the same rights.
            config.path.touch(PRIVATE_FILE)
            connection = sqlite3.connect(
                config.path, timeout=config.busy_timeout_seconds, isolation_level=None, check_same_thread=False
            )
            journal = connection.execute(f"PRAGMA journal_mode = {config.journal}").fetchone()[0]
            connection.execute(f"PRAGMA synchronous = {config.synchronous}")
            connection.execute("BEGIN IMMEDIATE")
            self._table.create(connection)
            connection.execute("COMMIT")
        except BaseException as error:
            if connection is not None:
                connection.close()
            if isinstance(error, sqlite3.Error):
                raise translate(error, config.path) from error
            if isinstance(error, OSError):
                raise RetryableError(f"{config.path}: {error.strerror or error}") from error
            raise
        if journal != config.journal:
            self._log.warning(
                "journal mode refused",
                sink=self._sink_id,
                path=config.path,
                wanted=config.journal,
                got=journal,
                next_step="set another journal:, or put the file on a local disk",
                every=self._sink_id,
            )
        self._connection, self._file = connection, self._identity()
        self._log.info("database opened", sink=self._sink_id, path=config.path, table=config.table, every=self._sink_id)
        return connection

    def _identity(self) -> tuple[int, int] | None:
        try:
            found = os.stat(self._config.path)  # noqa: PTH116 - once per batch
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def _roll_back(self, connection: sqlite3.Connection) -> None:
        """Leave no transaction open; a connection that cannot even do that is closed."""
        try:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        except sqlite3.Error:
            self._disconnect()

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error):  # closing checkpoints the log; if that fails, the next open does it
                connection.close()


def _conflict_text(row: Row, present: Content) -> str:
    return f"{row[0]} at {row[3]}: the table has {present[0]!r} {present[2]}, the new record {row[1]!r} {row[4]}"
