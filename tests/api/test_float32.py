"""A float32 becomes the shortest decimal that means the same float32."""

import math
import struct

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agent_core.api import float32_to_shortest, float32s_to_shortest


def float32(value: float) -> float:
    """The float32 nearest to ``value``."""
    return float(struct.unpack(">f", struct.pack(">f", value))[0])


def from_bits(bits: int) -> float:
    return float(struct.unpack(">f", bits.to_bytes(4, "big"))[0])


def by_trying(value: float) -> float:
    """The same by its definition: the decimal with the fewest digits, of those the nearest."""
    for digits in range(1, 10):
        text = f"{value:.{digits}g}"
        if float32(float(text)) == value:
            return float(text)
    return value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.1, "0.1"),
        (-273.15, "-273.15"),
        (1 / 3, "0.33333334"),
        (16777216.0, "16777216.0"),
        (16777217.0, "16777216.0"),
        (3.4028235e38, "3.4028235e+38"),
        (1e-45, "1e-45"),
        (0.0, "0.0"),
        (-0.0, "-0.0"),
        (math.inf, "inf"),
        (math.nan, "nan"),
    ],
)
def test_it_reads_as_a_person_would_write_it(value: float, text: str) -> None:
    assert repr(float32_to_shortest(float32(value))) == text


every_float32 = st.integers(0, 2**32 - 1).map(from_bits).filter(math.isfinite)
usual_values = st.floats(-1e7, 1e7).map(float32)
decimals = st.builds(lambda digits, point: float32(digits / 10**point), st.integers(-(10**8), 10**8), st.integers(0, 6))


@given(every_float32 | usual_values | decimals)
@example(from_bits(0x4B000000))  # 2**23: the last power of two with halves between its neighbours
@example(from_bits(0x3F7FFFFF))  # just below a power of two
@example(from_bits(0x00000001))
def test_no_shorter_decimal_means_the_same_and_no_nearer_one_is_as_short(value: float) -> None:
    assert repr(float32_to_shortest(value)) == repr(by_trying(value))


@given(st.lists(every_float32, max_size=20))
def test_many_at_once_are_each_as_one(values: list[float]) -> None:
    assert float32s_to_shortest(values) == [float32_to_shortest(value) for value in values]


@given(st.lists(usual_values, min_size=1, max_size=5))
def test_the_decimal_means_the_same_float32(values: list[float]) -> None:
    assert [float32(value) for value in float32s_to_shortest(values)] == values
