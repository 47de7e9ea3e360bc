"""A PLC that answers MC 3E frames (SLMP) over TCP: ``python -m plant.servers.mc_responder --code ascii --series q``.

Written from Mitsubishi's SLMP reference manual SH(NA)-080956ENG (frames: chapter 4; batch read and write: 5.2) and, for
FX5, JY997D56001; it shares nothing with the driver it tests. Orders, beside those of ``TcpGate``::

    set DEVICE VALUE ...      store words (or 0 and 1 in a bit device) from that device on
    refuse DEVICE COUNT       answer end code 4031 to reads that touch these (adds up)
    allow                     refuse nothing any more
    end_code CODE             answer every request with this end code (hexadecimal); 0 ends it
    sleep SECONDS             take this long for each answer

At first a word device holds its number plus its device code (D0 holds 0x00A8), and every bit device whose number plus
device code divides by three is on.
"""

from __future__ import annotations

import asyncio
import struct
import threading
from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from plant.servers.gated_server import serve_behind_a_gate, server_arguments

READ, WRITE, TYPE_NAME, SELF_TEST = 0x0401, 0x1401, 0x0101, 0x0619
TYPE_NAMES = {
    "q": ("Q03UDVCPU", 0x0366),
    "l": ("L26CPU-BT", 0x0542),
    "iqr": ("R04CPU", 0x4800),
    "iqf": ("FX5U-32MT/DS", 0x4A23),
}

BAD_ASCII, TOO_MANY_BITS, TOO_MANY_WORDS = 0xC050, 0xC051, 0xC052
WRONG_COMMAND, WRONG_DEVICE, WRONG_UNIT, WRONG_ROUTE, WRONG_LENGTH = 0xC059, 0xC05B, 0xC05C, 0xC05F, 0xC061
OUT_OF_RANGE = 0x4031

# name, binary code, radix of the number in ASCII code, points, bits?
DEVICES = (
    ("SM", 0x91, 10, 2048, True),
    ("SD", 0xA9, 10, 2048, False),
    ("X", 0x9C, 16, 0x2000, True),
    ("Y", 0x9D, 16, 0x2000, True),
    ("M", 0x90, 10, 16384, True),
    ("L", 0x92, 10, 8192, True),
    ("F", 0x93, 10, 2048, True),
    ("V", 0x94, 10, 2048, True),
    ("B", 0xA0, 16, 0x2000, True),
    ("SB", 0xA1, 16, 0x800, True),
    ("D", 0xA8, 10, 20480, False),
    ("W", 0xB4, 16, 0x2000, False),
    ("SW", 0xB5, 16, 0x800, False),
    ("R", 0xAF, 10, 32768, False),
    ("ZR", 0xB0, 16, 65536, False),
    ("TS", 0xC1, 10, 2048, True),
    ("TC", 0xC0, 10, 2048, True),
    ("TN", 0xC2, 10, 2048, False),
    ("SS", 0xC7, 10, 2048, True),
    ("SC", 0xC6, 10, 2048, True),
    ("SN", 0xC8, 10, 2048, False),
    ("CS", 0xC4, 10, 1024, True),
    ("CC", 0xC3, 10, 1024, True),
    ("CN", 0xC5, 10, 1024, False),
)
LONG_NAMES = {"SS": "STS", "SC": "STC", "SN": "STN"}
"""What the two-letter names are in the four-letter specification of iQ-R."""


class Refusal(Exception):
    """Answered with this end code."""

    def __init__(self, end_code: int) -> None:
        super().__init__(f"{end_code:04X}")
        self.end_code = end_code


@dataclass
class Memory:
    """One kind of device."""

    name: str
    code: int
    radix: int
    is_bits: bool
    points: array[int]
    refused: set[int] = field(default_factory=set)

    def take(self, start: int, count: int) -> array[int]:
        if start + count > len(self.points) or not self.refused.isdisjoint(range(start, start + count)):
            raise Refusal(OUT_OF_RANGE)
        return self.points[start : start + count]

    def words(self, start: int, count: int) -> Iterable[int]:
        """``count`` words; a bit device gives sixteen points a word, the first as the lowest bit."""
        if not self.is_bits:
            return self.take(start, count)
        bits = self.take(start, 16 * count)
        return [sum(bits[16 * word + bit] << bit for bit in range(16)) for word in range(count)]

    def put(self, start: int, values: Iterable[int]) -> None:
        stored = array("H", values)
        self.take(start, len(stored))
        self.points[start : start + len(stored)] = stored

    def put_words(self, start: int, words: Iterable[int]) -> None:
        self.put(start, [word >> bit & 1 for word in words for bit in range(16)] if self.is_bits else words)


class Fields(Protocol):
    """The body of a request, taken apart from the left."""

    def number(self, size_bytes: int) -> int: ...
    def device(self, is_long: bool) -> tuple[str | int, int | str]: ...
    def words(self, count: int) -> list[int]: ...
    def bits(self, count: int) -> list[int]: ...
    def rest(self) -> bytes: ...


class BinaryFields:
    """Numbers are little-endian; two bits a byte, the first in the high half."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def _take(self, count: int) -> bytes:
        self._at += count
        if self._at > len(self._data):
            raise Refusal(WRONG_LENGTH)
        return self._data[self._at - count : self._at]

    def number(self, size_bytes: int) -> int:
        return int.from_bytes(self._take(size_bytes), "little")

    def device(self, is_long: bool) -> tuple[str | int, int | str]:
        number = self.number(4 if is_long else 3)
        return self.number(2 if is_long else 1), number

    def words(self, count: int) -> list[int]:
        return list(struct.unpack(f"<{count}H", self._take(2 * count)))

    def bits(self, count: int) -> list[int]:
        halves = [half for byte in self._take((count + 1) // 2) for half in (byte >> 4, byte & 15)]
        return halves[:count]

    def rest(self) -> bytes:
        return self._take(len(self._data) - self._at)


class AsciiFields:
    """Numbers are upper-case hexadecimal text; a device number is text in the device's own radix."""

    def __init__(self, data: bytes) -> None:
        self._text = data.decode("ascii", "replace")
        self._at = 0

    def _take(self, count: int) -> str:
        self._at += count
        if self._at > len(self._text):
            raise Refusal(WRONG_LENGTH)
        return self._text[self._at - count : self._at]

    def number(self, size_bytes: int) -> int:
        return parse(self._take(2 * size_bytes), 16)

    def device(self, is_long: bool) -> tuple[str | int, int | str]:
        name = self._take(4 if is_long else 2).rstrip("* ")
        return name, self._take(8 if is_long else 6)

    def words(self, count: int) -> list[int]:
        return [self.number(2) for _ in range(count)]

    def bits(self, count: int) -> list[int]:
        return [parse(character, 2) for character in self._take(count)]

    def rest(self) -> bytes:
        return self._take(len(self._text) - self._at).encode("ascii")


def parse(text: str, radix: int) -> int:
    """A number of upper-case digits; spaces stand for leading zeros."""
    digits = text.lstrip(" ") or "0"
    if digits.upper() != digits or not digits.isalnum():
        raise Refusal(BAD_ASCII)
    try:
        return int(digits, radix)
    except ValueError:
        raise Refusal(BAD_ASCII) from None


class Plc:
    """The devices, and what a request does with them."""

    def __init__(self, series: str, is_ascii: bool, xy_digits: str, route: bytes) -> None:
        self._series = series
        self.is_ascii = is_ascii
        self.route = route
        self.end_code = 0
        self.sleep_seconds = 0.0
        fx5 = series == "iqf"
        self._max_words = 480 if fx5 and is_ascii else 960
        self._max_bits = 7168 // (2 if fx5 else 1) // (2 if is_ascii else 1)
        self.devices: dict[str, Memory] = {}
        self._by_code: dict[int, Memory] = {}
        for name, code, radix, count, is_bits in DEVICES:
            if fx5 and name in ("V", "ZR"):
                continue
            if fx5 and name in ("X", "Y"):
                count, radix = 1024, 8 if xy_digits == "octal" else 16
            first = ((number + code) % 3 == 0 if is_bits else (number + code) & 0xFFFF for number in range(count))
            memory = Memory(name, code, radix, is_bits, array("H", first))
            self.devices[name] = self.devices[LONG_NAMES.get(name, name)] = self._by_code[code] = memory

    def find(self, address: str) -> tuple[Memory, int]:
        """A device as a person writes it: ``D100``, ``X1F`` (octal on FX5, ZR decimal)."""
        name = address.rstrip("0123456789ABCDEF")
        name = next((known for known in sorted(self.devices, key=len, reverse=True) if address.startswith(known)), name)
        memory = self.devices.get(name)
        if memory is None:
            raise ValueError(f"unknown device {address!r}")
        octal = self._series == "iqf" and name in ("X", "Y")
        radix = 8 if octal else 10 if name == "ZR" else memory.radix
        return memory, int(address[len(name) :], radix)

    def answer(self, body: bytes) -> tuple[int, bytes]:
        """End code and data for the part of a request after the monitoring timer."""
        fields: Fields = AsciiFields(body) if self.is_ascii else BinaryFields(body)
        end_code, data = self.end_code, b""
        if not end_code:
            try:
                data = self._execute(fields)
                end_code = WRONG_LENGTH if fields.rest() else 0
            except Refusal as refusal:
                end_code = refusal.end_code
        return end_code, self.route + body[: 8 if self.is_ascii else 4] if end_code else data

    def _execute(self, fields: Fields) -> bytes:
        command, subcommand = fields.number(2), fields.number(2)
        if command == TYPE_NAME and subcommand == 0:
            name, code = TYPE_NAMES[self._series]
            return name.ljust(16).encode("ascii") + self._number(code)
        if command == SELF_TEST and subcommand == 0:
            count = fields.number(2)
            return self._number(count) + fields.rest()
        if command not in (READ, WRITE) or subcommand not in (0, 1, 2, 3) or (self._series != "iqr" and subcommand > 1):
            raise Refusal(WRONG_COMMAND)
        in_bits = subcommand % 2 == 1
        memory, start = self._device(*fields.device(is_long=subcommand > 1))
        count = fields.number(2)
        if in_bits and not memory.is_bits:
            raise Refusal(WRONG_UNIT)
        if not 0 < count <= (self._max_bits if in_bits else self._max_words):
            raise Refusal(TOO_MANY_BITS if in_bits else TOO_MANY_WORDS)
        if command == READ:
            return self._bits(memory.take(start, count)) if in_bits else self._words(memory.words(start, count))
        if in_bits:
            memory.put(start, fields.bits(count))
        else:
            memory.put_words(start, fields.words(count))
        return b""

    def _device(self, code: str | int, number: int | str) -> tuple[Memory, int]:
        memory = self.devices.get(code) if isinstance(code, str) else self._by_code.get(code)
        if memory is None:
            raise Refusal(WRONG_DEVICE)
        return memory, number if isinstance(number, int) else parse(number, memory.radix)

    def _number(self, value: int) -> bytes:
        return b"%04X" % value if self.is_ascii else struct.pack("<H", value)

    def _words(self, words: Iterable[int]) -> bytes:
        return b"".join(self._number(word) for word in words)

    def _bits(self, bits: array[int]) -> bytes:
        if self.is_ascii:
            return bytes(48 + bit for bit in bits)
        padded = [*bits, 0]
        return bytes(padded[at] << 4 | padded[at + 1] for at in range(0, len(bits), 2))


class Responder:
    """The frames around a ``Plc``."""

    def __init__(self, plc: Plc) -> None:
        self._plc = plc

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, one request after the other, until it ends."""
        try:
            while True:
                frame = await (self._ascii(reader) if self._plc.is_ascii else self._binary(reader))
                if self._plc.sleep_seconds:
                    await asyncio.sleep(self._plc.sleep_seconds)
                writer.write(frame)
                await writer.drain()
        except (asyncio.IncompleteReadError, OSError):
            writer.close()

    async def _binary(self, reader: asyncio.StreamReader) -> bytes:
        while True:
            head = await reader.readexactly(9)
            body = await reader.readexactly(int.from_bytes(head[7:9], "little"))
            if head[:2] == b"\x50\x00":
                break  # anything else is not answered
        route = head[2:7]
        end_code, data = self._answer(route, body[2:])
        return b"\xd0\x00" + route + struct.pack("<HH", len(data) + 2, end_code) + data

    async def _ascii(self, reader: asyncio.StreamReader) -> bytes:
        while True:
            head = await reader.readexactly(18)
            body = await reader.readexactly(int(head[14:18], 16))
            if head[:4] == b"5000":
                break
        route = head[4:14]
        end_code, data = self._answer(route, body[4:])
        return b"D000" + route + b"%04X%04X" % (len(data) + 4, end_code) + data

    def _answer(self, route: bytes, request: bytes) -> tuple[int, bytes]:
        if route != self._plc.route:
            return WRONG_ROUTE, route + request[: 8 if self._plc.is_ascii else 4]
        return self._plc.answer(request)


def obey(plc: Plc, line: str) -> bool:
    """Carry out one order; False when it is none."""
    match line.split():
        case ["set", address, *values]:
            memory, start = plc.find(address)
            memory.put(start, [int(value, 0) for value in values])
        case ["refuse", address, count]:
            memory, start = plc.find(address)
            memory.refused.update(range(start, start + int(count)))
        case ["allow"]:
            for memory in plc.devices.values():
                memory.refused.clear()
        case ["end_code", code]:
            plc.end_code = int(code, 16)
        case ["sleep", seconds]:
            plc.sleep_seconds = float(seconds)
        case _:
            return False
    return True


def main() -> None:
    parser = server_arguments("A PLC that answers MC 3E frames.", 5007)
    parser.add_argument("--code", choices=("binary", "ascii"), default="binary")
    parser.add_argument("--series", choices=tuple(TYPE_NAMES), default="q")
    parser.add_argument("--xy-digits", choices=("octal", "hexadecimal"), default="octal", help="FX5 in ASCII code")
    parser.add_argument("--route", default="0,255,1023,0", help="network, PC, module I/O and module station number")
    arguments = parser.parse_args()
    is_ascii = arguments.code == "ascii"
    numbers = [int(number) for number in arguments.route.split(",")]
    route = b"%02X%02X%04X%02X" % tuple(numbers) if is_ascii else struct.pack("<BBHB", *numbers)
    plc = Plc(arguments.series, is_ascii, arguments.xy_digits, route)

    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(asyncio.start_server(Responder(plc).serve, "127.0.0.1", 0))
    threading.Thread(target=loop.run_forever, daemon=True).start()
    direct_port = server.sockets[0].getsockname()[1]
    serve_behind_a_gate(direct_port, arguments, lambda line: obey(plc, line))


if __name__ == "__main__":
    main()
