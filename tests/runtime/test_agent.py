"""One run as a whole, made of fakes."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from memory_buffer.buffer import MemoryBuffer
from memory_buffer.plugin import agent_register_buffer

from agent_core.api import (
    AgentError,
    Batch,
    Clock,
    ComponentContext,
    Config,
    ConfigError,
    ConfigProblem,
    Emit,
    Extension,
    ExtensionFactory,
    GroupMode,
    GroupState,
    GroupStatus,
    LedgerSnapshot,
    RetryableError,
    Sink,
    SinkFactory,
    SinkState,
    Source,
    SourceFactory,
    SourceState,
    SystemClock,
    Transform,
    TransformFactory,
    WriteOutcome,
    hookimpl,
)
from agent_core.config import (
    BatchConfig,
    BufferConfig,
    ExtensionConfig,
    FallbackConfig,
    Replay,
    SourceConfig,
    TransformConfig,
)
from agent_core.registry.catalog import Catalog, Plugin
from agent_core.registry.events import Events
from agent_core.runtime.agent import EVENT_SHARE, Agent
from agent_core.runtime.deadline import SLICE_SECONDS
from agent_core.runtime.delivery.watch import LOOK_SECONDS
from agent_core.runtime.group_control import GroupControl
from agent_core.testing.background import Background
from agent_core.testing.clock import ManualClock
from agent_core.testing.fakes import FakeFallback, FakeSink, batch_of
from agent_core.testing.suite.patience import PATIENCE_SECONDS

from . import configurations

SHUTDOWN_SECONDS, START_SECONDS, MAX_WAIT_SECONDS = 60.0, 30.0, 0.01


class FakeSource:
    """Hands out its emit, and remembers what it was told."""

    def __init__(self) -> None:
        self.emit: Emit | None = None
        self.calls: list[str] = []
        self.on_stop: Callable[[], object] = lambda: None
        self.on_close: Callable[[], object] = lambda: None

    def open(self) -> None:
        self.calls.append("open")

    def start(self, emit: Emit) -> None:
        self.calls.append("start")
        self.emit = emit

    def stop(self, timeout_seconds: float) -> None:
        self.calls.append("stop")
        self.on_stop()

    def close(self) -> None:
        self.calls.append("close")
        self.on_close()


class Run:
    """An agent of one fake source, a memory buffer and one fake sink."""

    def __init__(
        self,
        state_dir: Path,
        clock: Clock | None = None,
        fallback: bool = False,
        transform: Transform | None = None,
        extension: Extension | None = None,
    ) -> None:
        self.fallback = FakeFallback() if fallback else None
        self.source, self.sink, self.events = FakeSource(), FakeSink(), Events()

        def create_source(config: Config, context: ComponentContext) -> Source:
            return self.source

        def create_sink(config: Config, context: ComponentContext) -> Sink:
            return self.sink

        def create_fallback(config: Config, context: ComponentContext) -> Sink:
            assert self.fallback is not None
            return self.fallback

        def create_transform(config: Config, context: ComponentContext) -> Transform:
            assert transform is not None
            return transform

        def create_extension(config: Config, context: ComponentContext) -> Extension:
            assert extension is not None
            return extension

        catalog = Catalog(
            [
                Plugin("fake_page", "d", "1", "", (ExtensionFactory("fake_page", {}, create_extension, ""),)),
                Plugin("fake_step", "d", "1", "", (TransformFactory("fake_step", {}, create_transform, ""),)),
                Plugin("fake_source", "d", "1", "", (SourceFactory("fake_source", {}, create_source, ""),)),
                Plugin("fake_sink", "d", "1", "", (SinkFactory("fake_sink", {}, create_sink, ""),)),
                Plugin("backup", "d", "1", "", (SinkFactory("backup", {}, create_fallback, ""),)),
                Plugin("memory_buffer", "d", "1", "", (agent_register_buffer(),)),
            ]
        )
        sink = replace(
            configurations.SINK,
            id="sink",
            type="fake_sink",
            buffer=BufferConfig("memory_buffer", {"capacity": 100, "when_full": "drop_oldest", "block_limit": 1.0}),
            batch=BatchConfig(10, MAX_WAIT_SECONDS),
            fallback=FallbackConfig("backup", {}, Replay.OFF, 1000) if fallback else None,
        )
        steps = () if transform is None else (TransformConfig("fake_step", {}),)
        config = replace(
            configurations.AGENT,
            file=state_dir / "agent.yaml",
            state_dir=state_dir / "state",
            shutdown_timeout_seconds=SHUTDOWN_SECONDS,
            start_timeout_seconds=START_SECONDS,
            sources=(SourceConfig("line", "fake_source", {}, steps, None),),
            sinks=(sink,),
            extensions=() if extension is None else (ExtensionConfig("page", "fake_page", {}),),
        )
        self.agent = Agent(config, catalog, self.events, clock or SystemClock())

    def emit(self, batch: Batch) -> None:
        assert self.source.emit is not None
        self.source.emit(batch)


def test_values_flow_from_start_to_the_final_ledger(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.agent.start()
    run.emit(batch_of(1, 2, 3))
    run.agent.request_stop("test")
    assert run.agent.wait(60)
    assert run.agent.shutdown()
    [sink] = run.agent.status().sinks
    assert (sink.ledger.collected, sink.ledger.delivered, sink.ledger.pending) == (3, 3, 0)
    assert run.source.calls == ["open", "start", "stop", "close"]
    assert run.sink.closed


@pytest.mark.provokes("observer failed")
def test_what_an_observer_does_wrong_is_in_the_status(tmp_path: Path) -> None:
    class Observer:
        @hookimpl
        def agent_started(self) -> None:
            raise RuntimeError("broken")

        @hookimpl
        def agent_stopping(self) -> None:
            until = time.thread_time() + 0.002  # twice what it may take
            while time.thread_time() < until:
                pass

    run = Run(tmp_path)
    run.events.register_observer(Observer())
    run.agent.start()
    run.agent.request_stop("test")
    run.agent.shutdown()
    status = run.agent.status()
    assert status.observer_failures == 1
    assert status.slow_observer_calls >= 1


def test_observers_hear_the_start_and_the_stop(tmp_path: Path) -> None:
    heard: list[str] = []

    class Observer:
        @hookimpl
        def agent_started(self, agent: object) -> None:
            heard.append("started")

        @hookimpl
        def agent_stopping(self, agent: object, reason: str) -> None:
            heard.append(f"stopping {reason}")

    run = Run(tmp_path)
    run.events.register_observer(Observer())
    run.agent.start()
    run.agent.request_stop("SIGTERM")
    run.agent.wait(60)
    run.agent.shutdown()
    assert heard == ["started", "stopping SIGTERM"]


def test_a_state_directory_that_cannot_be_used_is_named_with_the_next_step(tmp_path: Path) -> None:
    run = Run(tmp_path)
    state = tmp_path / "state"
    state.write_text("in the way", encoding="utf-8")
    with pytest.raises(AgentError, match=r"the state directory .* cannot be used: .*set another state_dir"):
        run.agent.start()


def test_two_agents_cannot_share_a_state_directory(tmp_path: Path) -> None:
    first, second = Run(tmp_path), Run(tmp_path)
    first.agent.start()
    with pytest.raises(AgentError, match="another agent uses the state directory"):
        second.agent.start()
    first.agent.shutdown()
    second.agent.start()
    assert second.agent.shutdown()


def test_what_was_opened_is_closed_when_the_start_fails(tmp_path: Path) -> None:
    run = Run(tmp_path)

    def fail() -> None:
        raise OSError("no such file")

    run.source.open = fail  # type: ignore[method-assign]
    with pytest.raises(AgentError, match=r"source line \(fake_source, d 1\) failed in open: no such file"):
        run.agent.start()
    assert run.source.calls == ["close"]
    assert run.sink.closed
    again = Run(tmp_path)
    again.agent.start()
    assert again.agent.shutdown(), "the state directory is free again"


@pytest.mark.provokes("part failed")
def test_a_source_that_does_not_start_ends_the_agent_in_order(tmp_path: Path) -> None:
    run = Run(tmp_path)

    def fail(emit: Emit) -> None:
        emit(batch_of(1, 2))
        raise RuntimeError("can't start new thread")

    run.source.start = fail  # type: ignore[method-assign]
    with pytest.raises(AgentError, match=r"source line \(fake_source, d 1\) raised in start.*new thread"):
        run.agent.start()
    assert run.source.calls == ["open", "stop", "close"]
    assert len(run.sink.records) == 2, "what it had emitted is delivered"
    assert run.sink.closed


def test_a_source_that_hangs_in_stop_does_not_hold_up_the_shutdown(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock, go_on = ManualClock(), threading.Event()
    run = Run(tmp_path, clock)
    run.source.on_stop = lambda: go_on.wait(60)
    run.agent.start()
    run.emit(batch_of(1))
    stopping = Background(run.agent.shutdown)
    clock.wait_for_a_wait_of(0.2 * SHUTDOWN_SECONDS)
    clock.advance(0.2 * SHUTDOWN_SECONDS)
    assert not stopping.result()
    go_on.set()
    assert run.agent.status().sinks[0].ledger.delivered == 1
    assert (
        "part not stopped cleanly: part=source id=line plugin=fake_source distribution=d 1 problem=did not end in time"
        in caplog.text
    )


def test_a_part_that_hangs_in_close_leaves_time_to_close_the_others(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock, go_on = ManualClock(), threading.Event()
    run = Run(tmp_path, clock)
    run.source.on_close = lambda: go_on.wait(60)
    run.agent.start()
    stopping = Background(run.agent.shutdown)
    clock.wait_for_a_wait_of(0.5 * SHUTDOWN_SECONDS)
    clock.advance(0.5 * SHUTDOWN_SECONDS)
    assert not stopping.result()
    go_on.set()
    assert run.sink.closed
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == [
        "part not stopped cleanly: part=source id=line plugin=fake_source distribution=d 1 problem=did not end in time"
    ]


def test_a_stop_names_the_transform_that_a_source_waits_for(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    clock, reached, go_on = ManualClock(), threading.Event(), threading.Event()

    class Hanging:
        def open(self) -> None: ...

        def close(self) -> None: ...

        def apply(self, batch: Batch) -> Batch:
            reached.set()
            go_on.wait(60)
            return batch

    run = Run(tmp_path, clock, transform=Hanging())
    run.agent.start()
    emitting = Background(lambda: run.emit(batch_of(1)))
    assert reached.wait(PATIENCE_SECONDS)
    stopping = Background(run.agent.shutdown)
    for share in (0.2, 0.7):  # for the sources, then for the spill; which step waits then is left open
        clock.wait_for_a_wait_of(share * SHUTDOWN_SECONDS)
        clock.advance(share * SHUTDOWN_SECONDS)
    assert not stopping.result()
    go_on.set()
    emitting.result()
    assert "sources still emitting: sources=line in transform 1 (fake_step) " in caplog.text
    assert "sources still emit: line in transform 1 (fake_step)" in run.agent.stop_problems


def test_a_write_that_hangs_is_left_behind_named_and_its_records_are_accounted_for(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock, go_on = ManualClock(), threading.Event()
    run = Run(tmp_path, clock)

    def hang(batch: Batch) -> WriteOutcome:
        go_on.wait(60)
        return WriteOutcome(len(batch))

    run.sink.script.append(hang)
    run.agent.start()
    run.emit(batch_of(1, 2))
    clock.wait_for_a_wait_of(MAX_WAIT_SECONDS)
    clock.advance(MAX_WAIT_SECONDS)
    run.sink.wait_until(lambda sink: sink.attempts == 1)
    stopping = Background(run.agent.shutdown)
    for share in (0.8, 0.05):  # for the drain, then for the spill
        clock.wait_for_a_wait_of(share * SHUTDOWN_SECONDS)
        clock.advance(share * SHUTDOWN_SECONDS)
    stopping.result()
    ledger = run.agent.status().sinks[0].ledger
    go_on.set()
    assert ledger.dropped_by_reason == {"shutdown": 2}
    assert f"sink call left behind: sink=sink elapsed_seconds={0.85 * SHUTDOWN_SECONDS:g}; " in caplog.text


def test_a_write_that_hangs_is_noticed_while_it_hangs(tmp_path: Path) -> None:
    clock, go_on, down = ManualClock(), threading.Event(), threading.Event()

    class Observer:
        @hookimpl
        def agent_sink_state_changed(self, new: SinkState) -> None:
            if new is SinkState.DOWN:
                down.set()

    def hang(batch: Batch) -> WriteOutcome:
        go_on.wait(60)
        return WriteOutcome(len(batch))

    run = Run(tmp_path, clock)
    run.events.register_observer(Observer())
    run.sink.script.append(hang)
    run.agent.start()
    clock.wait_for_a_wait_of(LOOK_SECONDS)
    run.emit(batch_of(1))
    clock.wait_for_a_wait_of(MAX_WAIT_SECONDS)
    clock.advance(MAX_WAIT_SECONDS)
    run.sink.wait_until(lambda sink: sink.attempts == 1)
    clock.wait_for_a_wait_of(LOOK_SECONDS - MAX_WAIT_SECONDS)
    clock.advance(60)
    assert down.wait(60)
    go_on.set()
    assert run.agent.shutdown()


def test_a_stop_needs_no_new_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(tmp_path, fallback=True)
    assert run.fallback is not None
    run.sink.script.extend(RetryableError("away") for _ in range(1000))
    run.agent.start()
    run.emit(batch_of(*range(50)))
    run.sink.wait_until(lambda sink: sink.attempts > 0)
    run.agent.pause_sink("sink")  # or the drain would wait for it to come back

    def fail(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", fail)
    assert run.agent.shutdown()
    [sink] = run.agent.status().sinks
    assert (sink.ledger.diverted, sink.ledger.dropped, sink.ledger.pending) == (50, 0, 0)
    assert sum(len(batch) for batch, _ in run.fallback.diversions) == 50
    assert run.source.calls[-2:] == ["stop", "close"]


def test_a_fallback_that_does_not_return_costs_records_that_the_stop_names(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock, began, go_on = ManualClock(), threading.Event(), threading.Event()
    run = Run(tmp_path, clock, fallback=True)
    assert run.fallback is not None

    def stall(batch: Batch) -> WriteOutcome:
        began.set()
        go_on.wait(60)
        return WriteOutcome(len(batch))

    given_up: list[LedgerSnapshot] = []

    class Observer:
        @hookimpl
        def agent_records_dropped(self) -> None:
            given_up.append(run.agent.status().sinks[0].ledger)
            go_on.set()

    run.events.register_observer(Observer())
    run.fallback.script.append(stall)
    run.agent.start()
    run.agent.pause_sink("sink")
    run.emit(batch_of(*range(50)))
    stopping = Background(run.agent.shutdown)
    assert began.wait(60)
    clock.advance(0.9 * SHUTDOWN_SECONDS)
    assert not stopping.result()
    [ledger] = given_up
    assert (ledger.pending, ledger.dropped_by_reason) == (0, {"shutdown": 50})
    assert "sink sink: 50 records dropped, in no sink and no fallback" in run.agent.stop_problems
    assert "records given up: sink=sink records=50" in caplog.text


def test_a_stop_that_loses_records_for_want_of_a_fallback_is_not_clean(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = Run(tmp_path)
    run.agent.start()
    run.agent.pause_sink("sink")
    run.emit(batch_of(1))
    assert not run.agent.shutdown()
    assert run.agent.status().sinks[0].ledger.dropped_by_reason == {"shutdown": 1}
    assert run.agent.stop_problems == ("sink sink: 1 record dropped, in no sink and no fallback",)
    assert "records given up: sink=sink records=1; give the sink a fallback" in caplog.text


def test_an_observer_that_never_returns_costs_neither_data_nor_a_clean_stop(tmp_path: Path) -> None:
    clock, began, go_on = ManualClock(), threading.Event(), threading.Event()
    run = Run(tmp_path, clock)

    class Observer:
        @hookimpl
        def agent_batch_collected(self) -> None:
            began.set()
            go_on.wait(2 * PATIENCE_SECONDS)

    run.events.register_observer(Observer(), "page")
    run.agent.start()
    for number in range(5):
        Background(lambda number=number: run.emit(batch_of(number, start_ns=number))).result()  # type: ignore[misc]
    assert began.wait(PATIENCE_SECONDS)
    clock.wait_for_a_wait_of(MAX_WAIT_SECONDS)
    clock.advance(MAX_WAIT_SECONDS)
    run.sink.wait_until(lambda sink: len(sink.records) == 5)
    stopping = Background(run.agent.shutdown)
    clock.wait_for_a_wait_of(SLICE_SECONDS)
    while not stopping.done:
        clock.advance(SLICE_SECONDS)
        stopping.wait(0.01)
    assert stopping.result()
    go_on.set()


def test_nothing_is_requested_nothing_stops(tmp_path: Path) -> None:
    assert not Run(tmp_path).agent.wait(0.01)


class Blocked:
    """A call that blocks until the test says so."""

    def __init__(self) -> None:
        self.began, self.go_on = threading.Event(), threading.Event()

    def __call__(self) -> None:
        self.began.set()
        self.go_on.wait(PATIENCE_SECONDS)


@pytest.fixture
def blocked() -> Iterator[Blocked]:
    blocked = Blocked()
    yield blocked
    blocked.go_on.set()


def started_too_late(run: Run, blocked: Blocked, clock: ManualClock) -> Background[None]:
    """A start whose time is up while a part is ``blocked``."""
    starting = Background(run.agent.start)
    assert blocked.began.wait(PATIENCE_SECONDS)
    clock.wait_for_a_wait_of(SLICE_SECONDS)
    clock.advance(START_SECONDS)
    return starting


def test_an_agent_with_a_source_that_blocks_in_start_obeys_a_stop(tmp_path: Path, blocked: Blocked) -> None:
    run = Run(tmp_path)
    run.source.start = lambda emit: blocked()  # type: ignore[method-assign]
    starting = Background(run.agent.start)
    assert blocked.began.wait(PATIENCE_SECONDS)
    run.agent.request_stop("SIGTERM")
    starting.result()
    assert run.agent.wait(PATIENCE_SECONDS)
    assert run.agent.shutdown()
    assert run.source.calls == ["open", "stop", "close"]


def test_a_source_that_blocks_in_start_is_named_and_collects_meanwhile(
    tmp_path: Path, blocked: Blocked, caplog: pytest.LogCaptureFixture
) -> None:
    clock = ManualClock()
    run = Run(tmp_path, clock)

    def start(emit: Emit) -> None:
        run.source.emit = emit
        blocked()

    run.source.start = start  # type: ignore[method-assign]
    started_too_late(run, blocked, clock).result()
    [source] = run.agent.status().sources
    assert (source.state.value, source.problem) == ("starting", "start has not returned for 30 s")
    assert "source not started in time: source=line plugin=fake_source distribution=d 1" in caplog.text
    run.emit(batch_of(1))
    blocked.go_on.set()
    assert run.agent.shutdown()
    assert run.agent.status().sinks[0].ledger.collected == 1


def test_a_part_that_blocks_in_open_ends_the_start_and_is_named(tmp_path: Path, blocked: Blocked) -> None:
    clock = ManualClock()
    run = Run(tmp_path, clock)
    run.source.open = blocked  # type: ignore[method-assign]
    starting = started_too_late(run, blocked, clock)
    with pytest.raises(AgentError, match=r"source line \(fake_source, d 1\) has not returned from open after 30 s"):
        starting.result()
    assert run.source.calls == ["close"]


def test_a_stop_before_every_part_is_open_closes_what_is(tmp_path: Path, blocked: Blocked) -> None:
    run = Run(tmp_path)
    run.source.open = blocked  # type: ignore[method-assign]
    starting = Background(run.agent.start)
    assert blocked.began.wait(PATIENCE_SECONDS)
    run.agent.request_stop("SIGTERM")
    starting.result()
    assert run.agent.shutdown()
    assert run.source.calls == ["close"]
    assert Run(tmp_path).agent.shutdown(), "the state directory is free again"


@pytest.mark.parametrize("step", ["open", "start"])
@pytest.mark.provokes("part failed")
def test_what_is_not_an_exception_is_a_part_that_did_not_start(
    tmp_path: Path, step: str, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise SystemExit(3)

    run = Run(tmp_path)
    setattr(run.source, step, fail)
    with pytest.raises(AgentError, match=rf"source line \(fake_source, d 1\) raised in {step}.*SystemExit\(3\)"):
        run.agent.start()
    assert f"part failed: part=source id=line plugin=fake_source step={step}" in caplog.text


@pytest.mark.parametrize(
    ("event", "bound_seconds"),
    [("agent_started", START_SECONDS), ("agent_stopping", EVENT_SHARE * SHUTDOWN_SECONDS)],
)
def test_an_observer_that_does_not_return_holds_up_neither_start_nor_stop(
    tmp_path: Path, event: str, bound_seconds: float, blocked: Blocked
) -> None:
    class Observer:
        @hookimpl
        def agent_started(self) -> None:
            if event == "agent_started":
                blocked()

        @hookimpl
        def agent_stopping(self) -> None:
            if event == "agent_stopping":
                blocked()

    clock = ManualClock()
    run = Run(tmp_path, clock)
    run.events.register_observer(Observer())

    def life() -> bool:
        run.agent.start()
        return run.agent.shutdown()

    living = Background(life)
    assert blocked.began.wait(PATIENCE_SECONDS)
    clock.wait_for_a_wait_of(SLICE_SECONDS)
    clock.advance(bound_seconds)
    assert living.result()
    assert run.source.calls == ["open", "start", "stop", "close"]


def test_transforms_are_opened_and_closed(tmp_path: Path) -> None:
    calls: list[str] = []

    class Doubling:
        def open(self) -> None:
            calls.append("open")

        def close(self) -> None:
            calls.append("close")

        def apply(self, batch: Batch) -> Batch:
            calls.append("apply")
            return batch

    run = Run(tmp_path, transform=Doubling())
    run.agent.start()
    run.emit(batch_of(1))
    assert run.agent.shutdown()
    assert calls == ["open", "apply", "close"]


@pytest.mark.provokes("buffer status failed")
def test_a_buffer_that_cannot_be_asked_hides_no_status(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise SystemExit

    run = Run(tmp_path)
    run.agent.start()
    monkeypatch.setattr(MemoryBuffer, "stats", fail)
    [sink] = run.agent.status().sinks
    assert (sink.sink_id, sink.buffer.pending_records) == ("sink", 0)
    assert "buffer status failed" in caplog.text
    assert run.agent.shutdown()


@pytest.mark.provokes("groups not listed")
def test_groups_that_cannot_be_listed_hide_no_others() -> None:
    one = GroupStatus(
        source_id="line", group_id="G", device_id="PLC", mode=GroupMode.FIXED, state=GroupState.RUNNING,
        interval_seconds=1.0, tags=1, polls=1, failed=0, missed=0, merged=0, suppressed=0, stale=False,
        last_poll_ns=None, last_duration_seconds=None, last_error=None,
    )  # fmt: skip

    class Groups(FakeSource):
        def __init__(self, error: BaseException | None) -> None:
            super().__init__()
            self.error = error

        def groups(self) -> list[GroupStatus]:
            if self.error is not None:
                raise self.error
            return [one]

        start_group = stop_group = trigger_group = start_all = stop_all = FakeSource.open

    sources: list[Any] = [Groups(SystemExit()), Groups(None)]
    assert list(GroupControl(sources, ManualClock()).groups()) == [one]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_source_whose_own_thread_died_is_a_state_of_the_agent(tmp_path: Path) -> None:
    threads: list[threading.Thread] = []

    def die() -> None:
        raise ValueError("defect")

    def start(emit: Emit) -> None:
        run.source.emit = emit
        threads.append(threading.Thread(target=die, name="acme-poll"))
        threads[0].start()

    run = Run(tmp_path)
    hook = threading.excepthook
    run.source.start = start  # type: ignore[method-assign]
    run.agent.start()
    threads[0].join(PATIENCE_SECONDS)
    [source] = run.agent.status().sources
    assert source.state is SourceState.FAILED
    assert source.problem == "an exception ended its thread acme-poll: ValueError('defect')"
    assert run.agent.shutdown()
    assert threading.excepthook is hook


def test_a_buffer_that_does_not_say_its_counts_holds_up_no_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, blocked: Blocked
) -> None:
    run = Run(tmp_path)
    run.agent.start()
    monkeypatch.setattr(MemoryBuffer, "stats", lambda _: blocked())
    assert Background(run.agent.shutdown).result()
    assert not blocked.began.is_set()


class FakeExtension:
    """An extension that does in ``open`` and ``observers`` what it is told to."""

    def __init__(self, opens: Callable[[], object] = list, observes: Callable[[], Any] = list) -> None:
        self.opens, self.observes, self.closed = opens, observes, False

    def open(self) -> None:
        self.opens()

    def observers(self) -> Any:
        return self.observes()

    def close(self) -> None:
        self.closed = True


def fail() -> None:
    raise OSError("address in use")


@pytest.mark.parametrize("extension", [FakeExtension(opens=fail), FakeExtension(observes=fail)])
def test_an_extension_that_fails_is_left_out_and_data_flows(
    tmp_path: Path, extension: FakeExtension, caplog: pytest.LogCaptureFixture
) -> None:
    run = Run(tmp_path, extension=extension)
    run.agent.start()
    run.emit(batch_of(1))
    assert run.agent.status().left_out == ("extension page (fake_page, d 1)",)
    assert "part left out: part=extension id=page plugin=fake_page distribution=d 1" in caplog.text
    assert run.agent.shutdown()
    assert run.agent.status().sinks[0].ledger.delivered == 1
    assert extension.closed


def test_a_mistake_in_the_yaml_of_an_extension_ends_the_start(tmp_path: Path) -> None:
    def refuse() -> None:
        raise ConfigError([ConfigProblem("no such certificate")])

    with pytest.raises(ConfigError, match="no such certificate"):
        Run(tmp_path, extension=FakeExtension(opens=refuse)).agent.start()


@pytest.mark.parametrize("part", ["extension", "fallback"])
def test_an_extension_or_a_fallback_that_hangs_is_left_out(tmp_path: Path, part: str, blocked: Blocked) -> None:
    clock = ManualClock()
    run = Run(tmp_path, clock, fallback=True, extension=FakeExtension(opens=blocked) if part == "extension" else None)
    if part == "fallback":
        assert run.fallback is not None
        run.fallback.open = blocked  # type: ignore[method-assign]
    started_too_late(run, blocked, clock).result()
    [left_out] = run.agent.status().left_out
    assert left_out.startswith(part)
    blocked.go_on.set()
    assert run.agent.shutdown()
