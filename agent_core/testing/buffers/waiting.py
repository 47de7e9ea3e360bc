"""Waiting for records, and the end of all waiting."""

from __future__ import annotations

from functools import partial

import pytest

from agent_core.testing.background import Background, Timed
from agent_core.testing.buffers.case import (
    FOREVER,
    BufferCase,
    MakeOpen,
    advance_until_done,
    got,
    leasing,
    lent,
    not_shared,
)
from agent_core.testing.clock import ManualClock
from agent_core.testing.records import RecordMaker, numbers


@not_shared
class WaitingTests(BufferCase):
    """``lease`` against the clock, and ``stop_waiting``."""

    @pytest.mark.parametrize("max_wait_seconds", [0.0, FOREVER])
    def test_a_lease_returns_at_once_when_max_records_are_ready(self, make: MakeOpen, max_wait_seconds: float) -> None:
        buffer = make()
        buffer.append(RecordMaker().batch(7))
        call = leasing(buffer, 7, max_wait_seconds)
        assert numbers(got(call).batch) == [0, 1, 2, 3, 4, 5, 6]

    def test_a_lease_returns_as_soon_as_max_records_are_ready(self, make: MakeOpen, clock: ManualClock) -> None:
        buffer, maker = make(), RecordMaker()
        buffer.append(maker.batch(1))
        call = leasing(buffer, 4)
        clock.wait_for_waiters()
        buffer.append(maker.batch(2))
        assert not call.done
        buffer.append(maker.batch(2))
        assert numbers(got(call).batch) == [0, 1, 2, 3]

    def test_a_lease_returns_what_is_there_when_the_oldest_record_is_max_wait_old(
        self, make: MakeOpen, clock: ManualClock
    ) -> None:
        buffer, maker = make(), RecordMaker()
        buffer.append(maker.batch(2))
        clock.advance(0.25)
        buffer.append(maker.batch(1))
        call = Timed(clock, partial(buffer.lease, 10, 1.0))
        clock.wait_for_waiters()
        clock.advance(0.5)
        assert not call.done
        clock.advance(0.25)
        assert numbers(got(call).batch) == [0, 1, 2]
        assert call.ended_at == 1.0

    def test_a_lease_does_not_wait_for_more_when_the_oldest_record_is_old(
        self, make: MakeOpen, clock: ManualClock
    ) -> None:
        buffer = make()
        buffer.append(RecordMaker().batch(2))
        clock.advance(1.0)
        call = leasing(buffer, 10, 1.0)
        assert numbers(got(call).batch) == [0, 1]

    def test_leased_records_do_not_count_for_the_age(self, make: MakeOpen, clock: ManualClock) -> None:
        buffer, maker = make(), RecordMaker()
        buffer.append(maker.batch(1))
        lent(buffer, 1)
        clock.advance(8.0)
        buffer.append(maker.batch(1))
        call = Timed(clock, partial(buffer.lease, 10, 1.0))
        clock.wait_for_waiters()
        clock.advance(1.0)
        assert numbers(got(call).batch) == [1]
        assert call.ended_at == 9.0

    def test_a_lease_of_an_empty_buffer_is_none_after_max_wait(self, make: MakeOpen, clock: ManualClock) -> None:
        buffer = make()
        call = Timed(clock, partial(buffer.lease, 10, 1.0))
        clock.wait_for_waiters()
        clock.advance(0.5)
        assert not call.done
        clock.advance(0.5)
        assert call.result() is None
        assert call.ended_at == 1.0

    def test_a_lease_waits_no_longer_than_max_wait_for_records_that_came_meanwhile(
        self, make: MakeOpen, clock: ManualClock
    ) -> None:
        buffer, maker = make(), RecordMaker()
        call = Timed(clock, partial(buffer.lease, 10, 1.0))
        clock.wait_for_waiters()
        clock.advance(0.75)
        buffer.append(maker.batch(3))
        advance_until_done(clock, call)
        assert numbers(got(call).batch) == [0, 1, 2]
        assert 1.0 <= call.ended_at < 2.0

    def test_a_max_wait_of_0_never_blocks(self, make: MakeOpen) -> None:
        buffer = make()
        assert leasing(buffer, 10, 0.0).result() is None
        buffer.append(RecordMaker().batch(3))
        assert numbers(got(leasing(buffer, 10, 0.0)).batch) == [0, 1, 2]

    def test_one_append_serves_every_lessee_it_has_records_for(self, make: MakeOpen, clock: ManualClock) -> None:
        buffer = make(20)
        calls = [leasing(buffer, 5) for _ in range(3)]
        clock.wait_for_waiters(3)
        buffer.append(RecordMaker().batch(15))
        assert sorted(number for call in calls for number in numbers(got(call).batch)) == [*range(15)]

    def test_a_lessee_that_waits_is_served_with_released_records(self, make: MakeOpen, clock: ManualClock) -> None:
        buffer, maker = make(), RecordMaker()
        buffer.append(maker.batch(3))
        lease = lent(buffer, 3)
        buffer.append(maker.batch(2))
        call = leasing(buffer, 5)
        clock.wait_for_waiters()
        buffer.release(lease)
        assert numbers(got(call).batch) == [0, 1, 2, 3, 4]

    def test_released_records_keep_their_age(self, make: MakeOpen, clock: ManualClock) -> None:
        buffer = make()
        buffer.append(RecordMaker().batch(3))
        lease = lent(buffer, 3)
        clock.advance(2.0)
        call = leasing(buffer, 5, 2.0)
        clock.wait_for_waiters()
        buffer.release(lease)
        assert numbers(got(call).batch) == [0, 1, 2]

    def test_stop_waiting_ends_the_wait_of_every_lease(self, make: MakeOpen, clock: ManualClock) -> None:
        buffer = make()
        buffer.append(RecordMaker().batch(3))
        calls = [leasing(buffer, 10) for _ in range(2)]
        clock.wait_for_waiters(2)
        buffer.stop_waiting()
        ended = [lease.batch for call in calls if (lease := call.result()) is not None]
        assert [numbers(batch) for batch in ended] == [[0, 1, 2]]

    def test_stop_waiting_ends_the_wait_of_every_append(self, make: MakeOpen, clock: ManualClock) -> None:
        buffer, maker = make(4, "block"), RecordMaker()
        buffer.append(maker.batch(4))
        new = [maker.batch(2), maker.batch(2)]
        appending = [Background(partial(buffer.append, batch)) for batch in new]
        clock.wait_for_waiters(2)
        buffer.stop_waiting()
        assert sorted(number for call in appending for number in numbers(call.result())) == [0, 1, 2, 3]

    def test_after_stop_waiting_nothing_waits_and_everything_else_works(self, make: MakeOpen) -> None:
        buffer, maker = make(4, "block"), RecordMaker()
        buffer.stop_waiting()
        assert leasing(buffer, 10).result() is None
        assert not Background(partial(buffer.append, maker.batch(4))).result()
        assert numbers(Background(partial(buffer.append, maker.batch(1))).result()) == [0]
        lease = got(leasing(buffer, 10))
        assert numbers(lease.batch) == [1, 2, 3, 4]
        buffer.settle(lease)
        assert buffer.stats().pending_records == 0
