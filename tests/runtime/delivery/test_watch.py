"""A write that hangs, a sink without workers, and how long records wait in memory meanwhile."""

import threading
from collections.abc import Iterator

import pytest

from agent_core.api import Batch, DivertReason, RetryableError, Severity, SinkState, WriteOutcome
from agent_core.testing.background import Background
from agent_core.testing.fakes import batch_of
from agent_core.testing.suite.patience import PATIENCE_SECONDS

from ..conftest import MakeRig, Rig


class Hang:
    """A write that returns when the test says so."""

    def __init__(self) -> None:
        self.began, self.go_on = threading.Event(), threading.Event()

    def __call__(self, batch: Batch) -> WriteOutcome:
        self.began.set()
        self.go_on.wait(PATIENCE_SECONDS)
        return WriteOutcome(len(batch))


@pytest.fixture
def hang() -> Iterator[Hang]:
    hang = Hang()
    yield hang
    hang.go_on.set()


def hanging(rig: Rig, hang: Hang) -> Rig:
    """Started, with its only worker inside a write of the record 1."""
    rig.sink.script.append(hang)
    rig.accept(batch_of(1)).start()
    assert hang.began.wait(PATIENCE_SECONDS)
    return rig


def test_a_write_that_does_not_return_is_a_sink_that_is_down_until_it_does(make_rig: MakeRig, hang: Hang) -> None:
    rig = hanging(make_rig(max_records=1, write_limit=60), hang)
    rig.clock.advance(59)
    rig.delivery.watch.look()
    assert rig.state() is SinkState.UP
    assert rig.delivery.status().write_seconds == 59
    rig.clock.advance(1)
    rig.delivery.watch.look()
    status = rig.delivery.status()
    assert status.state is SinkState.DOWN
    assert str(status.last_error).startswith("a write has not returned for longer than its limit (60 s)")
    assert status.next_step is not None
    hang.go_on.set()
    rig.observer.wait_for("batch_delivered")
    assert rig.observer.states() == [SinkState.DOWN, SinkState.UP]
    assert rig.delivery.status().write_seconds is None


def test_an_open_that_does_not_return_is_one_as_well(
    make_rig: MakeRig, hang: Hang, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = make_rig(max_records=1, write_limit=60)
    monkeypatch.setattr(rig.sink, "open", lambda: hang(batch_of(1)))
    rig.accept(batch_of(1)).start()
    assert hang.began.wait(PATIENCE_SECONDS)
    rig.clock.advance(60)
    rig.delivery.watch.look()
    assert rig.state() is SinkState.DOWN


def test_one_write_that_hangs_does_not_stop_a_sink_whose_other_writes_return(make_rig: MakeRig, hang: Hang) -> None:
    rig = hanging(make_rig(max_records=1, workers=2, write_limit=60), hang)
    rig.clock.advance(60)
    rig.accept(batch_of(2, start_ns=10))
    rig.observer.wait_for("batch_delivered")
    rig.delivery.watch.look()
    assert rig.state() is SinkState.UP
    assert rig.delivery.status().write_seconds == 60, "it is visible"


def test_while_a_write_hangs_records_leave_for_the_fallback(make_rig: MakeRig, hang: Hang) -> None:
    rig = hanging(make_rig(max_records=1, divert_after=10), hang)
    assert rig.fallback is not None
    rig.accept(batch_of(2, 3, start_ns=10))
    rig.clock.advance(9)
    rig.accept(batch_of(4, start_ns=20))
    rig.delivery.watch.look()
    assert not rig.fallback.diversions
    assert rig.delivery.status().divert_after_seconds == 10, "from then on it is more than a slow write"
    rig.clock.advance(1)
    rig.delivery.watch.look()
    [(batch, why)] = rig.fallback.diversions
    assert (batch.values, why.reason) == ((2, 3, 4), DivertReason.SINK_DOWN), "in one append"
    assert (rig.snapshot().diverted, rig.snapshot().pending) == (3, 1)
    hang.go_on.set()
    rig.observer.wait_for("batch_delivered")
    assert (rig.snapshot().delivered, rig.snapshot().pending) == (1, 0)


def test_while_the_sink_is_down_what_waits_leaves_at_once_in_one_append(make_rig: MakeRig, hang: Hang) -> None:
    """The workers' batches alone would be one sync of a slow disk each."""
    rig = hanging(make_rig(max_records=1, write_limit=60, divert_after=10), hang)
    assert rig.fallback is not None
    rig.clock.advance(60)
    rig.delivery.watch.look()
    assert rig.state() is SinkState.DOWN
    rig.accept(batch_of(*range(2, 9), start_ns=10))
    rig.delivery.watch.look()
    [(batch, why)] = rig.fallback.diversions
    assert (batch.values, why.reason) == (tuple(range(2, 9)), DivertReason.SINK_DOWN)
    rig.delivery.pause()
    rig.accept(batch_of(9, start_ns=99))
    rig.delivery.watch.look()
    assert len(rig.fallback.diversions) == 1, "an operator's pause keeps them in the buffer"
    rig.delivery.resume()


def test_what_the_fallback_does_not_take_goes_back_into_the_buffer(make_rig: MakeRig, hang: Hang) -> None:
    rig = hanging(make_rig(max_records=1, divert_after=10), hang)
    assert rig.fallback is not None
    rig.fallback.script.append(OSError("disk full"))
    rig.accept(batch_of(2, 3, start_ns=10))
    rig.clock.advance(10)
    rig.delivery.watch.look()
    assert rig.buffer.stats().ready_records == 2
    rig.delivery.watch.look()
    assert rig.snapshot().diverted == 2


@pytest.mark.parametrize("durable", [False, True])
def test_without_a_place_to_go_or_a_need_to_records_stay(make_rig: MakeRig, hang: Hang, durable: bool) -> None:
    rig = hanging(make_rig(max_records=1, divert_after=10, fallback=durable, divert_after_retries=not durable), hang)
    rig.accept(batch_of(2, start_ns=10))
    rig.clock.advance(100)
    rig.delivery.watch.look()
    assert rig.buffer.stats().ready_records == 1


def test_a_retry_that_would_come_too_late_is_not_waited_for(make_rig: MakeRig) -> None:
    rig = make_rig(max_records=1, max_retries=100, divert_after=10)
    rig.sink.script.extend(RetryableError("away") for _ in range(9))
    rig.accept(batch_of(1)).start()
    for attempt, delay in enumerate((1, 2, 4), start=1):
        assert rig.observer.wait_for("batch_failed", attempt)[-1][4] == delay
        rig.advance_past_backoff(delay)
    rig.observer.wait_for("batch_diverted")  # the next retry would be 15 s after the first failure
    assert rig.clock.monotonic() == 7
    assert rig.observer.states() == [SinkState.RETRYING, SinkState.DOWN]


def test_a_sink_whose_workers_have_ended_is_down(make_rig: MakeRig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = make_rig(workers=2)
    workers, gate = rig.delivery._workers, rig.delivery._gate
    monkeypatch.setattr(workers, "_work", workers._ended)
    rig.start()
    with gate.changed:
        assert gate.changed.wait_for(lambda: workers.all_lost, PATIENCE_SECONDS)
    rig.clock.advance(1)
    rig.delivery.watch.look()
    status = rig.delivery.status()
    assert (status.state, status.workers_running) == (SinkState.DOWN, 0)
    assert str(status.last_error).startswith("no worker is left to write")


def test_a_stop_does_not_store_again_what_a_worker_is_storing(make_rig: MakeRig, hang: Hang) -> None:
    rig = make_rig(max_records=2, max_retries=0)
    assert rig.fallback is not None
    rig.sink.script.append(RetryableError("away"))
    rig.fallback.script.append(hang)
    rig.accept(batch_of(1, 2)).start()
    assert hang.began.wait(PATIENCE_SECONDS)
    rig.delivery.drain(rig.clock.monotonic())
    rig.delivery.spill(rig.clock.monotonic())
    assert rig.delivery.give_up() == 2
    assert rig.snapshot().dropped == 2, "as far as anyone knows"
    hang.go_on.set()
    rig.observer.wait_for("batch_diverted")
    assert [(batch.values, why.reason) for batch, why in rig.fallback.diversions] == [
        ((1, 2), DivertReason.RETRIES_EXHAUSTED)
    ]
    assert (rig.snapshot().diverted, rig.snapshot().pending, rig.snapshot().dropped) == (2, 0, 0)


def test_a_fallback_that_hangs_is_named_and_hides_no_write_that_hangs(
    make_rig: MakeRig, hang: Hang, caplog: pytest.LogCaptureFixture
) -> None:
    rig = hanging(make_rig(max_records=1, divert_after=10, write_limit=60), hang)
    assert rig.fallback is not None
    stuck = Hang()
    rig.fallback.script.append(stuck)
    rig.accept(batch_of(2, start_ns=10))
    rig.clock.advance(10)
    relieving = Background(rig.delivery.watch.relieve)
    assert stuck.began.wait(PATIENCE_SECONDS)
    assert rig.delivery.status().advice == ()
    rig.clock.advance(50)
    rig.delivery.watch.look_at_calls()
    status = rig.delivery.status()
    assert status.state is SinkState.DOWN
    [advice] = status.advice
    assert (advice.severity, advice.message) == (
        Severity.CRITICAL,
        "a call has not returned for 50 s; records for it wait in memory while there is room",
    )
    assert "fallback hangs: sink=sink elapsed_seconds=50" in caplog.text
    stuck.go_on.set()
    relieving.result()
    assert rig.delivery.status().advice == ()
    assert rig.snapshot().diverted == 1
