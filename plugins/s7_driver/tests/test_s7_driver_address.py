"""What a tag's address means."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from s7_driver.address import Address, parse_address
from s7_driver.driver import S7Driver

from agent_core.api import AddressError, DataType, Point, TagSpec

MakeDriver = Callable[..., S7Driver]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("DB10.DBX4.3", Address("DB10", 4, 3)),
        ("DB10.DBB4", Address("DB10", 4, None)),
        ("DB10.DBW4", Address("DB10", 4, None, 2)),
        ("DB10.DBD4", Address("DB10", 4, None, 4)),
        (" db10.dbd4 ", Address("DB10", 4, None, 4)),
        ("DB10,W4", Address("DB10", 4, None, 2)),
        ("DB10.X4.7", Address("DB10", 4, 7)),
        ("DB10.4", Address("DB10", 4, None)),
        ("DB10.4.3", Address("DB10", 4, 3)),
        ("DB010.STRING20", Address("DB10", 20, None, is_string=True)),
        ("M20.3", Address("M", 20, 3)),
        ("MX20.3", Address("M", 20, 3)),
        ("MB20", Address("M", 20, None)),
        ("MW20", Address("M", 20, None, 2)),
        ("MD20", Address("M", 20, None, 4)),
        ("M20", Address("M", 20, None)),
        ("I0.1", Address("I", 0, 1)),
        ("E0.1", Address("I", 0, 1)),
        ("EW2", Address("I", 2, None, 2)),
        ("Q4.0", Address("Q", 4, 0)),
        ("A4.0", Address("Q", 4, 0)),
        ("QD4", Address("Q", 4, None, 4)),
    ],
)
def test_an_address_names_an_area_and_a_byte(text: str, expected: Address) -> None:
    assert parse_address(text) == expected


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        (TagSpec("T", "DB10.DBW4", DataType.INT16), Point("DB10", 4, 2)),
        (TagSpec("T", "DB10.DBD4", DataType.FLOAT32), Point("DB10", 4, 4)),
        (TagSpec("T", "DB10.5", DataType.FLOAT64), Point("DB10", 5, 8)),
        (TagSpec("T", "DB10.DBX4.3", DataType.BOOL), Point("DB10", 4, 1, 3)),
        (TagSpec("T", "DB10.DBB4", DataType.STRING, 5), Point("DB10", 4, 5)),
        (TagSpec("T", "DB10.STRING20", DataType.STRING, 16), Point("DB10 STRING", 20, 16)),
        (TagSpec("T", "E1.7", DataType.BOOL), Point("I", 1, 1, 7)),
    ],
)
def test_a_tag_takes_as_many_bytes_as_its_type(make_driver: MakeDriver, tag: TagSpec, expected: Point) -> None:
    assert make_driver().locate(tag) == expected


@pytest.mark.parametrize(
    ("tag", "lesson"),
    [
        (TagSpec("T", "", DataType.INT16), "write DB10.DBX4.3"),
        (TagSpec("T", "D100", DataType.INT16), "write DB10.DBX4.3"),
        (TagSpec("T", "DB10", DataType.INT16), "write DB10.DBX4.3"),
        (TagSpec("T", "DB10.DBD-4", DataType.INT16), "write DB10.DBX4.3"),
        (TagSpec("T", "M\u0662", DataType.INT16), "write DB10.DBX4.3"),
        (TagSpec("T", "DB0.DBW4", DataType.INT16), "from 1 to 65535"),
        (TagSpec("T", "DB70000.DBW4", DataType.INT16), "from 1 to 65535"),
        (TagSpec("T", "DB1.DBX4.8", DataType.BOOL), "bits 0 to 7"),
        (TagSpec("T", "DB1.DBX4", DataType.BOOL), r"DB1\.DBX4\.0 for the lowest"),
        (TagSpec("T", "DB1.DBW4.1", DataType.BOOL), "without a size has a bit"),
        (TagSpec("T", "DB1.DBW4", DataType.BOOL), "written with its bit"),
        (TagSpec("T", "M4.1", DataType.UINT16), "its data type is bool"),
        (TagSpec("T", "DB1.DBW4", DataType.FLOAT32), r"has 2 bytes, float32 has 4; write DB1\.4"),
        (TagSpec("T", "MD4", DataType.INT16), "has 4 bytes, int16 has 2; write M4"),
        (TagSpec("T", "DB1.STRING4", DataType.INT16), "its data type is string"),
        (TagSpec("T", "DB1.DBB4", DataType.STRING), "length in bytes"),
        (TagSpec("T", "DB1.DBB4", DataType.STRING, 943), "more than one request reads"),
        (TagSpec("T", "DB1.STRING4", DataType.STRING, 255), "more than one request reads"),
        (TagSpec("T", "DB1.2097152", DataType.INT16), "up to 2097151"),
        (TagSpec("T", "DB1.2097151", DataType.INT16), "leave the area"),
    ],
)
def test_a_wrong_address_is_answered_with_the_right_way_to_write_it(
    make_driver: MakeDriver, tag: TagSpec, lesson: str
) -> None:
    with pytest.raises(AddressError, match=lesson):
        make_driver().locate(tag)
