"""Driver contracts: what every driver has to pass, one class for each of the two kinds.

A plugin's author subclasses the contract in the plugin's tests and says how to make a driver for a device that
answers, what that device contains, and what it refuses::

    class TestMyDriver(BlockDriverContract):
        def make_driver(self): return MyDriver(...)
        def make_unreachable_driver(self): return MyDriver(... a port where nobody listens ...)
        def held(self): return [Held(TagSpec("T", "D100", DataType.UINT16), b"\\x00\\x07")]
        def wrong_tags(self): return [TagSpec("T", "Q-1", DataType.UINT16)]

The tests of a contract cannot be overridden. They need a real device or a server that stands in for one, because what
a driver does happens on the wire.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar, NamedTuple

import pytest

from agent_core.api import (
    BAD,
    QUALITY_NAMES,
    AddressError,
    BitWriter,
    BlockDriver,
    DataType,
    DeviceUnreachable,
    Driver,
    ItemDriver,
    Point,
    ReadRefused,
    TagSpec,
    Value,
)
from agent_core.testing.contract import Contract
from agent_core.testing.suite.patience import within


class DriverContract(Contract):
    """The behaviour of ``agent_core.api.Driver``, common to both kinds."""

    unreachable_seconds: ClassVar[float] = 5.0
    """How long a driver made by ``make_unreachable_driver`` may take to say so on a machine that is not busy."""

    def make_driver(self) -> Driver:
        """A driver that is not connected, for a device that answers. Called more than once."""
        raise NotImplementedError(f"{type(self).__name__}.make_driver")

    def make_unreachable_driver(self) -> Driver | None:
        """A driver for a device that does not answer; None for a driver that always does (a simulator)."""
        raise NotImplementedError(f"{type(self).__name__}.make_unreachable_driver")

    def wrong_tags(self) -> Sequence[TagSpec]:
        """Tags whose address or data type the driver does not understand."""
        raise NotImplementedError(f"{type(self).__name__}.wrong_tags")

    def break_connection(self, driver: Driver) -> bool:  # noqa: ARG002 - an override needs it
        """Break the connection of a connected driver from the device's side; False if that cannot happen."""
        return False

    @pytest.fixture
    def driver(self) -> Iterator[Driver]:
        driver = self.make_driver()
        yield driver
        driver.close()

    def test_close_is_safe_without_connect_and_twice(self, driver: Driver) -> None:
        driver.close()
        driver.connect()
        driver.close()
        driver.close()

    def test_connect_when_connected_does_nothing(self, driver: Driver) -> None:
        driver.connect()
        driver.connect()

    def test_it_connects_again_after_close(self, driver: Driver) -> None:
        driver.connect()
        driver.close()
        driver.connect()

    def test_a_device_that_does_not_answer_is_unreachable_within_the_time_out(self) -> None:
        driver = self.make_unreachable_driver()
        if driver is None:
            pytest.skip("this driver always reaches its device")
        try:
            for _ in range(2):
                with within(self.unreachable_seconds), pytest.raises(DeviceUnreachable) as raised:
                    self._connect_and_read(driver)
                assert str(raised.value), "the message says what failed"
        finally:
            driver.close()

    def test_a_lost_connection_is_unreachable_once_and_made_again(self, driver: Driver) -> None:
        driver.connect()
        self._read_something(driver)
        if not self.break_connection(driver):
            pytest.skip("no connection to break")
        try:
            self._read_something(driver)
        except DeviceUnreachable:
            self._connect_and_read(driver)

    def _connect_and_read(self, driver: Driver) -> None:
        driver.connect()
        self._read_something(driver)

    def _read_something(self, driver: Driver) -> None:
        """One request for something the device holds."""
        raise NotImplementedError


class Held(NamedTuple):
    """A tag, and the bytes that ``read_block`` gives for its units."""

    tag: TagSpec
    data: bytes


class BlockDriverContract(DriverContract):
    """The behaviour of ``agent_core.api.BlockDriver``."""

    def held(self) -> Sequence[Held]:
        """Some tags of the device, at least one."""
        raise NotImplementedError(f"{type(self).__name__}.held")

    def refused_tag(self) -> TagSpec | None:
        """A tag with a valid address that this device refuses to read; None when it refuses nothing."""
        return None

    def longest_blocks(self) -> Sequence[tuple[str, int]]:
        """``(area, start)`` from which the device has as many units as one request may ask for."""
        return ()

    def writable_bits(self) -> Sequence[TagSpec]:
        """Bits that a BitWriter may write, in any state; () for a driver that writes nothing."""
        return ()

    def unwritable_tags(self) -> Sequence[TagSpec]:
        """Tags that can be read and not written."""
        return ()

    def make_block_driver(self) -> BlockDriver:
        """``make_driver``, checked to be a block driver."""
        driver = self.make_driver()
        assert isinstance(driver, BlockDriver), "a block driver has all that the protocol names"
        return driver

    @pytest.fixture
    def blocks(self) -> Iterator[BlockDriver]:
        driver = self.make_block_driver()
        yield driver
        driver.close()

    def test_it_locates_without_a_connection_and_always_the_same(self, blocks: BlockDriver) -> None:
        for tag, _ in self.held():
            assert blocks.locate(tag) == blocks.locate(tag)

    def test_what_it_locates_keeps_the_limits_of_the_area(self, blocks: BlockDriver) -> None:
        for tag, _ in self.held():
            point = blocks.locate(tag)
            limits = blocks.area(point.area)
            assert limits.unit_bits in (1, 8, 16)
            assert limits.max_units >= 1
            assert limits.max_gap_units >= 0
            assert limits.alignment_units >= 1
            assert point.start >= 0
            assert 1 <= point.units <= limits.max_units
            if tag.data_type is DataType.BOOL and limits.unit_bits > 1:
                assert point.bit is not None
                assert 0 <= point.bit < limits.unit_bits

    def test_a_wrong_address_is_named_and_the_syntax_taught(self, blocks: BlockDriver) -> None:
        for tag in self.wrong_tags():
            with pytest.raises(AddressError) as raised:
                blocks.locate(tag)
            assert tag.address in str(raised.value)

    def test_it_reads_what_the_device_holds(self, blocks: BlockDriver) -> None:
        blocks.connect()
        for tag, data in self.held():
            point = blocks.locate(tag)
            assert blocks.read_block(point.area, point.start, point.units) == data, tag

    def test_a_read_of_the_longest_block_returns_every_unit(self, blocks: BlockDriver) -> None:
        blocks.connect()
        for area, start in self.longest_blocks():
            limits = blocks.area(area)
            data = blocks.read_block(area, start, limits.max_units)
            assert len(data) == limits.max_units * max(limits.unit_bits // 8, 1)
            if limits.unit_bits == 1:
                assert set(data) <= {0, 1}

    def test_a_refused_block_leaves_the_connection_usable(self, blocks: BlockDriver) -> None:
        tag = self.refused_tag()
        if tag is None:
            pytest.skip("this device refuses nothing")
        blocks.connect()
        point = blocks.locate(tag)
        with pytest.raises(ReadRefused) as raised:
            blocks.read_block(point.area, point.start, point.units)
        assert str(raised.value), "the message says what the device answered"
        self._read_something(blocks)

    def test_a_written_bit_is_read_back_and_its_neighbours_stay(self, blocks: BlockDriver) -> None:
        bits = self.writable_bits()
        if not bits:
            pytest.skip("this driver writes nothing")
        assert isinstance(blocks, BitWriter)
        blocks.connect()
        for tag in bits:
            point = blocks.locate(tag)
            blocks.check_write(tag)
            blocks.write_bit(tag, False)
            unset = blocks.read_block(point.area, point.start, point.units)
            blocks.write_bit(tag, True)
            blocks.write_bit(tag, True)
            changed = bytes(
                before ^ after
                for before, after in zip(unset, blocks.read_block(point.area, point.start, point.units), strict=True)
            )
            assert sum(byte.bit_count() for byte in changed) == 1, "one bit, and no other, has changed"
            blocks.write_bit(tag, False)
            assert blocks.read_block(point.area, point.start, point.units) == unset

    def test_a_tag_that_cannot_be_written_is_named(self, blocks: BlockDriver) -> None:
        for tag in self.unwritable_tags():
            assert isinstance(blocks, BitWriter)
            with pytest.raises(AddressError) as raised:
                blocks.check_write(tag)
            assert tag.address in str(raised.value)

    def _read_something(self, driver: Driver) -> None:
        assert isinstance(driver, BlockDriver)
        point: Point = driver.locate(self.held()[0].tag)
        driver.read_block(point.area, point.start, point.units)


class ItemDriverContract(DriverContract):
    """The behaviour of ``agent_core.api.ItemDriver``."""

    def good_tags(self) -> Sequence[TagSpec]:
        """Some tags that the device holds, at least two."""
        raise NotImplementedError(f"{type(self).__name__}.good_tags")

    def expected_value(self, tag: TagSpec) -> Value:  # noqa: ARG002 - an override needs it
        """What the tag holds; None if it changes on its own."""
        return None

    def missing_tag(self) -> TagSpec | None:
        """A tag with a valid address that this device does not hold; None when it holds everything."""
        return None

    @pytest.fixture
    def items(self) -> Iterator[ItemDriver]:
        driver = self.make_driver()
        assert isinstance(driver, ItemDriver), "an item driver has all that the protocol names"
        yield driver
        driver.close()

    def test_it_checks_tags_without_a_connection(self, items: ItemDriver) -> None:
        for tag in self.good_tags():
            items.check(tag)

    def test_a_wrong_address_is_named_and_the_syntax_taught(self, items: ItemDriver) -> None:
        for tag in self.wrong_tags():
            with pytest.raises(AddressError) as raised:
                items.check(tag)
            assert tag.address in str(raised.value)

    def test_it_says_how_many_items_a_request_may_have(self, items: ItemDriver) -> None:
        items.connect()
        assert items.max_items >= 1

    def test_it_returns_one_reading_for_each_tag_in_order(self, items: ItemDriver) -> None:
        items.connect()
        tags = list(self.good_tags())
        for asked in (tags, tags[::-1], tags[:1], []):
            readings = items.read_items(asked)
            assert len(readings) == len(asked)
            for tag, reading in zip(asked, readings, strict=True):
                assert reading.quality in QUALITY_NAMES
                assert (reading.value is None) == (reading.quality == BAD)
                expected = self.expected_value(tag)
                if expected is not None:
                    assert (type(reading.value), reading.value) == (type(expected), expected)

    def test_an_item_that_is_not_there_is_bad_and_the_others_are_read(self, items: ItemDriver) -> None:
        missing = self.missing_tag()
        if missing is None:
            pytest.skip("this device holds everything")
        items.connect()
        good = self.good_tags()[0]
        bad_reading, good_reading = items.read_items([missing, good])
        assert (bad_reading.value, bad_reading.quality) == (None, BAD)
        assert good_reading.quality != BAD

    def _read_something(self, driver: Driver) -> None:
        assert isinstance(driver, ItemDriver)
        driver.read_items(self.good_tags()[:1])
