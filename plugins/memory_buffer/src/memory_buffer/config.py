"""The buffer's configuration, as schema.json describes it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import cast

from agent_core.api import Config


class WhenFull(StrEnum):
    """What gives way when a batch does not fit."""

    DROP_OLDEST = "drop_oldest"
    DROP_NEWEST = "drop_newest"
    BLOCK = "block"


@dataclass(frozen=True, slots=True)
class MemoryBufferConfig:
    """``capacity`` counts rows, ``block_limit`` is in seconds."""

    capacity: int
    when_full: WhenFull
    block_limit: float

    @classmethod
    def from_config(cls, config: Config) -> MemoryBufferConfig:
        """From a mapping that has passed the schema."""
        return cls(
            capacity=cast(int, config["capacity"]),
            when_full=WhenFull(cast(str, config["when_full"])),
            block_limit=cast(float, config["block_limit"]),
        )
