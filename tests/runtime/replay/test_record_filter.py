"""Which records of a backup pass."""

from __future__ import annotations

from array import array

import pytest

from agent_core.api import EMPTY, Batch
from agent_core.runtime.replay.record_filter import RecordFilter
from agent_core.testing.fakes import TEST_ORIGIN

SECOND = 1_000_000_000
BATCH = Batch.of(
    TEST_ORIGIN, ("A", "B", "LINE1_X", "LINE1_Y"), (1, 2, 3, 4), array("q", (10 * SECOND, 20 * SECOND, 30 * SECOND, 0))
)


def passed(records: RecordFilter, now_ns: int = 0) -> str:
    return "".join(str(value) for value in records.at(now_ns)(BATCH).values)


@pytest.mark.parametrize(
    ("records", "values"),
    [
        (RecordFilter(), "1234"),
        (RecordFilter(from_ns=20 * SECOND), "23"),
        (RecordFilter(to_ns=20 * SECOND), "14"),
        (RecordFilter(from_ns=10 * SECOND, to_ns=30 * SECOND), "12"),
        (RecordFilter(tags=("A",)), "1"),
        (RecordFilter(tags=("LINE1_*", "B")), "234"),
        (RecordFilter(tags=("line1_*",)), ""),
        (RecordFilter(from_ns=1, tags=("LINE1_*",)), "3"),
    ],
)
def test_records_pass_by_time_and_tag(records: RecordFilter, values: str) -> None:
    assert passed(records) == values


def test_records_that_are_too_old_do_not_pass_whatever_else_is_asked_for() -> None:
    assert passed(RecordFilter(not_older_than_seconds=15), now_ns=30 * SECOND) == "23"
    assert passed(RecordFilter(from_ns=0, not_older_than_seconds=15), now_ns=30 * SECOND) == "23"
    assert passed(RecordFilter(from_ns=30 * SECOND, not_older_than_seconds=15), now_ns=30 * SECOND) == "3"


def test_a_batch_that_passes_as_a_whole_is_not_copied() -> None:
    for records in (RecordFilter(), RecordFilter(from_ns=0, to_ns=31 * SECOND), RecordFilter(tags=("*",))):
        assert records.at(0)(BATCH) is BATCH
    assert RecordFilter(tags=("A",)).at(0)(EMPTY) is EMPTY


def test_a_shared_timestamp_is_the_time_of_every_record() -> None:
    batch = Batch.of(TEST_ORIGIN, ("A", "B"), (1, 2), 5 * SECOND)
    assert RecordFilter(from_ns=5 * SECOND).at(0)(batch) is batch
    assert not RecordFilter(from_ns=5 * SECOND + 1).at(0)(batch)


def test_the_key_is_that_of_what_was_asked_for_not_of_the_moment() -> None:
    records = RecordFilter(tags=("B", "A"), not_older_than_seconds=60)
    assert records.key == RecordFilter(tags=("A", "B"), not_older_than_seconds=60).key
    assert records.key != RecordFilter(tags=("A", "B"), not_older_than_seconds=61).key
    assert records.active
    assert not RecordFilter().active
