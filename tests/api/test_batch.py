from array import array
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_core.api import BAD, EMPTY, GOOD, Batch, Origin, Record, Segment

ORIGINS = [Origin("s", "d", "g1"), Origin("s", "d", "g2")]
counts = st.integers(0, 12)


def make(origin: Origin, count: int, first: int, shared: bool) -> Batch:
    stamps: array[int] | int = first if shared else array("q", range(first, first + count))
    return Batch.of(origin, [f"T{n}" for n in range(count)], list(range(count)), stamps, sequence=first)


parts = st.lists(st.builds(make, st.sampled_from(ORIGINS), counts, st.integers(0, 5), st.booleans()), max_size=5)


def rows(batches: Sequence[Batch]) -> list[Record]:
    return [record for batch in batches for record in batch.records()]


@given(parts)
def test_joining_keeps_every_row_in_order(batches: list[Batch]) -> None:
    joined = Batch.join(batches)
    assert list(joined.records()) == rows(batches)
    assert len(joined) == sum(map(len, batches))


@given(parts, st.integers(0, 60), st.integers(0, 60))
def test_a_slice_is_the_slice_of_the_rows(batches: list[Batch], a: int, b: int) -> None:
    joined = Batch.join(batches)
    start, stop = sorted((min(a, len(joined)), min(b, len(joined))))
    part = joined.slice(start, stop)
    assert list(part.records()) == rows(batches)[start:stop]
    assert sum(s.stop - s.start for s in part.segments) == len(part)


@given(parts, st.data())
def test_a_selection_is_the_rows_selected(batches: list[Batch], data: st.DataObject) -> None:
    joined = Batch.join(batches)
    chosen = data.draw(st.lists(st.integers(0, max(0, len(joined) - 1)), unique=True, max_size=len(joined)).map(sorted))
    picked = joined.select(chosen)
    everything = rows(batches)
    assert list(picked.records()) == [everything[n] for n in chosen]
    assert {s.sequence for s in picked.segments} <= {s.sequence for s in joined.segments}


def test_a_whole_slice_is_the_same_object() -> None:
    batch = make(ORIGINS[0], 5, 0, shared=True)
    assert batch.slice(0, 5) is batch


def test_batches_of_one_moment_stay_one_moment_when_joined() -> None:
    joined = Batch.join([make(ORIGINS[0], 2, 7, shared=True), make(ORIGINS[1], 3, 7, shared=True)])
    assert joined.timestamps_ns == 7


def test_empty_is_falsy_and_joining_nothing_gives_it() -> None:
    assert not EMPTY
    assert Batch.join([]) is EMPTY


def test_rows_are_good_unless_said_otherwise() -> None:
    assert make(ORIGINS[0], 2, 0, shared=True).qualities == bytes((GOOD, GOOD))
    assert Batch.of(ORIGINS[0], ["a"], [None], 1, bytes((BAD,))).qualities == bytes((BAD,))


def test_columns_of_unequal_length_are_refused() -> None:
    with pytest.raises(ValueError, match="2 names, 1 values, 2 timestamps, 2 qualities"):
        Batch.of(ORIGINS[0], ["a", "b"], [1], 0)


@given(parts)
def test_no_column_can_be_written_to(batches: list[Batch]) -> None:
    joined = Batch.join(batches)
    for batch in (joined, joined.slice(0, len(joined) // 2), joined.select(range(len(joined)))):
        if not isinstance(batch.timestamps_ns, int) and len(batch):
            with pytest.raises(TypeError, match="read-only"):
                batch.timestamps_ns[0] = 0


def test_what_a_source_does_with_its_columns_later_changes_no_batch() -> None:
    names, values, stamps, qualities = ["A", "B"], [1, 2], array("q", (5, 6)), bytearray((GOOD, BAD))
    batch = Batch(names, values, stamps, qualities, [Segment(ORIGINS[0], 0, 0, 2)])  # type: ignore[arg-type]
    names[0], values[0], stamps[0], qualities[0] = "X", 9, 9, 9
    assert list(batch.records()) == [Record("A", 1, 5, GOOD, ORIGINS[0]), Record("B", 2, 6, BAD, ORIGINS[0])]
    assert hash(batch.names + batch.values + batch.segments)


@pytest.mark.parametrize("stamps", [[1.5], [None], ["5"], [2**63], memoryview(array("d", (1.5,)))])
def test_times_that_are_not_int64_are_refused(stamps: Any) -> None:
    with pytest.raises((TypeError, OverflowError)):
        Batch.of(ORIGINS[0], ["A"], [1], stamps)


def test_a_count_is_not_taken_for_qualities() -> None:
    qualities: Any = 2
    with pytest.raises(TypeError):
        Batch(("A", "B"), (1, 2), 5, qualities, ())


def test_a_batch_shows_its_records() -> None:
    assert "array" not in repr(make(ORIGINS[0], 2, 7, shared=False))
    assert "[7, 8]" in repr(make(ORIGINS[0], 2, 7, shared=False))
