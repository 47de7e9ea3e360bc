"""ModbusDriverConfig: the driver's keys of a device entry, typed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from agent_core.api import ByteOrder, WordOrder

DEFAULT_PORT: Final = 502
"""Registered with IANA as mbap."""


@dataclass(frozen=True, slots=True)
class ModbusDriverConfig:
    """Keys and meaning as in ``schema.json``, which owns the defaults. ``timeout`` is in seconds."""

    address: str
    unit_id: int
    timeout: float
    word_order: WordOrder
    byte_order: ByteOrder
    address_base: int
    max_registers: int
    max_bits: int
    max_gap: int

    @property
    def endpoint(self) -> tuple[str, int]:
        """Host (an IPv6 address without its brackets) and port."""
        host, separator, port = self.address.rpartition(":")
        if not separator or host.endswith(":") or self.address.endswith("]"):
            host, port = self.address, ""
        return host.strip("[]"), int(port) if port else DEFAULT_PORT
