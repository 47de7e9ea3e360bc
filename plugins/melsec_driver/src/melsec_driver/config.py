"""MelsecDriverConfig: the driver's keys of a device entry, typed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import cast

from agent_core.api import Config, WordOrder


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

    @classmethod
    def from_config(cls, config: Config) -> MelsecDriverConfig:
        """Type a mapping that has passed the schema and the core's conversions."""
        return cls(
            address=cast(str, config["address"]),
            data_code=DataCode(cast(str, config["data_code"])),
            plc_series=PlcSeries(cast(str, config["plc_series"])),
            timeout=cast(float, config["timeout"]),
            network_no=cast(int, config["network_no"]),
            pc_no=cast(int, config["pc_no"]),
            module_io=cast(int, config["module_io"]),
            module_station_no=cast(int, config["module_station_no"]),
            monitoring_timer=cast(float, config["monitoring_timer"]),
            word_order=WordOrder(cast(str, config["word_order"])),
            bit_access=BitAccess(cast(str, config["bit_access"])),
            zr_numbers=Digits(cast(str, config["zr_numbers"])),
            fx5_ascii_xy=Digits(cast(str, config["fx5_ascii_xy"])),
            write_word_bits=cast(bool, config["write_word_bits"]),
            max_words=cast(int, config["max_words"]),
            max_gap=cast(int, config["max_gap"]),
        )

    @property
    def endpoint(self) -> tuple[str, int]:
        """Host (an IPv6 address without its brackets) and port."""
        host, _, port = self.address.rpartition(":")
        return host.strip("[]"), int(port)
