"""Address: what a tag's ``address`` text means to a MELSEC PLC."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from agent_core.api import AddressError
from melsec_driver.device import COUNTERS, DEVICES, Device

SYNTAX: Final = (
    "write D100, W1FF, R5, ZR40000 (words), M100, B110, X1F, Y20 (bits), D100.A (bit 10 of a word), "
    "TN3, TS3, CN3 (timers, counters), SM400, SD210"
)

_FORM: Final = re.compile(
    rf"({'|'.join(sorted([*DEVICES, *COUNTERS], key=len, reverse=True))})([0-9A-F]+)(?:\.([0-9A-F]))?", re.IGNORECASE
)
_DIGITS: Final = {8: "octal (0 to 7)", 10: "decimal", 16: "hexadecimal (0 to 9, A to F)"}


class Address(NamedTuple):
    """``number`` is the device number, whatever the radix it was written in; ``bit`` is 0 (lowest) to 15, or None."""

    device: Device
    number: int
    bit: int | None


def parse_address(text: str, radixes: Mapping[str, int], *, wants_bool: bool) -> Address:
    """Read ``D100``, ``X1F`` or ``D100.A``. Raises AddressError.

    ``radixes``: how this PLC's tag list writes the numbers of the devices where that differs from PLC to PLC.
    ``wants_bool`` decides what ``T10`` is.
    """
    match = _FORM.fullmatch(text.strip())
    if match is None:
        raise AddressError(f"{text!r} is not a MELSEC address: {SYNTAX}")
    name = match[1].upper()
    if name in COUNTERS:
        value, contact = COUNTERS[name]
        name = contact if wants_bool and match[3] is None else value
    device = DEVICES[name]
    radix = radixes.get(name, device.radix)
    try:
        number = int(match[2], radix)
    except ValueError:
        raise AddressError(f"{text!r}: the numbers of {name} are {_DIGITS[radix]} here") from None
    if match[3] is not None and device.is_bits:
        raise AddressError(f"{text!r}: {name} devices are single bits already; leave out .{match[3]}")
    return Address(device, number, None if match[3] is None else int(match[3], 16))
