"""BufferModel: a buffer compared with the simplest model of it, a list of records, driven by hypothesis.

The ledger is the invariant: appended = evicted + settled + ready + leased, record by record and in order.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Protocol

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from agent_core.api import Buffer, Lease, LeaseError, Record
from agent_core.testing.background import Background
from agent_core.testing.clock import ManualClock
from agent_core.testing.records import RecordMaker, records


class MakeBuffer(Protocol):
    """Makes an open, empty buffer."""

    def __call__(self, *, capacity: int, when_full: str, clock: ManualClock) -> Buffer: ...


class BufferModel(RuleBasedStateMachine):
    """One buffer, one thread. ``block`` is tested after ``stop_waiting``, when it behaves like ``drop_oldest``."""

    def __init__(self, make: MakeBuffer, when_full: str) -> None:
        super().__init__()
        self._make = make
        self._when_full = when_full
        self._clock = ManualClock()
        self._maker = RecordMaker()
        self._ready: list[Record] = []
        self._out: list[tuple[Lease, list[Record]]] = []
        self._over: list[Lease] = []
        self._settled = 0
        self._evicted = 0
        self._most = 0
        self._appended_at: dict[str, float] = {}
        self._position: dict[str, int] = {}

    @initialize(capacity=st.integers(1, 12))
    def open(self, capacity: int) -> None:
        self._capacity = capacity
        self._buffer = self._make(capacity=capacity, when_full=self._when_full, clock=self._clock)
        if self._buffer.blocks:
            self._buffer.stop_waiting()

    @rule(count=st.integers(0, 15))
    def append(self, count: int) -> None:
        batch = self._maker.batch(count)
        new = records(batch)
        for record in new:
            self._position[record.name] = len(self._position)
            self._appended_at[record.name] = self._clock.monotonic()
        free = max(0, self._capacity - self._leased - len(self._ready))
        over = max(0, self._leased + len(self._ready) - self._capacity) if count else 0
        if self._when_full == "drop_newest":
            expected = new[free:]
            self._ready += new[:free]
        else:
            excess = max(count - free, 0) + over
            self._ready += new
            expected = self._ready[:excess]
            del self._ready[:excess]
        self._evicted += len(expected)
        append = partial(self._buffer.append, batch)
        # A buffer that still waits after stop_waiting fails the test and does not hang it.
        evicted = Background(append).result() if self._buffer.blocks else append()
        assert records(evicted) == expected

    @rule(max_records=st.integers(1, 15))
    def lease(self, max_records: int) -> None:
        expected = self._ready[:max_records]
        del self._ready[:max_records]
        lease = self._buffer.lease(max_records, 0.0)
        if lease is None:
            assert not expected, "None from a buffer that holds records"
            return
        assert records(lease.batch) == expected
        self._out.append((lease, expected))

    @precondition(lambda self: self._out)
    @rule(data=st.data())
    def settle(self, data: st.DataObject) -> None:
        lease, lent = self._out.pop(data.draw(st.integers(0, len(self._out) - 1), label="which"))
        self._buffer.settle(lease)
        self._settled += len(lent)
        self._over.append(lease)

    @precondition(lambda self: self._out)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        lease, lent = self._out.pop(data.draw(st.integers(0, len(self._out) - 1), label="which"))
        self._buffer.release(lease)
        self._ready = sorted(self._ready + lent, key=lambda record: self._position[record.name])
        self._over.append(lease)

    @precondition(lambda self: self._over)
    @rule(data=st.data(), settle=st.booleans())
    def end_a_lease_twice(self, data: st.DataObject, settle: bool) -> None:
        lease = data.draw(st.sampled_from(self._over), label="which")
        end: Callable[[Lease], None] = self._buffer.settle if settle else self._buffer.release
        try:
            end(lease)
        except LeaseError:
            return
        raise AssertionError("a lease was ended twice without LeaseError")

    @rule(seconds=st.sampled_from((0.25, 1.0, 64.0)))
    def pass_time(self, seconds: float) -> None:
        self._clock.advance(seconds)

    @invariant()
    def the_counts_are_those_of_the_model(self) -> None:
        stats = self._buffer.stats()
        assert stats.capacity_records == self._capacity
        assert (stats.ready_records, stats.leased_records) == (len(self._ready), self._leased)
        assert stats.pending_records <= max(self._capacity, self._most)  # more only after a crash, which repeats some
        oldest = self._clock.monotonic() - self._appended_at[self._ready[0].name] if self._ready else 0.0
        assert abs(stats.oldest_age_seconds - oldest) < 1e-6

    @invariant()
    def the_ledger_adds_up(self) -> None:
        stats = self._buffer.stats()
        assert self._maker.made == self._evicted + self._settled + stats.ready_records + stats.leased_records

    def teardown(self) -> None:
        if hasattr(self, "_buffer"):
            self._buffer.close()

    @property
    def _leased(self) -> int:
        return sum(len(lent) for _, lent in self._out)
