"""What a tag's address means."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from modbus_driver.address import Address, parse_address
from modbus_driver.driver import ModbusDriver

from agent_core.api import AddressError, Area, DataType, Point, TagSpec

MakeDriver = Callable[..., ModbusDriver]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hr:100", Address("hr", 100, None)),
        ("HR:0", Address("hr", 0, None)),
        (" ir:65535 ", Address("ir", 65535, None)),
        ("co:3", Address("co", 3, None)),
        ("di:7", Address("di", 7, None)),
        ("hr:100.3", Address("hr", 100, 3)),
        ("40001", Address("hr", 0, None)),
        ("40101.15", Address("hr", 100, 15)),
        ("465536", Address("hr", 65535, None)),
        ("30001", Address("ir", 0, None)),
        ("10001", Address("di", 0, None)),
        ("00001", Address("co", 0, None)),
    ],
)
def test_an_address_names_an_area_and_an_offset(text: str, expected: Address) -> None:
    assert parse_address(text, base=0) == expected


def test_a_base_of_one_moves_all_but_the_classic_addresses() -> None:
    assert parse_address("hr:1", base=1) == Address("hr", 0, None)
    assert parse_address("hr:65536", base=1) == Address("hr", 65535, None)
    assert parse_address("40001", base=1) == Address("hr", 0, None)


@pytest.mark.parametrize(
    ("text", "lesson"),
    [
        ("D100", "write hr:100"),
        ("", "write hr:100"),
        ("hr:", "write hr:100"),
        ("hr:-1", "write hr:100"),
        ("hr:٣", "write hr:100"),
        ("20001", "write hr:100"),
        ("4001", "write hr:100"),
        ("hr:65536", "counts from 0 to 65535"),
        ("40000", "counts from 1 to 65536"),
        ("465537", "counts from 1 to 65536"),
        ("hr:1.16", "bits 0 to 15"),
        ("co:1.0", "single bits already"),
    ],
)
def test_a_wrong_address_is_answered_with_the_right_way_to_write_it(text: str, lesson: str) -> None:
    with pytest.raises(AddressError, match=lesson):
        parse_address(text, base=0)


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        (TagSpec("T", "hr:10", DataType.INT16), Point("hr", 10, 1)),
        (TagSpec("T", "hr:10", DataType.FLOAT32), Point("hr", 10, 2)),
        (TagSpec("T", "ir:10", DataType.INT64), Point("ir", 10, 4)),
        (TagSpec("T", "hr:10", DataType.STRING, 5), Point("hr", 10, 3)),
        (TagSpec("T", "hr:10.0", DataType.BOOL), Point("hr", 10, 1, 0)),
        (TagSpec("T", "co:10", DataType.BOOL), Point("co", 10, 1)),
    ],
)
def test_a_tag_takes_as_many_registers_as_its_type(make_driver: MakeDriver, tag: TagSpec, expected: Point) -> None:
    assert make_driver().locate(tag) == expected


@pytest.mark.parametrize(
    ("tag", "lesson"),
    [
        (TagSpec("T", "hr:10", DataType.BOOL), "hr:10.0 for the lowest"),
        (TagSpec("T", "hr:10.1", DataType.UINT16), "its data type is bool"),
        (TagSpec("T", "co:10", DataType.UINT16), "its data type is bool"),
        (TagSpec("T", "hr:10", DataType.STRING), "length in bytes"),
        (TagSpec("T", "hr:10", DataType.STRING, 251), "more than one request reads"),
        (TagSpec("T", "hr:65535", DataType.FLOAT32), "leave the area"),
    ],
)
def test_a_type_that_does_not_fit_the_address_is_told_so(make_driver: MakeDriver, tag: TagSpec, lesson: str) -> None:
    with pytest.raises(AddressError, match=lesson):
        make_driver().locate(tag)


def test_the_limits_come_from_the_configuration(make_driver: MakeDriver) -> None:
    driver = make_driver(max_registers=60, max_bits=400, max_gap=3)
    assert driver.area("hr") == driver.area("ir") == Area(unit_bits=16, max_units=60, max_gap_units=3)
    assert driver.area("co") == driver.area("di") == Area(unit_bits=1, max_units=400, max_gap_units=48)
