"""Frames, byte for byte. The requests are those that SH(NA)-080956ENG, section 5.2, prints as examples."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from melsec_driver.device import DEVICES
from melsec_driver.frame import AsciiFrames, BinaryFrames, BrokenFrame, Frames, Route

OWN = Route(0, 0xFF, 0x03FF, 0, 0x10)
M, T, D, X = DEVICES["M"], DEVICES["TN"], DEVICES["D"], DEVICES["X"]
BINARY = BinaryFrames(OWN, is_long=False)
ASCII = AsciiFrames(OWN, is_long=False)


def binary(text: str) -> bytes:
    return bytes.fromhex(text)


def test_reading_m100_to_m107_in_bits() -> None:
    assert BINARY.request(M, 100, 8, in_bits=True) == binary(
        "50 00 00 FF FF 03 00 0C 00 10 00 01 04 01 00 64 00 00 90 08 00"
    )
    assert ASCII.request(M, 100, 8, in_bits=True) == b"500000FF03FF000018001004010001M*0001000008"


def test_reading_m100_to_m131_as_two_words() -> None:
    assert BINARY.request(M, 100, 2, in_bits=False)[11:] == binary("01 04 00 00 64 00 00 90 02 00")
    assert ASCII.request(M, 100, 2, in_bits=False)[22:] == b"04010000M*0001000002"


def test_reading_the_values_of_t100_to_t102() -> None:
    assert BINARY.request(T, 100, 3, in_bits=False)[11:] == binary("01 04 00 00 64 00 00 C2 03 00")
    assert ASCII.request(T, 100, 3, in_bits=False)[22:] == b"04010000TN0001000003"


def test_the_devices_of_an_iqr_have_longer_names_and_numbers() -> None:
    assert BinaryFrames(OWN, is_long=True).request(X, 0x1F, 1, in_bits=True)[7:] == binary(
        "0E 00 10 00 01 04 03 00 1F 00 00 00 9C 00 01 00"
    )
    frames = AsciiFrames(OWN, is_long=True)
    assert frames.request(X, 0x1F, 1, in_bits=True)[14:] == b"001C" + b"001004010003X***0000001F0001"
    assert b"STN*00000003" in frames.request(DEVICES["STN"], 3, 1, in_bits=False)


def test_the_numbers_of_x_are_written_as_the_plc_is_set() -> None:
    assert ASCII.request(X, 0x1F, 1, in_bits=True).endswith(b"X*00001F0001")
    octal = AsciiFrames(OWN, is_long=False, xy_radix=8)
    assert octal.request(X, 0o20, 1, in_bits=True).endswith(b"X*0000200001")
    assert octal.request(D, 10, 1, in_bits=False).endswith(b"D*0000100001")


def test_writing_m100() -> None:
    assert BINARY.bit_write(M, 100, True)[7:] == binary("0D 00 10 00 01 14 01 00 64 00 00 90 01 00 10")
    assert ASCII.bit_write(M, 100, False)[14:] == b"0019" + b"001014010001M*00010000010"


def test_writing_d100() -> None:
    assert BINARY.word_write(D, 100, b"\x12\xab")[7:] == binary("0E 00 10 00 01 14 00 00 64 00 00 A8 01 00 AB 12")
    assert ASCII.word_write(D, 100, b"\x12\xab")[14:] == b"001C" + b"001014010000D*000100000112AB"


def test_a_request_carries_its_route_and_timer() -> None:
    route = Route(1, 2, 0x03E0, 3, 4)
    assert BinaryFrames(route, is_long=False).request(D, 0, 1, in_bits=False)[2:11] == binary(
        "01 02 E0 03 03 0C 00 04 00"
    )
    assert AsciiFrames(route, is_long=False).request(D, 0, 1, in_bits=False)[4:22] == b"010203E00300180004"


def test_words_come_with_the_most_significant_byte_first() -> None:
    assert BINARY.words(binary("34 12 02 00"), 2) == binary("12 34 00 02")
    assert ASCII.words(b"12340002", 2) == binary("12 34 00 02")


def test_bits_come_as_one_byte_each() -> None:
    assert BINARY.bits(binary("10 01"), 4) == b"\x01\x00\x00\x01"
    assert BINARY.bits(binary("11 10"), 3) == b"\x01\x01\x01"
    assert ASCII.bits(b"1001", 4) == b"\x01\x00\x00\x01"


@pytest.mark.parametrize("frames", [BINARY, ASCII])
@given(data=st.binary(max_size=40), points=st.integers(0, 12))
def test_other_data_than_asked_for_are_no_answer(frames: Frames, data: bytes, points: int) -> None:
    try:
        words = frames.words(data, points)
    except BrokenFrame:
        pass
    else:
        assert len(words) == 2 * points
    try:
        bits = frames.bits(data, points)
    except BrokenFrame:
        pass
    else:
        assert len(bits) == points
        assert set(bits) <= {0, 1}


@pytest.mark.parametrize(
    ("frames", "start", "lesson"),
    [
        (BINARY, b"D000", "data_code: ascii is needed"),
        (ASCII, b"\xd0\x00\x00\xff", "data_code: binary is needed"),
        (BINARY, b"HTTP", "48 54 54 50 instead of D0 00"),
        (ASCII, b"HTTP", "b'HTTP' instead of D000"),
    ],
)
def test_what_begins_otherwise_is_no_answer(frames: Frames, start: bytes, lesson: str) -> None:
    with pytest.raises(BrokenFrame, match=lesson):
        frames.check_start(start)


def test_a_head_tells_how_much_follows() -> None:
    assert BINARY.body_bytes(binary("D0 00 00 FF FF 03 00 0A 00")) == 10
    assert ASCII.body_bytes(b"D00000FF03FF00000C") == 12
    with pytest.raises(BrokenFrame, match="no end code"):
        BINARY.body_bytes(binary("D0 00 00 FF FF 03 00 01 00"))
    with pytest.raises(BrokenFrame, match="where a number belongs"):
        ASCII.body_bytes(b"D00000FF03FF00 00C")
