"""SqliteRows: the rows of the tables of somebody's SQLite file, within limits.

A table may be a view, and a view may never end, or make values of gigabytes of nothing.
"""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from agent_core.api import SystemClock

Row = Mapping[str, object]

MAX_ROWS: Final = 500_000
MAX_CHARACTERS: Final = 64 * 1024 * 1024
"""Of all rows together; these limits are beyond any plant."""

MAX_STEPS: Final = 100_000_000
"""Of SQLite's virtual machine; a row of a plain table takes some 50."""

MAX_SECONDS: Final = 60.0
"""A single step may work on a value of a megabyte."""

_CLOCK: Final = SystemClock()
_STEPS_PER_LOOK: Final = 1000
_LONGEST_VALUE_BYTES: Final = 1024 * 1024
_MOST_COLUMNS: Final = 200


class SqliteRows:
    """Reads one file that is open. What goes beyond the limits raises sqlite3.Error, whose message is for the user."""

    def __init__(self, connection: sqlite3.Connection, now: Callable[[], float] = _CLOCK.monotonic) -> None:
        self._connection = connection
        self._now = now
        self._ends_at = now() + MAX_SECONDS
        self._interrupted = False
        self._steps = self._rows = self._characters = 0
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST_VALUE_BYTES)
        connection.setlimit(sqlite3.SQLITE_LIMIT_COLUMN, _MOST_COLUMNS)
        connection.set_progress_handler(self._look, _STEPS_PER_LOOK)

    @classmethod
    @contextmanager
    def of_file(cls, file: Path) -> Iterator[SqliteRows]:
        """Opens it to read only, for the block. Raises sqlite3.Error, also instead of one that the block raises."""
        try:
            if not stat.S_ISREG(file.stat().st_mode):  # SQLite would wait at a pipe
                raise sqlite3.OperationalError("it is not a regular file")
        except OSError as error:
            raise sqlite3.OperationalError(error.strerror or str(error)) from error
        connection = sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)
        rows = cls(connection)
        try:
            yield rows
        except sqlite3.OperationalError as error:
            if not rows._interrupted:
                raise
            message = f"reading takes more than {MAX_STEPS} steps or {MAX_SECONDS:g} s; is a table an endless view?"
            raise sqlite3.OperationalError(message) from error
        finally:
            connection.close()

    def columns(self, table: str) -> list[str]:
        """Their names in lower case; empty if there is no such table."""
        return [str(row[1]).lower() for row in self._connection.execute(f"PRAGMA table_info({table})")]

    def rows(self, table: str) -> Iterator[tuple[int, object, Row]]:
        """Number, what other tables refer to, and columns (in lower case) of every row of ``table``."""
        kinds = self._connection.execute("SELECT type FROM sqlite_master WHERE lower(name) = ?", (table,))
        # A view is not sorted: SQLite would first read it to its end.
        order = "" if ("view",) in kinds else " ORDER BY rowid"
        rows = self._connection.execute(f"SELECT rowid, * FROM {table}{order}")  # noqa: S608 - own names
        names = [str(column[0]).lower() for column in rows.description]
        for position, cells in enumerate(rows, start=1):
            self._rows += 1
            self._characters += sum(len(cell) for cell in cells if isinstance(cell, (str, bytes)))
            if self._rows > MAX_ROWS:
                raise sqlite3.OperationalError(f"more than {MAX_ROWS} rows; is {table} an endless view?")
            if self._characters > MAX_CHARACTERS:
                raise sqlite3.OperationalError(f"more than {MAX_CHARACTERS} characters, at row {position} of {table}")
            number = position if cells[0] is None else int(cells[0])  # a view has no row numbers
            row = dict(zip(names[1:], cells[1:], strict=True))
            yield number, row.get("id", number), row

    def _look(self) -> bool:
        """True interrupts the statement."""
        self._steps += _STEPS_PER_LOOK
        self._interrupted = self._steps > MAX_STEPS or self._now() > self._ends_at
        return self._interrupted
