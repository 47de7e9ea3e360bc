"""Failure: what an error of SQLite means to the core."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

from agent_core.api import ConfigurationError, RetryableError, SinkError

_UNLOCK: Final = "close the program that has the file open for writing, or let it end its transaction"
_RETRYABLE: Final = {
    sqlite3.SQLITE_BUSY: ("another program has locked the database", _UNLOCK),
    sqlite3.SQLITE_LOCKED: ("another program has locked the table", _UNLOCK),
    sqlite3.SQLITE_IOERR: ("the disk could not be read or written", "check the disk and its mount"),
    sqlite3.SQLITE_PROTOCOL: ("the write-ahead log is locked", _UNLOCK),
    sqlite3.SQLITE_NOMEM: ("out of memory", "give the machine or the container more memory"),
    sqlite3.SQLITE_INTERRUPT: ("interrupted", None),
}
"""What it means, and what a person can do."""

_GRANT: Final = "give the agent's user permission to write to the file and its folder"
_CONFIGURATION: Final = {
    sqlite3.SQLITE_NOTADB: ("the file is not a SQLite database", "set another path:"),
    sqlite3.SQLITE_CORRUPT: (
        "the database is damaged",
        "move it elsewhere, then recover it with: sqlite3 FILE .recover",
    ),
    sqlite3.SQLITE_READONLY: ("the database is read-only", _GRANT),
    sqlite3.SQLITE_PERM: ("access denied", _GRANT),
    sqlite3.SQLITE_CANTOPEN: ("the file cannot be opened", "check path: and the permissions of its folder"),
    sqlite3.SQLITE_ERROR: ("the table does not fit", "set another table:"),
}


def translate(error: sqlite3.Error, path: Path, *, committing: bool = False) -> SinkError:
    """The error of the contract for one of SQLite. Codes: sqlite.org/rescode.html, the low byte is the primary code.

    ``committing``: it was the COMMIT that failed, so the rows may be durable unless the database was merely busy.
    """
    primary = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    if primary == sqlite3.SQLITE_FULL:
        step = "free space on its disk"
        return RetryableError(f"{path}: the disk is full: {error} ({step})", code=name, throttle=True, next_step=step)
    if primary in _RETRYABLE:
        meaning, step_or_none = _RETRYABLE[primary]
        ambiguous = committing and primary != sqlite3.SQLITE_BUSY
        text = f"{path}: {meaning}: {error}" + (f" ({step_or_none})" if step_or_none else "")
        return RetryableError(text, code=name, ambiguous=ambiguous, next_step=step_or_none)
    if primary in _CONFIGURATION:
        meaning, step = _CONFIGURATION[primary]
        return ConfigurationError(f"{path}: {meaning}: {error} ({step})", code=name, next_step=step)
    return RetryableError(f"{path}: {error}", code=name, ambiguous=committing)
