"""Memory: the areas of device memory that the polling engine plans over, and what each means on the wire."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from agent_core.api import Area
from melsec_driver.config import BitAccess, DataCode, MelsecDriverConfig, PlcSeries
from melsec_driver.device import DEVICES, Device

BITS_PER_WORD: Final = 16


@dataclass(frozen=True, slots=True)
class Memory:
    """An area. A unit is ``points_per_unit`` devices: 16 where a bit device is read in words.

    ``in_bits``: requests count bits. ``is_text``: each word's bytes are turned round, so that text reads on.
    """

    device: Device
    area: Area
    points_per_unit: int
    in_bits: bool = False
    is_text: bool = False


def plan_memories(config: MelsecDriverConfig) -> Mapping[str, Memory]:
    """Every area by its name: that of the device, or ``text_area`` of it."""
    words = Area(16, words_per_read(config), config.max_gap)
    bits = Area(1, bits_per_read(config), BITS_PER_WORD * config.max_gap)
    memories: dict[str, Memory] = {}
    for name, device in DEVICES.items():
        if not device.is_bits:
            memories[name] = Memory(device, words, 1)
            memories[text_area(device)] = Memory(device, words, 1, is_text=True)
        elif config.bit_access is BitAccess.WORDS:
            memories[name] = Memory(device, words, BITS_PER_WORD)
        else:
            memories[name] = Memory(device, bits, 1, in_bits=True)
    return memories


def text_area(device: Device) -> str:
    """The area of strings: a PLC keeps the first character of each word in its lower byte."""
    return f"{device.name} (text)"


def words_per_read(config: MelsecDriverConfig) -> int:
    """SH(NA)-080956ENG, 5.2: 960 words; FX5 in ASCII code: 480 (JY997D56001, 4.2)."""
    fx5_ascii = config.plc_series is PlcSeries.IQF and config.data_code is DataCode.ASCII
    return min(config.max_words, 480 if fx5_ascii else 960)


def bits_per_read(config: MelsecDriverConfig) -> int:
    """7,168 bits in binary code, half of that in ASCII code, half again on FX5. Sources as above."""
    most = 7168
    if config.plc_series is PlcSeries.IQF:
        most //= 2
    if config.data_code is DataCode.ASCII:
        most //= 2
    return most
