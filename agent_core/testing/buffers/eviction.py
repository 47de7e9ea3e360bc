"""What is evicted when a batch does not fit."""

from __future__ import annotations

from functools import partial

import pytest

from agent_core.testing.background import Background, Timed
from agent_core.testing.buffers.case import (
    POLICIES,
    BufferCase,
    MakeOpen,
    advance_until_done,
    got,
    leases,
    leasing,
    lent,
    not_shared,
)
from agent_core.testing.clock import ManualClock
from agent_core.testing.records import RecordMaker, numbers, records


@not_shared
class EvictionTests(BufferCase):
    """Nothing is discarded silently: ``append`` returns exactly what it has evicted."""

    @pytest.mark.parametrize("when_full", POLICIES)
    def test_nothing_is_evicted_as_long_as_the_records_fit(self, make: MakeOpen, when_full: str) -> None:
        buffer, maker = make(10, when_full), RecordMaker()
        evicted = [buffer.append(maker.batch(count)) for count in (4, 0, 5, 1)]
        assert [len(batch) for batch in evicted] == [0, 0, 0, 0]
        assert buffer.stats().ready_records == 10

    def test_drop_oldest_evicts_the_oldest_records_that_are_not_leased(self, make: MakeOpen) -> None:
        buffer, maker = make(10), RecordMaker()
        first, second = maker.batch(6), maker.batch(4)
        buffer.append(first)
        buffer.append(second)
        lease = lent(buffer, 3)
        assert records(buffer.append(maker.batch(4))) == [*records(first)[3:], *records(second)[:1]]
        assert numbers(lease.batch) == [0, 1, 2]
        assert numbers(lent(buffer, 10).batch) == [7, 8, 9, 10, 11, 12, 13]

    def test_drop_newest_evicts_the_new_records_that_do_not_fit(self, make: MakeOpen) -> None:
        buffer, maker = make(10, "drop_newest"), RecordMaker()
        buffer.append(maker.batch(8))
        lease, new = lent(buffer, 3), maker.batch(5)
        assert records(buffer.append(new)) == records(new)[2:]
        assert numbers(buffer.append(maker.batch(2))) == [13, 14]
        buffer.settle(lease)
        assert numbers(lent(buffer, 10).batch) == [3, 4, 5, 6, 7, 8, 9]

    @pytest.mark.parametrize("when_full", ["drop_oldest", "drop_newest"])
    def test_when_only_leased_records_remain_the_new_ones_are_evicted(self, make: MakeOpen, when_full: str) -> None:
        buffer, maker = make(5, when_full), RecordMaker()
        buffer.append(maker.batch(5))
        lease, new = lent(buffer, 5), maker.batch(3)
        assert records(buffer.append(new)) == records(new)
        assert numbers(lease.batch) == [0, 1, 2, 3, 4]
        buffer.release(lease)
        assert numbers(lent(buffer, 5).batch) == [0, 1, 2, 3, 4]

    def test_of_a_batch_larger_than_the_capacity_drop_oldest_keeps_the_newest_records(self, make: MakeOpen) -> None:
        buffer, maker = make(6), RecordMaker()
        buffer.append(maker.batch(3))
        lent(buffer, 1)
        assert numbers(buffer.append(maker.batch(10))) == [1, 2, 3, 4, 5, 6, 7]
        assert numbers(lent(buffer, 10).batch) == [8, 9, 10, 11, 12]

    def test_of_a_batch_larger_than_the_capacity_drop_newest_keeps_the_oldest_records(self, make: MakeOpen) -> None:
        buffer, maker = make(6, "drop_newest"), RecordMaker()
        buffer.append(maker.batch(1))
        assert numbers(buffer.append(maker.batch(10))) == [6, 7, 8, 9, 10]
        assert numbers(lent(buffer, 10).batch) == [0, 1, 2, 3, 4, 5]

    def test_only_block_says_that_it_blocks(self, make: MakeOpen) -> None:
        assert [make(when_full=when_full).blocks for when_full in POLICIES] == [False, False, True]

    def test_block_waits_until_a_settled_lease_made_room(self, make: MakeOpen, clock: ManualClock) -> None:
        buffer, maker = make(10, "block"), RecordMaker()
        buffer.append(maker.batch(10))
        first, second = lent(buffer, 2), lent(buffer, 2)
        appending = Background(partial(buffer.append, maker.batch(4)))
        clock.wait_for_waiters()
        buffer.settle(second)
        assert not appending.done
        buffer.settle(first)
        assert not appending.result()
        assert numbers(lent(buffer, 10).batch) == [*range(4, 14)]

    def test_block_evicts_the_oldest_records_at_the_end_of_its_limit(self, make: MakeOpen, clock: ManualClock) -> None:
        buffer, maker = make(10, "block"), RecordMaker()
        buffer.append(maker.batch(10))
        lease = lent(buffer, 2)
        appending = Timed(clock, partial(buffer.append, maker.batch(3)))
        clock.wait_for_waiters()
        clock.advance(self.block_limit_seconds * 0.75)
        assert not appending.done
        clock.advance(self.block_limit_seconds * 0.25)
        assert numbers(appending.result()) == [2, 3, 4]
        assert appending.ended_at == pytest.approx(self.block_limit_seconds)
        assert numbers(lease.batch) == [0, 1]
        assert numbers(lent(buffer, 10).batch) == [5, 6, 7, 8, 9, 10, 11, 12]

    def test_block_evicts_the_new_records_when_only_leased_ones_remain(
        self, make: MakeOpen, clock: ManualClock
    ) -> None:
        buffer, maker = make(3, "block"), RecordMaker()
        buffer.append(maker.batch(3))
        lent(buffer, 3)
        appending = Background(partial(buffer.append, maker.batch(2)))
        clock.wait_for_waiters()
        clock.advance(self.block_limit_seconds)
        assert numbers(appending.result()) == [3, 4]

    def test_released_records_make_no_room(self, make: MakeOpen, clock: ManualClock) -> None:
        buffer, maker = make(3, "block"), RecordMaker()
        buffer.append(maker.batch(3))
        lease = lent(buffer, 3)
        appending = Background(partial(buffer.append, maker.batch(2)))
        clock.wait_for_waiters()
        buffer.release(lease)
        assert not appending.done
        advance_until_done(clock, appending)
        assert numbers(appending.result()) == [0, 1]

    def test_every_appender_that_waits_is_served_as_room_is_made(self, make: MakeOpen, clock: ManualClock) -> None:
        buffer, makers = make(6, "block"), [RecordMaker(maker) for maker in range(4)]
        buffer.append(makers[0].batch(6))
        out = list(leases(buffer, 3))
        appending = [Background(partial(buffer.append, maker.batch(3))) for maker in makers[1:]]
        clock.wait_for_waiters(3)
        for lease in out:
            buffer.settle(lease)
        for _ in range(2):
            buffer.settle(got(leasing(buffer, 3)))
        assert [len(call.result()) for call in appending] == [0, 0, 0]
        assert buffer.stats().ready_records == 3

    def test_released_records_are_the_first_to_be_evicted_as_the_oldest(self, make: MakeOpen) -> None:
        buffer, maker = make(4), RecordMaker()
        buffer.append(maker.batch(4))
        buffer.release(lent(buffer, 2))
        assert numbers(buffer.append(maker.batch(3))) == [0, 1, 2]
