"""S7DriverConfig: the driver's keys of a device entry, typed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

DEFAULT_PORT: Final = 102
"""ISO transport service on TCP (RFC 1006)."""


class ConnectionType(StrEnum):
    """What kind of partner the PLC takes us for; it has a number of connections for each."""

    PG = "pg"
    OP = "op"
    BASIC = "basic"

    @property
    def code(self) -> int:
        """The first byte of the remote TSAP."""
        return {ConnectionType.PG: 1, ConnectionType.OP: 2, ConnectionType.BASIC: 3}[self]


@dataclass(frozen=True, slots=True)
class S7DriverConfig:
    """Keys and meaning as in ``schema.json``, which owns the defaults. ``timeout`` is in seconds."""

    address: str
    rack: int
    slot: int
    connection_type: ConnectionType
    timeout: float
    pdu_size: int
    max_gap: int

    @property
    def endpoint(self) -> tuple[str, int]:
        """Host and port."""
        host, _, port = self.address.partition(":")
        return host, int(port) if port else DEFAULT_PORT

    @property
    def remote_tsap(self) -> int:
        """The PLC's transport service access point, which names its CPU."""
        return self.connection_type.code << 8 | self.rack << 5 | self.slot
