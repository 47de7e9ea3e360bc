"""The device's keys, as schema.json describes them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SimulatorDriverConfig:
    """``latency`` and ``timeout`` are in seconds; ``address`` and ``timeout`` are not used."""

    address: str
    timeout: float
    seed: int
    latency: float
