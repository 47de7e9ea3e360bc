"""Address: what a tag's ``address`` text means to an S7 PLC."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from agent_core.api import AddressError

INPUTS: Final = "I"
OUTPUTS: Final = "Q"
FLAGS: Final = "M"

SYNTAX: Final = (
    "write DB10.DBX4.3 (bit), DB10.DBB4, DB10.DBW4, DB10.DBD4 (1, 2, 4 bytes), DB10.4 (any type from byte 4 on), "
    "DB10.STRING20, M20.3, MW20, MD20, I0.1 (E0.1), IW2, Q0.1 (A0.1), QD4"
)

GREATEST_BYTE: Final = 0xFFFFFF // 8
"""A request addresses bits, with 24 bits."""

WIDTHS: Final = {"W": 2, "D": 4}
"""Letters that say how many bytes the value has. ``X`` wants a bit; ``B`` and none only say where it begins."""

_DB: Final = re.compile(r"DB(\d{1,5})[.,](STRING|(?:DB)?[XBWD]|)(\d{1,7})(?:\.(\d))?", re.IGNORECASE | re.ASCII)
_OTHER: Final = re.compile(r"([MIQEA])([XBWD]?)(\d{1,7})(?:\.(\d))?", re.IGNORECASE | re.ASCII)
_GERMAN: Final = {"E": INPUTS, "A": OUTPUTS}


class Address(NamedTuple):
    """``area`` is ``DB10``, ``M``, ``I`` or ``Q``; ``bit`` is 0 to 7 or None.

    ``width``: the value's size in bytes where the address says it. ``is_string``: an S7 STRING, whose first two bytes
    hold its lengths.
    """

    area: str
    start: int
    bit: int | None
    width: int | None = None
    is_string: bool = False


def parse_address(text: str) -> Address:
    """Read ``DB10.DBD4`` and its like. Raises AddressError."""
    stripped = text.strip()
    if match := _DB.fullmatch(stripped):
        number = int(match[1])
        if not 1 <= number <= 0xFFFF:
            raise AddressError(f"{text!r}: data blocks are numbered from 1 to 65535")
        area, letter = f"DB{number}", match[2].upper()
    elif match := _OTHER.fullmatch(stripped):
        area, letter = match[1].upper(), match[2].upper()
        area = _GERMAN.get(area, area)
    else:
        raise AddressError(f"{text!r} is not an S7 address: {SYNTAX}")
    start, bit = int(match[3]), None if match[4] is None else int(match[4])
    is_string = letter == "STRING"
    letter = "" if is_string else letter.removeprefix("DB")
    if start > GREATEST_BYTE:
        raise AddressError(f"{text!r}: the bytes are numbered up to {GREATEST_BYTE}")
    if bit is not None and bit > 7:
        raise AddressError(f"{text!r}: a byte has the bits 0 to 7")
    if letter == "X" and bit is None:
        raise AddressError(f"{text!r}: a bit is written with its number, {text}.0 for the lowest")
    if bit is not None and (letter in ("B", *WIDTHS) or is_string):
        raise AddressError(f"{text!r}: only an address without a size has a bit, such as DB10.DBX4.3 or M20.3")
    return Address(area, start, bit, WIDTHS.get(letter), is_string)
