"""Counts, and the life of a buffer."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent_core.api import Batch
from agent_core.testing.buffers.case import POLICIES, BufferCase, MakeOpen, lent, not_shared
from agent_core.testing.clock import ManualClock
from agent_core.testing.records import RecordMaker, records


class CountTests(BufferCase):
    """``stats``, ``open`` and ``close``."""

    @not_shared
    def test_the_counts_are_those_of_the_moment(self, make: MakeOpen, clock: ManualClock) -> None:
        buffer, maker = make(), RecordMaker()
        assert (buffer.stats().pending_records, buffer.stats().oldest_age_seconds) == (0, 0.0)
        buffer.append(maker.batch(3))
        clock.advance(2.0)
        buffer.append(maker.batch(4))
        lease = lent(buffer, 3)
        clock.advance(1.0)
        stats = buffer.stats()
        assert (stats.capacity_records, stats.ready_records, stats.leased_records) == (10, 4, 3)
        assert (stats.pending_records, stats.recovered_records) == (7, 0)
        assert stats.oldest_age_seconds == pytest.approx(1.0)
        buffer.release(lease)
        assert buffer.stats().oldest_age_seconds == pytest.approx(3.0)

    @pytest.mark.parametrize("when_full", POLICIES)
    def test_close_is_safe_without_open_and_twice(self, tmp_path: Path, clock: ManualClock, when_full: str) -> None:
        buffer = self.make_buffer(tmp_path, capacity=10, when_full=when_full, clock=clock)
        buffer.close()
        buffer = self.make_buffer(tmp_path, capacity=10, when_full=when_full, clock=clock)
        buffer.open()
        buffer.append(RecordMaker().batch(3))
        buffer.close()
        buffer.close()

    @not_shared
    def test_a_durable_buffer_finds_the_records_that_were_not_settled(self, tmp_path: Path, clock: ManualClock) -> None:
        buffer, maker = self.make_buffer(tmp_path, capacity=10, when_full="drop_oldest", clock=clock), RecordMaker()
        if not buffer.durable:
            pytest.skip("the buffer says that it is not durable")
        buffer.open()
        batches = [maker.batch(4), maker.batch(8)]
        for batch in batches:
            buffer.append(batch)
        lent(buffer, 3)
        buffer.settle(lent(buffer, 2))
        buffer.close()
        again = self.make_buffer(tmp_path, capacity=10, when_full="drop_oldest", clock=clock)
        again.open()
        assert (again.stats().recovered_records, again.stats().ready_records) == (8, 8)
        kept = records(Batch.join(batches))
        assert records(lent(again, 10).batch) == [*kept[2:5], *kept[7:]]
        again.close()
