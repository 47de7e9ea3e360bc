"""The device's keys, as schema.json describes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from agent_core.api import Config


@dataclass(frozen=True, slots=True)
class SimulatorDriverConfig:
    """``latency`` and ``timeout`` are in seconds; ``address`` and ``timeout`` are not used."""

    address: str
    timeout: float
    seed: int
    latency: float

    @classmethod
    def from_config(cls, config: Config) -> SimulatorDriverConfig:
        """From a mapping that has passed the schema."""
        return cls(
            address=cast(str, config["address"]),
            timeout=cast(float, config["timeout"]),
            seed=cast(int, config["seed"]),
            latency=cast(float, config["latency"]),
        )
