"""SqliteSinkConfig: the sink's ``config:`` mapping, typed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Journal(StrEnum):
    """How SQLite keeps a transaction atomic."""

    WAL = "wal"
    DELETE = "delete"


class Synchronous(StrEnum):
    """When SQLite waits for the disk."""

    FULL = "full"
    NORMAL = "normal"


class OnConflict(StrEnum):
    """What happens to a record whose tag and timestamp are in the table with other content."""

    KEEP = "keep"
    UPDATE = "update"


@dataclass(frozen=True, slots=True)
class SqliteSinkConfig:
    """Keys and meaning as in ``schema.json``, which owns the defaults."""

    path: Path
    table: str
    journal: Journal
    synchronous: Synchronous
    on_conflict: OnConflict
    busy_timeout_seconds: float
