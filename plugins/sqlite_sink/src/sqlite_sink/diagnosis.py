"""Diagnosis: what ``tagferry doctor`` says about the file."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from agent_core.api import ConfigurationError, Finding, Severity, probe_folder, write_next_step
from sqlite_sink.config import SqliteSinkConfig
from sqlite_sink.failure import translate
from sqlite_sink.table import Table


def diagnose(config: SqliteSinkConfig, table: Table) -> Iterator[Finding]:
    """Check folder, file, lock and table; changes nothing. Waits at most ``busy_timeout`` for a lock."""
    path, subject = config.path, f"SQLite {config.path}"
    if (finding := _place(subject, path)) is not None:
        yield finding
        return
    try:
        with closing(
            sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, timeout=config.busy_timeout_seconds)
        ) as connection:
            connection.isolation_level = None
            connection.execute("BEGIN IMMEDIATE")
            there = table.check(connection)
            # A transaction can begin in a read-only file; only a write, which is rolled back below, shows it.
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            connection.execute(f"PRAGMA user_version = {version}")
            connection.execute("ROLLBACK")
    except sqlite3.Error as error:
        yield Finding(Severity.CRITICAL, subject, str(translate(error, path)))
    except ConfigurationError as error:
        yield Finding(Severity.CRITICAL, subject, str(error))
    else:
        state = "exists" if there else "will be created"
        yield Finding(Severity.OK, subject, f"writable, table {table.name} {state}")


def _place(subject: str, path: Path) -> Finding | None:
    """What is to be said without a file that could be opened. It is tried, since root passes any look at rights."""
    try:
        real = path.resolve()  # SQLite, too, follows a link that leads to nothing
        if real.is_dir():
            return Finding(Severity.CRITICAL, subject, "this is a folder", "name a file: path: DATA.db")
        if real.exists():
            if not real.is_file():
                return Finding(Severity.CRITICAL, subject, "this is not a file", "set another path:")
            return None
        probe_folder(real.parent)
    except (OSError, RuntimeError) as error:  # RuntimeError: links that lead in a circle
        text = getattr(error, "strerror", None) or str(error)
        step = f"set another path:, or {write_next_step(error)}" if isinstance(error, OSError) else "set another path:"
        return Finding(Severity.CRITICAL, subject, f"cannot be created: {text}", step)
    return Finding(Severity.OK, subject, "will be created")
