import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_core.api import DataType, float32_to_shortest, recognise_stranger


@given(st.floats(width=32, allow_nan=False))
def test_the_shortest_decimal_is_the_same_float32(value: float) -> None:
    assert struct.pack(">f", float32_to_shortest(value)) == struct.pack(">f", value)


@pytest.mark.parametrize("text", ["0.1", "123.456", "3.4028235e+38", "1e-45", "-2.5", "16777216.0"])
def test_a_float32_reads_as_a_person_would_write_it(text: str) -> None:
    stored = struct.unpack(">f", struct.pack(">f", float(text)))[0]
    assert repr(float32_to_shortest(stored)) == repr(float(text))


@pytest.mark.parametrize(
    ("text", "data_type"),
    [("REAL", DataType.FLOAT32), ("word", DataType.UINT16), ("uint16", DataType.UINT16), (" Bit ", DataType.BOOL)],
)
def test_plc_names_are_data_types_too(text: str, data_type: DataType) -> None:
    assert DataType.parse(text) is data_type


def test_an_unknown_data_type_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"unknown data type 'flaot'; known: bool, .*LREAL"):
        DataType.parse("flaot")


@pytest.mark.parametrize(
    ("answer", "who"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n", "an HTTP server"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "an SSH server"),
        (b"\x15\x03\x01\x00\x02", "a TLS server"),
        (b"\x00\x01\x00\x00\x00\x05", None),
        (b"", None),
    ],
)
def test_a_stranger_is_recognised_by_the_first_bytes(answer: bytes, who: str | None) -> None:
    assert recognise_stranger(answer) == who
