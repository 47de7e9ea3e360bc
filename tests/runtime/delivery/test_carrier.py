"""What carrying a batch costs the gate, and what the stop has taken over."""

from __future__ import annotations

import threading
from itertools import pairwise

import pytest

from agent_core.api import Batch, Lease, RetryableError, WriteOutcome
from agent_core.runtime.delivery.flight import LeaseFlight
from agent_core.runtime.delivery.sink_gate import SinkGate, StateChanged
from agent_core.testing.clock import ManualClock
from agent_core.testing.fakes import batch_of

from ..conftest import MakeRig
from .counted_lock import CountedLock


def test_a_write_that_returns_takes_the_gates_lock_once(make_rig: MakeRig, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = CountedLock()

    def counted_gate(clock: ManualClock, on_change: StateChanged) -> SinkGate:
        gate = SinkGate(clock, on_change)
        gate.changed = threading.Condition(lock)  # type: ignore[arg-type]
        return gate

    monkeypatch.setattr("agent_core.runtime.assembly.SinkGate", counted_gate)
    rig = make_rig(max_records=2, fallback=False)
    taken_at_each_write: list[int] = []

    def note_taken(batch: Batch) -> WriteOutcome:
        taken_at_each_write.append(lock.taken)
        return rig.sink.store(batch)

    rig.sink.script.extend([note_taken] * 10)
    rig.accept(batch_of(*range(20))).start()
    rig.observer.wait_for("batch_delivered", 10)
    assert [after - before for before, after in pairwise(taken_at_each_write)] == [1] * 9


def test_records_that_the_stop_takes_over_just_before_they_would_be_stored_are_left_to_it(
    make_rig: MakeRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[Lease] = []
    begin_divert = SinkGate.begin_divert

    def too_late(gate: SinkGate, flight: LeaseFlight) -> bool:
        taken.extend(gate.land_all())
        return begin_divert(gate, flight)

    monkeypatch.setattr(SinkGate, "begin_divert", too_late)
    rig = make_rig(max_records=2, max_retries=0)
    assert rig.fallback is not None
    rig.sink.script.append(RetryableError("away"))
    rig.accept(batch_of(1, 2, 3, 4)).start()
    rig.clock.wait_for_waiters()
    rig.stop()
    assert [lease.batch.values for lease in taken] == [(1, 2), (3, 4)]
    assert (rig.fallback.diversions, rig.snapshot().pending) == ([], 4)
