import threading
from array import array
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from agent_core.api import Batch, DivertReason, DropReason, Segment, WriteOutcome
from agent_core.registry.events import Events
from agent_core.runtime.pipeline import Pipeline, Route
from agent_core.testing.clock import ManualClock
from agent_core.testing.fakes import TEST_ORIGIN, FakeObserver, batch_of

from .conftest import MakeRig, Rig


class KeepPositive:
    """A transform that filters."""

    def open(self) -> None: ...

    def close(self) -> None: ...

    def apply(self, batch: Batch) -> Batch:
        return batch.select([n for n, value in enumerate(batch.values) if isinstance(value, int) and value > 0])


class Broken(KeepPositive):
    """A transform with a defect."""

    def apply(self, batch: Batch) -> Batch:
        raise KeyError("bug")


def pipeline_of(rig: Rig, *transforms: KeepPositive) -> tuple[Pipeline, FakeObserver]:
    observer, events = FakeObserver(), Events()
    events.register_observer(observer)
    route = Route("line", "fake_source", transforms, (rig.delivery,))
    return Pipeline([route], rig.ledger, events, rig.clock), observer


def test_what_a_source_emits_is_in_the_buffer_and_announced(make_rig: MakeRig) -> None:
    rig = make_rig()
    pipeline, observer = pipeline_of(rig)
    pipeline.emitter("line")(batch_of(1, 2))
    assert rig.buffer.stats().ready_records == 2
    assert [source for source, _ in observer.named("batch_collected")] == ["line"]
    assert pipeline.status()[0].collected == 2


def test_filtered_records_are_counted(make_rig: MakeRig) -> None:
    rig = make_rig()
    pipeline, _ = pipeline_of(rig, KeepPositive())
    pipeline.emitter("line")(batch_of(1, -2, 3))
    snapshot = rig.snapshot()
    assert (snapshot.collected, snapshot.filtered, snapshot.pending) == (3, 1, 2)


@pytest.mark.provokes("transform failed")
def test_a_transform_that_raises_sends_the_untouched_batch_to_the_fallback(
    make_rig: MakeRig, caplog: pytest.LogCaptureFixture
) -> None:
    rig = make_rig()
    pipeline, _ = pipeline_of(rig, KeepPositive(), Broken())
    pipeline.emitter("line")(batch_of(1, -2, 3))
    assert rig.fallback is not None
    assert rig.fallback.diverted()[DivertReason.TRANSFORM_ERROR].values == (1, -2, 3)
    assert "transform failed" in caplog.text
    assert (rig.snapshot().diverted, rig.snapshot().pending) == (3, 0)


@pytest.mark.parametrize(
    "made",
    [
        pytest.param(lambda batch: None, id="nothing"),
        pytest.param(lambda batch: replace(batch, qualities=b"\xc3" * len(batch)), id="unknown_quality"),
        pytest.param(lambda batch: replace(batch, values=(object(),) * len(batch)), id="foreign_values"),
        pytest.param(lambda batch: replace(batch, segments=()), id="no_segments"),
    ],
)
@pytest.mark.provokes("transform failed")
def test_a_transform_that_makes_no_batch_has_failed(make_rig: MakeRig, made: Callable[[Batch], Batch]) -> None:
    class Odd(KeepPositive):
        def apply(self, batch: Batch) -> Batch:
            return made(batch)

    rig = make_rig()
    pipeline, _ = pipeline_of(rig, Odd())
    pipeline.emitter("line")(batch_of(1, 2))
    assert rig.fallback is not None
    assert rig.fallback.diverted()[DivertReason.TRANSFORM_ERROR].values == (1, 2)
    assert rig.snapshot().pending == 0


@pytest.mark.provokes("transform failed")
def test_the_transform_that_fails_is_named_and_counted(make_rig: MakeRig, caplog: pytest.LogCaptureFixture) -> None:
    rig = make_rig()
    route = Route("line", "fake_source", (KeepPositive(), Broken()), (rig.delivery,), ("keep", "scale"))
    pipeline = Pipeline([route], rig.ledger, Events(), rig.clock)
    pipeline.emitter("line")(batch_of(1))
    pipeline.emitter("line")(batch_of(2))
    assert pipeline.status()[0].failures == {"transform 2 (scale)": 2}
    assert "transform=transform 2 (scale)" in caplog.text


def test_a_record_that_is_none_is_set_aside_and_costs_no_other(
    make_rig: MakeRig, caplog: pytest.LogCaptureFixture
) -> None:
    rig = make_rig()
    pipeline, observer = pipeline_of(rig)
    foreign: Any = [1.5]
    pipeline.emitter("line")(batch_of(1, foreign, 3))
    assert rig.fallback is not None
    [(aside, diversion)] = rig.fallback.diversions
    assert (aside.values, diversion.reason) == (("[1.5]",), DivertReason.REJECTED)
    assert diversion.details is not None
    assert diversion.details[0].startswith("not_a_record: its value is of the type list")
    snapshot = rig.snapshot()
    assert (snapshot.collected, snapshot.rejected, snapshot.pending) == (3, 1, 2)
    assert (pipeline.status()[0].set_aside, pipeline.status()[0].collected) == (1, 3)
    assert "records set aside" in caplog.text
    [(_, announced)] = observer.named("batch_collected")
    assert isinstance(announced, Batch)
    assert announced.values == (1, 3)


@pytest.mark.parametrize(("fallback", "reason"), [(False, "rejected"), (True, "fallback_failed")])
def test_a_record_that_is_none_and_has_no_place_is_dropped(make_rig: MakeRig, fallback: bool, reason: str) -> None:
    rig = make_rig(fallback=fallback)
    if rig.fallback is not None:
        rig.fallback.script.append(OSError("disk full"))
    pipeline, _ = pipeline_of(rig)
    foreign: Any = [1.5]
    pipeline.emitter("line")(batch_of(1, foreign))
    assert (rig.snapshot().dropped_by_reason, rig.snapshot().pending) == ({reason: 1}, 1)


def test_one_sources_mistakes_reach_no_record_of_another(make_rig: MakeRig) -> None:
    rig = make_rig(max_records=4)
    routes = [Route(source_id, "fake", (), (rig.delivery,)) for source_id in ("good", "bad")]
    pipeline = Pipeline(routes, rig.ledger, Events(), rig.clock)
    columns: Any = (
        ["A", "B"],
        [1.5, {2.5}],
        array("q", (1, 2)),
        bytearray(b"\xc0\xc0"),
        [Segment(TEST_ORIGIN, 0, 0, 2)],
    )
    pipeline.emitter("good")(batch_of(1, 2, 3))
    pipeline.emitter("bad")(Batch(*columns))
    rig.delivery.start()
    rig.started = True
    rig.observer.wait_for("batch_delivered")
    assert rig.sink.written[0].values == (1, 2, 3, 1.5)
    assert rig.snapshot().rejected == 1


@pytest.mark.provokes("sink raised an unexpected error")
def test_a_sink_that_writes_into_a_batch_harms_no_other_place(make_rig: MakeRig) -> None:
    def round_times(batch: Batch) -> WriteOutcome:
        stamps: Any = batch.timestamps_ns
        for position, stamp in enumerate(stamps):
            stamps[position] = stamp // 1000 * 1000
        return WriteOutcome(len(batch))

    rig = make_rig(max_records=2, max_retries=0)
    rig.sink.script.append(round_times)
    pipeline, _ = pipeline_of(rig)
    pipeline.emitter("line")(batch_of(1, 2, start_ns=12_345))
    rig.delivery.start()
    rig.started = True
    rig.observer.wait_for("batch_diverted")
    assert rig.fallback is not None
    assert list(rig.fallback.diverted()[DivertReason.AMBIGUOUS_COMMIT].stamps()) == [12_345, 12_346]


def test_the_texts_of_a_transform_are_escaped_too(make_rig: MakeRig) -> None:
    class Texts(KeepPositive):
        def apply(self, batch: Batch) -> Batch:
            return replace(batch, values=("a\0b",))

    rig = make_rig()
    pipeline, _ = pipeline_of(rig, Texts())
    pipeline.emitter("line")(batch_of(1))
    lease = rig.buffer.lease(10, 0)
    assert lease is not None
    assert lease.batch.values == ("a\\x00b",)


def test_what_is_emitted_after_the_stop_is_dropped_and_counted(make_rig: MakeRig) -> None:
    rig = make_rig()
    pipeline, _ = pipeline_of(rig)
    assert pipeline.close(rig.clock.monotonic() + 1)
    pipeline.emitter("line")(batch_of(1, 2))
    assert rig.snapshot().dropped_by_reason == {"agent_stopping": 2}
    assert rig.observer.named("records_dropped") == [("sink", 2, DropReason.AGENT_STOPPING)]


def test_closing_waits_for_an_emit_under_way(make_rig: MakeRig) -> None:
    inside, go_on = threading.Event(), threading.Event()

    class Slow(KeepPositive):
        def apply(self, batch: Batch) -> Batch:
            inside.set()
            go_on.wait(60)
            return batch

    rig = make_rig()
    pipeline, _ = pipeline_of(rig, Slow())
    emitting = threading.Thread(target=pipeline.emitter("line"), args=(batch_of(1),))
    emitting.start()
    assert inside.wait(60)
    assert not pipeline.close(rig.clock.monotonic()), "its deadline has come"
    go_on.set()
    assert pipeline.close(rig.clock.monotonic() + 10)
    emitting.join(60)
    assert rig.snapshot().pending == 1


def test_a_malformed_batch_is_the_sources_defect(make_rig: MakeRig, caplog: pytest.LogCaptureFixture) -> None:
    rig = make_rig()
    pipeline, _ = pipeline_of(rig)
    good = batch_of(1, 2)
    with pytest.raises(ValueError, match="line emitted a malformed batch: columns differ in length"):
        pipeline.emitter("line")(Batch(good.names, (1,), good.timestamps_ns, good.qualities, good.segments))
    assert rig.snapshot().collected == 0
    assert pipeline.status()[0].refused_batches == 1
    assert "batch refused" in caplog.text


def test_buffers_that_block_are_filled_last(make_rig: MakeRig) -> None:
    class BlockingBuffer:
        blocks = True

    class PlainBuffer:
        blocks = False

    class FakeDelivery:
        def __init__(self, buffer: object) -> None:
            self.buffer = buffer
            self.sink_id = type(buffer).__name__

        def accept(self, batch: Batch) -> None:
            order.append(self.sink_id)

    order: list[str] = []
    route = Route("line", "fake", (), (FakeDelivery(BlockingBuffer()), FakeDelivery(PlainBuffer())))  # type: ignore[arg-type]
    pipeline = Pipeline([route], make_rig().ledger, Events(), ManualClock())
    pipeline.emitter("line")(batch_of(1))
    assert order == ["PlainBuffer", "BlockingBuffer"]
