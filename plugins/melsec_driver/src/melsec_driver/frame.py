"""Frames: MC protocol 3E requests and answers, in binary and in ASCII code.

Source: SLMP reference manual SH(NA)-080956ENG, chapter 4 (messages) and section 5.2 (batch read and write)::

    request   subheader 5000  route  length  monitoring timer  0401  subcommand  device  points
              the same with 1401 to write, and the data at its end
    answer    subheader D000  route  length  end code  data, or the error information

In binary code numbers are little-endian; in ASCII code each byte is two upper-case hexadecimal characters, the most
significant first, but a device is a name of two characters and a number in the device's own radix. An answer carries
no number of its request: what belongs to what is known by asking one thing at a time.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

from melsec_driver.device import Device

READ: Final = 0x0401
WRITE: Final = 0x1401
BITS: Final = 0x0001
LONG_DEVICES: Final = 0x0002
"""Parts of the subcommand: points are bits; devices are specified as in iQ-R (32-bit numbers, longer names)."""


class BrokenFrame(Exception):
    """What came is no answer to the request."""


class Route(NamedTuple):
    """Which station of which network is asked, and how long the PLC may wait for it, in units of 250 ms."""

    network_no: int
    pc_no: int
    module_io: int
    module_station_no: int
    timer_units: int


class Answer(NamedTuple):
    """``data`` is what follows the end code, still in its code."""

    end_code: int
    data: bytes


class Frames(Protocol):
    """One of the two codes. Pure."""

    head_bytes: int
    """The size of an answer up to its length field, which tells the rest."""

    def greatest_number(self, device: Device) -> int:
        """The greatest device number a request can hold."""

    def request(self, device: Device, number: int, points: int, *, in_bits: bool) -> bytes:
        """Read ``points`` words, or bits, from device ``number`` on."""

    def bit_write(self, device: Device, number: int, value: bool) -> bytes:
        """Write one bit of a bit device."""

    def word_write(self, device: Device, number: int, word: bytes) -> bytes:
        """Write one word, whose two bytes come with the most significant first."""

    def check_start(self, start: bytes) -> None:
        """Raises BrokenFrame when no answer begins with these four bytes."""

    def body_bytes(self, head: bytes) -> int:
        """How many bytes follow ``head``. Raises BrokenFrame when it is no head of an answer, or another station's."""

    def parse(self, body: bytes) -> Answer:
        """Take apart what follows the head. Raises BrokenFrame."""

    def words(self, data: bytes, points: int) -> bytes:
        """Two bytes a word, the most significant first. Raises BrokenFrame when there are not ``points`` words."""

    def bits(self, data: bytes, points: int) -> bytes:
        """One byte a bit, 0 or 1. Raises BrokenFrame when there are not ``points`` bits."""


class BinaryFrames:
    """Binary code."""

    head_bytes = 9

    def __init__(self, route: Route, *, is_long: bool) -> None:
        self._route = route
        self._is_long = is_long
        self._echo = struct.pack("<BBHB", *route[:4])
        self._reads = [self._start(READ, in_bits=in_bits) for in_bits in (False, True)]

    def greatest_number(self, device: Device) -> int:  # noqa: ARG002 - only ASCII code depends on it
        return 0xFFFFFFFF if self._is_long else 0xFFFFFF

    def request(self, device: Device, number: int, points: int, *, in_bits: bool) -> bytes:
        return self._reads[in_bits] + self._points(device, number, points)

    def bit_write(self, device: Device, number: int, value: bool) -> bytes:
        start = self._start(WRITE, in_bits=True, data_bytes=1)
        return start + self._points(device, number, 1) + (b"\x10" if value else b"\x00")

    def word_write(self, device: Device, number: int, word: bytes) -> bytes:
        return self._start(WRITE, in_bits=False, data_bytes=2) + self._points(device, number, 1) + word[::-1]

    def _start(self, command: int, *, in_bits: bool, data_bytes: int = 0) -> bytes:
        length = 2 + 2 + 2 + (6 if self._is_long else 4) + 2 + data_bytes
        subcommand = _subcommand(in_bits, self._is_long)
        route, timer_units = self._route[:4], self._route.timer_units
        return b"\x50\x00" + struct.pack("<BBHBHHHH", *route, length, timer_units, command, subcommand)

    def _points(self, device: Device, number: int, points: int) -> bytes:
        if self._is_long:
            return struct.pack("<IHH", number, device.code, points)
        return struct.pack("<IH", device.code << 24 | number, points)

    def check_start(self, start: bytes) -> None:
        if start[:2] != b"\xd0\x00":
            hint = "; it answers in ASCII code, so data_code: ascii is needed" if start == b"D000" else ""
            raise BrokenFrame(f"the answer begins with {start.hex(' ').upper()} instead of D0 00{hint}")

    def body_bytes(self, head: bytes) -> int:
        if head[2:7] != self._echo:
            raise _other_station(struct.unpack("<BBHB", head[2:7]), self._route)
        length = int.from_bytes(head[7:9], "little")
        if length < 2:
            raise BrokenFrame("the answer has no end code")
        return length

    def parse(self, body: bytes) -> Answer:
        return Answer(int.from_bytes(body[:2], "little"), body[2:])

    def words(self, data: bytes, points: int) -> bytes:
        _check_length(data, 2 * points)
        words = array("H", data)
        words.byteswap()
        return words.tobytes()

    def bits(self, data: bytes, points: int) -> bytes:
        _check_length(data, (points + 1) // 2)
        bits = data.hex().encode("ascii")[:points].translate(_DIGITS_TO_BITS)
        return _check_bits(bits)


class AsciiFrames:
    """ASCII code. ``xy_radix``: in which the PLC expects the numbers of X and Y."""

    head_bytes = 18

    def __init__(self, route: Route, *, is_long: bool, xy_radix: int = 16) -> None:
        self._route = route
        self._is_long = is_long
        self._xy_radix = xy_radix
        self._echo = b"%02X%02X%04X%02X" % route[:4]
        self._reads = [self._start(READ, in_bits=in_bits) for in_bits in (False, True)]

    def greatest_number(self, device: Device) -> int:
        return min(self._radix(device) ** (8 if self._is_long else 6) - 1, 0xFFFFFFFF)

    def request(self, device: Device, number: int, points: int, *, in_bits: bool) -> bytes:
        return self._reads[in_bits] + self._points(device, number, points)

    def bit_write(self, device: Device, number: int, value: bool) -> bytes:
        start = self._start(WRITE, in_bits=True, data_bytes=1)
        return start + self._points(device, number, 1) + (b"1" if value else b"0")

    def word_write(self, device: Device, number: int, word: bytes) -> bytes:
        start = self._start(WRITE, in_bits=False, data_bytes=4)
        return start + self._points(device, number, 1) + word.hex().upper().encode("ascii")

    def _start(self, command: int, *, in_bits: bool, data_bytes: int = 0) -> bytes:
        length = 4 + 4 + 4 + (12 if self._is_long else 8) + 4 + data_bytes
        subcommand = _subcommand(in_bits, self._is_long)
        route, timer_units = self._route[:4], self._route.timer_units
        return b"5000%02X%02X%04X%02X%04X%04X%04X%04X" % (*route, length, timer_units, command, subcommand)

    def _points(self, device: Device, number: int, points: int) -> bytes:
        name, width = (device.long_text, 8) if self._is_long else (device.text, 6)
        digits = f"{number:0{width}{_FORMATS[self._radix(device)]}}"
        return f"{name}{digits}{points:04X}".encode("ascii")

    def check_start(self, start: bytes) -> None:
        if start != b"D000":
            hint = "; it answers in binary code, so data_code: binary is needed" if start[:2] == b"\xd0\x00" else ""
            raise BrokenFrame(f"the answer begins with {start!r} instead of D000{hint}")

    def body_bytes(self, head: bytes) -> int:
        if head[4:14].upper() != self._echo:
            numbers = [_parse_hexadecimal(head[start:end]) for start, end in ((4, 6), (6, 8), (8, 12), (12, 14))]
            raise _other_station(numbers, self._route)
        length = _parse_hexadecimal(head[14:18])
        if length < 4:
            raise BrokenFrame("the answer has no end code")
        return length

    def parse(self, body: bytes) -> Answer:
        return Answer(_parse_hexadecimal(body[:4]), body[4:])

    def words(self, data: bytes, points: int) -> bytes:
        _check_length(data, 4 * points)
        try:
            words = bytes.fromhex(data.decode("ascii"))
        except ValueError as error:
            raise BrokenFrame("the answer's data are not hexadecimal digits") from error
        _check_length(words, 2 * points)  # fromhex skips blanks
        return words

    def bits(self, data: bytes, points: int) -> bytes:
        _check_length(data, points)
        return _check_bits(data.translate(_DIGITS_TO_BITS))

    def _radix(self, device: Device) -> int:
        return self._xy_radix if device.name in ("X", "Y") else device.radix


def _subcommand(in_bits: bool, is_long: bool) -> int:
    return (BITS if in_bits else 0) | (LONG_DEVICES if is_long else 0)


def _parse_hexadecimal(digits: bytes) -> int:
    try:
        return int.from_bytes(bytes.fromhex(digits.decode("ascii")), "big")
    except ValueError as error:
        raise BrokenFrame(f"the answer has {digits!r} where a number belongs") from error


def _other_station(answered: Sequence[int], asked: Sequence[int]) -> BrokenFrame:
    return BrokenFrame(f"it answered as {_station(answered)}, asked was {_station(asked)}")


def _station(route: Sequence[int]) -> str:
    return f"network {route[0]} PC {route[1]} module {route[2]:X} station {route[3]}"


def _check_length(data: bytes, expected: int) -> None:
    if len(data) != expected:
        raise BrokenFrame(f"{len(data)} bytes came where {expected} belong")


def _check_bits(bits: bytes) -> bytes:
    if bits.strip(b"\x00\x01"):
        raise BrokenFrame("the answer has other bits than 0 and 1")
    return bits


_FORMATS: Final = {8: "o", 10: "d", 16: "X"}
_DIGITS_TO_BITS: Final = bytes(code - 48 if code in b"01" else 0xFF for code in range(256))
