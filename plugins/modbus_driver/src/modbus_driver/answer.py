"""Answers: pymodbus responses that keep the bytes as they came.

pymodbus builds a list of ints; the polling engine decodes a whole block in one go and wants the bytes. Registering
one's own response class is pymodbus's way of changing that (``client.register``).
"""

from __future__ import annotations

from typing import Final

from pymodbus.pdu import ModbusPDU
from pymodbus.pdu.bit_message import ReadCoilsResponse, ReadDiscreteInputsResponse
from pymodbus.pdu.register_message import ReadHoldingRegistersResponse, ReadInputRegistersResponse


class HoldingRegisters(ReadHoldingRegistersResponse):
    """Answer to function 3."""

    payload = b""

    def decode(self, data: bytes) -> None:
        self.payload = payload(data)


class InputRegisters(ReadInputRegistersResponse):
    """Answer to function 4."""

    payload = b""

    def decode(self, data: bytes) -> None:
        self.payload = payload(data)


class Coils(ReadCoilsResponse):
    """Answer to function 1."""

    payload = b""

    def decode(self, data: bytes) -> None:
        self.payload = payload(data)


class DiscreteInputs(ReadDiscreteInputsResponse):
    """Answer to function 2."""

    payload = b""

    def decode(self, data: bytes) -> None:
        self.payload = payload(data)


Answer = HoldingRegisters | InputRegisters | Coils | DiscreteInputs
ANSWERS: Final[tuple[type[ModbusPDU], ...]] = (HoldingRegisters, InputRegisters, Coils, DiscreteInputs)


def payload(data: bytes) -> bytes:
    """What follows the byte count; shorter than it says when the device sent less."""
    return data[1 : 1 + data[0]]


def unpack_bits(packed: bytes, count: int) -> bytes:
    """One byte, 0 or 1, for each of the first ``count`` bits, lowest bit first (section 6.1)."""
    return b"".join([_BITS[byte] for byte in packed])[:count]


_BITS: Final = tuple(bytes(byte >> bit & 1 for bit in range(8)) for byte in range(256))
