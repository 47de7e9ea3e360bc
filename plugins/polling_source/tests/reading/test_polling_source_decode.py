"""Bytes to values."""

from __future__ import annotations

import math
import struct
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from polling_source.reading.decode import Scaling, compile_decoder, decode_text, scale_value, swap_words

from agent_core.api import ByteOrder, DataType, Point, TagSpec, Value, WordOrder


def decode(
    data: bytes,
    *tags: tuple[TagSpec, Point],
    unit_bits: int = 16,
    start: int = 0,
    word_order: WordOrder = WordOrder.BIG,
    byte_order: ByteOrder = ByteOrder.BIG,
) -> list[Value]:
    """The values of ``tags`` in the order given."""
    numbered = [(number, spec, point) for number, (spec, point) in enumerate(tags)]
    decoder = compile_decoder(numbered, start, unit_bits, word_order, byte_order)
    assert sorted(decoder.order) == list(range(len(tags)))
    values = dict(zip(decoder.order, decoder.decode(data), strict=True))
    return [values[number] for number in range(len(tags))]


def at(
    start: int, data_type: DataType, units: int = 1, bit: int | None = None, **more: object
) -> tuple[TagSpec, Point]:
    return TagSpec(f"T{start}", "", data_type, **more), Point("D", start, units, bit)  # type: ignore[arg-type]


def test_every_type_is_decoded_in_one_block() -> None:
    data = struct.pack(">hHiIqQfd", -2, 65535, -3, 4_000_000_000, -5, 2**64 - 1, 0.1, 0.2)
    values = decode(
        data,
        at(0, DataType.INT16),
        at(1, DataType.UINT16),
        at(2, DataType.INT32, 2),
        at(4, DataType.UINT32, 2),
        at(6, DataType.INT64, 4),
        at(10, DataType.UINT64, 4),
        at(14, DataType.FLOAT32, 2),
        at(16, DataType.FLOAT64, 4),
    )
    assert values == [-2, 65535, -3, 4_000_000_000, -5, 2**64 - 1, 0.1, 0.2]
    assert [type(value) for value in values] == [int, int, int, int, int, int, float, float]


@pytest.mark.parametrize(
    ("word_order", "byte_order", "wire"),
    [
        (WordOrder.BIG, ByteOrder.BIG, "0A0B0C0D"),
        (WordOrder.LITTLE, ByteOrder.BIG, "0C0D0A0B"),
        (WordOrder.BIG, ByteOrder.LITTLE, "0B0A0D0C"),
        (WordOrder.LITTLE, ByteOrder.LITTLE, "0D0C0B0A"),
    ],
)
@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize(("unit_bits", "pad"), [(16, 0), (16, 2), (8, 0), (8, 1), (8, 3)])
def test_each_order_of_words_and_bytes_is_read(
    word_order: WordOrder, byte_order: ByteOrder, wire: str, own: bool, unit_bits: int, pad: int
) -> None:
    data = bytes(pad) + bytes.fromhex(wire) + bytes(1 if (pad % 2) else 0)
    start = pad * 8 // unit_bits
    units = 32 // unit_bits
    if own:
        tag = at(start, DataType.UINT32, units, word_order=word_order, byte_order=byte_order)
        assert decode(data, tag, unit_bits=unit_bits) == [0x0A0B0C0D]
    else:
        tag = at(start, DataType.UINT32, units)
        values = decode(data, tag, unit_bits=unit_bits, word_order=word_order, byte_order=byte_order)
        assert values == [0x0A0B0C0D]


def test_tags_that_share_bytes_are_all_read() -> None:
    data = bytes.fromhex("41C80000")
    values = decode(
        data,
        at(0, DataType.FLOAT32, 2),
        at(0, DataType.UINT32, 2),
        at(0, DataType.UINT16),
        at(0, DataType.UINT16),
        at(1, DataType.UINT16),
        at(0, DataType.BOOL, 1, 3),
        at(0, DataType.STRING, 1, length_bytes=1),
    )
    assert values == [25.0, 0x41C80000, 0x41C8, 0x41C8, 0, True, "A"]


def test_a_real_becomes_the_shortest_decimal_that_means_the_same_float32() -> None:
    data = struct.pack(">4f", 0.1, 16777216.0, -0.0, math.inf)
    values = decode(data, *(at(2 * number, DataType.FLOAT32, 2) for number in range(4)))
    assert [repr(value) for value in values] == ["0.1", "16777216.0", "-0.0", "inf"]


def test_bits_are_numbered_from_the_lowest() -> None:
    data = struct.pack(">HH", 0x8001, 0x0100)
    bits = [
        at(0, DataType.BOOL, 1, 0),
        at(0, DataType.BOOL, 1, 1),
        at(0, DataType.BOOL, 1, 15),
        at(1, DataType.BOOL, 1, 8),
    ]
    assert decode(data, *bits) == [True, False, True, True]
    assert decode(swap_words(data), *bits, byte_order=ByteOrder.LITTLE) == [True, False, True, True]
    assert decode(b"\x00\x01\x80", at(1, DataType.BOOL, 1, 0), at(2, DataType.BOOL, 1, 7), unit_bits=8) == [True, True]
    assert decode(b"\x00\x01\x01", at(5, DataType.BOOL), at(6, DataType.BOOL), unit_bits=1, start=5) == [False, True]


@pytest.mark.parametrize(
    ("data", "encoding", "text"),
    [
        (b"LOT-7\0\0\0", "ascii", "LOT-7"),
        (b"LOT-7   ", "ascii", "LOT-7"),
        (b"  LOT-7 ", "ascii", "  LOT-7"),
        (b"LOT\0\xff\xff\xff", "ascii", "LOT"),
        (b"\0\0\0\0", "ascii", ""),
        ("운전".encode("euc_kr") + b"  ", "euc_kr", "운전"),
        ("運転".encode("shift_jis") + b"\0\0", "shift_jis", "運転"),
        ("가A".encode("utf-16-le") + b"\0\0", "utf-16-le", "가A"),
        (b"\xff\xfe", "ascii", None),
        (b"\xec\x9a", "utf-8", None),
        (b"\x00\xd8", "utf-16-le", None),
    ],
)
def test_a_text_ends_at_the_first_nul_and_loses_its_blanks(data: bytes, encoding: str, text: str | None) -> None:
    assert decode_text(data, encoding) == text


def test_a_text_with_swapped_bytes_is_turned_round_and_then_cut() -> None:
    tag = at(0, DataType.STRING, 3, length_bytes=5, byte_order=ByteOrder.LITTLE)
    assert decode(b"OL-TX7", tag) == ["LOT-7"]


def test_scaling_is_decimal_and_gives_a_float() -> None:
    data = struct.pack(">Hhf", 3, -15, 0.1)
    values = decode(
        data,
        at(0, DataType.UINT16, scale=0.1),
        at(1, DataType.INT16, scale=0.01, offset=0.2),
        at(2, DataType.FLOAT32, 2, scale=3.0),
        at(0, DataType.UINT16, offset=-273.15),
        at(0, DataType.UINT16, scale=10.0),
    )
    assert [repr(value) for value in values] == ["0.3", "0.05", "0.30000000000000004", "-270.15", "30.0"]


@given(
    st.integers(-(2**31), 2**31), st.sampled_from([0.1, 0.01, 0.001, 0.05, 0.125, 1.8, 1e-6]), st.integers(-500, 500)
)
def test_a_scaled_whole_number_is_the_float_nearest_to_the_exact_decimal(raw: int, scale: float, offset: int) -> None:
    exact = raw * Decimal(repr(scale)) + offset
    assert Scaling.of(TagSpec("T", "", DataType.INT32, scale=scale, offset=float(offset))).apply(raw) == float(exact)


def test_only_numbers_of_items_are_scaled() -> None:
    spec = TagSpec("T", "", DataType.INT16, scale=0.1)
    assert scale_value(spec, 3) == 0.3
    assert scale_value(spec, True) is True
    assert scale_value(spec, "3") == "3"
    assert scale_value(spec, None) is None
