"""Drivers: how a polling source talks to one device.

There are two kinds. A *block driver* reads a stretch of device memory and returns its bytes (Modbus, MC, S7): the
polling engine plans the stretches once, when the tag list loads, and decodes them. An *item driver* reads named items
and returns values (OPC UA, a simulator). A driver is one class; the engine owns threads, schedule, backoff, splitting
and decoding, so none of that is written twice.

A driver object serves one connection and is called from one thread at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, Protocol, runtime_checkable

from agent_core.api.batch import GOOD, Value
from agent_core.api.polling.float32 import float32_to_shortest, float32s_to_shortest

__all__ = [
    "Area",
    "BitWriter",
    "BlockDriver",
    "ByteOrder",
    "ClockReader",
    "DataType",
    "Driver",
    "ItemDriver",
    "ItemReading",
    "Point",
    "TagSpec",
    "WordOrder",
    "float32_to_shortest",
    "float32s_to_shortest",
]


class DataType(StrEnum):
    """What the bytes of a tag mean. PLC names (WORD, DINT, REAL ...) are accepted as aliases in tag lists."""

    BOOL = "bool"
    INT16 = "int16"
    UINT16 = "uint16"
    INT32 = "int32"
    UINT32 = "uint32"
    INT64 = "int64"
    UINT64 = "uint64"
    FLOAT32 = "float32"
    FLOAT64 = "float64"
    STRING = "string"

    @classmethod
    def parse(cls, text: str) -> DataType:
        """The data type named ``text``, in any case, aliases included. Raises ValueError with the known names."""
        name = text.strip()
        found = _ALIASES.get(name.upper())
        if found is not None:
            return found
        try:
            return cls(name.lower())
        except ValueError:
            known = ", ".join([*cls, *_ALIASES])
            raise ValueError(f"unknown data type {text!r}; known: {known}") from None

    @property
    def size_bytes(self) -> int | None:
        """Bytes of one value; None for ``bool`` (one bit) and ``string`` (its tag says)."""
        return _SIZES.get(self)


_ALIASES = {
    "BIT": DataType.BOOL,
    "INT": DataType.INT16,
    "WORD": DataType.UINT16,
    "DINT": DataType.INT32,
    "DWORD": DataType.UINT32,
    "LINT": DataType.INT64,
    "LWORD": DataType.UINT64,
    "REAL": DataType.FLOAT32,
    "LREAL": DataType.FLOAT64,
}
_SIZES = {
    DataType.INT16: 2,
    DataType.UINT16: 2,
    DataType.INT32: 4,
    DataType.UINT32: 4,
    DataType.INT64: 8,
    DataType.UINT64: 8,
    DataType.FLOAT32: 4,
    DataType.FLOAT64: 8,
}


class WordOrder(StrEnum):
    """Which 16-bit word of a longer value comes first in device memory."""

    BIG = "big"
    LITTLE = "little"


class ByteOrder(StrEnum):
    """Which byte of a 16-bit word is the more significant one on the wire."""

    BIG = "big"
    LITTLE = "little"


@dataclass(frozen=True, slots=True)
class TagSpec:
    """One tag as the tag list gives it.

    ``length_bytes`` is for strings only. ``scale`` multiplies, then ``offset`` is added; None leaves the value as
    read, type included. ``word_order`` and ``byte_order`` are None for the driver's default.
    """

    name: str
    address: str
    data_type: DataType
    length_bytes: int = 0
    encoding: str = "utf-8"
    scale: float | None = None
    offset: float | None = None
    word_order: WordOrder | None = None
    byte_order: ByteOrder | None = None


@runtime_checkable
class Driver(Protocol):
    """What every driver has."""

    def connect(self) -> None:
        """Connect if not connected. Bounded by the device's time-out. Raises DeviceUnreachable.

        May look at a connection that it has, and raise ConnectionLost when the device has closed that.
        """

    def close(self) -> None:
        """Drop the connection. Safe without ``connect``, safe twice, bounded."""


class Point(NamedTuple):
    """Where a tag lies: ``units`` units of ``area`` from ``start`` on; ``bit`` picks one bit of a word (0 lowest)."""

    area: str
    start: int
    units: int
    bit: int | None = None


@dataclass(frozen=True, slots=True)
class Area:
    """One kind of device memory and the protocol's limits for reading it.

    ``unit_bits``: 1, 8 or 16. ``max_units``: units one request may ask for. ``max_gap_units``: how many unwanted
    units a plan may read to save a request. ``alignment_units``: a block starts at a multiple of this.
    """

    unit_bits: int
    max_units: int
    max_gap_units: int
    alignment_units: int = 1


@runtime_checkable
class BlockDriver(Driver, Protocol):
    """Reads stretches of memory."""

    @property
    def word_order(self) -> WordOrder:
        """The device's default for values longer than a word."""

    @property
    def byte_order(self) -> ByteOrder:
        """The device's default within a word."""

    def area(self, name: str) -> Area:
        """The limits of an area that ``locate`` named. Pure."""

    def locate(self, tag: TagSpec) -> Point:
        """Where the tag lies. Pure. Raises AddressError, whose message teaches the address syntax."""

    def read_block(self, area: str, start: int, units: int) -> bytes:
        """Read one stretch, ``units <= area.max_units``.

        16-bit units: two bytes each, most significant first as the protocol numbers them. 8-bit units: one byte each.
        1-bit units: one byte each, 0 or 1. Raises DeviceUnreachable (then it has closed the connection) or
        ReadRefused, each as precisely as the protocol allows: ConnectionLost, WrongAnswer; DeviceBusy,
        UnclearRefusal. It never retries; it is bounded by the device's time-out.
        """


class ItemReading(NamedTuple):
    """One item as the device gave it. ``timestamp_ns`` None means the protocol has none: use the answer's time.

    A float32 comes as the shortest decimal that round-trips as float32. ``reason``: why a BAD reading is bad, in the
    protocol's words, where it has any.
    """

    value: Value
    quality: int = GOOD
    timestamp_ns: int | None = None
    reason: str | None = None


@runtime_checkable
class ItemDriver(Driver, Protocol):
    """Reads named items."""

    @property
    def max_items(self) -> int:
        """How many items one request may ask for; valid after ``connect``."""

    def check(self, tag: TagSpec) -> None:
        """Raises AddressError when the tag's address means nothing here. Pure."""

    def read_items(self, tags: Sequence[TagSpec]) -> Sequence[ItemReading]:
        """Read the items, one reading each, in order. An item that is bad comes back with quality BAD, value None.

        Raises as ``read_block`` does, ReadRefused for the whole request. Never retries; bounded by the time-out.
        """


@runtime_checkable
class BitWriter(Protocol):
    """Optional on a driver of either kind: it can write one bit, so that a trigger bit can be reset.

    The engine calls ``write_bit`` only for a device that allows writes, and only for the trigger bit of a group that
    asks for its reset.
    """

    def check_write(self, tag: TagSpec) -> None:
        """Raises AddressError when the bit (``data_type`` is bool) cannot be written. Pure."""

    def write_bit(self, tag: TagSpec, value: bool) -> None:
        """Write the bit and wait for the device to confirm it, leaving its neighbours as they are.

        Raises DeviceUnreachable (then it has closed the connection) or another DriverError when the device refuses.
        Never retries; bounded by the time-out.
        """


@runtime_checkable
class ClockReader(Protocol):
    """Optional on a driver of either kind: its protocol tells the time of the device's own clock."""

    def read_clock(self) -> datetime | None:
        """What the device's clock shows now; None when this device has none.

        With a time zone where the protocol says which it is (UTC), else without: then it is what the PLC shows, which
        should be the plant's local time. Raises DriverError, DeviceUnreachable included. Bounded by the time-out.
        """
