"""DiskBufferConfig: the buffer's ``config:`` mapping, typed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class WhenFull(StrEnum):
    """What is evicted when a batch does not fit."""

    DROP_OLDEST = "drop_oldest"
    DROP_NEWEST = "drop_newest"
    BLOCK = "block"


@dataclass(frozen=True, slots=True)
class DiskBufferConfig:
    """Keys and meaning as in ``schema.json``, which owns the defaults."""

    directory: Path | None
    capacity_records: int
    max_bytes: int
    when_full: WhenFull
    block_limit_seconds: float
    sync_interval_seconds: float
    memory_records: int
