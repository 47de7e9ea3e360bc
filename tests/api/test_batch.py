from array import array
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_core.api import BAD, EMPTY, GOOD, Batch, Origin, Record

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
