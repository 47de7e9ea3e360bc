"""What carrying a batch costs the gate."""

from __future__ import annotations

import threading
from itertools import pairwise
from types import TracebackType

import pytest

from agent_core.api import Batch, WriteOutcome
from agent_core.runtime.delivery.sink_gate import SinkGate, StateChanged
from agent_core.testing.clock import ManualClock
from agent_core.testing.fakes import batch_of

from ..conftest import MakeRig


class CountedLock:
    """A lock that counts how often it was taken."""

    def __init__(self) -> None:
        self.taken = 0
        self._lock = threading.Lock()

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        got = self._lock.acquire(blocking, timeout)
        self.taken += got
        return got

    def release(self) -> None:
        self._lock.release()

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


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
