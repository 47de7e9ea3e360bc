"""SqliteSinkConfig: the sink's ``config:`` mapping, typed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import cast

from agent_core.api import Config


class Journal(StrEnum):
    """How SQLite keeps a transaction atomic."""

    WAL = "wal"
    DELETE = "delete"


class Synchronous(StrEnum):
    """When SQLite waits for the disk."""

    FULL = "full"
    NORMAL = "normal"


class OnConflict(StrEnum):
    """Which row wins when tag and timestamp are the same and the content is not."""

    KEEP = "keep"
    UPDATE = "update"


@dataclass(frozen=True, slots=True)
class SqliteSinkConfig:
    """Keys and meaning as in ``schema.json``, which owns the defaults. ``busy_timeout`` is in seconds."""

    path: Path
    table: str
    journal: Journal
    synchronous: Synchronous
    on_conflict: OnConflict
    busy_timeout: float

    @classmethod
    def from_config(cls, config: Config) -> SqliteSinkConfig:
        """Type a mapping that has passed the schema and the core's conversions."""
        return cls(
            path=cast(Path, config["path"]),
            table=cast(str, config["table"]),
            journal=Journal(cast(str, config["journal"])),
            synchronous=Synchronous(cast(str, config["synchronous"])),
            on_conflict=OnConflict(cast(str, config["on_conflict"])),
            busy_timeout=cast(float, config["busy_timeout"]),
        )
