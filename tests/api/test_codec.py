"""The codec: exact for every Value, and not to be surprised by any bytes."""

from __future__ import annotations

import math
import struct
import zlib
from array import array
from decimal import Decimal

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_core.api import BAD, EMPTY, GOOD, UNCERTAIN, Batch, Origin, Value
from agent_core.api.codec import (
    CodecError,
    decode,
    decode_names,
    encode,
    encode_names,
    names_key,
)
from agent_core.testing.records import RecordMaker, records

ORIGIN = Origin("line1", "PLC01", "LINE1")
VALUES: st.SearchStrategy[Value] = st.one_of(
    st.floats(width=64), st.integers(), st.booleans(), st.text(), st.decimals(allow_nan=True), st.none()
)
TEXTS = st.text(max_size=12)
STAMPS = st.integers(-(2**63), 2**63 - 1)


ROWS = st.lists(st.tuples(TEXTS, VALUES, STAMPS, st.sampled_from((GOOD, BAD, UNCERTAIN))), max_size=5)
ORIGINS = st.builds(Origin, TEXTS, TEXTS, TEXTS)


def built(rows: list[tuple[str, Value, int, int]], shared: bool, origin: Origin, sequence: int) -> Batch:
    names, values, stamps, qualities = zip(*rows, strict=True) if rows else ((), (), (), ())
    times = stamps[0] if shared and stamps else array("q", stamps)
    return Batch.of(origin, names, values, times, bytes(qualities), sequence)


BATCHES = st.builds(built, ROWS, st.booleans(), ORIGINS, STAMPS)


def spelled(batch: Batch) -> tuple[object, ...]:
    """All of it, so that NaN equals NaN, and 1 neither True nor 1.0 nor Decimal(1)."""
    values = [(type(value), struct.pack(">d", value) if type(value) is float else str(value)) for value in batch.values]
    return batch.names, values, list(batch.stamps()), batch.qualities, batch.segments, type(batch.timestamps_ns)


@given(BATCHES, BATCHES)
@settings(max_examples=40)
def test_a_batch_comes_back_as_it_was_with_its_names_inside_or_apart(one: Batch, other: Batch) -> None:
    for batch in (one, Batch.join([one, other])):
        assert spelled(decode(encode(batch))) == spelled(batch)
        kept = {names_key(batch.names): encode_names(batch.names)}
        data = encode(batch, names_apart=True)
        assert spelled(decode(data, lambda key, kept=kept: decode_names(kept[key]))) == spelled(batch)  # type: ignore[misc]


@pytest.mark.parametrize(
    "value",
    [
        0.0, -0.0, math.inf, -math.inf, 5e-324, True, False, 1, 1.0, Decimal(1), Decimal("1.10"), Decimal("-0E-999999"),
        Decimal("sNaN12"), Decimal("-Infinity"), 2**63 - 1, 2**63, 2**64 - 1, 2**64, -(2**63), -(2**63) - 1, 10**4400,
        "", "a\u20ac\U0001f600", "\ud800", "\x00", None,
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_no_value_changes_nor_its_type(value: Value) -> None:
    batch = Batch.of(ORIGIN, ["T"], [value], 1)
    [found] = decode(encode(batch)).values
    assert type(found) is type(value)
    assert found == value if isinstance(value, int) else repr(found) == repr(value)


def test_the_names_are_most_of_a_frame_and_can_be_kept_apart() -> None:
    names = tuple(f"LINE1_PROCESS1_TAG_{number:03}" for number in range(350))
    batch = Batch.of(ORIGIN, names, tuple(number * 0.37 for number in range(350)), 1)
    assert len(encode(batch)) > 25 * 350
    assert len(encode(batch, names_apart=True)) < 10 * 350


def test_names_that_are_not_at_hand_are_an_error() -> None:
    data = encode(RecordMaker().batch(3), names_apart=True)
    for names_of in (None, lambda key: None):
        with pytest.raises(CodecError, match="names of the batch are not at hand"):
            decode(data, names_of)
    with pytest.raises(CodecError, match="values are missing"):
        decode(data, lambda key: ("another",))


def test_every_flipped_bit_and_every_cut_is_noticed() -> None:
    data = encode(RecordMaker().batch(9))
    assert len(records(decode(data))) == 9
    for position in range(len(data)):
        for bit in range(8):
            flipped = bytearray(data)
            flipped[position] ^= 1 << bit
            with pytest.raises(CodecError):
                decode(bytes(flipped))
        with pytest.raises(CodecError):
            decode(data[:position])
    with pytest.raises(CodecError):
        decode(data + b"\0")


def framed(body: bytes, kind: int = 1) -> bytes:
    return struct.pack(">2sBBI", b"TF", 1, kind, zlib.crc32(body, kind)) + body


ROW = ("s", "d", "g", 0, 0, 1)
WRONG: dict[str, object] = {
    "no columns": (),
    "a mapping": {"a": 1},
    "a value that is none": (("T",), (b"x",), 0, b"\xc0", (ROW,)),
    "a nested value": (("T",), ((1,),), 0, b"\xc0", (ROW,)),
    "a name that is none": ((1,), (1,), 0, b"\xc0", (ROW,)),
    "fewer values": (("T",), (), 0, b"\xc0", (ROW,)),
    "an unknown quality": (("T",), (1,), 0, b"\xc1", (ROW,)),
    "an unknown shared quality": (("T",), (1,), 0, 7, (ROW,)),
    "fewer qualities": (("T",), (1,), 0, b"", (ROW,)),
    "a time beyond int64": (("T",), (1,), 2**63, b"\xc0", (ROW,)),
    "a time that is none": (("T",), (1,), "now", b"\xc0", (ROW,)),
    "fewer times": (("T",), (1,), b"\0" * 7, b"\xc0", (ROW,)),
    "no segment": (("T",), (1,), 0, b"\xc0", ()),
    "a segment too long": (("T",), (1,), 0, b"\xc0", (("s", "d", "g", 0, 0, 2),)),
    "an empty segment": (("T",), (1,), 0, b"\xc0", (("s", "d", "g", 0, 0, 0), ROW)),
    "a segment that is none": (("T",), (1,), 0, b"\xc0", (1,)),
    "a segment of other types": (("T",), (1,), 0, b"\xc0", (("s", "d", "g", 0.5, 0, 1),)),
    "an origin of other types": (("T",), (1,), 0, b"\xc0", ((1, "d", "g", 0, 0, 1),)),
    "an unknown extension": (("T",), (msgpack.ExtType(9, b"x"),), 0, b"\xc0", (ROW,)),
    "a decimal that is none": (("T",), (msgpack.ExtType(1, b"x"),), 0, b"\xc0", (ROW,)),
}


@pytest.mark.parametrize("body", WRONG.values(), ids=WRONG)
def test_a_body_with_a_right_checksum_is_not_trusted_either(body: object) -> None:
    with pytest.raises(CodecError):
        decode(framed(msgpack.packb(body)))


@pytest.mark.parametrize("body", [b"\xdd\xff\xff\xff\xff", b"\xdb\xff\xff\xff\xff", b"\x91" * 100_000, b"\xc1", b""])
def test_what_a_body_claims_to_hold_costs_no_memory(body: bytes) -> None:
    with pytest.raises(CodecError):
        decode(framed(body))


@given(st.binary(max_size=100))
@settings(max_examples=50)
def test_no_bytes_raise_anything_else(body: bytes) -> None:
    for data in (body, framed(body), framed(body, 2)):
        for read in (decode, decode_names):
            try:
                read(data)
            except CodecError:
                continue


def test_a_frame_of_another_kind_or_version_is_refused_by_name() -> None:
    data = encode(EMPTY)
    assert not decode(data)
    with pytest.raises(CodecError, match="another kind"):
        decode_names(data)
    with pytest.raises(CodecError, match="of version 2, and version 1 can be read"):
        decode(data[:2] + b"\x02" + data[3:])


def test_what_is_no_value_is_refused_when_it_is_encoded() -> None:
    with pytest.raises(CodecError, match="a value of type object is not a Value"):
        encode(Batch.of(ORIGIN, ["T"], [object()], 1))  # type: ignore[list-item]
