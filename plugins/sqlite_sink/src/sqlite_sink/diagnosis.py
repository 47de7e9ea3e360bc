"""Diagnosis: what ``tagferry doctor`` says about the file."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from agent_core.api import ConfigurationError, Finding, Severity
from sqlite_sink.config import SqliteSinkConfig
from sqlite_sink.failure import translate
from sqlite_sink.table import Table


def diagnose(config: SqliteSinkConfig, table: Table) -> Iterator[Finding]:
    """Check folder, file, lock and table; changes nothing. Waits at most ``busy_timeout`` for a lock."""
    path, subject = config.path, f"SQLite {config.path}"
    if not path.exists():
        yield _folder(subject, path)
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


def _folder(subject: str, path: Path) -> Finding:
    folder = next(parent for parent in path.parents if parent.exists())
    if folder.is_dir() and os.access(folder, os.W_OK):
        return Finding(Severity.OK, subject, "will be created")
    return Finding(
        Severity.CRITICAL, subject, f"cannot be created in {folder}", "give the agent's user permission to write there"
    )
