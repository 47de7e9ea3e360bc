"""Failure: what an error of SQLite means to the core."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

from agent_core.api import ConfigurationError, RetryableError, SinkError

_RETRYABLE: Final = {
    sqlite3.SQLITE_BUSY: "another program has locked the database",
    sqlite3.SQLITE_LOCKED: "another program has locked the table",
    sqlite3.SQLITE_IOERR: "the disk could not be read or written",
    sqlite3.SQLITE_PROTOCOL: "the write-ahead log is locked",
    sqlite3.SQLITE_NOMEM: "out of memory",
    sqlite3.SQLITE_INTERRUPT: "interrupted",
}
_GRANT: Final = "give the agent's user permission to write to the file and its folder"
_CONFIGURATION: Final = {
    sqlite3.SQLITE_NOTADB: "the file is not a SQLite database; set another path:",
    sqlite3.SQLITE_CORRUPT: "the database is damaged; move it elsewhere, then recover it with: sqlite3 FILE .recover",
    sqlite3.SQLITE_READONLY: f"the database is read-only; {_GRANT}",
    sqlite3.SQLITE_PERM: f"access denied; {_GRANT}",
    sqlite3.SQLITE_CANTOPEN: "the file cannot be opened; check path: and the permissions of its folder",
    sqlite3.SQLITE_ERROR: "the table does not fit; set another table:",
}


def translate(error: sqlite3.Error, path: Path, *, committing: bool = False) -> SinkError:
    """The error of the contract for one of SQLite. Codes: sqlite.org/rescode.html, the low byte is the primary code.

    ``committing``: it was the COMMIT that failed, so the rows may be durable unless the database was merely busy.
    """
    primary = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    if primary == sqlite3.SQLITE_FULL:
        return RetryableError(f"{path}: the disk is full ({error}); free disk space", code=name, throttle=True)
    if (meaning := _RETRYABLE.get(primary)) is not None:
        ambiguous = committing and primary != sqlite3.SQLITE_BUSY
        return RetryableError(f"{path}: {meaning} ({error})", code=name, ambiguous=ambiguous)
    if (meaning := _CONFIGURATION.get(primary)) is not None:
        return ConfigurationError(f"{path}: {meaning} ({error})", code=name)
    return RetryableError(f"{path}: {error}", code=name, ambiguous=committing)
