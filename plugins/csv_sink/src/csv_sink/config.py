"""CsvSinkConfig: the sink's ``config:`` mapping, typed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class CsvSinkConfig:
    """Keys and meaning as in ``schema.json``, which owns the defaults."""

    directory: Path
    max_file_size_bytes: int
    max_file_age_seconds: float
    min_free_disk_bytes: int
    done_retention_seconds: float
    keep_done_seconds: float = 0.0
