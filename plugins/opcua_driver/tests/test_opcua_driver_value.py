"""From what a server answers to what the agent carries."""

# asyncua's annotations want types of its own where it takes plain ones.
# mypy: disable-error-code="arg-type"

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import pytest
from asyncua.ua.status_codes import StatusCodes
from asyncua.ua.uatypes import DataValue, StatusCode, Variant, VariantType
from opcua_driver.value import to_readings

from agent_core.api import BAD, GOOD, UNCERTAIN, ItemReading, Value, float32_to_shortest

NOON = datetime(2026, 1, 1, 12, 0, 0, 123456, tzinfo=UTC)
NOON_NS = 1_767_268_800_123_456_000
FLOAT = float.fromhex("0x1.99999ap-4")
"""0.1 in float32."""


def reading(answer: DataValue, element: int | None = None) -> ItemReading:
    return to_readings([answer], [element])[0]


def of(value: object, kind: VariantType, *, is_array: bool = False) -> DataValue:
    return DataValue(Variant(value, kind, is_array=is_array), SourceTimestamp=NOON)


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        (True, VariantType.Boolean, True),
        (-5, VariantType.SByte, -5),
        (2**64 - 1, VariantType.UInt64, 2**64 - 1),
        (FLOAT, VariantType.Float, 0.1),
        (0.1, VariantType.Double, 0.1),
        ("설비 1", VariantType.String, "설비 1"),
        (None, VariantType.String, ""),
        (NOON, VariantType.DateTime, "2026-01-01T12:00:00.123456Z"),
        (b"\x01\xab", VariantType.ByteString, "01ab"),
    ],
)
def test_a_value_keeps_its_meaning_and_its_time(value: object, kind: VariantType, expected: Value) -> None:
    assert reading(of(value, kind)) == ItemReading(expected, GOOD, NOON_NS)
    assert type(reading(of(value, kind)).value) is type(expected)


def test_many_floats_are_shortened_alike() -> None:
    floats = [FLOAT, 1.0, -2.5, math.inf, FLOAT * 1024]
    readings = to_readings([of(value, VariantType.Float) for value in floats], [None] * len(floats))
    assert [reading.value for reading in readings] == [float32_to_shortest(value) for value in floats]


@pytest.mark.parametrize(
    ("code", "quality"),
    [
        (StatusCodes.Good, GOOD),
        (StatusCodes.GoodClamped, GOOD),
        (StatusCodes.UncertainLastUsableValue, UNCERTAIN),
        (StatusCodes.BadSensorFailure, BAD),
        (0xC0000000, BAD),
    ],
)
def test_the_severity_of_the_status_is_the_quality(code: int, quality: int) -> None:
    answer = DataValue(Variant(7, VariantType.Int16), StatusCode=StatusCode(code), SourceTimestamp=NOON)
    assert reading(answer)[:3] == (None if quality == BAD else 7, quality, NOON_NS)


@pytest.mark.parametrize(
    "time",
    [
        datetime(1601, 1, 1, tzinfo=UTC),
        datetime(1677, 9, 21, tzinfo=UTC),
        datetime(2262, 4, 12, tzinfo=UTC),
        datetime(9999, 12, 31, tzinfo=UTC),
    ],
)
def test_a_time_that_cannot_be_held_is_left_to_the_agent_and_makes_the_value_uncertain(time: datetime) -> None:
    answer = DataValue(Variant(7, VariantType.Int16), SourceTimestamp=time)
    assert reading(answer) == ItemReading(7, UNCERTAIN, None)
    bad = DataValue(None, StatusCode=StatusCode(StatusCodes.BadSensorFailure), SourceTimestamp=time)
    assert reading(bad) == ItemReading(None, BAD, None, "BadSensorFailure")


@pytest.mark.parametrize("time", [datetime(1677, 9, 22, tzinfo=UTC), datetime(2262, 4, 11, tzinfo=UTC)])
def test_a_time_at_the_edge_is_held(time: datetime) -> None:
    expected = (time - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1000
    assert abs(expected) < 2**63
    assert reading(DataValue(Variant(7, VariantType.Int16), SourceTimestamp=time)) == ItemReading(7, GOOD, expected)


def test_a_value_without_a_time_takes_that_of_the_answer() -> None:
    assert reading(DataValue(Variant(7, VariantType.Int16))) == ItemReading(7, GOOD, None)


def test_values_keep_their_own_times() -> None:
    later = NOON + timedelta(seconds=1)
    answers = [of(1, VariantType.Int16), DataValue(Variant(2, VariantType.Int16), SourceTimestamp=later)]
    readings = to_readings([*answers, answers[0]], [None, None, None])
    assert [reading.timestamp_ns for reading in readings] == [NOON_NS, NOON_NS + 10**9, NOON_NS]


@pytest.mark.parametrize("element", [0, 1, 2])
def test_an_element_is_taken_from_an_array_of_one_or_of_all(element: int) -> None:
    whole = [FLOAT, 2.5, 3.5]
    expected = [0.1, 2.5, 3.5][element]
    assert reading(of([whole[element]], VariantType.Float, is_array=True), element).value == expected
    assert reading(of(whole, VariantType.Float, is_array=True), element).value == expected


@pytest.mark.parametrize(
    ("answer", "element", "why"),
    [
        (of([1, 2], VariantType.Int16, is_array=True), None, "write index=0"),
        (of([1, 2], VariantType.Int16, is_array=True), 2, "an array of 2"),
        (of(None, VariantType.Int16, is_array=True), 0, "an array"),
        (of(1, VariantType.Int16), 0, "no array"),
        (of(None, VariantType.Null), None, "no value"),
        (of(None, VariantType.DateTime), None, "no value"),
        (of(object(), VariantType.ExtensionObject), None, "ExtensionObject, which a tag cannot hold"),
        (DataValue(None, StatusCode=StatusCode(StatusCodes.BadNodeIdUnknown)), None, "BadNodeIdUnknown"),
    ],
)
def test_what_a_tag_cannot_hold_is_bad_with_a_reason(answer: DataValue, element: int | None, why: str) -> None:
    bad = reading(answer, element)
    assert (bad.value, bad.quality) == (None, BAD)
    assert why in str(bad.reason)
