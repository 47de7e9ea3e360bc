"""modbus_driver passes the suite that every block driver has to pass, against a real pymodbus server."""

from __future__ import annotations

import socket
from collections.abc import Sequence

import pytest
from modbus_driver.driver import ModbusDriver
from plant.process import ModbusPlant

from agent_core.api import DataType, Driver, TagSpec
from agent_core.testing.drivers import BlockDriverContract, Held

REFUSED_REGISTER = 190


def tag(address: str, data_type: DataType = DataType.UINT16, length_bytes: int = 0) -> TagSpec:
    return TagSpec("T", address, data_type, length_bytes)


class TestModbusDriver(BlockDriverContract):
    unreachable_seconds = 2.0

    @pytest.fixture(autouse=True)
    def devices(self, plant: ModbusPlant, make_driver: object) -> None:
        self._plant = plant
        self._make_driver = make_driver
        plant.refuse(REFUSED_REGISTER)

    def make_driver(self) -> ModbusDriver:
        assert callable(self._make_driver)
        driver = self._make_driver(address=self._plant.address)
        assert isinstance(driver, ModbusDriver)
        return driver

    def make_unreachable_driver(self) -> ModbusDriver:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            port = unused.getsockname()[1]
        assert callable(self._make_driver)
        driver = self._make_driver(address=f"127.0.0.1:{port}", timeout=0.5)
        assert isinstance(driver, ModbusDriver)
        return driver

    def held(self) -> Sequence[Held]:
        return [
            Held(tag("ir:5"), b"\x00\x05"),
            Held(tag("ir:258", DataType.FLOAT32), b"\x01\x02\x01\x03"),
            Held(tag("ir:16", DataType.FLOAT64), b"\x00\x10\x00\x11\x00\x12\x00\x13"),
            Held(tag("ir:300", DataType.STRING, 5), b"\x01\x2c\x01\x2d\x01\x2e"),
            Held(tag("30006"), b"\x00\x05"),
            Held(tag("ir:5.2", DataType.BOOL), b"\x00\x05"),
            Held(tag("co:3", DataType.BOOL), b"\x01"),
            Held(tag("co:4", DataType.BOOL), b"\x00"),
            Held(tag("di:10", DataType.BOOL), b"\x01"),
        ]

    def wrong_tags(self) -> Sequence[TagSpec]:
        return [tag("D100"), tag("hr:65536"), tag("co:1"), tag("hr:1", DataType.BOOL), tag("hr:1.16", DataType.BOOL)]

    def refused_tag(self) -> TagSpec:
        return tag(f"hr:{REFUSED_REGISTER}")

    def longest_blocks(self) -> Sequence[tuple[str, int]]:
        return [("hr", 0), ("ir", 7), ("co", 0), ("di", 0)]

    def writable_bits(self) -> Sequence[TagSpec]:
        """Two coils, and bits of a register that belongs to no group of the plant."""
        register = self._plant.catalogue.groups[0].stop + 3
        addresses = ("co:3", "co:1001", f"hr:{register}.0", f"hr:{register}.15", f"hr:{register}.8")
        return [tag(address, DataType.BOOL) for address in addresses]

    def unwritable_tags(self) -> Sequence[TagSpec]:
        return [tag("di:3", DataType.BOOL), tag("ir:3.0", DataType.BOOL), tag("hr:3")]

    def break_connection(self, driver: Driver) -> bool:
        self._plant.drop()
        return True
