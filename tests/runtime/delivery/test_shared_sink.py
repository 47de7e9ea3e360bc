"""What several workers make of one sink that has to be opened."""

from __future__ import annotations

import pytest

from agent_core.api import AuthenticationError, RetryableError, SinkState
from agent_core.runtime.delivery.fallback import Fallback
from agent_core.runtime.delivery.shared_sink import SharedSink
from agent_core.runtime.delivery.sink_gate import SinkGate
from agent_core.testing.background import Background
from agent_core.testing.clock import ManualClock
from agent_core.testing.fakes import FakeSink

from .counted_lock import CountedLock


class SlowToOpen(FakeSink):
    """Its first opening ends when ``count`` threads want it open."""

    def __init__(self, lock: CountedLock, count: int, *errors: BaseException) -> None:
        super().__init__()
        self.open_script.extend(errors)
        self._lock = lock
        self._count = count

    def open(self) -> None:
        self._lock.wait_for(self._count)
        super().open()


@pytest.mark.parametrize(
    ("error", "state", "failures"),
    [
        (AuthenticationError("ORA-01017"), SinkState.LOCKED_OUT, 1),  # no other may try
        (RetryableError("ORA-12541"), SinkState.RETRYING, 5),  # each may, and shares what came of the first try
    ],
)
def test_five_workers_that_wait_for_a_failing_log_in_make_no_other(
    error: BaseException, state: SinkState, failures: int
) -> None:
    clock, lock, failed = ManualClock(), CountedLock(), list[BaseException]()
    gate = SinkGate(clock, lambda *_: None)
    sink = SlowToOpen(lock, 5, error)
    shared = SharedSink(sink, gate, clock)
    shared._lock = lock  # type: ignore[assignment]

    def fail(worker: object, error: BaseException) -> None:
        failed.append(error)
        if isinstance(error, RetryableError):
            gate.retrying(error)
        else:
            gate.down(worker, state, error, 30)

    def open_for(worker: object) -> Background[bool]:
        return Background(lambda: shared.open(worker, lambda error: fail(worker, error)))

    assert [opening.result() for opening in [open_for(object()) for _ in range(5)]] == [False] * 5
    assert (sink.opens, failed, gate.state) == (1, [error] * failures, state)


def test_two_threads_that_need_a_fallback_open_it_once() -> None:
    lock = CountedLock()
    sink = SlowToOpen(lock, 2)
    fallback = Fallback("plain", sink)
    fallback._lock = lock  # type: ignore[assignment]
    for opening in [Background(fallback.open) for _ in range(2)]:
        opening.result()
    assert sink.opens == 1
    fallback.close()
    fallback.open()
    assert (sink.closed, sink.opens) == (True, 2)
