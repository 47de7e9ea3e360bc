"""Fake devices with state: a block driver and an item driver whose memory, refusals and outages a test sets."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from agent_core.api import (
    BAD,
    AddressError,
    Area,
    ByteOrder,
    DataType,
    DeviceUnreachable,
    ItemReading,
    Point,
    ReadRefused,
    TagSpec,
    WordOrder,
)

_ADDRESS = re.compile(r"([DM])(\d+)(?:\.(\d+))?")


class FakeBlockDriver:
    """A device with 65,536 words ``D0`` ... and as many bits ``M0`` ..., all 0 at first. Words are big endian.

    ``words`` and ``bits`` are its memory; ``refused`` holds addresses (``"D7"``) it will not read; ``down`` makes it
    unreachable. ``requests`` is every read it was asked for; ``before_read`` is called first in each, and may raise.
    """

    def __init__(self, max_words: int = 100, max_gap: int = 10, alignment: int = 1) -> None:
        self.word_order = WordOrder.BIG
        self.byte_order = ByteOrder.BIG
        self.words = bytearray(2 * 65536)
        self.bits = bytearray(65536)
        self.refused: set[str] = set()
        self.down = False
        self.requests: list[tuple[str, int, int]] = []
        self.before_read: Callable[[], None] = lambda: None
        self.connects = 0
        self.connected = False
        self._areas = {
            "D": Area(16, max_words, max_gap, alignment),
            "M": Area(1, 16 * max_words, 16 * max_gap, alignment),
        }

    def store(self, word: int, data: bytes) -> None:
        """Put bytes into the words from ``word`` on."""
        self.words[2 * word : 2 * word + len(data)] = data

    def connect(self) -> None:
        if self.connected:
            return
        self.connects += 1
        if self.down:
            raise DeviceUnreachable("nobody listens")
        self.connected = True

    def close(self) -> None:
        self.connected = False

    def area(self, name: str) -> Area:
        return self._areas[name]

    def locate(self, tag: TagSpec) -> Point:
        match = _ADDRESS.fullmatch(tag.address)
        if match is None or int(match[2]) > 65535:
            raise AddressError(f"{tag.address!r}: write D100, D100.3 or M5")
        area, start, bit = match[1], int(match[2]), None if match[3] is None else int(match[3])
        if tag.data_type is DataType.BOOL:
            return Point(area, start, 1, bit)
        size_bytes = tag.data_type.size_bytes or tag.length_bytes
        return Point(area, start, (size_bytes + 1) // 2)

    def read_block(self, area: str, start: int, units: int) -> bytes:
        self.connect()
        self.requests.append((area, start, units))
        self.before_read()
        if self.down:
            self.close()
            raise DeviceUnreachable("no answer")
        if any(f"{area}{start + offset}" in self.refused for offset in range(units)):
            raise ReadRefused("illegal address")
        if area == "M":
            return bytes(self.bits[start : start + units])
        return bytes(self.words[2 * start : 2 * (start + units)])


class FakeItemDriver:
    """A device that holds ``items`` by address; any other address is BAD. ``down`` makes it unreachable."""

    def __init__(self, max_items: int = 50) -> None:
        self.items: dict[str, ItemReading] = {}
        self.max_items = max_items
        self.down = False
        self.refused: set[str] = set()
        self.requests: list[tuple[str, ...]] = []
        self.connected = False

    def connect(self) -> None:
        if self.down:
            self.close()
            raise DeviceUnreachable("nobody listens")
        self.connected = True

    def close(self) -> None:
        self.connected = False

    def check(self, tag: TagSpec) -> None:
        if not tag.address:
            raise AddressError(f"{tag.address!r}: write any text")

    def read_items(self, tags: Sequence[TagSpec]) -> Sequence[ItemReading]:
        self.requests.append(tuple(tag.address for tag in tags))
        if self.down:
            self.close()
            raise DeviceUnreachable("no answer")
        if any(tag.address in self.refused for tag in tags):
            raise ReadRefused("not this one")
        return [self.items.get(tag.address, ItemReading(None, BAD)) for tag in tags]
