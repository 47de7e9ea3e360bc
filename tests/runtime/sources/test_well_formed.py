"""What is checked of every batch before it is anywhere."""

from array import array
from dataclasses import replace
from decimal import Decimal
from enum import IntEnum
from typing import Any

import pytest

from agent_core.api import BAD, EMPTY, GOOD, Batch, Origin
from agent_core.runtime.sources.well_formed import KNOWN_NAMES, SetAside, WellFormed
from agent_core.testing.fakes import TEST_ORIGIN, batch_of

GOOD_BATCH = batch_of(1, 2, 3)
[SEGMENT] = GOOD_BATCH.segments
FOREIGN_SEGMENTS: Any = ((TEST_ORIGIN, 0, 0, 3),)
NOT_A_TEXT: Any = None
FOREIGN_ORIGIN = Origin("line", "PLC01", NOT_A_TEXT)


def check(batch: Any) -> tuple[Batch, SetAside | None]:
    return WellFormed().check(batch)


class Level(IntEnum):
    HIGH = 3


class Celsius(float):
    """As ``numpy.float64`` is a float, with ideas of its own."""

    def __float__(self) -> float:
        raise SystemExit


class Name(str):
    __slots__ = ()

    def replace(self, *_: object) -> str:
        raise SystemExit


class Unshowable:
    def __repr__(self) -> str:
        raise SystemExit


@pytest.mark.parametrize(
    ("batch", "problem"),
    [
        (replace(GOOD_BATCH, values=(1,)), "columns differ in length"),
        (replace(GOOD_BATCH, qualities=b"\xc0"), "columns differ in length"),
        (replace(GOOD_BATCH, timestamps_ns=array("q", (1, 2))), "columns differ in length"),
        (replace(GOOD_BATCH, timestamps_ns=2**63), "not a time in int64"),
        (replace(GOOD_BATCH, segments=()), "segments do not cover the 3 records"),
        (replace(GOOD_BATCH, segments=(SEGMENT, SEGMENT)), "segments do not cover the 3 records"),
        (replace(GOOD_BATCH, segments=(SEGMENT._replace(stop=4),)), "segments do not cover the 3 records"),
        (replace(GOOD_BATCH, segments=FOREIGN_SEGMENTS), "segments do not cover the 3 records"),
        (replace(GOOD_BATCH, segments=(SEGMENT._replace(origin=FOREIGN_ORIGIN),)), "ids of an origin must be texts"),
        ([1, 2, 3], "list is not a Batch"),
        (None, "NoneType is not a Batch"),
    ],
)
def test_columns_that_do_not_fit_together_are_refused(batch: object, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        check(batch)


def test_several_segments_are_well_formed() -> None:
    batch = Batch.join([GOOD_BATCH, Batch.of(TEST_ORIGIN, ["T"], [1], 5)])
    assert check(batch) == (batch, None)


@pytest.mark.parametrize("value", [[1, 2], b"bytes", 1j, (1,), {"a": 1}, float, range(10**9)])
def test_what_is_not_a_value_is_set_aside_alone(value: Any) -> None:
    batch = Batch.of(TEST_ORIGIN, ("A", "B", "C"), (1.5, value, "x"), array("q", (1, 2, 3)), sequence=7)
    good, aside = check(batch)
    assert good == batch.select([0, 2])
    assert aside is not None
    assert (aside.batch.names, aside.batch.values, aside.batch.qualities) == (("B",), (repr(value),), bytes((BAD,)))
    assert list(aside.batch.stamps()) == [2]
    assert aside.reasons[0].startswith(f"not_a_record: its value is of the type {type(value).__name__};")


def test_a_value_that_cannot_be_shown_is_set_aside_too() -> None:
    unshowable: Any = Unshowable()
    good, aside = check(batch_of(1, unshowable))
    assert (good.values, aside is not None and aside.batch.values) == ((1,), (f"<{__name__}.Unshowable>",))


def test_a_value_of_any_length_is_shown_in_a_line() -> None:
    long: Any = [["x" * 10**6] * 1000] * 1000
    _, aside = check(batch_of(long))
    assert aside is not None
    assert len(str(aside.batch.values[0])) <= 200


def test_names_and_qualities_that_are_none_are_set_aside_with_their_values() -> None:
    names: Any = ("A", None, "C")
    good, aside = check(Batch.of(TEST_ORIGIN, names, (1, 2, "a\0b"), 5, b"\xc0\xc0\xc3"))
    assert (good.names, good.values, good.qualities) == (("A",), (1,), bytes((GOOD,)))
    assert aside is not None
    assert (aside.batch.names, aside.batch.values) == (("None", "C"), (2, "a\\x00b"))
    assert aside.reasons == (
        "not_a_record: its name is of the type NoneType, not a text",
        "not_a_record: unknown quality 0xC3",
    )


def test_when_nothing_is_a_record_nothing_is_passed_on() -> None:
    foreign: Any = object()
    good, aside = check(batch_of(foreign))
    assert good is EMPTY
    assert aside is not None


@pytest.mark.parametrize(
    ("value", "plain"),
    [(Level.HIGH, 3), (Celsius(1.5), 1.5), (Name("a\0"), "a\\x00"), (Decimal("1.50"), Decimal("1.50"))],
)
def test_a_subclass_of_a_value_becomes_its_base(value: Any, plain: object) -> None:
    good, aside = check(batch_of(Level.HIGH, value))
    assert (good.values[1], type(good.values[1]), aside) == (plain, type(plain), None)


def test_nul_and_lone_surrogates_are_escaped_in_texts_and_names() -> None:
    good, aside = check(Batch.of(TEST_ORIGIN, ["\udfff\0"] * 5, ("a\0b", "\ud800", "가", 1.5, None), 5))
    assert good.values == ("a\\x00b", "\\ud800", "가", 1.5, None)
    assert good.names == ("\\udfff\\x00",) * 5
    assert aside is None


@pytest.mark.parametrize("batch", [batch_of(1.0, 2, True, None, Decimal(1)), batch_of("plain", "가나다"), EMPTY])
def test_a_batch_with_nothing_to_change_is_passed_on_as_it_is(batch: Batch) -> None:
    well_formed = WellFormed()
    assert well_formed.check(batch)[0] is batch
    assert well_formed.check(batch)[0] is batch


def test_names_are_remembered_in_bounded_memory_and_never_mistaken() -> None:
    well_formed = WellFormed()
    for number in range(2 * KNOWN_NAMES):
        good, _ = well_formed.check(Batch.of(TEST_ORIGIN, (f"T{number}\0",), (1,), 5))
        assert good.names == (f"T{number}\\x00",)
        assert well_formed.check(Batch.of(TEST_ORIGIN, (f"T{number}",), (1,), 5))[1] is None
    assert len(well_formed._known) <= KNOWN_NAMES
