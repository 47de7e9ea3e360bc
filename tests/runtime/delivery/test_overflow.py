"""No source waits for the fallback's disk: what leaves the buffer is on its way, within a bound."""

import threading
from collections.abc import Iterator
from functools import partial

import pytest
from memory_buffer.buffer import MemoryBuffer

from agent_core.api import Batch, DivertReason, DropReason, Rejection, RetryableError, WriteOutcome
from agent_core.runtime.delivery import overflow
from agent_core.runtime.delivery.diverter import HANGING_SECONDS
from agent_core.testing.background import Background
from agent_core.testing.fakes import batch_of
from agent_core.testing.suite.patience import PATIENCE_SECONDS

from ..conftest import MakeRig, Rig


class SlowDisk:
    """Calls of the fallback that return when the test says so."""

    def __init__(self) -> None:
        self.began, self.go_on = threading.Semaphore(0), threading.Event()

    def __call__(self, batch: Batch) -> WriteOutcome:
        self.began.release()
        self.go_on.wait(2 * PATIENCE_SECONDS)
        return WriteOutcome(len(batch))

    def wait_for_call(self) -> None:
        assert self.began.acquire(timeout=PATIENCE_SECONDS)


@pytest.fixture
def disk() -> Iterator[SlowDisk]:
    disk = SlowDisk()
    yield disk
    disk.go_on.set()


def relieved(rig: Rig, disk: SlowDisk) -> Rig:
    """Paused, so that only what does not fit leaves; the relief runs, and its next call of the fallback is slow."""
    assert rig.fallback is not None
    rig.fallback.script.append(disk)
    rig.delivery.pause()
    rig.start()
    Background(rig.delivery.watch.run_relief)
    rig.clock.wait_for_a_wait_of(1)
    return rig


def emit(rig: Rig, number: int) -> None:
    """Ten records from a source, which must not wait."""
    Background(lambda: rig.accept(batch_of(*range(10), start_ns=10 * number))).result()


def stored(rig: Rig) -> list[int]:
    assert rig.fallback is not None
    return [len(batch) for batch, _ in rig.fallback.diversions]


def test_a_source_does_not_wait_for_a_slow_disk_and_what_comes_meanwhile_is_one_append(
    make_rig: MakeRig, disk: SlowDisk
) -> None:
    rig = relieved(make_rig(capacity=10), disk)
    emit(rig, 0)
    emit(rig, 1)
    disk.wait_for_call()
    for number in range(2, 42):
        emit(rig, number)
    assert (rig.snapshot().pending, rig.snapshot().dropped) == (420, 0)
    disk.go_on.set()
    rig.observer.wait_for("batch_diverted", 2)
    assert stored(rig) == [10, 400]
    assert rig.snapshot().diverted_by_reason == {"buffer_full": 410}


def test_what_a_fallback_that_hangs_cannot_take_is_dropped_beyond_a_bound(
    make_rig: MakeRig, disk: SlowDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overflow, "OVERFLOW_RECORDS", 50)
    rig = relieved(make_rig(capacity=10), disk)
    emit(rig, 0)
    emit(rig, 1)
    disk.wait_for_call()
    rig.clock.advance(3600)
    for number in range(2, 12):
        emit(rig, number)
    snapshot = rig.snapshot()
    assert (snapshot.pending, snapshot.dropped_by_reason) == (10 + 50, {"fallback_failed": 60})
    status = rig.delivery.status()
    assert status.buffer.pending_records == 10
    assert "50 records wait in memory for the fallback, besides the buffer; 50 may" in [
        finding.message for finding in status.advice
    ]
    disk.go_on.set()
    rig.observer.wait_for("batch_diverted", 2)
    emit(rig, 12)
    rig.observer.wait_for("batch_diverted", 3)
    assert (rig.snapshot().diverted, rig.snapshot().dropped, rig.snapshot().pending) == (60, 60, 10)


def test_records_refused_before_the_buffer_wait_for_no_disk_either(make_rig: MakeRig, disk: SlowDisk) -> None:
    rig = relieved(make_rig(), disk)
    deliver, reasons = rig.delivery, (DivertReason.TRANSFORM_ERROR, DropReason.TRANSFORM_ERROR)
    Background(lambda: deliver.refuse(batch_of(1, 2), *reasons)).result()
    disk.wait_for_call()
    for start_ns, reason in ((3, "no value"), (4, "no name")):
        Background(partial(deliver.set_aside, batch_of(0, start_ns=start_ns), (reason,))).result()
    disk.go_on.set()
    assert rig.fallback is not None
    rig.fallback.wait_until(lambda _: len(stored(rig)) == 2)
    [(_, first), (_, second)] = rig.fallback.diversions
    assert (first.reason, second.reason) == (DivertReason.TRANSFORM_ERROR, DivertReason.REJECTED)
    assert second.details == ("no value", "no name")


def test_what_a_durable_buffer_evicts_is_waited_for_unless_the_fallback_hangs(
    make_rig: MakeRig, disk: SlowDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MemoryBuffer, "durable", True)
    rig = relieved(make_rig(capacity=10), disk)
    rig.accept(batch_of(*range(10)))
    first = Background(lambda: rig.accept(batch_of(*range(10), start_ns=10)))
    rig.clock.wait_for_a_wait_of(HANGING_SECONDS)
    assert not first.done, "a crash would lose them"
    disk.wait_for_call()
    rig.clock.advance(HANGING_SECONDS)
    first.result()
    emit(rig, 2)  # it is known to hang
    assert rig.snapshot().pending == 30
    disk.go_on.set()
    rig.observer.wait_for("batch_diverted")
    rig.clock.advance(1)
    rig.observer.wait_for("batch_diverted", 2)
    assert (rig.snapshot().diverted, rig.snapshot().pending) == (20, 10)


def test_a_stop_takes_what_waits_and_counts_what_it_must_leave_behind(make_rig: MakeRig, disk: SlowDisk) -> None:
    rig = relieved(make_rig(capacity=10), disk)
    emit(rig, 0)
    emit(rig, 1)
    disk.wait_for_call()
    emit(rig, 2)
    rig.delivery.drain(rig.clock.monotonic())
    rig.delivery.spill(rig.clock.monotonic())
    assert stored(rig) == [10, 10], "what waited, then what was in the buffer"
    assert rig.delivery.give_up() == 10
    assert rig.snapshot().dropped_by_reason == {"shutdown": 10}
    disk.go_on.set()
    rig.observer.wait_for("batch_diverted", 3)
    assert (rig.snapshot().diverted, rig.snapshot().dropped) == (30, 0)


def test_a_large_append_that_fails_is_tried_parcel_by_parcel(make_rig: MakeRig, disk: SlowDisk) -> None:
    rig = relieved(make_rig(capacity=10), disk)
    assert rig.fallback is not None
    room = 20

    def store_if_it_fits(batch: Batch) -> WriteOutcome:
        nonlocal room
        if len(batch) > room:
            raise OSError("disk full")
        room -= len(batch)
        return WriteOutcome(len(batch))

    emit(rig, 0)
    emit(rig, 1)
    disk.wait_for_call()
    rig.fallback.script.extend([store_if_it_fits] * 9)
    for number in range(2, 7):
        emit(rig, number)
    disk.go_on.set()
    rig.observer.wait_for("records_dropped", 3)
    assert rig.snapshot().dropped_by_reason == {"fallback_failed": 30}
    assert (rig.snapshot().diverted, rig.snapshot().pending) == (30, 10)


def test_while_a_worker_hangs_in_the_fallback_the_relief_looks_once_a_second(
    make_rig: MakeRig, disk: SlowDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig, looks, wait = make_rig(max_records=1), threading.Semaphore(0), overflow.Overflow.wait

    def counted(of: overflow.Overflow, seconds: float) -> bool:
        looks.release()
        return wait(of, seconds)

    monkeypatch.setattr(overflow.Overflow, "wait", counted)
    assert rig.fallback is not None
    rig.fallback.script.append(disk)
    rig.sink.script.append(lambda batch: WriteOutcome(0, 0, (Rejection(0, "E1", "no"),)))
    rig.accept(batch_of(1)).start()
    disk.wait_for_call()
    rig.clock.advance(HANGING_SECONDS)
    Background(rig.delivery.watch.run_relief)
    assert looks.acquire(timeout=PATIENCE_SECONDS)
    rig.delivery.refuse(batch_of(2), DivertReason.TRANSFORM_ERROR, DropReason.TRANSFORM_ERROR)
    assert looks.acquire(timeout=PATIENCE_SECONDS)
    rig.clock.wait_for_a_wait_of(1)
    disk.go_on.set()
    rig.observer.wait_for("batch_delivered")
    rig.clock.advance(1)
    rig.observer.wait_for("batch_diverted")
    assert rig.snapshot().pending == 0


def test_a_fallback_that_hangs_holds_no_worker_of_a_sink_that_is_up(make_rig: MakeRig, disk: SlowDisk) -> None:
    rig, pause = make_rig(max_records=1), threading.Event()
    assert rig.fallback is not None
    rig.fallback.script.append(disk)

    def reject(batch: Batch) -> WriteOutcome:
        return WriteOutcome(0, 0, (Rejection(0, "E1", "no"),))

    rig.sink.script.extend([reject, reject])
    rig.accept(batch_of(1)).start()
    disk.wait_for_call()
    rig.clock.advance(HANGING_SECONDS)
    rig.delivery.watch.look()
    rig.accept(batch_of(2, start_ns=10)).accept(batch_of(3, start_ns=20))
    rig.observer.wait_for("batch_delivered")
    assert (rig.snapshot().delivered, rig.snapshot().pending) == (1, 2), "the refused ones wait, the good one does not"
    rig.delivery.watch.look()
    assert rig.delivery.status().workers_running == 2, "one stands in for the one that hangs, and no more"
    disk.go_on.set()
    rig.fallback.wait_until(lambda _: len(stored(rig)) >= 1)
    rig.delivery.watch.look()
    for _ in range(int(PATIENCE_SECONDS * 100)):
        if rig.delivery.status().workers_running == 1 and rig.snapshot().rejected == 2:
            break
        rig.clock.advance(1)
        pause.wait(0.01)
    assert rig.delivery.status().workers_running == 1
    assert (rig.snapshot().rejected, rig.snapshot().pending) == (2, 0)


def test_while_a_call_hangs_no_worker_makes_another(make_rig: MakeRig, disk: SlowDisk) -> None:
    rig = make_rig(max_records=1, max_retries=0, workers=2)
    assert rig.fallback is not None
    rig.fallback.script.append(disk)
    rig.sink.script.append(RetryableError("away"))
    rig.accept(batch_of(1)).start()
    disk.wait_for_call()
    rig.clock.advance(HANGING_SECONDS)
    rig.accept(batch_of(2, start_ns=10))
    rig.clock.wait_for_a_wait_of(20)  # until the next probe
    assert not stored(rig)
    disk.go_on.set()
    rig.observer.wait_for("batch_diverted")


def test_a_stop_keeps_time_for_what_waits(make_rig: MakeRig) -> None:
    rig = make_rig(capacity=200_000)
    rig.accept(batch_of(*range(100_000)))
    assert rig.delivery.spill_seconds() == 3
    assert make_rig(fallback=False).delivery.spill_seconds() == 1


def test_on_a_slow_disk_the_overflow_has_its_turn_although_the_buffer_fills_again_with_each_append(
    make_rig: MakeRig,
) -> None:
    rig = make_rig(max_retries=0)
    assert rig.fallback is not None
    appends = 0

    def records_come_meanwhile(batch: Batch) -> WriteOutcome:
        nonlocal appends
        appends += 1
        if appends == 4:
            rig.delivery.set_aside(batch_of(0), ("no name",))
        rig.accept(batch_of(1, start_ns=1000 * appends))
        return WriteOutcome(len(batch))

    rig.fallback.script.extend([records_come_meanwhile] * 20)
    rig.sink.script.append(RetryableError("away"))
    rig.accept(batch_of(*range(10))).start()
    rig.observer.wait_for("batch_diverted")  # the worker's, and it is down
    Background(rig.delivery.watch.run_relief)
    rig.clock.wait_for_a_wait_of(1)
    rig.delivery.set_aside(batch_of(0), ("no value",))  # which wakes it
    rig.fallback.wait_until(lambda _: len(stored(rig)) >= 20)
    details = [diversion.details for _, diversion in rig.fallback.diversions]
    assert details[:6] == [None, ("no value",), None, None, ("no name",), None]


def test_records_that_go_into_different_files_are_one_append_for_each_file(make_rig: MakeRig, disk: SlowDisk) -> None:
    rig = relieved(make_rig(capacity=10), disk)
    emit(rig, 0)
    emit(rig, 1)
    disk.wait_for_call()
    for number in range(2, 8):
        rig.delivery.set_aside(batch_of(number), (f"reason {number}",))
        emit(rig, number)
    disk.go_on.set()
    assert rig.fallback is not None
    rig.fallback.wait_until(lambda _: len(stored(rig)) >= 3)
    assert stored(rig) == [10, 6, 60]
    assert rig.fallback.diversions[1][1].details == tuple(f"reason {number}" for number in range(2, 8))


@pytest.mark.provokes("watch failed")
def test_a_defect_on_the_way_leaves_no_record_unaccounted_for(
    make_rig: MakeRig, disk: SlowDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = relieved(make_rig(capacity=10), disk)
    emit(rig, 0)
    emit(rig, 1)
    disk.wait_for_call()
    emit(rig, 2)
    emit(rig, 3)

    def no_memory(batches: object) -> Batch:
        raise MemoryError

    monkeypatch.setattr(Batch, "join", no_memory)
    disk.go_on.set()
    rig.observer.wait_for("records_dropped", 2)
    monkeypatch.undo()
    emit(rig, 4)
    rig.observer.wait_for("batch_diverted", 2)
    assert (rig.snapshot().dropped, rig.snapshot().diverted, rig.snapshot().pending) == (20, 20, 10)
