"""The facade over pluggy: every event reaches every observer, and no observer stops the data."""

from __future__ import annotations

import inspect
import logging
import sys
import threading
import types
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import pytest
from hooks.conftest import Timer
from pytest_mock import MockerFixture

from agent_core import hookspecs
from agent_core.api import (
    AgentView,
    Batch,
    DivertReason,
    DropReason,
    Origin,
    PluginError,
    SinkState,
    WriteOutcome,
    hookimpl,
)
from agent_core.registry import Events, HookManager
from agent_core.registry.hookimpls import event_hooks, hook_arguments
from agent_core.registry.observers import HANGING_SECONDS, ObserverGuard
from agent_core.testing.clock import ManualClock
from agent_core.testing.suite.patience import PATIENCE_SECONDS

BATCH = Batch.of(Origin("line1", "PLC01", "G1"), ["A"], [1], 0)


AGENT = cast(AgentView, object())
"""Events hand the agent on and look at nothing of it."""
ERROR = OSError("away")

CALLS: dict[str, dict[str, object]] = {
    "agent_started": {"agent": AGENT},
    "agent_batch_collected": {"source_id": "line1", "batch": BATCH},
    "agent_batch_delivered": {
        "sink_id": "db",
        "batch": BATCH,
        "outcome": WriteOutcome(1),
        "attempt": 2,
        "elapsed_seconds": 0.5,
        "replayed_file": None,
    },
    "agent_batch_failed": {
        "sink_id": "db",
        "batch": BATCH,
        "error": ERROR,
        "attempt": 1,
        "retry_in_seconds": None,
    },
    "agent_batch_diverted": {
        "sink_id": "db",
        "fallback_id": "db/csv",
        "batch": BATCH,
        "reason": DivertReason.SHUTDOWN,
    },
    "agent_records_dropped": {"component_id": "db", "count": 3, "reason": DropReason.BUFFER_FULL},
    "agent_sink_state_changed": {
        "sink_id": "db",
        "old": SinkState.UP,
        "new": SinkState.DOWN,
        "reason": "away",
        "next_probe_seconds": 30.0,
    },
    "agent_stopping": {"agent": AGENT, "reason": "SIGTERM"},
}


def announce(events: Events, hook: str) -> None:
    method = getattr(events, hook.removeprefix("agent_"))
    method(**CALLS[hook])


def observer_of(hook: str, call: Callable[..., object]) -> object:
    """An object with one real hook implementation, with every argument of the hook, that calls ``call``."""
    arguments = ", ".join(hook_arguments()[hook])
    scope: dict[str, object] = {"call": call, "hookimpl": hookimpl}
    exec(f"class Observer:\n  @hookimpl\n  def {hook}(self, {arguments}): call({arguments})\n", scope)
    made = scope["Observer"]
    assert isinstance(made, type)
    return made()


def test_every_event_of_the_hookspecs_has_a_method_and_a_case_here() -> None:
    assert set(CALLS) == set(event_hooks())
    for hook in event_hooks():
        method = getattr(Events, hook.removeprefix("agent_"))
        assert tuple(inspect.signature(method).parameters)[1:] == hook_arguments()[hook]
        spec = inspect.signature(getattr(hookspecs, hook))
        for name, parameter in spec.parameters.items():
            assert str(inspect.signature(method).parameters[name].annotation) == str(parameter.annotation)


@pytest.mark.parametrize("hook", sorted(CALLS))
def test_an_observer_gets_every_argument(events: Events, mocker: MockerFixture, hook: str) -> None:
    stub = mocker.stub(hook)
    events.register_observer(observer_of(hook, stub))
    announce(events, hook)
    stub.assert_called_once_with(*CALLS[hook].values())


@pytest.mark.parametrize("hook", sorted(CALLS))
def test_an_event_without_observers_is_not_even_called(events: Events, hook: str) -> None:
    announce(events, hook)
    assert getattr(events.manager.hook, hook) in events.manager.idle


def test_an_observer_may_take_fewer_arguments(events: Events, mocker: MockerFixture) -> None:
    stub = mocker.stub()

    class Counter:
        @hookimpl
        def agent_batch_delivered(self, batch: Batch) -> None:
            stub(len(batch))

    events.register_observer(Counter())
    announce(events, "agent_batch_delivered")
    stub.assert_called_once_with(1)


def test_a_plugin_module_may_observe(events: Events, mocker: MockerFixture) -> None:
    stub = mocker.stub()

    @hookimpl
    def agent_started(agent: object) -> None:
        stub(agent)

    module = types.ModuleType("observing")
    module.agent_started = agent_started  # type: ignore[attr-defined]
    events.manager.register(module, "observing")
    events.started(AGENT)
    stub.assert_called_once_with(AGENT)


@pytest.mark.provokes("observer failed")
def test_an_observer_that_raises_is_logged_and_counted_and_the_others_are_called(
    events: Events, mocker: MockerFixture, caplog: pytest.LogCaptureFixture
) -> None:
    first, last = mocker.stub("first"), mocker.stub("last")
    bad = mocker.stub("bad")
    bad.side_effect = RuntimeError("observer is broken")
    events.register_observer(observer_of("agent_batch_collected", first), "first")
    events.register_observer(observer_of("agent_batch_collected", bad), "bad")
    events.register_observer(observer_of("agent_batch_collected", last), "last")
    with caplog.at_level(logging.ERROR):
        for _ in range(5):
            events.batch_collected("line1", BATCH)
    assert first.call_count == last.call_count == bad.call_count == 5
    assert events.observer_failures == {"bad": 5}
    (record,) = caplog.records
    assert "observer=bad hook=agent_batch_collected" in record.getMessage()
    assert record.exc_info is not None


@pytest.mark.parametrize("error", [SystemExit(1), GeneratorExit(), StopIteration(), MemoryError()])
@pytest.mark.provokes("observer failed")
def test_no_exception_of_an_observer_reaches_the_data(
    events: Events, mocker: MockerFixture, error: BaseException
) -> None:
    bad = mocker.stub()
    bad.side_effect = error
    events.register_observer(observer_of("agent_records_dropped", bad), "bad")
    announce(events, "agent_records_dropped")
    assert events.observer_failures == {"bad": 1}


@pytest.mark.provokes("observer failed")
def test_a_repeated_failure_is_one_line_per_minute(
    events: Events, clock: ManualClock, mocker: MockerFixture, caplog: pytest.LogCaptureFixture
) -> None:
    bad = mocker.stub()
    bad.side_effect = ValueError()
    events.register_observer(observer_of("agent_batch_collected", bad), "bad")
    with caplog.at_level(logging.ERROR):
        for _ in range(100):
            announce(events, "agent_batch_collected")
        clock.advance(60)
        announce(events, "agent_batch_collected")
    assert [message.partition("failures=")[2] for message in caplog.messages] == ["1", "101 repeated=99"]


def test_a_slow_observer_is_named_in_the_log(
    events: Events, timer: Timer, mocker: MockerFixture, caplog: pytest.LogCaptureFixture
) -> None:
    def take(milliseconds: float) -> Callable[..., None]:
        def observe(*_: object) -> None:
            timer.now += milliseconds / 1e3

        return observe

    events.register_observer(observer_of("agent_batch_collected", take(0.9)), "quick")
    events.register_observer(observer_of("agent_batch_collected", take(25)), "slow")
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            announce(events, "agent_batch_collected")
    (record,) = caplog.records
    assert "observer=slow hook=agent_batch_collected elapsed_seconds=0.025 budget_seconds=0.001" in record.getMessage()
    assert events.observer_slow_calls == {"slow": 3}
    assert events.observer_failures == {}


def test_an_observer_that_waits_is_not_slow() -> None:
    events = Events()

    def wait(*_: object) -> None:
        threading.Event().wait(0.02)

    events.register_observer(observer_of("agent_batch_collected", wait))
    announce(events, "agent_batch_collected")
    assert events.observer_slow_calls == {}


def test_ctrl_c_in_an_observer_is_not_swallowed(events: Events, mocker: MockerFixture) -> None:
    interrupted = mocker.stub()
    interrupted.side_effect = KeyboardInterrupt()
    events.register_observer(observer_of("agent_started", interrupted))
    with pytest.raises(KeyboardInterrupt):
        events.started(AGENT)


def test_an_unregistered_observer_is_called_no_more(events: Events, mocker: MockerFixture) -> None:
    stub = mocker.stub()
    observer = observer_of("agent_started", stub)
    events.register_observer(observer)
    events.manager.unregister(observer)
    events.started(AGENT)
    stub.assert_not_called()
    assert events.manager.hook.agent_started in events.manager.idle


@pytest.mark.provokes("observer failed")
def test_two_observers_of_one_class_are_told_apart(events: Events, mocker: MockerFixture) -> None:
    bad = mocker.stub()
    bad.side_effect = ValueError()
    for _ in range(2):
        events.register_observer(observer_of("agent_started", bad), "monitor")
    events.started(AGENT)
    assert events.observer_failures == {"monitor": 1, "monitor-2": 1}


def test_an_observer_that_equals_another_is_refused_since_pluggy_cannot_tell_them_apart(events: Events) -> None:
    @dataclass(frozen=True)
    class Observer:
        @hookimpl
        def agent_started(self) -> None: ...

    events.register_observer(Observer())
    with pytest.raises(PluginError, match=r"Observer-2: it equals Observer, which is already registered"):
        events.register_observer(Observer())


def test_no_property_of_an_observer_is_evaluated(events: Events) -> None:
    class Observer:
        @property
        def connection(self) -> object:
            raise AssertionError("a property was evaluated")

        @hookimpl
        def agent_started(self) -> None: ...

    events.register_observer(Observer())
    events.started(AGENT)


class NoHook:
    def agent_started(self) -> None: ...


class Misspelt:
    @hookimpl
    def agent_startd(self) -> None: ...


class Wrapping:
    @hookimpl(wrapper=True)
    def agent_started(self) -> object:
        yield


@pytest.mark.parametrize(
    ("observer", "message"),
    [
        (NoHook(), "NoHook: no method is marked with @hookimpl"),
        (Misspelt(), "Misspelt: agent_startd is not a hook; did you mean agent_started?"),
        (Wrapping(), "Wrapping: agent_started cannot be wrapped"),
        (Misspelt, "Misspelt: an observer is an object, not a class"),
    ],
)
def test_what_cannot_observe_is_refused_whole(events: Events, observer: object, message: str) -> None:
    with pytest.raises(PluginError, match=message):
        events.register_observer(observer)
    assert events.manager.get_plugins() == set()


def test_hookcall_monitoring_sees_events_with_and_without_observers(events: Events, mocker: MockerFixture) -> None:
    seen: list[str] = []
    undo = events.manager.add_hookcall_monitoring(
        lambda name, impls, kwargs: seen.append(name), lambda outcome, name, impls, kwargs: None
    )
    events.started(AGENT)
    events.register_observer(observer_of("agent_stopping", mocker.stub()))
    events.stopping(AGENT, "SIGINT")
    undo()
    events.started(AGENT)
    events.stopping(AGENT, "SIGINT")
    assert seen == ["agent_started", "agent_stopping"]


@pytest.mark.parametrize("observed", [False, True])
def test_a_hook_can_be_patched_with_autospec(events: Events, mocker: MockerFixture, *, observed: bool) -> None:
    if observed:
        events.register_observer(observer_of("agent_started", mocker.stub()))
    patched = mocker.patch.object(events.manager.hook, "agent_started", autospec=True)
    events.started(AGENT)
    patched.assert_called_once_with(agent=AGENT)


@pytest.mark.provokes("observer failed")
def test_events_come_from_many_threads(events: Events) -> None:
    calls: list[int] = []

    def observe(*_: object) -> None:
        calls.append(1)
        raise ValueError

    events.register_observer(observer_of("agent_batch_collected", observe), "bad")

    def announce_often() -> None:
        for _ in range(200):
            announce(events, "agent_batch_collected")

    threads = [threading.Thread(target=announce_often) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(calls) == 800
    assert events.observer_failures == {"bad": 800}


def test_an_event_that_nobody_observes_costs_next_to_nothing() -> None:
    """No hook machinery runs: of Python, the one call that announces the event."""
    events = Events(HookManager())
    called: list[str] = []
    sys.setprofile(lambda frame, event, _: called.append(frame.f_code.co_qualname) if event == "call" else None)
    try:
        events.batch_collected("line1", BATCH)
    finally:
        sys.setprofile(None)
    assert called == ["Events.batch_collected"]


def test_an_observer_that_does_not_return_is_named_while_it_hangs(
    mocker: MockerFixture, caplog: pytest.LogCaptureFixture
) -> None:
    now, inside, go_on = [0.0], threading.Event(), threading.Event()
    events = Events(HookManager(ObserverGuard(timer=lambda: now[0])))

    def hang(*_: object) -> None:
        inside.set()
        go_on.wait(PATIENCE_SECONDS)

    stub = mocker.stub()
    stub.side_effect = hang
    events.register_observer(observer_of("agent_batch_collected", stub), "slow_metrics")
    calling = threading.Thread(target=events.batch_collected, args=("line1", BATCH))
    calling.start()
    assert inside.wait(PATIENCE_SECONDS)
    assert events.hanging_observers() == ()
    now[0] = HANGING_SECONDS
    events.name_hanging()
    assert events.hanging_observers() == ("slow_metrics",)
    go_on.set()
    calling.join(PATIENCE_SECONDS)
    assert events.hanging_observers() == ()
    assert "observer hangs: observer=slow_metrics hook=agent_batch_collected" in caplog.text


def test_an_event_inside_another_is_not_taken_for_its_end(events: Events) -> None:
    seen: list[int] = []

    class Nested:
        @hookimpl
        def agent_started(self) -> None:
            events.stopping(AGENT, "x")
            seen.append(len(events.manager.guard._under_way))

        @hookimpl
        def agent_stopping(self) -> None:
            seen.append(len(events.manager.guard._under_way))

    events.register_observer(Nested())
    events.started(AGENT)
    assert seen == [1, 1]
    assert not events.manager.guard._under_way
