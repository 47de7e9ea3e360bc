import threading

import pytest

from agent_core.api import SystemClock
from agent_core.runtime.deadline import SLICE_SECONDS, Ended, Hands, run_one
from agent_core.testing.background import Background
from agent_core.testing.clock import ManualClock
from agent_core.testing.suite.patience import PATIENCE_SECONDS


def no_more_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", fail)


def test_calls_run_side_by_side_and_their_problems_are_named() -> None:
    clock = SystemClock()
    hands, both = Hands(clock), threading.Barrier(2)

    def fail() -> None:
        both.wait(PATIENCE_SECONDS)
        raise SystemExit("no")

    calls = {"first": lambda: both.wait(PATIENCE_SECONDS), "second": fail}
    assert hands.run_until(clock.monotonic() + PATIENCE_SECONDS, calls) == {"second": "SystemExit: no"}


def test_hired_threads_need_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SystemClock()
    hands, both = Hands(clock), threading.Barrier(2)
    hands.hire(2)
    no_more_threads(monkeypatch)
    calls = {name: lambda: both.wait(PATIENCE_SECONDS) for name in ("first", "second")}
    for _ in range(3):
        assert hands.run_until(clock.monotonic() + PATIENCE_SECONDS, calls) == {}


def test_without_a_thread_a_call_runs_in_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    no_more_threads(monkeypatch)
    clock, ran = SystemClock(), list[object]()
    hands = Hands(clock)
    hands.hire(3)
    calls = {name: lambda: ran.append(threading.current_thread()) for name in "abc"}
    assert hands.run_until(clock.monotonic(), calls) == {}
    assert ran == [threading.current_thread()] * 3


def test_a_call_that_hangs_is_left_behind_with_its_thread() -> None:
    clock, go_on = ManualClock(), threading.Event()
    hands = Hands(clock)
    hands.hire(1)
    assert hands.run_until(clock.monotonic(), {"a": lambda: go_on.wait(PATIENCE_SECONDS)}) == {
        "a": "did not end in time"
    }
    ended = threading.Event()
    hands.run_until(clock.monotonic(), {"b": ended.set})
    assert ended.wait(PATIENCE_SECONDS)
    go_on.set()
    hands.dismiss()


def test_one_call_returns_or_raises_what_it_does() -> None:
    clock = ManualClock()
    assert run_one(lambda: 5, 1, clock) == Ended((5,))
    error = SystemExit()

    def fail() -> None:
        raise error

    assert run_one(fail, 1, clock) == Ended((), error)


def test_one_call_that_is_late_is_left_behind() -> None:
    clock, go_on = ManualClock(), threading.Event()
    calling = Background(lambda: run_one(lambda: go_on.wait(60), 0.2, clock))
    clock.wait_for_a_wait_of(0.2)
    clock.advance(0.2)
    assert calling.result() is None
    go_on.set()


def test_one_call_is_left_behind_once_nobody_wants_it() -> None:
    clock, go_on, unwanted = ManualClock(), threading.Event(), threading.Event()
    hands = Hands(clock)
    calling = Background(lambda: hands.call(lambda: go_on.wait(60), 1000, unwanted.is_set))
    clock.wait_for_a_wait_of(SLICE_SECONDS)
    unwanted.set()
    clock.advance(SLICE_SECONDS)
    assert calling.result() is None
    go_on.set()
    hands.dismiss()
