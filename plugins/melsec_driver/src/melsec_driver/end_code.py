"""End codes: what a PLC says instead of data.

Sources: SLMP reference manual SH(NA)-080956ENG and MELSEC iQ-R Ethernet user's manual SH(NA)-081257ENG, section 3.5
(C000 and up); QCPU user's manual SH(NA)-080483ENG, appendix 1, and JY997D55401, appendix 3 (4000 and up).
"""

from __future__ import annotations

from typing import Final

from agent_core.api import DeviceBusy, ReadRefused, UnclearRefusal

MEANINGS: Final = {
    0x4000: "sum check error",
    0x4001: "the CPU does not support this request",
    0x4002: "the CPU does not support this request",
    0x4005: "too much data for one request",
    0x4006: "communication with the CPU could not be started",
    0x4008: "the CPU is busy",
    0x402C: "the CPU cannot do this at the moment",
    0x4030: "the CPU has no such device",
    0x4031: "the device number is out of range",
    0x4032: "this device cannot be read this way",
    0x4041: "the range leaves the module's buffer memory",
    0x4043: "there is no module at this position",
    0x4080: "wrong data in the request",
    0x4A00: "no routing parameters lead to this network",
    0x4A01: "the network of the routing parameters does not exist",
    0x4A02: "the station cannot be accessed over the network",
    0x4B00: "the target or a relay station reported an error",
    0x4B01: "the target is not CPU No. 1 of its rack",
    0x4B02: "the request is not addressed to a CPU module",
    0x4B03: "the route is not supported, or there is no such CPU module",
    0x4B04: "the module I/O number is not supported",
    0xC022: "no answer from the target within the monitoring timer",
    0xC035: "the target does not answer",
    0xC040: "the request did not arrive whole in time",
    0xC050: "the request contains characters that are not ASCII; is the PLC set to ASCII, and data_code to binary?",
    0xC051: "too many bits for one request",
    0xC052: "too many words for one request",
    0xC056: "the device number is out of range",
    0xC057: "the request's length is wrong",
    0xC058: "the request's length is wrong",
    0xC059: "the command is not supported; plc_series may be wrong",
    0xC05A: "this device cannot be read",
    0xC05B: "this device cannot be read",
    0xC05C: "this device cannot be read this way, or the CPU has no such device",
    0xC05E: "the CPU did not answer within the monitoring timer",
    0xC05F: "the target cannot be reached; check network_no, pc_no, module_io and module_station_no",
    0xC060: "wrong data in the request",
    0xC061: "the request's length is wrong",
    0xC06F: "the request came in ASCII code, and the PLC is set to binary",
    0xC070: "this memory cannot be read there",
    0xC072: "this device cannot be read in bits",
    0xC074: "the target does not take this request; check network_no and pc_no",
    0xC0B2: "the relay or target station is busy",
    0xC0BD: "too many requests one after another",
    0xC0DE: "no answer from the target in time",
    0xC1A4: "the command is not supported",
    0xC1A5: "the target station is wrong",
    0xC1A7: "the network number is wrong",
    0xC1A8: "the station number is wrong",
    0xC1A9: "the device number is wrong",
    0xC1AA: "the device name is wrong",
    0xC200: "the remote password is wrong",
    0xC201: "the port is locked with a remote password",
    0xC204: "another computer has unlocked the remote password",
    0xC810: "the remote password is wrong",
    0xC815: "the remote password was wrong too often",
    0xC816: "the remote password is locked out",
    0xC86C: "too many requests at once",
}

_UNREACHABLE: Final = frozenset((0xC022, 0xC035, 0xC040, 0xC05E, 0xC05F, 0xC074, 0xC0DE, 0xC1A5, 0xC1A7, 0xC1A8))
_REMOTE_PASSWORD: Final = (range(0xC200, 0xC206), range(0xC810, 0xC817))
_UNREACHABLE_RANGES: Final = (
    range(0x4A00, 0x4C00),  # routing, and the target CPU
    *_REMOTE_PASSWORD,
    range(0xD000, 0x10000),  # network modules: CC-Link IE, MELSECNET
)

_BUSY: Final = frozenset((0x4008, 0x402C, 0xC0B2, 0xC0BD, 0xC86C))
_UNCLEAR: Final = frozenset((0x4000, 0x4006))


def describe(end_code: int) -> str:
    """``end code 4031 (the device number is out of range)``."""
    return f"end code {end_code:04X} ({MEANINGS.get(end_code, 'see the manual of the PLC')})"


def means_unreachable(end_code: int) -> bool:
    """True when the PLC behind the route cannot be read at all, so that asking for smaller blocks is of no use."""
    return end_code in _UNREACHABLE or any(end_code in codes for codes in _UNREACHABLE_RANGES)


def refuses_login(end_code: int) -> bool:
    """True when it is about the remote password."""
    return any(end_code in codes for codes in _REMOTE_PASSWORD)


def refusal(end_code: int) -> type[ReadRefused]:
    """What a read that got this end code is to raise, unless it means unreachable."""
    if end_code in _BUSY:
        return DeviceBusy
    return UnclearRefusal if end_code in _UNCLEAR or end_code not in MEANINGS else ReadRefused
