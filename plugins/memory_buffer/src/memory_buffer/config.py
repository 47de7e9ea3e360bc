"""MemoryBufferConfig: the buffer's ``config:`` mapping, typed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class WhenFull(StrEnum):
    """What is evicted when a batch does not fit."""

    DROP_OLDEST = "drop_oldest"
    DROP_NEWEST = "drop_newest"
    BLOCK = "block"


@dataclass(frozen=True, slots=True)
class MemoryBufferConfig:
    """Keys and meaning as in ``schema.json``, which owns the defaults."""

    capacity_records: int
    when_full: WhenFull
    block_limit_seconds: float
