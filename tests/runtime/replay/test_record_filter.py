"""Which rows of a backup pass."""

from __future__ import annotations

from array import array

import pytest

from agent_core.api import EMPTY, Batch
from agent_core.runtime.replay.record_filter import RowFilter
from agent_core.testing.fakes import TEST_ORIGIN

SECOND = 1_000_000_000
BATCH = Batch.of(
    TEST_ORIGIN, ("A", "B", "LINE1_X", "LINE1_Y"), (1, 2, 3, 4), array("q", (10 * SECOND, 20 * SECOND, 30 * SECOND, 0))
)


def passed(rows: RowFilter, now_ns: int = 0) -> str:
    return "".join(str(value) for value in rows.at(now_ns).of(BATCH).values)


@pytest.mark.parametrize(
    ("rows", "values"),
    [
        (RowFilter(), "1234"),
        (RowFilter(from_ns=20 * SECOND), "23"),
        (RowFilter(to_ns=20 * SECOND), "14"),
        (RowFilter(from_ns=10 * SECOND, to_ns=30 * SECOND), "12"),
        (RowFilter(tags=("A",)), "1"),
        (RowFilter(tags=("LINE1_*", "B")), "234"),
        (RowFilter(tags=("line1_*",)), ""),
        (RowFilter(from_ns=1, tags=("LINE1_*",)), "3"),
    ],
)
def test_rows_pass_by_time_and_tag(rows: RowFilter, values: str) -> None:
    assert passed(rows) == values


def test_rows_that_are_too_old_do_not_pass_whatever_else_is_asked_for() -> None:
    assert passed(RowFilter(not_older_than_seconds=15), now_ns=30 * SECOND) == "23"
    assert passed(RowFilter(from_ns=0, not_older_than_seconds=15), now_ns=30 * SECOND) == "23"
    assert passed(RowFilter(from_ns=30 * SECOND, not_older_than_seconds=15), now_ns=30 * SECOND) == "3"


def test_a_batch_that_passes_as_a_whole_is_not_copied() -> None:
    for rows in (RowFilter(), RowFilter(from_ns=0, to_ns=31 * SECOND), RowFilter(tags=("*",))):
        assert rows.at(0).of(BATCH) is BATCH
    assert RowFilter(tags=("A",)).at(0).of(EMPTY) is EMPTY


def test_a_shared_timestamp_is_the_time_of_every_row() -> None:
    batch = Batch.of(TEST_ORIGIN, ("A", "B"), (1, 2), 5 * SECOND)
    assert RowFilter(from_ns=5 * SECOND).at(0).of(batch) is batch
    assert not RowFilter(from_ns=5 * SECOND + 1).at(0).of(batch)


def test_the_key_is_that_of_what_was_asked_for_not_of_the_moment() -> None:
    rows = RowFilter(tags=("B", "A"), not_older_than_seconds=60)
    assert rows.key == RowFilter(tags=("A", "B"), not_older_than_seconds=60).key
    assert rows.key != RowFilter(tags=("A", "B"), not_older_than_seconds=61).key
    assert rows.active
    assert not RowFilter().active
