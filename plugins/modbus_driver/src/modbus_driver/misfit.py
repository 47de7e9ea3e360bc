"""Misfits: bytes that are not the answer to a request, and what they are instead.

Sources: MODBUS Messaging on TCP/IP Implementation Guide 1.0b, section 3.1.3 (the header of seven bytes), and MODBUS
over serial line 1.02, section 6.2 (the check sum of an RTU frame).
"""

from __future__ import annotations

from typing import Final

from agent_core.api import recognise_stranger

HEADER_BYTES: Final = 7
SHORTEST_RTU_BYTES: Final = 5
EXCEPTION: Final = 0x80
WRITES: Final = (5, 22)
"""The answer to these is the request itself."""


def misfit(request: bytes, received: bytes) -> str | None:
    """Why ``received`` does not begin with the answer to ``request``, both with their headers; None while it may.

    Answers to earlier requests are passed over: some gateways send an answer twice.
    """
    asked = int.from_bytes(request[:2], "big")
    while len(received) >= SHORTEST_RTU_BYTES:
        if received[2:4] != b"\0\0":
            return _foreign(request, received)
        if len(received) < HEADER_BYTES:
            return None
        frame_bytes = 6 + int.from_bytes(received[4:6], "big")
        transaction = int.from_bytes(received[:2], "big")
        if not 0 < transaction < asked:
            return _misfit(request, received, transaction, frame_bytes)
        if len(received) < frame_bytes:
            return None
        received = received[frame_bytes:]
    return None


def _misfit(request: bytes, received: bytes, transaction: int, frame_bytes: int) -> str | None:
    asked = int.from_bytes(request[:2], "big")
    if transaction != asked:
        return f"it answered to transaction {transaction}, asked was {asked}"
    if received[6] != request[6]:
        return f"it answered as unit {received[6]}, asked was {request[6]}"
    if len(received) < HEADER_BYTES + 2:
        return None
    function, second = received[7], received[8]
    if function & ~EXCEPTION != request[7]:
        return f"it answered with function {function & ~EXCEPTION}, asked was {request[7]}"
    if function & EXCEPTION:
        fits = frame_bytes in (8, 9)  # some devices forget to count one byte of an exception
    elif function in WRITES:
        fits = frame_bytes == len(request)
    else:
        fits = frame_bytes == HEADER_BYTES + 2 + second
    if not fits:
        return f"the length {frame_bytes - 6} of its answer does not fit function {function}"
    if function in WRITES and len(received) >= frame_bytes and received[7:frame_bytes] != request[7:]:
        return f"it confirmed {received[7:frame_bytes].hex(' ')}, asked was {request[7:].hex(' ')}"
    return None


def _foreign(request: bytes, received: bytes) -> str | None:
    who = recognise_stranger(received)
    if who is not None:
        return f"{who} answered, not a Modbus device"
    if received[0] == request[6] and received[1] & ~EXCEPTION == request[7]:
        rtu_bytes = 5 + (0 if received[1] & EXCEPTION else received[2])
        if request[7] in WRITES:
            rtu_bytes = len(request) - HEADER_BYTES + 3
        if len(received) < rtu_bytes:
            return None
        if crc(received[: rtu_bytes - 2]) == received[rtu_bytes - 2 : rtu_bytes]:
            return "it answered with an RTU frame: set the gateway to Modbus TCP (often called conversion)"
    return f"the answer begins with {received[:4].hex(' ')}, which is not Modbus TCP"


def crc(data: bytes) -> bytes:
    """The check sum of an RTU frame, low byte first."""
    value = 0xFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0xA001 if value & 1 else 0)
    return value.to_bytes(2, "little")
