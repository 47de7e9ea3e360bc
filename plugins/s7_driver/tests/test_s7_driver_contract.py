"""s7_driver passes the suite that every block driver has to pass, against a real python-snap7 server."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence

import pytest
from plant.peer import PeerProcess
from s7_driver.driver import S7Driver

from agent_core.api import DataType, Driver, TagSpec
from agent_core.testing.drivers import BlockDriverContract, Held

REFUSED_BYTE = 60000


def tag(address: str, data_type: DataType = DataType.UINT16, length_bytes: int = 0) -> TagSpec:
    return TagSpec("T", address, data_type, length_bytes)


class TestS7Driver(BlockDriverContract):
    unreachable_seconds = 2.0

    @pytest.fixture(autouse=True)
    def devices(self, plc: PeerProcess, make_driver: Callable[..., S7Driver]) -> None:
        self._plc = plc
        self._make_driver = make_driver
        plc.order(f"refuse 1 {REFUSED_BYTE} 1")
        plc.order("set DB1 2000 1005" + b"Reifen".hex())

    def make_driver(self) -> S7Driver:
        return self._make_driver(address=self._plc.address)

    def make_unreachable_driver(self) -> S7Driver:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            return self._make_driver(address=f"127.0.0.1:{unused.getsockname()[1]}", timeout=0.5)

    def held(self) -> Sequence[Held]:
        return [
            Held(tag("DB1.DBW4"), b"\x04\x05"),
            Held(tag("DB1.DBD100", DataType.FLOAT32), b"\x64\x65\x66\x67"),
            Held(tag("DB1.7", DataType.FLOAT64), b"\x07\x08\x09\x0a\x0b\x0c\x0d\x0e"),
            Held(tag("DB1.DBX9.3", DataType.BOOL), b"\x09"),
            Held(tag("DB1.DBB65", DataType.STRING, 3), b"ABC"),
            Held(tag("DB1.STRING2000", DataType.STRING, 8), b"Reife\0\0\0"),
            Held(tag("DB2.DBW98"), b"\x62\x63"),
            Held(tag("MW20"), b"\x14\x15"),
            Held(tag("E3.1", DataType.BOOL), b"\x03"),
            Held(tag("QD4", DataType.INT32), b"\x04\x05\x06\x07"),
        ]

    def wrong_tags(self) -> Sequence[TagSpec]:
        return [tag("D100"), tag("DB1.DBX1.8", DataType.BOOL), tag("MW1", DataType.INT32), tag("M1", DataType.BOOL)]

    def refused_tag(self) -> TagSpec:
        return tag(f"DB1.DBW{REFUSED_BYTE - 1}")

    def longest_blocks(self) -> Sequence[tuple[str, int]]:
        return [("DB1", 0), ("DB1", 50001), ("M", 5), ("DB1 STRING", 2000)]

    def writable_bits(self) -> Sequence[TagSpec]:
        addresses = ("DB1.DBX3000.0", "DB1.DBX3000.7", "DB2.DBX99.4", "M1023.3", "Q9.6")
        return [tag(address, DataType.BOOL) for address in addresses]

    def unwritable_tags(self) -> Sequence[TagSpec]:
        return [tag("I1.0", DataType.BOOL), tag("DB1.DBW4"), tag("DB1.STRING2000", DataType.STRING, 8)]

    def break_connection(self, driver: Driver) -> bool:
        self._plc.order("drop")
        return True
