"""S7Driver: one Siemens S7 PLC, read in blocks."""

from __future__ import annotations

from datetime import datetime
from typing import Final, NamedTuple

from snap7.datatypes import S7Area

from agent_core.api import (
    AddressError,
    Area,
    ByteOrder,
    ComponentContext,
    DataType,
    Point,
    TagSpec,
    WordOrder,
)
from s7_driver.address import FLAGS, GREATEST_BYTE, INPUTS, OUTPUTS, Address, parse_address
from s7_driver.config import S7DriverConfig
from s7_driver.connection import READ_OVERHEAD, Connection

LONGEST_STRING: Final = 254
STRING_HEADER_BYTES: Final = 2
"""Of an S7 STRING: how long it may be, and how long it is."""

STRING_SUFFIX: Final = " STRING"
_AREAS: Final = {FLAGS: S7Area.MK, INPUTS: S7Area.PE, OUTPUTS: S7Area.PA}


class Memory(NamedTuple):
    """An area as requests name it."""

    code: S7Area
    db_number: int
    is_string: bool


class S7Driver:
    """A BlockDriver, BitWriter and ClockReader over one connection, with one request under way at a time."""

    def __init__(self, config: S7DriverConfig, context: ComponentContext) -> None:
        self._connection = Connection(config, context.log)
        self._bytes = Area(unit_bits=8, max_units=config.pdu_size - READ_OVERHEAD, max_gap_units=config.max_gap)
        # A string stands alone in its request, which reads its lengths too.
        self._strings = Area(unit_bits=8, max_units=LONGEST_STRING, max_gap_units=0)

    @property
    def word_order(self) -> WordOrder:
        return WordOrder.BIG

    @property
    def byte_order(self) -> ByteOrder:
        return ByteOrder.BIG

    def area(self, name: str) -> Area:
        return self._strings if name.endswith(STRING_SUFFIX) else self._bytes

    def locate(self, tag: TagSpec) -> Point:
        address = parse_address(tag.address)
        if tag.data_type is DataType.BOOL:
            if address.bit is None:
                raise AddressError(f"{tag.address!r}: a bool is written with its bit, such as DB10.DBX4.3 or M20.3")
            return Point(address.area, address.start, 1, address.bit)
        if address.bit is not None:
            raise AddressError(f"{tag.address!r} is one bit, so its data type is bool, not {tag.data_type}")
        if address.is_string and tag.data_type is not DataType.STRING:
            raise AddressError(f"{tag.address!r} is a STRING, so its data type is string, not {tag.data_type}")
        size_bytes = tag.length_bytes if tag.data_type is DataType.STRING else tag.data_type.size_bytes or 0
        if size_bytes < 1:
            raise AddressError(f"{tag.address!r}: a string needs its length in bytes")
        if address.width not in (None, size_bytes):
            raise AddressError(
                f"{tag.address!r} has {address.width} bytes, {tag.data_type} has {size_bytes}; "
                f"write {_any_size(address)} for any type"
            )
        area = address.area + STRING_SUFFIX if address.is_string else address.area
        limit = self.area(area).max_units
        if size_bytes > limit:
            raise AddressError(f"{tag.address!r}: {size_bytes} bytes are more than one request reads ({limit})")
        if address.start + size_bytes - 1 > GREATEST_BYTE:
            raise AddressError(f"{tag.address!r}: {size_bytes} bytes from there on leave the area")
        return Point(area, address.start, size_bytes)

    def connect(self) -> None:
        self._connection.open()

    def close(self) -> None:
        self._connection.close()

    def read_block(self, area: str, start: int, units: int) -> bytes:
        code, db_number, is_string = _memory(area)
        self._connection.open()
        where = f"{area} bytes {start} to {start + units - 1}"
        if not is_string:
            return self._connection.read(code, db_number, start, units, where)
        data = self._connection.read(code, db_number, start, STRING_HEADER_BYTES + units, where)
        text = data[STRING_HEADER_BYTES:]
        return text[: min(data[0], data[1])].ljust(units, b"\0")

    def check_write(self, tag: TagSpec) -> None:
        if self.locate(tag).bit is None:
            raise AddressError(f"{tag.address!r} cannot be written: write a bit, such as DB10.DBX4.3 or M20.3")
        if parse_address(tag.address).area == INPUTS:
            raise AddressError(f"{tag.address!r} cannot be written: the PLC keeps setting its inputs")

    def write_bit(self, tag: TagSpec, value: bool) -> None:
        self.check_write(tag)
        area, start, _, bit = self.locate(tag)
        code, db_number, _ = _memory(area)
        self._connection.open()
        self._connection.write_bit(code, db_number, 8 * start + (bit or 0), value, tag.address)

    def read_clock(self) -> datetime | None:
        self._connection.open()
        return self._connection.read_clock()


def _memory(area: str) -> Memory:
    name = area.removesuffix(STRING_SUFFIX)
    if name in _AREAS:
        return Memory(_AREAS[name], 0, is_string=False)
    return Memory(S7Area.DB, int(name.removeprefix("DB")), is_string=name != area)


def _any_size(address: Address) -> str:
    dot = "." if address.area.startswith("DB") else ""
    return f"{address.area}{dot}{address.start}"
