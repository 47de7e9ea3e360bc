"""What is raised and is no ``Exception`` costs neither a thread nor a record."""

import asyncio
import threading

import pytest

from agent_core.api import Batch, Diversion, DivertReason, SinkState, hookimpl
from agent_core.registry.events import Events
from agent_core.runtime.pipeline import Pipeline, Route
from agent_core.testing.fakes import FakeBacklog, FakeSink, batch_of

from ..conftest import PROBE_SECONDS, MakeRig


class Panic(BaseException):
    """As libraries written in Rust raise it."""


@pytest.fixture(params=[asyncio.CancelledError, SystemExit, GeneratorExit, KeyboardInterrupt, Panic])
def alien(request: pytest.FixtureRequest) -> BaseException:
    """Each kind that a thread of the agent has been seen to meet."""
    kind: type[BaseException] = request.param
    return kind("out of bounds")


@pytest.mark.provokes("sink raised an unexpected error")
def test_a_write_that_raises_it_is_a_failure_and_the_worker_goes_on(
    make_rig: MakeRig, caplog: pytest.LogCaptureFixture, alien: BaseException
) -> None:
    rig = make_rig(max_records=1, max_retries=0)
    rig.sink.script.append(alien)
    rig.accept(batch_of(1)).start()
    rig.observer.wait_for("batch_diverted")
    assert rig.snapshot().diverted_by_reason == {"ambiguous_commit": 1}
    rig.advance_past_backoff(PROBE_SECONDS)
    rig.accept(batch_of(2, start_ns=10))
    rig.observer.wait_for("batch_delivered")
    assert rig.observer.states() == [SinkState.DOWN, SinkState.UP]
    [record] = [record for record in caplog.records if "unexpected error" in record.getMessage()]
    assert record.exc_info is not None
    assert type(alien).__name__ in record.getMessage()


@pytest.mark.provokes("sink raised an unexpected error")
def test_an_open_that_raises_it_is_a_failure(make_rig: MakeRig, alien: BaseException) -> None:
    rig = make_rig(max_records=1)
    rig.sink.open_script.append(alien)
    rig.accept(batch_of(1)).start()
    rig.observer.wait_for("batch_failed")
    rig.advance_past_backoff(1)
    rig.observer.wait_for("batch_delivered")
    assert rig.sink.opens == 2


def test_a_fallback_that_raises_it_has_failed(make_rig: MakeRig, alien: BaseException) -> None:
    rig = make_rig(capacity=1)
    assert rig.fallback is not None
    rig.fallback.script.append(alien)
    rig.delivery.open()
    rig.accept(batch_of(1, 2)).accept(batch_of(3, start_ns=10))
    assert rig.snapshot().dropped_by_reason == {"fallback_failed": 1}
    assert rig.fallback.diverted()[DivertReason.BUFFER_FULL].values == (2,)


@pytest.mark.provokes("buffer failed", "worker restarted")
def test_a_buffer_that_raises_it_ends_no_worker_and_loses_no_record(
    make_rig: MakeRig, monkeypatch: pytest.MonkeyPatch, alien: BaseException
) -> None:
    rig = make_rig(max_records=1)
    errors, lease, append = [alien], rig.buffer.lease, rig.buffer.append

    def lease_in_vain(max_records: int, max_wait_seconds: float) -> object:
        if errors:
            raise errors.pop()
        return lease(max_records, max_wait_seconds)

    def append_in_vain(batch: Batch) -> Batch:
        raise alien

    monkeypatch.setattr(rig.buffer, "lease", lease_in_vain)
    monkeypatch.setattr(rig.buffer, "append", append_in_vain)
    rig.accept(batch_of(1))
    assert rig.snapshot().diverted_by_reason == {"buffer_failed": 1}
    monkeypatch.setattr(rig.buffer, "append", append)
    rig.accept(batch_of(2)).start()
    rig.advance_past_backoff(1)
    rig.observer.wait_for("batch_delivered")


def test_a_log_that_raises_it_ends_no_worker(
    make_rig: MakeRig, monkeypatch: pytest.MonkeyPatch, alien: BaseException
) -> None:
    rig = make_rig(max_records=1)
    errors, lease = [ValueError("defect")], rig.buffer.lease

    def lease_in_vain(max_records: int, max_wait_seconds: float) -> object:
        if errors:
            raise errors.pop()
        return lease(max_records, max_wait_seconds)

    def fail(*arguments: object, **fields: object) -> None:
        raise alien

    monkeypatch.setattr(rig.buffer, "lease", lease_in_vain)
    monkeypatch.setattr("agent_core.api.Log.error", fail)
    rig.accept(batch_of(1)).start()
    rig.advance_past_backoff(1)
    rig.observer.wait_for("batch_delivered")


@pytest.mark.provokes("replay failed")
def test_a_replay_goes_on_after_it(make_rig: MakeRig, alien: BaseException) -> None:
    backlog = FakeBacklog()
    backlog.divert(batch_of(1, 2), Diversion(DivertReason.SINK_DOWN, 0))
    rig = make_rig(max_records=2, replayable=backlog)
    rig.sink.script.append(alien)
    rig.start()
    rig.sink.wait_until(lambda sink: sink.attempts == 1)
    rig.clock.wait_for_waiters(2)
    rig.clock.advance(PROBE_SECONDS)
    backlog.wait_until(lambda _: bool(backlog.finished))
    assert rig.sink.records.keys() == {("T", 0), ("T", 1)}


@pytest.mark.provokes("transform failed")
def test_a_transform_that_raises_it_sends_the_batch_to_the_fallback(make_rig: MakeRig, alien: BaseException) -> None:
    class Broken:
        def open(self) -> None: ...

        def close(self) -> None: ...

        def apply(self, batch: Batch) -> Batch:
            raise alien

    rig = make_rig()
    pipeline = Pipeline([Route("line", "fake", (Broken(),), (rig.delivery,))], rig.ledger, Events(), rig.clock)
    pipeline.emitter("line")(batch_of(1, 2))
    assert rig.snapshot().diverted_by_reason == {"transform_error": 2}


@pytest.mark.provokes("sink did not take records")
def test_emit_raises_nothing_that_a_delivery_raises_and_feeds_the_others(
    make_rig: MakeRig, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, alien: BaseException
) -> None:
    broken, sound = make_rig(), make_rig()

    def fail(batch: Batch) -> None:
        raise alien

    monkeypatch.setattr(broken.delivery, "accept", fail)
    route = Route("line", "fake", (), (broken.delivery, sound.delivery))
    Pipeline([route], sound.ledger, Events(), sound.clock).emitter("line")(batch_of(1, 2))
    assert sound.buffer.stats().ready_records == 2
    assert "sink did not take records: source=line sink=sink" in caplog.text


@pytest.mark.provokes("observer failed")
def test_an_observer_that_raises_it_in_a_thread_is_counted(alien: BaseException) -> None:
    class Observer:
        @hookimpl
        def agent_batch_collected(self) -> None:
            raise alien

    events, raised = Events(), threading.Event()
    events.register_observer(Observer())

    def collect() -> None:
        try:
            events.batch_collected("line", batch_of(1))
        except BaseException:
            raised.set()

    thread = threading.Thread(target=collect)
    thread.start()
    thread.join(60)
    assert not raised.is_set()
    assert events.observer_failures == {"Observer": 1}


@pytest.mark.provokes("advice failed")
def test_advice_that_raises_hides_no_status(make_rig: MakeRig) -> None:
    class Advising(FakeSink):
        def advice(self) -> list[object]:
            raise Panic

    rig = make_rig(sink=Advising())
    assert rig.delivery.status().advice == ()


class Unshowable(Exception):
    def __str__(self) -> str:
        raise Panic

    __repr__ = __str__


@pytest.mark.provokes("sink raised an unexpected error")
def test_an_error_that_can_be_shown_in_no_way_is_a_failure(make_rig: MakeRig) -> None:
    rig = make_rig(max_records=1, max_retries=0)
    rig.sink.script.append(Unshowable())
    rig.accept(batch_of(1)).start()
    rig.observer.wait_for("batch_diverted")
    assert rig.delivery.status().last_error == "Unshowable"
