"""Device: one kind of device memory of a MELSEC PLC, and how requests name it.

Source: SLMP reference manual SH(NA)-080956ENG, section 5.2 (device code list), for the four-letter names of retentive
timers MC protocol reference manual SH(NA)-080008, section 8.1.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Device(NamedTuple):
    """``code`` names it in binary frames, ``text`` in ASCII frames (``long_text`` in those of iQ-R).

    ``radix``: how its numbers are written, in tag lists as in ASCII frames. ``is_bits``: its points are bits.
    """

    name: str
    code: int
    text: str
    long_text: str
    radix: int
    is_bits: bool


def _device(name: str, code: int, *, radix: int = 10, is_bits: bool = False, text: str = "") -> Device:
    return Device(name, code, (text or name).ljust(2, "*"), name.ljust(4, "*"), radix, is_bits)


DEVICES: Final = {
    device.name: device
    for device in (
        _device("D", 0xA8),
        _device("W", 0xB4, radix=16),
        _device("R", 0xAF),
        _device("ZR", 0xB0, radix=16),
        _device("M", 0x90, is_bits=True),
        _device("B", 0xA0, radix=16, is_bits=True),
        _device("X", 0x9C, radix=16, is_bits=True),
        _device("Y", 0x9D, radix=16, is_bits=True),
        _device("L", 0x92, is_bits=True),
        _device("F", 0x93, is_bits=True),
        _device("V", 0x94, is_bits=True),
        _device("SM", 0x91, is_bits=True),
        _device("SD", 0xA9),
        _device("SB", 0xA1, radix=16, is_bits=True),
        _device("SW", 0xB5, radix=16),
        _device("TN", 0xC2),
        _device("TS", 0xC1, is_bits=True),
        _device("TC", 0xC0, is_bits=True),
        _device("STN", 0xC8, text="SN"),
        _device("STS", 0xC7, is_bits=True, text="SS"),
        _device("STC", 0xC6, is_bits=True, text="SC"),
        _device("CN", 0xC5),
        _device("CS", 0xC4, is_bits=True),
        _device("CC", 0xC3, is_bits=True),
    )
}
"""By the name that tag lists use."""

COUNTERS: Final = {"T": ("TN", "TS"), "ST": ("STN", "STS"), "C": ("CN", "CS")}
"""What ``T10`` means: the current value, or the contact when the tag is a bool."""

OCTAL_ON_IQF: Final = ("X", "Y")
"""On FX5 (JY997D56001, section 4.2)."""

WRITABLE_BITS: Final = ("M", "L", "B", "Y", "F", "V", "SM", "SB")
"""Bit devices that hold what is written: the PLC itself keeps setting inputs, contacts and coils."""
