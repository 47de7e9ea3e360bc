"""What a stop makes of the records in a volatile buffer."""

import threading
from collections.abc import Callable, Iterator

import pytest

from agent_core.api import Batch, Diversion, DivertReason, Lease, RetryableError, SinkState, WriteOutcome
from agent_core.registry.events import Events
from agent_core.runtime.delivery.flight import LeaseFlight
from agent_core.runtime.delivery.sink_gate import SinkGate
from agent_core.runtime.pipeline import Pipeline, Route
from agent_core.testing.background import Background
from agent_core.testing.fakes import FakeFallback, batch_of
from agent_core.testing.suite.patience import PATIENCE_SECONDS

from ..conftest import MakeRig


class SlowDisk(FakeFallback):
    """Each append takes ``seconds`` on the test's clock, as a disk does that is slow to sync."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds
        self.pass_time: Callable[[float], object] = abs

    def divert(self, batch: Batch, diversion: Diversion) -> None:
        self.pass_time(self.seconds)
        super().divert(batch, diversion)


class Stalled:
    """A call of the fallback that returns when the test says so."""

    def __init__(self) -> None:
        self.began, self.go_on = threading.Event(), threading.Event()

    def __call__(self, batch: Batch) -> WriteOutcome:
        self.began.set()
        self.go_on.wait(PATIENCE_SECONDS)
        return WriteOutcome(len(batch))


@pytest.fixture
def stalled() -> Iterator[Stalled]:
    stalled = Stalled()
    yield stalled
    stalled.go_on.set()


def test_a_slow_disk_costs_one_sync_for_84_000_records(make_rig: MakeRig) -> None:
    disk = SlowDisk(0.25)
    rig = make_rig(capacity=100_000, max_records=500, max_retries=0, replayable=disk, divert_after_retries=False)
    disk.pass_time = rig.clock.advance
    rig.sink.script.append(RetryableError("away"))
    rig.accept(batch_of(*range(500))).start()
    rig.observer.wait_for("batch_failed")
    for part in range(1, 168):
        rig.accept(batch_of(*range(500), start_ns=part * 500))
    rig.delivery.drain(rig.clock.monotonic() + 24)
    began = rig.clock.monotonic()
    rig.delivery.spill(began + 3)
    assert rig.clock.monotonic() - began <= 3
    assert rig.delivery.give_up() == 0
    assert rig.snapshot().diverted_by_reason == {"shutdown": 84_000}
    assert len(disk.diversions) <= 2
    assert sum(len(batch) for batch, _ in disk.diversions) == 84_000


def test_of_a_large_append_that_fails_the_part_that_fits_is_kept(make_rig: MakeRig) -> None:
    rig = make_rig(max_records=10)
    assert rig.fallback is not None
    room = 60

    def store_if_it_fits(batch: Batch) -> WriteOutcome:
        nonlocal room
        if len(batch) > room:
            raise OSError("disk full")
        room -= len(batch)
        return WriteOutcome(len(batch))

    rig.fallback.script.extend([store_if_it_fits] * 40)
    rig.delivery.open()
    rig.accept(batch_of(*range(100)))
    rig.delivery.spill(rig.clock.monotonic())
    snapshot = rig.snapshot()
    assert (snapshot.diverted, snapshot.dropped_by_reason) == (60, {"fallback_failed": 40})


def test_what_the_deadline_leaves_behind_is_counted_then_found(make_rig: MakeRig, stalled: Stalled) -> None:
    rig = make_rig()
    assert rig.fallback is not None
    rig.fallback.script.append(stalled)
    rig.delivery.open()
    rig.accept(batch_of(*range(100)))
    spilling = Background(lambda: rig.delivery.spill(rig.clock.monotonic()))
    assert stalled.began.wait(PATIENCE_SECONDS)
    assert rig.delivery.give_up() == 100
    assert rig.observer.named("records_dropped")[0][1] == 100
    snapshot = rig.snapshot()
    assert (snapshot.pending, snapshot.dropped_by_reason) == (0, {"shutdown": 100})
    stalled.go_on.set()
    spilling.result()
    assert (rig.snapshot().diverted, rig.snapshot().dropped) == (100, 0), "dropped means lost"


def test_evicted_records_inside_a_slow_fallback_at_the_stop_raise_nothing(
    make_rig: MakeRig, stalled: Stalled, caplog: pytest.LogCaptureFixture
) -> None:
    rig = make_rig(capacity=2)
    assert rig.fallback is not None
    rig.fallback.script.append(stalled)
    rig.delivery.open()
    emit = Pipeline([Route("line", "fake", (), (rig.delivery,))], rig.ledger, Events(), rig.clock).emitter("line")
    emit(batch_of(1, 2))
    emitting = Background(lambda: emit(batch_of(3, 4, start_ns=10)))
    assert stalled.began.wait(PATIENCE_SECONDS)
    lost = rig.delivery.give_up()
    assert lost == 4
    stalled.go_on.set()
    emitting.result()
    assert "sink did not take records" not in caplog.text
    snapshot = rig.snapshot()
    assert (snapshot.diverted, snapshot.dropped_by_reason) == (2, {"shutdown": 2})


def test_records_of_several_writes_that_hang_are_one_append(make_rig: MakeRig) -> None:
    rig = make_rig(max_records=1, workers=3)
    assert rig.fallback is not None
    hangs = [Stalled() for _ in range(3)]
    rig.sink.script.extend(hangs)
    rig.accept(batch_of(1, 2, 3)).start()
    for hang in hangs:
        assert hang.began.wait(PATIENCE_SECONDS)
    rig.delivery.drain(rig.clock.monotonic())
    rig.delivery.spill(rig.clock.monotonic())
    [(batch, why)] = rig.fallback.diversions
    assert (sorted(map(str, batch.values)), why.reason) == (["1", "2", "3"], DivertReason.AMBIGUOUS_COMMIT)
    assert (rig.snapshot().diverted, rig.snapshot().pending) == (3, 0)
    for hang in hangs:
        hang.go_on.set()


def test_a_stop_takes_over_nothing_that_has_just_set_off_for_the_fallback(
    make_rig: MakeRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    take_off, taken_over = SinkGate.take_off, list[Lease]()

    def take_off_as_the_stop_looks(gate: SinkGate, flight: LeaseFlight, *, diverting: bool = False) -> None:
        take_off(gate, flight, diverting=diverting)
        taken_over.extend(gate.land_all())

    monkeypatch.setattr(SinkGate, "take_off", take_off_as_the_stop_looks)
    rig = make_rig(capacity=2)
    rig.delivery.open()
    rig.accept(batch_of(1, 2)).accept(batch_of(3, 4, start_ns=10))
    assert rig.snapshot().diverted_by_reason == {"buffer_full": 2}
    rig.delivery._gate.down(rig, SinkState.DOWN, RetryableError("away"), 60)
    rig.delivery.watch.relieve()
    assert rig.snapshot().diverted_by_reason == {"buffer_full": 2, "sink_down": 2}
    assert not taken_over, "it would be stored twice"
