"""How a file is cut into what is written at once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from agent_core.api import BadLine, Batch, ReplayBatch
from agent_core.runtime.replay import portion as module
from agent_core.runtime.replay.portion import Portion, portions
from agent_core.testing.fakes import batch_of


def parts(*sizes: int, start: int = 0) -> Iterator[ReplayBatch]:
    """Batches of so many records, numbered on."""
    for size in sizes:
        yield ReplayBatch(batch_of(*range(start, start + size)), start + size)
        start += size


def even(batch: Batch) -> Batch:
    return batch.select([index for index, value in enumerate(batch.values) if int(str(value)) % 2 == 0])


def every(batch: Batch) -> Batch:
    return batch


def shape(portion: Portion) -> tuple[int, int, int, int]:
    return portion.start, portion.stop, portion.read, len(portion.batch())


def test_without_a_filter_each_part_is_written_before_the_next_is_read() -> None:
    unread = parts(4, 4, 1)
    found = portions(unread, 0, every, 4)
    assert shape(next(found)) == (0, 4, 4, 4)
    assert next(unread).next_record == 8, "a reader resumes cheaply where it stopped"


def test_what_passes_a_filter_is_gathered_up_to_one_write() -> None:
    found = list(portions(parts(4, 4, 4, 3), 0, even, 4))
    assert [shape(portion) for portion in found] == [(0, 8, 8, 4), (8, 15, 7, 4)]


def test_nothing_is_written_in_two_parts() -> None:
    assert [shape(portion) for portion in portions(parts(3, 3), 0, every, 4)] == [(0, 3, 3, 3), (3, 6, 3, 3)]


def test_the_position_moves_on_although_nothing_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SKIPPED_AT_ONCE", 8)
    found = list(portions(parts(4, 4, 4, start=100), 100, lambda batch: batch.slice(0, 0), 4))
    assert [shape(portion) for portion in found] == [(100, 108, 8, 0), (108, 112, 4, 0)]


def test_lines_that_cannot_be_read_come_with_the_records_around_them() -> None:
    bad = BadLine(3, "no timestamp")
    [portion] = portions([ReplayBatch(batch_of(), 1, (bad,)), ReplayBatch(batch_of(1), 2)], 0, every, 4)
    assert (shape(portion), portion.bad_lines) == ((0, 2, 1, 1), [bad])
    [alone] = portions([ReplayBatch(batch_of(), 1, (bad,))], 0, every, 4)
    assert (shape(alone), alone.bad_lines) == ((0, 1, 0, 0), [bad])


def test_an_empty_file_has_none() -> None:
    assert list(portions([], 0, every, 4)) == []
