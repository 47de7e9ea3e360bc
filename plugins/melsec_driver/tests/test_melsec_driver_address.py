"""What a tag's address means."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from melsec_driver.driver import MelsecDriver

from agent_core.api import AddressError, ByteOrder, DataType, Point, TagSpec

MakeDriver = Callable[..., MelsecDriver]

WORD = DataType.UINT16
BOOL = DataType.BOOL


@pytest.mark.parametrize(
    ("address", "data_type", "expected"),
    [
        ("D100", WORD, Point("D", 100, 1)),
        (" d100 ", WORD, Point("D", 100, 1)),
        ("D100", DataType.FLOAT32, Point("D", 100, 2)),
        ("D100", DataType.FLOAT64, Point("D", 100, 4)),
        ("D100.A", BOOL, Point("D", 100, 1, 10)),
        ("W150", WORD, Point("W", 0x150, 1)),
        ("R5", WORD, Point("R", 5, 1)),
        ("ZR40000", WORD, Point("ZR", 40000, 1)),
        ("SD210", WORD, Point("SD", 210, 1)),
        ("SW1F", WORD, Point("SW", 0x1F, 1)),
        ("TN3", WORD, Point("TN", 3, 1)),
        ("T3", WORD, Point("TN", 3, 1)),
        ("T3.1", BOOL, Point("TN", 3, 1, 1)),
        ("ST3", WORD, Point("STN", 3, 1)),
        ("C3", DataType.INT16, Point("CN", 3, 1)),
        ("M100", BOOL, Point("M", 6, 1, 4)),
        ("M0", BOOL, Point("M", 0, 1, 0)),
        ("B0110", BOOL, Point("B", 0x11, 1, 0)),
        ("X1F", BOOL, Point("X", 1, 1, 15)),
        ("XA0", BOOL, Point("X", 10, 1, 0)),
        ("SM400", BOOL, Point("SM", 25, 1, 0)),
        ("T3", BOOL, Point("TS", 0, 1, 3)),
        ("TC17", BOOL, Point("TC", 1, 1, 1)),
        ("ST3", BOOL, Point("STS", 0, 1, 3)),
        ("C3", BOOL, Point("CS", 0, 1, 3)),
        ("M112", WORD, Point("M", 7, 1)),
        ("X20", DataType.UINT32, Point("X", 2, 2)),
    ],
)
def test_a_tag_lies_where_its_address_says(
    make_driver: MakeDriver, address: str, data_type: DataType, expected: Point
) -> None:
    assert make_driver().locate(TagSpec("T", address, data_type)) == expected


@pytest.mark.parametrize(
    ("address", "expected"),
    [("X20", Point("X", 1, 1, 0)), ("Y7", Point("Y", 0, 1, 7)), ("B20", Point("B", 2, 1, 0))],
)
def test_inputs_and_outputs_of_an_fx5_are_octal(make_driver: MakeDriver, address: str, expected: Point) -> None:
    assert make_driver(plc_series="iqf").locate(TagSpec("T", address, BOOL)) == expected


def test_zr_numbers_may_be_written_in_hexadecimal(make_driver: MakeDriver) -> None:
    assert make_driver(zr_numbers="hexadecimal").locate(TagSpec("T", "ZR9C40", WORD)) == Point("ZR", 40000, 1)


def test_bit_devices_may_be_read_in_bits(make_driver: MakeDriver) -> None:
    driver = make_driver(bit_access="bits")
    assert driver.locate(TagSpec("T", "M100", BOOL)) == Point("M", 100, 1)
    assert driver.locate(TagSpec("T", "X1F", BOOL)) == Point("X", 31, 1)
    assert driver.locate(TagSpec("T", "D100.3", BOOL)) == Point("D", 100, 1, 3)
    with pytest.raises(AddressError, match="bit_access: bits"):
        driver.locate(TagSpec("T", "M96", WORD))


def test_strings_lie_in_an_area_whose_words_are_turned_unless_their_byte_order_is_given(
    make_driver: MakeDriver,
) -> None:
    driver = make_driver()
    assert driver.locate(TagSpec("T", "D100", DataType.STRING, 5)) == Point("D (text)", 100, 3)
    told = TagSpec("T", "D100", DataType.STRING, 5, byte_order=ByteOrder.LITTLE)
    assert driver.locate(told) == Point("D", 100, 3)


@pytest.mark.parametrize(
    ("tag", "lesson"),
    [
        (TagSpec("T", "", WORD), "write D100"),
        (TagSpec("T", "hr:1", WORD), "write D100"),
        (TagSpec("T", "D", WORD), "write D100"),
        (TagSpec("T", "D-1", WORD), "write D100"),
        (TagSpec("T", "D100.10", BOOL), "write D100"),
        (TagSpec("T", "D\uff11", WORD), "write D100"),
        (TagSpec("T", "D1F", WORD), "the numbers of D are decimal"),
        (TagSpec("T", "M1F", BOOL), "the numbers of M are decimal"),
        (TagSpec("T", "ZR1F", WORD), "the numbers of ZR are decimal"),
        (TagSpec("T", "D16777216", WORD), "end at D16777215"),
        (TagSpec("T", "D16777215", DataType.FLOAT32), "end at D16777215"),
        (TagSpec("T", "D100", BOOL), r"D100\.0 for the lowest"),
        (TagSpec("T", "D100.3", WORD), "its data type is bool"),
        (TagSpec("T", "M100.3", BOOL), "single bits already"),
        (TagSpec("T", "M100", WORD), "such as M96"),
        (TagSpec("T", "X1F", WORD), "such as X10"),
        (TagSpec("T", "M96", DataType.STRING, 4), "no strings in bit devices"),
        (TagSpec("T", "D100", DataType.STRING), "length in bytes"),
        (TagSpec("T", "D100", DataType.STRING, 1921), "more than one request reads"),
    ],
)
def test_a_wrong_address_is_answered_with_the_right_way_to_write_it(
    make_driver: MakeDriver, tag: TagSpec, lesson: str
) -> None:
    with pytest.raises(AddressError, match=lesson):
        make_driver().locate(tag)


def test_an_fx5_has_no_input_8(make_driver: MakeDriver) -> None:
    with pytest.raises(AddressError, match="octal"):
        make_driver(plc_series="iqf").locate(TagSpec("T", "X8", BOOL))


@pytest.mark.parametrize(
    ("changes", "last"),
    [
        ({"data_code": "ascii"}, "D999999"),
        ({"data_code": "ascii", "plc_series": "iqr"}, "D99999999"),
        ({"plc_series": "iqr"}, "D4294967295"),
    ],
)
def test_the_greatest_device_number_is_what_fits_a_request(
    make_driver: MakeDriver, changes: dict[str, str], last: str
) -> None:
    driver = make_driver(**changes)
    assert driver.locate(TagSpec("T", last, WORD)).start == int(last[1:])
    with pytest.raises(AddressError, match=f"end at {last}"):
        driver.locate(TagSpec("T", last, DataType.UINT32))
