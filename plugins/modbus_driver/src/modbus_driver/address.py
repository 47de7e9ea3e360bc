"""Address: what a tag's ``address`` text means to Modbus."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from agent_core.api import AddressError

HOLDING_REGISTERS: Final = "hr"
INPUT_REGISTERS: Final = "ir"
COILS: Final = "co"
DISCRETE_INPUTS: Final = "di"
REGISTER_AREAS: Final = (HOLDING_REGISTERS, INPUT_REGISTERS)
BIT_AREAS: Final = (COILS, DISCRETE_INPUTS)

AREA_UNITS: Final = 65536
"""Addresses are 16 bits wide (Modbus Application Protocol 1.1b3, section 4.3)."""

SYNTAX: Final = (
    "write hr:100 (holding register), ir:5 (input register), co:3 (coil), di:7 (discrete input), "
    "hr:100.3 (bit 3 of a register), or the classic 40101"
)

_PLAIN: Final = re.compile(r"(hr|ir|co|di):(\d+)(?:\.(\d+))?", re.IGNORECASE | re.ASCII)
_CLASSIC: Final = re.compile(r"([0134])(\d{4,5})(?:\.(\d+))?", re.ASCII)
_CLASSIC_AREAS: Final = {"0": COILS, "1": DISCRETE_INPUTS, "3": INPUT_REGISTERS, "4": HOLDING_REGISTERS}


class Address(NamedTuple):
    """``offset`` counts from 0, as the protocol does; ``bit`` is 0 (lowest) to 15, or None."""

    area: str
    offset: int
    bit: int | None


def parse_address(text: str, base: int) -> Address:
    """Read ``hr:100``, ``hr:100.3`` or ``40101``; ``base`` is what ``hr:`` and its like call the first unit.

    Five or six digits alone are the classic notation: the first names the area, the rest counts from 1.
    Raises AddressError.
    """
    text = text.strip()
    if match := _PLAIN.fullmatch(text):
        area, number, first = match[1].lower(), int(match[2]), base
    elif match := _CLASSIC.fullmatch(text):
        area, number, first = _CLASSIC_AREAS[match[1]], int(match[2]), 1
    else:
        raise AddressError(f"{text!r} is not a Modbus address: {SYNTAX}")
    offset = number - first
    if not 0 <= offset < AREA_UNITS:
        raise AddressError(f"{text!r} is outside the area: it counts from {first} to {AREA_UNITS - 1 + first}")
    bit = None if match[3] is None else int(match[3])
    if bit is not None and area in BIT_AREAS:
        raise AddressError(f"{text!r}: {area}: addresses are single bits already; leave out .{bit}")
    if bit is not None and bit > 15:
        raise AddressError(f"{text!r}: a register has the bits 0 to 15")
    return Address(area, offset, bit)
