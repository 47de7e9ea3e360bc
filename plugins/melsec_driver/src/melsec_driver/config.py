"""MelsecDriverConfig: the driver's keys of a device entry, typed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from agent_core.api import WordOrder


class DataCode(StrEnum):
    """How the PLC's Ethernet port is set: "communication data code" in its parameters."""

    BINARY = "binary"
    ASCII = "ascii"


class PlcSeries(StrEnum):
    """Which PLC it is, as far as frames differ."""

    Q = "q"
    L = "l"
    IQR = "iqr"
    IQF = "iqf"


class BitAccess(StrEnum):
    """How bit devices are read."""

    WORDS = "words"
    BITS = "bits"


class Digits(StrEnum):
    """How device numbers are written."""

    OCTAL = "octal"
    DECIMAL = "decimal"
    HEXADECIMAL = "hexadecimal"

    @property
    def radix(self) -> int:
        return {Digits.OCTAL: 8, Digits.DECIMAL: 10, Digits.HEXADECIMAL: 16}[self]


@dataclass(frozen=True, slots=True)
class MelsecDriverConfig:
    """Keys and meaning as in ``schema.json``, which owns the defaults. Times are in seconds."""

    address: str
    data_code: DataCode
    plc_series: PlcSeries
    timeout: float
    network_no: int
    pc_no: int
    module_io: int
    module_station_no: int
    monitoring_timer: float
    word_order: WordOrder
    bit_access: BitAccess
    zr_numbers: Digits
    fx5_ascii_xy: Digits
    write_word_bits: bool
    max_words: int
    max_gap: int

    @property
    def endpoint(self) -> tuple[str, int]:
        """Host (an IPv6 address without its brackets) and port."""
        host, _, port = self.address.rpartition(":")
        return host.strip("[]"), int(port)
