"""The fake drivers of the testing kit pass the suite that real ones have to pass."""

from collections.abc import Sequence

from agent_core.api import DataType, Driver, ItemReading, TagSpec, Value
from agent_core.testing.drivers import BlockDriverContract, Held, ItemDriverContract
from agent_core.testing.fake_drivers import FakeBlockDriver, FakeItemDriver


class TestFakeBlockDriver(BlockDriverContract):
    def make_driver(self) -> FakeBlockDriver:
        driver = FakeBlockDriver()
        driver.store(5, b"\x01\x02")
        driver.bits[7] = 1
        driver.refused.add("D99")
        return driver

    def make_unreachable_driver(self) -> FakeBlockDriver:
        driver = FakeBlockDriver()
        driver.down = True
        return driver

    def held(self) -> Sequence[Held]:
        return [
            Held(TagSpec("T", "D5", DataType.UINT16), b"\x01\x02"),
            Held(TagSpec("T", "D4", DataType.FLOAT32), b"\x00\x00\x01\x02"),
            Held(TagSpec("T", "D5.1", DataType.BOOL), b"\x01\x02"),
            Held(TagSpec("T", "M7", DataType.BOOL), b"\x01"),
        ]

    def wrong_tags(self) -> Sequence[TagSpec]:
        return [TagSpec("T", "Q1", DataType.UINT16), TagSpec("T", "D65536", DataType.UINT16)]

    def refused_tag(self) -> TagSpec:
        return TagSpec("T", "D99", DataType.UINT16)

    def longest_blocks(self) -> Sequence[tuple[str, int]]:
        return [("D", 100), ("M", 0)]

    def break_connection(self, driver: Driver) -> bool:
        assert isinstance(driver, FakeBlockDriver)
        driver.connected = False
        return True


class TestFakeItemDriver(ItemDriverContract):
    def make_driver(self) -> FakeItemDriver:
        driver = FakeItemDriver()
        driver.items = {"a": ItemReading(1), "b": ItemReading("B")}
        return driver

    def make_unreachable_driver(self) -> FakeItemDriver:
        driver = FakeItemDriver()
        driver.down = True
        return driver

    def good_tags(self) -> Sequence[TagSpec]:
        return [TagSpec("A", "a", DataType.INT16), TagSpec("B", "b", DataType.STRING, 8)]

    def expected_value(self, tag: TagSpec) -> Value:
        values: dict[str, Value] = {"a": 1, "b": "B"}
        return values[tag.address]

    def wrong_tags(self) -> Sequence[TagSpec]:
        return [TagSpec("T", "", DataType.INT16)]

    def missing_tag(self) -> TagSpec:
        return TagSpec("T", "c", DataType.INT16)
