"""CsvSinkConfig: the sink's ``config:`` mapping, typed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import cast

from agent_core.api import Config


@dataclass(frozen=True, slots=True)
class CsvSinkConfig:
    """Keys and meaning as in ``schema.json``, which owns the defaults. Sizes are in bytes, durations in seconds."""

    directory: Path
    max_file_size: int
    max_file_age: float
    min_free_disk: int
    done_retention: float

    @classmethod
    def from_config(cls, config: Config) -> CsvSinkConfig:
        """Type a mapping that has passed the schema and the core's conversions."""
        return cls(
            directory=cast(Path, config["directory"]),
            max_file_size=cast(int, config["max_file_size"]),
            max_file_age=cast(float, config["max_file_age"]),
            min_free_disk=cast(int, config["min_free_disk"]),
            done_retention=cast(float, config["done_retention"]),
        )
