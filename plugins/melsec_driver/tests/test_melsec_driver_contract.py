"""melsec_driver passes the suite that every block driver has to pass, in every code and series, over real sockets."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

import pytest
from melsec_driver.driver import MelsecDriver
from plant.peer import PeerProcess

from agent_core.api import DataType, Driver, TagSpec
from agent_core.testing.drivers import BlockDriverContract, Held

REFUSED = 19000


def tag(address: str, data_type: DataType = DataType.UINT16, length_bytes: int = 0) -> TagSpec:
    return TagSpec("T", address, data_type, length_bytes)


def words(code: int, first: int, count: int) -> bytes:
    """What the responder holds at first in a word device."""
    return struct.pack(f">{count}H", *(number + code for number in range(first, first + count)))


def packed(code: int, word: int) -> bytes:
    """What it holds in sixteen points of a bit device."""
    return struct.pack(">H", sum(((16 * word + bit + code) % 3 == 0) << bit for bit in range(16)))


class TestBinary(BlockDriverContract):
    unreachable_seconds = 2.0
    keys: ClassVar[Mapping[str, object]] = {"data_code": "binary", "plc_series": "q"}

    @pytest.fixture(autouse=True)
    def devices(self, responders: Callable[[str, str], PeerProcess], make_driver: Callable[..., MelsecDriver]) -> None:
        self._peer = responders(str(self.keys["data_code"]), str(self.keys["plc_series"]))
        self._make_driver = make_driver
        self._peer.order(f"refuse D{REFUSED} 1")

    def make_driver(self) -> MelsecDriver:
        return self._make_driver(address=self._peer.address, **self.keys)

    def make_unreachable_driver(self) -> MelsecDriver:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            return self._make_driver(address=f"127.0.0.1:{unused.getsockname()[1]}", timeout=0.5, **self.keys)

    def held(self) -> Sequence[Held]:
        text = words(0xA8, 300, 3)
        return [
            Held(tag("D5"), words(0xA8, 5, 1)),
            Held(tag("D258", DataType.FLOAT32), words(0xA8, 258, 2)),
            Held(tag("D16", DataType.FLOAT64), words(0xA8, 16, 4)),
            Held(tag("D300", DataType.STRING, 5), bytes(text[at ^ 1] for at in range(6))),
            Held(tag("D5.2", DataType.BOOL), words(0xA8, 5, 1)),
            Held(tag("W1FF"), words(0xB4, 0x1FF, 1)),
            Held(tag("R7"), words(0xAF, 7, 1)),
            Held(tag("TN3"), words(0xC2, 3, 1)),
            Held(tag("ST3"), words(0xC8, 3, 1)),
            *self.held_bits(),
        ]

    def held_bits(self) -> Sequence[Held]:
        return [
            Held(tag("M100", DataType.BOOL), packed(0x90, 6)),
            Held(tag("M96"), packed(0x90, 6)),
            Held(tag("B0110", DataType.BOOL), packed(0xA0, 0x11)),
            Held(tag("X20", DataType.BOOL), packed(0x9C, 1 if self.keys["plc_series"] == "iqf" else 2)),
            Held(tag("Y7", DataType.BOOL), packed(0x9D, 0)),
            Held(tag("ST3", DataType.BOOL), packed(0xC7, 0)),
        ]

    def wrong_tags(self) -> Sequence[TagSpec]:
        return [tag("hr:100"), tag("D1F"), tag("M1"), tag("D1", DataType.BOOL), tag("D1.G", DataType.BOOL)]

    def refused_tag(self) -> TagSpec:
        return tag(f"D{REFUSED}")

    def longest_blocks(self) -> Sequence[tuple[str, int]]:
        return [("D", 7), ("D (text)", 0), ("R", 0), ("M", 0), ("M", 8)]

    def writable_bits(self) -> Sequence[TagSpec]:
        return [tag(address, DataType.BOOL) for address in ("M1000", "M1001", "B1A0", "Y17", "SM7")]

    def unwritable_tags(self) -> Sequence[TagSpec]:
        return [tag("X1", DataType.BOOL), tag("TS3", DataType.BOOL), tag("D1000.3", DataType.BOOL), tag("D1")]

    def break_connection(self, driver: Driver) -> bool:
        self._peer.order("drop")
        return True


class TestAscii(TestBinary):
    keys: ClassVar[Mapping[str, object]] = {"data_code": "ascii", "plc_series": "q"}

    def held(self) -> Sequence[Held]:
        return [*super().held(), Held(tag("ZR40000"), words(0xB0, 40000, 1))]


class TestWordsWrittenBack(TestBinary):
    keys: ClassVar[Mapping[str, object]] = {"data_code": "binary", "plc_series": "q", "write_word_bits": True}

    def writable_bits(self) -> Sequence[TagSpec]:
        return [tag(address, DataType.BOOL) for address in ("D1000.0", "D1000.F", "W100.8", "T3.1")]

    def unwritable_tags(self) -> Sequence[TagSpec]:
        return [tag("X1", DataType.BOOL), tag("TS3", DataType.BOOL), tag("D1")]


class TestWordsWrittenBackInAscii(TestWordsWrittenBack):
    keys: ClassVar[Mapping[str, object]] = {"data_code": "ascii", "plc_series": "iqr", "write_word_bits": True}


class TestBinaryOfIqr(TestBinary):
    keys: ClassVar[Mapping[str, object]] = {"data_code": "binary", "plc_series": "iqr"}


class TestAsciiOfIqr(TestAscii):
    keys: ClassVar[Mapping[str, object]] = {"data_code": "ascii", "plc_series": "iqr"}


class TestBinaryOfFx5(TestBinary):
    keys: ClassVar[Mapping[str, object]] = {"data_code": "binary", "plc_series": "iqf"}


class TestAsciiOfFx5(TestBinary):
    keys: ClassVar[Mapping[str, object]] = {"data_code": "ascii", "plc_series": "iqf"}


class TestBitsInBinary(TestBinary):
    keys: ClassVar[Mapping[str, object]] = {"data_code": "binary", "plc_series": "q", "bit_access": "bits"}

    def held_bits(self) -> Sequence[Held]:
        return [
            Held(tag("M99", DataType.BOOL), b"\x01"),
            Held(tag("M100", DataType.BOOL), b"\x00"),
            Held(tag("X1E", DataType.BOOL), b"\x01"),
        ]

    def wrong_tags(self) -> Sequence[TagSpec]:
        return [tag("M96"), tag("X1G", DataType.BOOL)]


class TestBitsInAscii(TestBitsInBinary):
    keys: ClassVar[Mapping[str, object]] = {"data_code": "ascii", "plc_series": "q", "bit_access": "bits"}
