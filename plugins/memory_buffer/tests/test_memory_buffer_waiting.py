"""What memory_buffer promises beyond the contract: fairness, and no thread woken in vain."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest
from memory_buffer.buffer import MemoryBuffer
from memory_buffer.config import MemoryBufferConfig, WhenFull

from agent_core.api import ComponentContext, Lease
from agent_core.testing.background import Background
from agent_core.testing.clock import ManualClock
from agent_core.testing.records import RecordMaker, numbers
from agent_core.testing.suite.patience import PATIENCE_SECONDS


class CountingClock(ManualClock):
    """Counts how often a thread began to wait."""

    def __init__(self) -> None:
        super().__init__()
        self.waits = 0

    def wait(self, condition: threading.Condition, timeout: float | None = None) -> bool:
        self.waits += 1
        return super().wait(condition, timeout)


@pytest.fixture
def clock() -> CountingClock:
    return CountingClock()


def made(clock: CountingClock, capacity: int, when_full: WhenFull = WhenFull.BLOCK) -> MemoryBuffer:
    context = ComponentContext("warehouse", "line-1", Path(), "memory_buffer", clock)
    return MemoryBuffer(MemoryBufferConfig(capacity, when_full, 5.0), context)


def until_done(calls: Sequence[Background[Lease | None]], count: int) -> None:
    """Wait until ``count`` of the calls are over, in real time, bounded."""
    end = time.monotonic() + PATIENCE_SECONDS
    while sum(call.done for call in calls) < count:
        assert time.monotonic() < end, f"fewer than {count} lessees were served"
        time.sleep(0.001)


def test_a_batch_that_waits_is_not_overtaken_by_a_smaller_one(clock: CountingClock) -> None:
    buffer, maker = made(clock, 10), RecordMaker()
    buffer.append(maker.batch(8))
    large = Background(partial(buffer.append, maker.batch(6)))
    clock.wait_for_waiters(1)
    small = Background(partial(buffer.append, maker.batch(1)))
    clock.wait_for_waiters(2)
    assert buffer.stats().ready_records == 8
    lease = buffer.lease(5, 0.0)
    assert lease is not None
    buffer.settle(lease)
    assert not large.result()
    assert not small.result()
    rest = buffer.lease(10, 0.0)
    assert rest is not None
    assert numbers(rest.batch) == [5, 6, 7, 8, 9, 10, 11, 12, 13, 14]


def test_a_batch_larger_than_the_capacity_goes_in_once_the_buffer_is_empty(clock: CountingClock) -> None:
    buffer, maker = made(clock, 4), RecordMaker()
    buffer.append(maker.batch(3))
    appending = Background(partial(buffer.append, maker.batch(6)))
    clock.wait_for_waiters()
    lease = buffer.lease(4, 0.0)
    assert lease is not None
    buffer.settle(lease)
    assert numbers(appending.result()) == [3, 4]
    assert clock.monotonic() == 0.0


def test_an_append_wakes_no_more_lessees_than_it_has_records_for(clock: CountingClock) -> None:
    buffer, maker = made(clock, 100, WhenFull.DROP_OLDEST), RecordMaker()
    calls = [Background(partial(buffer.lease, 5, 60.0)) for _ in range(4)]
    clock.wait_for_waiters(4)
    for served in range(1, 5):
        for _ in range(5):
            buffer.append(maker.batch(1))
        until_done(calls, served)
    leases = [call.result() for call in calls]
    assert sorted(number for lease in leases if lease for number in numbers(lease.batch)) == [*range(20)]
    assert clock.waits == 4


def test_a_settled_lease_wakes_the_first_appender_alone(clock: CountingClock) -> None:
    buffer, maker = made(clock, 4), RecordMaker()
    buffer.append(maker.batch(4))
    first = Background(partial(buffer.append, maker.batch(2)))
    clock.wait_for_waiters(1)
    others = [Background(partial(buffer.append, maker.batch(3))) for _ in range(2)]
    clock.wait_for_waiters(3)
    lease = buffer.lease(1, 0.0)
    assert lease is not None
    buffer.settle(lease)
    assert clock.waits == 3
    lease = buffer.lease(1, 0.0)
    assert lease is not None
    buffer.settle(lease)
    assert not first.result()
    buffer.stop_waiting()
    assert [len(other.result()) for other in others] == [3, 3]


def test_a_lease_of_no_records_is_refused(clock: CountingClock) -> None:
    with pytest.raises(ValueError, match="one record or more, not 0"):
        made(clock, 4).lease(0, 0.0)


def test_close_lets_go_whoever_waits(clock: CountingClock) -> None:
    buffer = made(clock, 4)
    leasing = Background(partial(buffer.lease, 5, 60.0))
    clock.wait_for_waiters()
    buffer.close()
    assert leasing.result() is None
